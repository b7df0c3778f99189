"""In lockstep in this process: one captured step for all, which fills a GPU that a single run leaves mostly idle."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from tudui.comparison.executors.job import Listener, Progress, job_of
from tudui.comparison.runs import PlannedRun
from tudui.run import train_together
from tudui.run_folder import RunFolder
from tudui.training.checkpoint import newest_checkpoint

LARGEST_STACK = 24  # runs; each needs its own activations, about 100 MB at batch size 128, and a stream


def in_lockstep(runs: Sequence[PlannedRun], folder: Path, jobs: int, listener: Listener) -> None:
    """Do the runs in stacks of `jobs`, those together that are equally far."""

    def steps_done(run: PlannedRun) -> int:
        checkpoint, _ = newest_checkpoint(RunFolder(folder / run.name).checkpoints)
        return checkpoint.state["progress"]["step"] if checkpoint else 0

    for _, equally_far in groupby(sorted(runs, key=steps_done), steps_done):
        waiting = list(equally_far)
        for stack in (waiting[start : start + jobs] for start in range(0, len(waiting), jobs)):
            results = train_together([job_of(run, folder, listener) for run in stack])
            for run, result in zip(stack, results, strict=True):
                listener(Progress(run.name, 1.0, done=result.status))
