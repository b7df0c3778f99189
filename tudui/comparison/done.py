"""Read the finished runs of a comparison back from their folders; nothing is trained."""

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tudui.comparison.runs import PlannedRun
from tudui.errors import DataError, UsageError
from tudui.events import Evaluated, Event, Outliers, RunStarted, StepEnd, Warned, WrongLabels
from tudui.files import opened
from tudui.record import Result, read_record, read_result
from tudui.run_folder import RunFolder
from tudui.tasks import Task, check_scores, task_from
from tudui.text import in_a_line

MAX_PREDICTIONS = 512 * 2**20  # bytes unpacked; the probabilities of 10,000 images in 26,000 classes
FEWEST_TEST_IMAGES = 2  # of one, no interval can be computed
MAX_HELD = 256 * 2**20  # bytes of all runs together, without the probabilities; 700 runs of 10,000 images
PREDICTIONS = ("label", "predicted", "probabilities")
Scored = tuple[int, float, float]  # epoch, score by the task's first metric, seconds in the loop until then


@dataclass(frozen=True)
class RunRecord:
    """The files of one run."""

    planned: PlannedRun
    result: Result
    hashes: Mapping[str, str]
    wrong_labels: WrongLabels | None
    outliers: Outliers | None
    task: Task
    parameters: int  # of the network
    validation_samples: int
    validation: tuple[Scored, ...]
    training: tuple[StepEnd, ...]
    warnings: tuple[str, ...]
    test: Evaluated | None  # the last weights on the test images; None if the run diverged
    # of the test images: label [N], predicted [N], confidence [N], each metric's values [N]; {} if it diverged.
    # Of numbers, label and predicted are [N, K], and there is no confidence. A run of one fold also has its images'
    # numbers, index [N], and probabilities [N, K]
    predictions: Mapping[str, np.ndarray]
    kinds: Mapping[str, str] = field(default_factory=dict)  # the class of each layer whose name is only a number
    of_folds: tuple[str, ...] = ()  # the names of the runs that were put together as this one

    @property
    def finished(self) -> bool:
        """Whether the run finished; otherwise it diverged."""
        return self.test is not None

    @property
    def folders(self) -> tuple[str, ...]:
        """The names of its folders."""
        return self.of_folds or (self.planned.name,)


def read_runs(runs: Sequence[PlannedRun], folder: Path) -> list[RunRecord]:
    """Read finished runs, with the losses that all were tested with; DataError if a file is damaged.

    DataError also if runs have different classes, layers or test images, and cannot be compared.
    """
    records, held = [], 0
    for run in runs:
        records.append(read_run(run, folder))
        held += sum(column.nbytes for column in records[-1].predictions.values())
        if held > MAX_HELD:
            advice = "compare fewer losses or seeds in one folder"
            raise DataError(f"{folder}: the predictions of its runs have more than {MAX_HELD:,} bytes; {advice}")
    tested = [record for record in records if record.test]
    _check_equal(records, "classes", lambda record: record.task.names)
    _check_equal(records, "layers", lambda record: sorted(record.training[0].gradient_norm))
    for fold in {record.planned.config.data.fold for record in tested}:
        of_fold = [record for record in tested if record.planned.config.data.fold == fold]
        _check_equal(of_fold, "test samples", lambda record: record.predictions["label"].tolist())
    if not tested:
        return records
    check_test_images(len(tested[0].predictions["label"]), str(folder))
    tests = [record.test for record in records if record.test]
    shared = [name for name in tests[0].losses if all(name in test.losses for test in tests)]
    return [replace(record, test=_with_losses(record.test, shared)) for record in records]


def check_test_images(number: int, where: str) -> None:
    """Raise UsageError for too few test images for a comparison."""
    if number < FEWEST_TEST_IMAGES:
        raise UsageError(f"{where}: a comparison needs {FEWEST_TEST_IMAGES} test samples or more (here: {number})")


def _check_equal(records: Sequence[RunRecord], what: str, value: Callable[[RunRecord], Any]) -> None:
    for other in records[1:]:
        if value(records[0]) != value(other):
            raise DataError(
                f"{other.planned.name} and {records[0].planned.name} have different {what}; "
                f"remove the older of the two and run the comparison again"
            )


def _with_losses(test: Evaluated | None, names: Sequence[str]) -> Evaluated | None:
    """Return the scores with these losses: a plug-in may be installed for some runs only."""
    return test and replace(test, losses={name: test.losses[name] for name in names})


def read_run(planned: PlannedRun, folder: Path) -> RunRecord:
    """Read a finished run; DataError, with the way out, if one of its files is damaged."""
    place = RunFolder(folder / planned.name)
    result = read_result(place.result)
    try:
        return _read_run(planned, place, result)
    except DataError as error:
        raise DataError(f"{error}; restore the file, or remove {place.root} and run the comparison again") from None


def read_task(folder: Path) -> Task:
    """Return the task of a run."""
    record = RunFolder(folder).record
    return task_from(_started(read_record(record), record).task, str(record))


def _started(events: Sequence[Event], path: Path) -> RunStarted:
    started = events[0] if events else None
    if not isinstance(started, RunStarted):
        raise DataError(f"{path}: damaged: does not begin with the event RunStarted")
    return started


def _read_run(planned: PlannedRun, place: RunFolder, result: Result) -> RunRecord:
    path = place.record
    events = read_record(path)
    started = _started(events, path)
    task = task_from(started.task, str(path))
    for event in events:
        if isinstance(event, Evaluated):
            check_scores(task, event.scores, str(path))
            task.check_details(event.details, str(path))
    if any(max(cell[:2]) >= task.outputs for cell in (started.wrong_labels.cells if started.wrong_labels else ())):
        raise DataError(f"{path}: damaged: its wrong labels belong to other classes")
    steps = [event for event in events if isinstance(event, StepEnd)]
    if not steps:
        raise DataError(f"{path}: damaged: contains no step")
    if (epochs := steps[-1].epochs_planned) != planned.config.train.epochs:
        raise DataError(f"{path}: of a run of {epochs} epochs, not {planned.config.train.epochs}")
    layers = steps[0].gradient_norm.keys()
    if "total" not in layers or any(step.gradient_norm.keys() != layers for step in steps):
        raise DataError(f"{path}: damaged: the gradient norms are not of the same layers throughout")
    seconds = {step.epoch: step.timing.seconds for step in steps if step.epoch_done}
    scores = [event for event in events if isinstance(event, Evaluated) and event.weights == "last"]
    validation = [event for event in scores if event.split == "validation"]
    if not {event.epoch for event in validation} <= set(seconds):
        raise DataError(f"{path}: damaged: contains the scores of an epoch, but not its end")
    test = None
    arrays: dict[str, np.ndarray] = {}
    if result.status == "finished":
        test = next((event for event in scores if event.split == "test"), None)
        if test is None:
            raise DataError(f"{path}: damaged: the scores on the test samples are missing")
        if (result.best or {}).get(f"test_{task.metrics[0].name}") is None:
            raise DataError(f"{place.result}: damaged: the score of the best weights is missing")
        in_folds = planned.config.data.folds is not None
        arrays = _read_predictions(place.predictions, test.images, task, in_folds=in_folds)
    first = task.metrics[0].name
    return RunRecord(
        planned,
        result,
        hashes=started.hashes,
        wrong_labels=started.wrong_labels,
        outliers=started.outliers,
        task=task,
        parameters=started.parameters,
        validation_samples=started.images.get("validation", 0),
        validation=tuple((event.epoch, event.scores[first], seconds[event.epoch]) for event in validation),
        training=tuple(steps),
        warnings=tuple(event.message for event in events if isinstance(event, Warned)),
        test=test,
        predictions=arrays,
        kinds=started.kinds,
    )


def _read_predictions(path: Path, images: int, task: Task, *, in_folds: bool) -> dict[str, np.ndarray]:
    """Return the arrays of `predictions.npz`, among them a column for each metric."""
    classes, columns = task.outputs, PREDICTIONS if task.kind == "classes" else PREDICTIONS[:2]
    names = (*columns, *(metric.name for metric in task.metrics), *(("index",) if in_folds else ()))
    try:
        with opened(path) as file:
            with zipfile.ZipFile(file) as archive:
                size = sum(entry.file_size for entry in archive.infolist())
            if size > MAX_PREDICTIONS:
                raise DataError(f"{size:,} bytes are too many; {MAX_PREDICTIONS:,} are allowed")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in names}
    except Exception as error:  # random bytes make numpy raise almost anything
        raise DataError(f"{path}: cannot be read ({in_a_line(error)})") from None
    try:
        (_check_classes if task.kind == "classes" else _check_numbers)(found, images, classes)
    except ValueError as error:
        raise DataError(f"{path}: damaged: {error}") from None
    for metric in task.metrics:
        column = found[metric.name]
        if column.shape != (images,) or column.dtype.kind not in ("b" if metric.proportion else "biuf"):
            raise DataError(f"{path}: damaged: {metric.name} does not contain a value for each of {images} samples")
        if not np.isfinite(column).all():
            raise DataError(f"{path}: {metric.name} is not finite for every sample")
    if in_folds and (found["index"].shape != (images,) or found["index"].dtype.kind != "i"):
        raise DataError(f"{path}: damaged: index does not contain the number of each of {images} samples")
    if task.kind == "classes":
        found["confidence"] = found["probabilities"].max(1)
        if not in_folds:  # of many images and classes they are large
            del found["probabilities"]
    return found


def _check_classes(found: Mapping[str, np.ndarray], images: int, classes: int) -> None:
    """Raise ValueError unless labels, predictions and probabilities are those of this many images and classes."""
    if [found[name].shape for name in PREDICTIONS] != [(images,), (images,), (images, classes)]:
        raise ValueError(f"does not contain the {images} samples and {classes} classes of the record")
    for name in PREDICTIONS[:2]:
        if found[name].dtype.kind != "i" or not ((found[name] >= 0) & (found[name] < classes)).all():
            raise ValueError(f"{name} contains a value that is not a class")
    if found["probabilities"].dtype.kind != "f":
        raise ValueError("the probabilities are not numbers")


def _check_numbers(found: Mapping[str, np.ndarray], rows: int, columns: int) -> None:
    """Raise ValueError unless true and predicted values are those of this many rows and columns."""
    for name in PREDICTIONS[:2]:
        if found[name].shape != (rows, columns) or found[name].dtype.kind != "f" or not np.isfinite(found[name]).all():
            raise ValueError(f"{name} does not contain {columns} numbers for each of {rows} rows")
