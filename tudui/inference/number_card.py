"""The lines of a model card for numbers as targets: their scale, and the measured errors."""

import math
from collections.abc import Iterator

from tudui.inference.history import History
from tudui.tasks import Figure, Metric, Numbers
from tudui.text import markdown_text


def scaling_lines(task: Numbers, format: str) -> Iterator[str]:
    """Yield the scale of each target column, and what a file of this format returns."""
    for column, name in enumerate(task.names):
        unit = markdown_text(task.unit_of(column).value or "not known")
        location, scale = task.location[column], task.scale[column]
        yield f"- target {markdown_text(name)}, unit: {unit}; value = output x {scale:.6g} + {location:.6g}"
    if format == "onnx":
        yield "- the file contains this scale: its output `values` is in the unit of the target"
    else:
        yield "- the file contains this scale beside the tensors, in `task`; the code below uses it"


def error_lines(task: Numbers, history: History, *, protocol: str, chosen: str, seed: int) -> Iterator[str]:
    """Yield the test errors of a run with their interval over test samples; `chosen`: what selected the weights."""
    test, metric = history.test, task.metrics[0]
    assert test is not None, "the caller has looked"
    mean = test.scores[metric.name]
    # of K columns the squares are means over them, so this deviation is too large, and the interval too wide
    deviation = math.sqrt(max(0.0, test.scores["squared_error"] - mean**2) / test.images)
    low, high = (metric.unit.text(max(0.0, mean + 1.96 * side * deviation)) for side in (-1, 1))
    shown = metric.unit.text(mean)
    yield f"**Mean {metric.title} on {test.images:,} test samples: {shown}** (95 % interval {low} to {high})."
    yield "The interval covers only the random choice of test samples."
    yield ""
    yield f"- protocol: {protocol}"
    if chosen:
        yield f"- weights: those of the epoch with {chosen} ({test.epoch}), scored once, when the run had ended"
    else:
        yield f"- weights: those of the last epoch ({test.epoch}), scored once, when the run had ended"
    yield f"- n = 1: one run with seed {seed}. `tudui compare-losses` measures how other seeds differ."
    scores: list[Metric | Figure] = [*task.metrics[1:], *task.figures]
    for score in scores:
        yield f"- {markdown_text(score.title)}: {markdown_text(score.unit.text(test.scores[score.name]))}"
    if history.validation:
        yield f"- validation {metric.title}: {metric.unit.text(history.validation.scores[metric.name])}"
