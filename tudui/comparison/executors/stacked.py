"""In lockstep in this process: one captured step for all, which fills a GPU that a single run leaves mostly idle."""

from collections.abc import Sequence
from pathlib import Path

from tudui.comparison.executors.job import Listener, Progress, job_of
from tudui.comparison.runs import PlannedRun
from tudui.errors import Interrupted
from tudui.run import train_together
from tudui.run_folder import RunFolder
from tudui.signals import stop_on_signal
from tudui.training.checkpoint import newest_checkpoint

LARGEST_STACK = 24  # runs; each has a stream, of which torch has 32, and activations of its own


def in_lockstep(runs: Sequence[PlannedRun], folder: Path, jobs: int, listener: Listener, *, events: bool) -> None:
    """Do the runs in stacks of `jobs`, each of runs of one fold with equally many steps done; Interrupted on a signal.

    Two folds may have different numbers of training images.
    """
    done: dict[tuple[int, int], list[PlannedRun]] = {}
    for run in runs:
        checkpoint, _ = newest_checkpoint(RunFolder(folder / run.name).checkpoints)
        step = checkpoint.state["progress"]["step"] if checkpoint else 0
        done.setdefault((run.config.data.fold, step), []).append(run)
    with stop_on_signal() as request:
        for equally_far in done.values():
            for stack in (equally_far[start : start + jobs] for start in range(0, len(equally_far), jobs)):
                results = train_together([job_of(run, folder, listener, events=events) for run in stack], request)
                for run, result in zip(stack, results, strict=True):
                    listener(Progress(run.name, 1.0, done=result.status))
                if request.signal_number is not None:
                    raise Interrupted("stopped", signal_number=request.signal_number)
