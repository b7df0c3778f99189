"""The pictures of the line fit."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, StrMethodFormatter

from tudui.lab.line_fit.choose_delta import ChosenDelta
from tudui.lab.line_fit.experiment import Experiment, Influence
from tudui.lab.line_fit.steps import Line
from tudui.lab.pictures import new_figure, with_legend
from tudui.style import COLOURS, finish, line_style

FAR = 1e3  # times the data: a line beyond this would leave nothing else to see
GROWN = 1e6  # times the loss at the start


def fits_picture(experiment: Experiment) -> Figure:
    """Return the lines over the data: after the steps on the left, at their optimum on the right."""
    figure, (left, right) = new_figure(2, height=6.0)
    for axes in (left, right):
        _draw_points(axes, experiment)
    for index, fit in enumerate(experiment.fits):
        _draw_line(left, experiment, fit.descent.line, fit.label, index)
        _draw_line(right, experiment, fit.optimum, fit.label, index)
    finish(left, title=f"after {experiment.steps} steps", x="x", y="y")
    with_legend(left, below=True)
    finish(right, title="converged", x="x", y="y")
    with_legend(right, below=True)
    return figure


def _draw_points(axes: Axes, experiment: Experiment) -> None:
    data, out = experiment.data, experiment.data.outliers
    axes.plot(data.x[~out], data.y[~out], "o", markerfacecolor="none", color="#707070", label="points")
    if out.any():
        axes.plot(data.x[out], data.y[out], "X", color="#303030", markersize=8, label="outliers")
    if experiment.reference is not None:
        height = experiment.reference.at(data.x)
        axes.plot(data.x, height, color="#b0b0b0", linewidth=5, label=f"without outliers: slope {_slope(experiment)}")


def _slope(experiment: Experiment) -> str:
    assert experiment.reference is not None
    return f"{experiment.reference.slope:.2f}"


def _draw_line(axes: Axes, experiment: Experiment, line: Line, label: str, index: int) -> None:
    ends = np.array([experiment.data.x.min(), experiment.data.x.max()])
    if not np.abs(line.at(ends)).max() <= FAR * max(np.abs(experiment.data.y).max(), 1.0):
        axes.plot([], [], label=f"{label}: diverged", **line_style(index))
        return
    axes.plot(ends, line.at(ends), label=f"{label}: slope {line.slope:.2f}", **line_style(index))


def losses_picture(experiment: Experiment) -> Figure:
    """Return the losses over the iterations, as they are and as shares of their start."""
    figure, (left, right) = new_figure(2)
    for index, fit in enumerate(experiment.fits):
        values = np.array(fit.descent.losses)
        values = np.where(values <= GROWN * max(values[0], 1.0), values, np.nan)
        iterations = np.arange(len(values))
        left.plot(iterations, values, label=fit.label, **line_style(index))
        right.plot(iterations, values / values[0] if values[0] else values, label=fit.label, **line_style(index))
        for axes in (left, right):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=(1, 2, 5, 10)))
    if any(fit.descent.losses[0] > 0 for fit in experiment.fits):
        left.set_yscale("log")
        left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        left.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        left.minorticks_off()
    finish(left, title="each in its own unit", x="iteration", y="loss (logarithmic)")
    with_legend(left)
    finish(right, title="on one scale", x="iteration", y="loss / loss at the start")
    with_legend(right)
    right.set_ylim(bottom=0)
    return figure


def influence_picture(in_y: Influence, in_x: Influence) -> Figure:
    """Return how far each best line follows one point, moved up on the left and to the right on the right."""
    figure, (left, right) = new_figure(2)
    for axes, influence in ((left, in_y), (right, in_x)):
        for index, (label, followed) in enumerate(influence.followed.items()):
            axes.plot(influence.moved, followed, label=label, **line_style(index))
    finish(left, title="a wild y", x="last point moved up by", y="distance the line follows")
    with_legend(left)
    finish(right, title="leverage", x="last point moved right by", y="distance the line follows")
    with_legend(right)
    return figure


def choose_delta_picture(chosen: ChosenDelta) -> Figure:
    """Return mean and deviation of the score over δ, the chosen one marked."""
    figure, (axes,) = new_figure(1)
    deltas = [candidate.delta for candidate in chosen.candidates]
    means = [candidate.mean for candidate in chosen.candidates]
    deviations = [candidate.deviation for candidate in chosen.candidates]
    axes.errorbar(
        deltas, means, deviations, color=COLOURS[0], marker="o", linewidth=2, capsize=5, label="mean ± deviation"
    )
    best = chosen.best
    axes.plot([best.delta], [best.mean], "D", color=COLOURS[1], markersize=11, label=f"chosen: δ={best.delta:g}")
    axes.set_xscale("log")
    axes.set_xticks(deltas, [f"{delta:g}" for delta in deltas])
    axes.minorticks_off()
    finish(axes, title="δ by cross-validation", x="δ", y="median absolute error")
    with_legend(axes)
    return figure
