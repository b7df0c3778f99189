"""The loop and its parts: step, gradients, schedules, evaluation, checkpoints."""
