"""Pictures of a run beside its record: learning curves, confusion or predicted over true values, largest errors."""

import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tudui.data import Dataset
from tudui.files import opened, written_aside
from tudui.run_folder import RunFolder
from tudui.sinks.number_pictures import values_grid
from tudui.sinks.pictures import confusion_picture, prediction_grid
from tudui.style import COLOURS, PANEL, TICKS, WRONG, equal_axes, finish, legend_below, save, shortened
from tudui.tasks import Classes, Metric, Numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORST, COLUMNS = 15, 5  # images, in rows
MOST_CLASSES = 100  # of a confusion matrix that can be read
MOST_COLUMNS = 6  # of targets
LONGEST_NAME = 20  # of a column
AXES = {"x": "true", "y": "predicted"}
FEW_POINTS, MOST_POINTS = 30, 1000  # of a curve: with a mark at each, and at most
EPOCH_END = '"epoch_done": true'
FEW_EPOCHS = 5  # with fewer, the steps between their ends are drawn too


def draw_pictures(folder: RunFolder, data: Dataset, form: str) -> None:
    """Write pictures of a run whose record and, unless it diverged, predictions are written; none if `form` is none."""
    if form == "none":
        return
    with opened(folder.record, "r", encoding="utf-8") as record:
        lines = list(record)
    steps = _shown([line for line in lines if line.startswith('{"event": "StepEnd"')])
    scores = [json.loads(line) for line in lines if line.startswith('{"event": "Evaluated"')]
    drawn = {"curves": curves_picture(steps, scores, data.task.metrics[0])}
    for name, figure in (drawn | dict(_of_test(folder, scores, data))).items():
        with written_aside(folder.root / f"{name}.{form}") as file:
            save(figure, file, format=form, dpi=100, metadata={"Date": None} if form == "svg" else {"Software": None})


def _shown(lines: list[str]) -> list[dict[str, Any]]:
    """Return the steps that the curves show: the ends of epochs, and other steps only if there are few epochs."""
    if sum(EPOCH_END in line for line in lines) >= FEW_EPOCHS:
        lines = [line for line in lines if EPOCH_END in line or '"diverged": null' not in line]
    return [json.loads(line) for line in lines[:: 1 + len(lines) // MOST_POINTS]]


def curves_picture(steps: list[dict[str, Any]], scores: list[dict[str, Any]], metric: Metric) -> "Figure":
    """Return loss and score over the epochs, from the events of a record."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(2 * PANEL, 4.6), layout="constrained")
    axis = f"{metric.title} / {metric.unit.value}".removesuffix(" / ")
    panels = ("loss", "loss", 1.0), (metric.name, axis, metric.unit.scale)
    if all(step["epoch_done"] or step["diverged"] for step in steps):
        steps = [step | _means(step) for step in steps]
    diverged = next((step["diverged"] for step in steps if step["diverged"]), None)
    for place, (name, title, scale) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, 2, place)
        trained = [(_epoch(step), _value(step, name)) for step in steps]
        points = "o-" if len(trained) < FEW_POINTS else "-"
        axes.plot(
            *_drawn(trained, scale), points, color=COLOURS[0], markersize=3, linewidth=1.2, alpha=0.8, label="training"
        )
        validated = [(found["epoch"], _value(found, name)) for found in scores if found["split"] == "validation"]
        if validated:
            axes.plot(*_drawn(validated, scale), "o-", color=COLOURS[1], markersize=5, label="validation")
        tested = [(found["epoch"], _value(found, name)) for found in scores if found["split"] == "test"][:1]
        if tested:
            axes.plot(*_drawn(tested, scale), "D", color=COLOURS[3], markersize=8, label="test")
        if diverged:
            at = _epoch(steps[-1] | {"step": diverged["step"]})
            axes.axvline(at, color=WRONG, linestyle=":", label=f"diverged at step {diverged['step']}")
        axes.set_xlim(0, max(1.0, axes.get_xlim()[1]))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if not np.isfinite(axes.dataLim.intervaly).all():
            axes.set_yticks([])
            axes.text(0.5, 0.5, "no finite value", transform=axes.transAxes, ha="center", fontsize=TICKS, color=WRONG)
        finish(axes, title="", x="epoch", y=title)
    legend_below(figure, *figure.axes)
    return figure


def _means(step: dict[str, Any]) -> dict[str, Any]:
    """Return loss and scores of the epoch that this step ends, in place of those since the last event."""
    return {"loss": step["epoch_loss"], "scores": step["epoch_scores"]} if step["epoch_done"] else {}


def _epoch(step: dict[str, Any]) -> float:
    """Return the epochs done so far."""
    done: float = step["step"] / step["steps_planned"] * step["epochs_planned"]
    return done


def _value(event: dict[str, Any], name: str) -> float:
    value = event["loss"] if name == "loss" else event["scores"][name]
    return float("nan") if value is None else value


def _drawn(points: list[tuple[float, float]], scale: float) -> np.ndarray:
    """Return x and y [2, N]."""
    x, y = np.array(points).T
    return np.stack([x, scale * y])


def predicted_picture(true: np.ndarray, predicted: np.ndarray, task: Numbers, noun: str) -> "Figure":
    """Return predicted over true values [N, K], a point per test sample and a square panel per column."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = range(min(task.outputs, MOST_COLUMNS))
    across = math.ceil(math.sqrt(len(columns)))
    lines, side = -(-len(columns) // across), 5.6 if across == 1 else 4.6  # inches
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(side * across, side * lines + 0.4), layout=layout)
    size, alpha = np.clip(9000 / len(true), 5, 30), np.clip(300 / len(true), 0.2, 0.7)  # thousands must be readable
    for column in columns:
        axes, unit = figure.add_subplot(lines, across, column + 1), task.unit_of(column).value
        x, y = true[:, column].astype(np.float64), predicted[:, column].astype(np.float64)
        axes.scatter(x, y, size, COLOURS[0], alpha=alpha, linewidths=0, rasterized=True)
        equal_axes(axes, min(x.min(), y.min()), max(x.max(), y.max()))
        name = shortened(task.names[column], LONGEST_NAME)
        finish(axes, title="", **{at: f"{which} {name} / {unit}".removesuffix(" / ") for at, which in AXES.items()})
    figure.axes[0].scatter([], [], 30, COLOURS[0], label=f"a test {noun}")  # to be seen in the legend
    legend_below(figure, figure.axes[0])
    return figure


def _as_figure(pixels: np.ndarray) -> "Figure":
    """Return a picture uint8 [H, W, 3] as a figure of as many pixels."""
    from matplotlib.figure import Figure

    height, width = pixels.shape[:2]
    figure = Figure(figsize=(width / 100, height / 100))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(pixels, interpolation="none")
    axes.set_axis_off()
    return figure


def _of_test(folder: RunFolder, scores: list[dict[str, Any]], data: Dataset) -> Iterator[tuple[str, "Figure"]]:
    """Yield the pictures of test samples by name."""
    if not folder.predictions.exists():
        return
    test = next(found for found in scores if found["split"] == "test" and found["weights"] == "last")
    task, split, details = data.task, data.test, test["details"]
    with np.load(folder.predictions) as saved:
        if isinstance(task, Numbers):
            yield "predicted-over-true", predicted_picture(saved["label"], saved["predicted"], task, data.noun)
            if not data.features and details["worst"]["position"]:
                places, predicted = (details["worst"][name][:WORST] for name in ("position", "predicted"))
                yield "worst", _as_figure(values_grid(split, places, predicted, task, columns=COLUMNS))
            return
        assert isinstance(task, Classes)
        if task.outputs <= MOST_CLASSES:
            yield "confusion", _as_figure(confusion_picture(details["confusion"], task.names))
        if data.features:
            return
        worst = np.argsort(-saved["nll"], kind="stable")[:WORST]
        images = split.store[split.rows[worst]].cpu().numpy()
        targets, predicted = split.targets[worst].tolist(), saved["predicted"][worst].tolist()
        yield "worst", _as_figure(prediction_grid(images, targets, predicted, task.names, columns=COLUMNS))
