"""The runs of the folds of a data set, put together as one run that is tested on every image."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np

from tudui.comparison.done import RunRecord, Scored
from tudui.errors import DataError
from tudui.events import Evaluated, Outliers, StepEnd, WrongLabels
from tudui.record import Learned, Result
from tudui.tasks import Task
from tudui.tasks.numbers import Numbers


def together(records: Sequence[RunRecord], folds: int | None) -> list[RunRecord]:
    """Return a record for every `folds` that follow each other; without folds the same records."""
    if not folds:
        return list(records)
    return [_together(records[start : start + folds]) for start in range(0, len(records), folds)]


def _together(runs: Sequence[RunRecord]) -> RunRecord:
    """Return the runs of all folds as one: their images in the order of the data set, their means, their sums.

    It diverged if one of them did. The task is that of the first fold.
    """
    first = runs[0]
    finished = all(run.finished for run in runs)
    predictions = _predictions(runs) if finished else {}
    return replace(
        first,
        planned=replace(first.planned, name=first.planned.name.removesuffix("-fold1")),
        result=_result(runs),
        wrong_labels=_wrong_labels([run.wrong_labels for run in runs if run.wrong_labels]),
        outliers=_outliers([run.outliers for run in runs if run.outliers]),
        validation=_validation(runs) if finished else (),
        training=_training(runs),
        warnings=(),  # those of each run are reported
        test=_test([run.test for run in runs if run.test], first.task, predictions) if finished else None,
        predictions={name: column for name, column in predictions.items() if name not in ("index", "probabilities")},
        of_folds=tuple(run.planned.name for run in runs),
    )


def _predictions(runs: Sequence[RunRecord]) -> dict[str, np.ndarray]:
    """Return what the folds predict, in the order of the data set; DataError if an image is in two folds."""
    joined = {name: np.concatenate([run.predictions[name] for run in runs]) for name in runs[0].predictions}
    index, order = np.unique(joined["index"], return_index=True)
    if len(index) < len(joined["index"]):
        names = f"{runs[0].planned.name} to {runs[-1].planned.name}"
        raise DataError(f"{names} were tested on the same samples; remove them and run the comparison again")
    return {name: column[order] for name, column in joined.items()}


def _test(tests: Sequence[Evaluated], task: Task, predictions: Mapping[str, np.ndarray]) -> Evaluated:
    """Return the scores on the images of all folds: means of metrics and losses, figures and details computed again."""
    import torch

    label, predicted = (torch.from_numpy(predictions[name]) for name in ("label", "predicted"))
    if isinstance(task, Numbers):
        outputs = task.scaled(predicted)
    else:
        label = label.long()
        outputs = torch.from_numpy(predictions["probabilities"]).log()
    images = [test.images for test in tests]
    scores = {metric.name: float(predictions[metric.name].mean()) for metric in task.metrics}
    return replace(
        tests[0],
        images=sum(images),
        scores=scores | {figure.name: figure.of(outputs, label) for figure in task.figures},
        loss=fmean([test.loss for test in tests], images),
        losses={name: fmean([test.losses[name] for test in tests], images) for name in tests[0].losses},
        details=task.details(outputs, label),
        predicted=(),
    )


def _result(runs: Sequence[RunRecord]) -> Result:
    """Return the result with means over the folds; `best` is weighted by their test images."""
    results = [run.result for run in runs]
    finished = all(run.finished for run in runs)
    best = train = None
    if finished:
        images = [run.test.images for run in runs if run.test]
        best = _mean([result.best or {} for result in results], images)
    if finished and all(result.train for result in results):
        kinds = [(result.train.clean, result.train.flipped) for result in results if result.train]
        train = Learned(clean=_mean([clean for clean, _ in kinds]), flipped=_mean([flipped for _, flipped in kinds]))
    timing = results[0].timing.model_copy(update={"seconds": sum(result.timing.seconds for result in results)})
    changed = {"best": best, "train": train, "timing": timing, "status": "finished" if finished else "diverged"}
    return results[0].model_copy(update=changed)


def _mean(
    scores: Sequence[Mapping[str, float | None]], weights: Sequence[float] | None = None
) -> dict[str, float | None]:
    """Return the mean of each score; None for one that is missing in a fold."""
    found: dict[str, float | None] = {}
    for name in scores[0]:
        values = [value for one in scores if (value := one.get(name)) is not None]
        found[name] = fmean(values, weights) if len(values) == len(scores) else None
    return found


def _validation(runs: Sequence[RunRecord]) -> tuple[Scored, ...]:
    """Return the mean validation score after each epoch; a fold that ended earlier keeps its last score."""
    if not all(run.validation for run in runs):
        return ()
    longest = max((run.validation for run in runs), key=len)
    curves = [(*run.validation, *run.validation[-1:] * (len(longest) - len(run.validation))) for run in runs]
    return tuple(
        (epoch, fmean(score for _, score, _ in at), fmean(seconds for *_, seconds in at))
        for (epoch, *_), at in zip(longest, zip(*curves, strict=True), strict=True)
    )


def _training(runs: Sequence[RunRecord]) -> tuple[StepEnd, ...]:
    """Return the events of the first fold with the mean gradient norms of all, as far as all have them."""
    return tuple(
        replace(
            at[0],
            gradient_norm={layer: fmean(step.gradient_norm[layer] for step in at) for layer in at[0].gradient_norm},
        )
        for at in zip(*(run.training for run in runs), strict=False)
    )


def _wrong_labels(found: Sequence[WrongLabels]) -> WrongLabels | None:
    """Return the wrong labels of all folds, counted together."""
    if not found:
        return None
    cells = _sum([{(true, given): count for true, given, count in one.cells} for one in found])
    return replace(
        found[0],
        images=_sum([one.images for one in found]),
        wrong=_sum([one.wrong for one in found]),
        cells=tuple((true, given, count) for (true, given), count in sorted(cells.items())),
    )


def _outliers(found: Sequence[Outliers]) -> Outliers | None:
    """Return the outliers of all folds, counted together."""
    if not found:
        return None
    return replace(found[0], rows=_sum([one.rows for one in found]), spoiled=_sum([one.spoiled for one in found]))


def _sum(counts: Sequence[Mapping[Any, int]]) -> dict[Any, int]:
    return {name: sum(one.get(name, 0) for one in counts) for name in {name: None for one in counts for name in one}}
