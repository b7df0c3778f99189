"""The pictures of the line fit."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, StrMethodFormatter

from tudui.lab.curves import places_of
from tudui.lab.line_fit.choose_delta import ChosenDelta
from tudui.lab.line_fit.experiment import Experiment, Fit, Influence
from tudui.lab.line_fit.steps import Line
from tudui.lab.pictures import finish, new_figure
from tudui.style import COLOURS, line_style

FAR = 1e3  # times the data: a line farther away would hide everything else
GROWN = 1e6  # times the loss at the start


def fits_picture(experiment: Experiment) -> Figure:
    """Return the lines over the data: after the steps on the left, at their optimum on the right."""
    figure, (left, right) = new_figure(2, height=6.0)
    for axes, title in ((left, f"after {experiment.steps} steps"), (right, "converged")):
        _draw_points(axes, experiment)
        for fit, style in _styled(experiment):
            _draw_line(axes, experiment, fit.descent.line if axes is left else fit.optimum, fit.label, style)
        finish(axes, title, experiment.data.x_name, experiment.data.y_name, below=True)
    return figure


def _styled(experiment: Experiment) -> Iterator[tuple[Fit, dict[str, Any]]]:
    places = places_of(fit.label for fit in experiment.fits)
    return ((fit, line_style(places[fit.label])) for fit in experiment.fits)


def _draw_points(axes: Axes, experiment: Experiment) -> None:
    data, out = experiment.data, experiment.data.outliers
    axes.plot(data.x[~out], data.y[~out], "o", markerfacecolor="none", color="#707070", label="points")
    if out.any():
        axes.plot(data.x[out], data.y[out], "X", color="#303030", markersize=8, label="outliers")
    if experiment.reference is not None:
        line = experiment.reference
        label = f"without outliers: slope {line.slope:.2f}"
        axes.plot(data.x, line.at(data.x), color="#b0b0b0", linewidth=5, label=label)


def _draw_line(axes: Axes, experiment: Experiment, line: Line, label: str, style: dict[str, Any]) -> None:
    ends = np.array([experiment.data.x.min(), experiment.data.x.max()])
    state = f"slope {line.slope:.2f}"
    if not np.abs(line.at(ends)).max() <= FAR * max(np.abs(experiment.data.y).max(), 1.0):
        ends, state = ends[:0], "diverged"
    axes.plot(ends, line.at(ends), label=f"{label}: {state}", **style)


def losses_picture(experiment: Experiment) -> Figure:
    """Return the losses over the iterations, in their units and as shares of their start."""
    figure, (left, right) = new_figure(2)
    for fit, style in _styled(experiment):
        values = np.array(fit.descent.losses)
        values = np.where(values <= GROWN * max(values[0], 1.0), values, np.nan)
        iterations = np.arange(len(values))
        left.plot(iterations, values, label=fit.label, **style)
        right.plot(iterations, values / values[0] if values[0] else values, label=fit.label, **style)
        for axes in (left, right):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=(1, 2, 5, 10)))
    if any(fit.descent.losses[0] > 0 for fit in experiment.fits):
        left.set_yscale("log")
        left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        left.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        left.minorticks_off()
    finish(left, "each in its own unit", "iteration", "loss (logarithmic)")
    finish(right, "on one scale", "iteration", "loss / loss at the start")
    right.set_ylim(bottom=0)
    return figure


def influence_picture(in_y: Influence, in_x: Influence) -> Figure:
    """Return how far each best line follows one point, moved up on the left and to the right on the right."""
    figure, (left, right) = new_figure(2)
    for axes, influence, title, x in ((left, in_y, "an outlier in y", "up"), (right, in_x, "leverage", "right")):
        for label, place in places_of(influence.followed).items():
            axes.plot(influence.moved, influence.followed[label], label=label, **line_style(place))
        finish(axes, title, f"last point moved {x} by", "distance the line follows")
    return figure


def choose_delta_picture(chosen: ChosenDelta) -> Figure:
    """Return mean and deviation of the score over δ, the chosen one marked."""
    figure, (axes,) = new_figure(1)
    best, candidates = chosen.best, chosen.candidates
    deltas, means, deviations = zip(*((one.delta, one.mean, one.deviation) for one in candidates), strict=True)
    axes.errorbar(
        deltas, means, deviations, color=COLOURS[0], marker="o", linewidth=2, capsize=5, label="mean ± deviation"
    )
    axes.plot([best.delta], [best.mean], "D", color=COLOURS[1], markersize=11, label=f"chosen: δ={best.delta:g}")
    axes.set_xscale("log")
    axes.set_xticks(deltas, [f"{delta:g}" for delta in deltas])
    axes.minorticks_off()
    finish(axes, "δ by cross-validation", "δ", "median absolute error")
    return figure
