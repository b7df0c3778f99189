"""One run of a comparison as an executor sees it: what is to be done, whether it was done, and what is said of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tudui.comparison.runs import PlannedRun
from tudui.errors import DataError, TuduiError
from tudui.events import Evaluated, Event, StepEnd
from tudui.record import read_result
from tudui.run import Job
from tudui.run_folder import RunFolder
from tudui.sinks import Sink
from tudui.training.device import resolve_machine

PATIENCE = 0.2  # seconds between two looks at what works elsewhere
GRACE = 60.0  # seconds that runs elsewhere have to save when asked to stop


@dataclass(frozen=True)
class Progress:
    """Where a run is; `done` says how it ended."""

    run: str
    fraction: float
    validation: float | None = None
    done: str = ""  # "finished", "diverged", or "" while it goes on


Listener = Callable[[Progress], None]


@dataclass(frozen=True)
class Failure:
    """What ended a run in another process, as it travels between processes."""

    text: str
    exit_code: int

    def error(self) -> TuduiError:
        """Return what to raise here."""
        error = TuduiError(self.text)
        error.exit_code = self.exit_code
        return error


def done_before(run: PlannedRun, folder: Path) -> str:
    """Return the status of a run that is done, else nothing; UsageError where another config's run is in its place."""
    place = RunFolder(folder / run.name)
    if place.config.exists():
        place.check_same(resolve_machine(run.config)[0])
    if not place.result.exists():
        return ""
    try:
        status = read_result(place.result).status
    except DataError:  # its end is done again
        return ""
    return status if status == "diverged" or place.predictions.exists() else ""


def job_of(run: PlannedRun, folder: Path, listener: Listener) -> Job:
    """Return what is left to do of a run, from its beginning or where it was cut."""
    place = RunFolder(folder / run.name)
    place.result.unlink(missing_ok=True)  # one whose predictions are gone is ended again
    reporting = _reporting(run.name, listener)
    return Job(config=run.config, run_dir=place.root, resume=place.config.exists(), sinks=[reporting])


def _reporting(name: str, listener: Listener) -> Sink:
    fraction, validation = 0.0, None

    def emit(event: Event) -> None:
        nonlocal fraction, validation
        if isinstance(event, StepEnd):
            fraction = event.step / event.steps_planned
        elif isinstance(event, Evaluated) and event.split == "validation":
            validation = next(iter(event.scores.values()))
        else:
            return
        listener(Progress(name, fraction, validation))

    return emit
