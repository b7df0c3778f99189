"""The runs of a comparison that are done, read back from their folders: nothing is trained to see it again."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tudui.comparison.runs import PlannedRun
from tudui.errors import DataError
from tudui.events import Evaluated, Event, RunStarted, StepEnd, Warned
from tudui.record import Result, read_record, read_result
from tudui.run_folder import RunFolder
from tudui.tasks import Task, check_scores, task_from
from tudui.text import in_a_line

MAX_PREDICTIONS = 512 * 2**20  # unpacked; the probabilities of 10,000 images in 26,000 classes
PREDICTIONS = ("label", "predicted", "probabilities")
Scored = tuple[int, float, float]  # epoch, score by the task's first metric, seconds in the loop until then


@dataclass(frozen=True)
class RunRecord:
    """What one run left behind."""

    planned: PlannedRun
    result: Result
    hashes: Mapping[str, str]
    task: Task
    validation: tuple[Scored, ...]
    training: tuple[Mapping[str, Any], ...]  # step, epoch (a fraction), loss, gradient_norm by layer
    warnings: tuple[str, ...]  # what the run told its user
    test: Evaluated | None  # the last weights on the test images; None if it diverged
    predictions: Mapping[str, np.ndarray]  # label [N], predicted [N], probabilities [N, K] of the test images
    values: Mapping[str, np.ndarray]  # by metric, [N]: each test image's value; like `predictions` {} if it diverged

    @property
    def finished(self) -> bool:
        """Whether it reached its end, rather than diverged."""
        return self.test is not None


def read_runs(runs: Sequence[PlannedRun], folder: Path) -> list[RunRecord]:
    """Read runs that are done; DataError where a file is damaged, or where runs were tested on other images."""
    records = [read_run(run, folder) for run in runs]
    predictions = [(record.planned.name, record.predictions) for record in records if record.finished]
    for name, other in predictions[1:]:
        first_name, first = predictions[0]
        if not np.array_equal(first["label"], other["label"]):
            raise DataError(
                f"{folder}: {first_name} and {name} were tested on different images; "
                f"remove the older of the two and call the comparison again"
            )
    return records


def read_run(planned: PlannedRun, folder: Path) -> RunRecord:
    """Read a run that is done; DataError, with the way on, where one of its files is damaged."""
    place = RunFolder(folder / planned.name)
    result = read_result(place.result)
    try:
        return _read_run(planned, place, result)
    except DataError as error:
        raise DataError(f"{error}; bring the file back, or remove {place.root} and call the comparison again") from None


def read_task(folder: Path) -> Task:
    """Return the task of a run."""
    record = RunFolder(folder).record
    return task_from(_started(read_record(record), record).task, str(record))


def _started(lines: Sequence[Event], path: Path) -> RunStarted:
    started = lines[0] if lines else None
    if not isinstance(started, RunStarted):
        raise DataError(f"{path}: damaged: does not begin with the event RunStarted")
    return started


def _read_run(planned: PlannedRun, place: RunFolder, result: Result) -> RunRecord:
    lines = read_record(place.record)
    started = _started(lines, place.record)
    steps = _steps(lines, place.record)
    task = task_from(started.task, str(place.record))
    for line in lines:
        if isinstance(line, Evaluated):
            check_scores(task, line.scores, str(place.record))
            task.check_details(line.details, str(place.record))
    seconds = {step.epoch: step.timing.seconds for step in steps if step.epoch_done}
    scores = [line for line in lines if isinstance(line, Evaluated) and line.weights == "last"]
    validation = [line for line in scores if line.split == "validation"]
    if not {line.epoch for line in validation} <= set(seconds):
        raise DataError(f"{place.record}: damaged: holds the scores of an epoch, but not its end")
    test = next((line for line in scores if line.split == "test"), None)
    finished = result.status == "finished"
    if finished and test is None:
        raise DataError(f"{place.record}: damaged: the scores on the test images are missing")
    first = task.metrics[0].name
    arrays = _arrays_of(place.predictions, test, task) if finished and test else {}
    return RunRecord(
        planned,
        result,
        hashes=started.hashes,
        task=task,
        validation=tuple((line.epoch, line.scores[first], seconds[line.epoch]) for line in validation),
        training=tuple(
            {
                "step": step.step,
                "epoch": step.step / step.steps_planned * step.epochs_planned,
                "loss": step.loss,
                "gradient_norm": step.gradient_norm,
            }
            for step in steps
        ),
        warnings=tuple(line.message for line in lines if isinstance(line, Warned)),
        test=test if finished else None,
        predictions={name: arrays[name] for name in PREDICTIONS if name in arrays},
        values={metric.name: arrays[metric.name] for metric in task.metrics if metric.name in arrays},
    )


def _steps(lines: Sequence[Event], path: Path) -> list[StepEnd]:
    steps = [line for line in lines if isinstance(line, StepEnd)]
    if not steps:
        raise DataError(f"{path}: damaged: holds no step")
    layers = steps[0].gradient_norm.keys()
    if "total" not in layers or any(step.gradient_norm.keys() != layers for step in steps):
        raise DataError(f"{path}: damaged: the gradient norms are not of the same layers throughout")
    return steps


def _arrays_of(path: Path, test: Evaluated, task: Task) -> dict[str, np.ndarray]:
    """Return the arrays of `predictions.npz`, which belong to these scores; a column for each metric among them."""
    found = _arrays(path, (*PREDICTIONS, *(metric.name for metric in task.metrics)))
    images, classes = test.images, task.outputs
    if [found[name].shape for name in PREDICTIONS] != [(images,), (images,), (images, classes)]:
        raise DataError(f"{path}: damaged: does not hold {images} images and {classes} classes, as the record says")
    for name in PREDICTIONS[:2]:
        if found[name].dtype.kind != "i" or not ((found[name] >= 0) & (found[name] < classes)).all():
            raise DataError(f"{path}: damaged: {name} holds what is not a class")
    if found["probabilities"].dtype.kind != "f":
        raise DataError(f"{path}: damaged: the probabilities are no numbers")
    for metric in task.metrics:
        column = found[metric.name]
        if column.shape != (images,) or column.dtype.kind not in ("b" if metric.proportion else "biuf"):
            raise DataError(f"{path}: damaged: {metric.name} does not hold a value for each of {images} images")
        if not np.isfinite(column).all():
            raise DataError(f"{path}: {metric.name} is not finite for every image")
    return found


def _arrays(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the arrays of these names; DataError says why a file is not read."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size <= MAX_PREDICTIONS:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in names}
    except Exception as error:  # random bytes make numpy raise almost anything
        raise DataError(f"{path}: cannot be read ({in_a_line(error)})") from None
    raise DataError(f"{path}: {size:,} bytes are too many ({MAX_PREDICTIONS:,} allowed)")
