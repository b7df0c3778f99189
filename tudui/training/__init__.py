"""The loop, and what it is made of: the step, gradients, schedules, evaluation, checkpoints."""
