"""One run of a comparison as an executor sees it: its job, its progress, and how it ended."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tudui.comparison.runs import PlannedRun
from tudui.errors import DataError, Interrupted, TuduiError
from tudui.events import Evaluated, Event, RunStarted, StepEnd
from tudui.record import read_result
from tudui.run import Job
from tudui.run_folder import RunFolder
from tudui.tasks import Metric, task_from
from tudui.training.device import resolve_machine

PATIENCE = 0.2  # seconds between two looks at other processes
GRACE = 60.0  # seconds that other processes have to save when asked to stop


@dataclass(frozen=True)
class Progress:
    """The state of a run."""

    run: str
    fraction: float
    validation: str = ""  # the latest score, with its name and unit
    done: str = ""  # "finished", "diverged", or "" while it runs
    event: Event | None = None  # what happened, if the caller wants to know of every event


Listener = Callable[[Progress], None]


class Failure(TuduiError):
    """What ended a run in another process; unlike its cause, it can always be pickled."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(*text.splitlines())
        self.exit_code = exit_code

    def __reduce__(self) -> tuple[type["Failure"], tuple[str, int]]:
        return Failure, (str(self), self.exit_code)


def stopped(number: int, late: int, failure: TuduiError | None) -> Interrupted:
    """Return the end of a comparison after a signal: `late` runs were ended before they had saved."""
    lost = f"{late} of the runs did not save within {GRACE:g} s; they resume from their last checkpoint" if late else ""
    return Interrupted("stopped", signal_number=number, lost=str(failure or lost))


def done_before(run: PlannedRun, folder: Path) -> str:
    """Return the status of a finished run, else ""; UsageError if its folder contains a run of another config."""
    place = RunFolder(folder / run.name)
    if place.config.exists():
        place.check_same(resolve_machine(run.config)[0])
    if not place.result.exists():
        return ""
    try:
        status = read_result(place.result).status
    except DataError:  # the run is ended again
        return ""
    return status if status == "diverged" or place.predictions.exists() else ""


def job_of(run: PlannedRun, folder: Path, listener: Listener, *, events: bool = False) -> Job:
    """Return what is left to do of a run, from its beginning or its last checkpoint.

    The listener gets its progress after training steps and validation; with `events`, after every event.
    """
    place, progress = RunFolder(folder / run.name), Progress(run.name, 0.0)
    metric: Metric | None = None
    place.check_not_begun()
    place.result.unlink(missing_ok=True)  # a run without predictions is ended again

    def report(event: Event) -> None:
        nonlocal progress, metric
        if isinstance(event, RunStarted):
            metric = task_from(event.task, run.name).metrics[0]
        if isinstance(event, StepEnd):
            progress = replace(progress, fraction=event.step / event.steps_planned)
        elif metric and isinstance(event, Evaluated) and event.split == "validation":
            score = metric.unit.text(event.scores[metric.name], metric.unit.fewer)
            progress = replace(progress, validation=f"{metric.title} {score}")
        elif not events:
            return
        listener(replace(progress, event=event) if events else progress)

    return Job(config=run.config, run_dir=place.root, resume=place.config.exists(), sinks=[report])
