"""The scores and warnings that a run recorded for exported weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tudui.config import Config
from tudui.config.data_sets import path_in
from tudui.errors import DataError
from tudui.events import Evaluated, Outliers, RunStarted, Warned, WrongLabels
from tudui.record import Result, read_record, read_result
from tudui.run_folder import RunFolder
from tudui.tasks import check_scores, task_from
from tudui.text import printable
from tudui.weights import Weights


@dataclass(frozen=True)
class History:
    """The scores of these weights and the run's warnings; empty if nothing is known."""

    images: Mapping[str, int] = field(default_factory=dict)  # split -> number of images
    wrong_labels: WrongLabels | None = None
    outliers: Outliers | None = None
    test: Evaluated | None = None
    validation: Evaluated | None = None
    warnings: tuple[str, ...] = ()
    result: Result | None = None
    unknown: str = "the run has no test scores of these weights (it is not finished, or it diverged)"  # why no `test`
    problem: str | None = None  # why the record of the run cannot be used


def history_of(source: Path, weights: Weights) -> History:
    """Return what a run's folder recorded about its weights; a file has no history."""
    folder = RunFolder(source)
    if not source.is_dir():
        return History(unknown="a file has no record of its run")
    try:
        lines = read_record(folder.record)
        result = read_result(folder.result) if folder.result.exists() else None
        scores = {line.split: line for line in lines if isinstance(line, Evaluated) and line.epoch == weights.epoch}
        started = next((line for line in lines if isinstance(line, RunStarted)), None)
        task = task_from(started.task if started else {}, str(folder.record))
        for line in scores.values():
            check_scores(task, line.scores, str(folder.record))
            task.check_details(line.details, str(folder.record))
    except DataError as error:
        return History(unknown="the record of the run is damaged", problem=str(error))
    if task.names != weights.classes:
        scores = {}
    return History(
        images=started.images if started else {},
        wrong_labels=started.wrong_labels if started else None,
        outliers=started.outliers if started else None,
        test=scores.get("test"),
        validation=scores.get("validation"),
        warnings=tuple(line.message for line in lines if isinstance(line, Warned)),
        result=result,
    )


def without_paths(text: str, config: Config) -> str:
    """Return a text of the run for other people, without the folders of this machine."""
    for place in (path_in(config.data.name)[1], config.data.labels or "", config.data.dir or ""):
        for written in (place.rstrip("/"), str(Path(place))):
            if (name := Path(written).name) and name != written:
                text = text.replace(written, name)
    return printable(text)
