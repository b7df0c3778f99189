"""Ways to do the runs of a comparison: in processes of their own, in lockstep in this one, or on a Ray cluster."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tudui.comparison.executors.job import Listener as Listener
from tudui.comparison.executors.job import Progress as Progress
from tudui.comparison.executors.job import done_before as done_before
from tudui.comparison.executors.local import side_by_side
from tudui.comparison.executors.stacked import LARGEST_STACK, in_lockstep
from tudui.comparison.runs import PlannedRun, threads_of
from tudui.config import Config
from tudui.errors import UsageError
from tudui.training.device import resolve_machine

Executor = Literal["local", "stacked", "ray"]


def choose_executor(config: Config) -> Executor:
    """Return the meaning of `auto`: lockstep fills a GPU, but a single run already fills a CPU."""
    return "stacked" if resolve_machine(config)[0].device.startswith("cuda") else "local"


def default_jobs(config: Config, executor: Executor) -> int:
    """Return how many runs to do at a time."""
    if executor == "stacked":
        return LARGEST_STACK
    if executor == "ray":
        return 1  # the cluster may do more
    if resolve_machine(config)[0].device != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // threads_of(config))


def check_jobs(executor: str, jobs: int | None) -> None:
    """Raise UsageError for a number of jobs below 1, or one with Ray; None stands for the default."""
    if jobs is not None and executor == "ray":
        raise UsageError("jobs: on Ray the cluster decides how many runs go at a time; leave it out")
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs: must be at least 1 (got {jobs})")


def execute(
    runs: Sequence[PlannedRun],
    folder: Path,
    *,
    executor: Executor,
    jobs: int,
    listener: Listener,
    ray_address: str | None = None,
    events: bool = False,
) -> None:
    """Do every run that is not done, below the folder; Interrupted after a signal, with everything saved.

    The listener is called in this process; with `events`, for every event of the runs, which is not possible on Ray.
    """
    waiting = []
    for run in runs:
        if status := done_before(run, folder):
            listener(Progress(run.name, 1.0, done=status))
        else:
            waiting.append(run)
    if not waiting:
        return
    if executor == "stacked":
        in_lockstep(waiting, folder, jobs, listener, events=events)
        return
    if executor == "local":
        side_by_side(waiting, folder, min(jobs, len(waiting)), listener, events=events)
        return
    try:
        from tudui.comparison.executors.on_ray import on_ray
    except ImportError:
        raise UsageError("--executor ray: Ray is not installed; install it with: pip install ray") from None
    on_ray(waiting, folder, ray_address, listener)
