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
from tudui.lab.pictures import new_figure
from tudui.language import say, speaking_in_pictures
from tudui.style import COLOURS, TICKS, finish, legend_below, line_style

FAR = 1e3  # times the data: a line farther away would hide everything else
GROWN = 1e6  # times the loss at the start


@speaking_in_pictures()
def fits_picture(experiment: Experiment) -> Figure:
    """Return the lines over the data: after the steps on the left, at their optimum on the right.

    A line that left the data is an arrow at the edge where it left.
    """
    figure, (left, right) = new_figure(2, height=6.0)
    for axes, title in ((left, say("after {steps} steps", steps=experiment.steps)), (right, say("converged"))):
        _draw_points(axes, experiment)
        for fit, style in _styled(experiment):
            _draw_line(axes, experiment, fit.descent.line if axes is left else fit.optimum, fit.label, style)
        finish(axes, title=title, x=experiment.data.x_name, y=experiment.data.y_name)
        place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14)}  # the slopes differ
        axes.legend(fontsize=TICKS, handlelength=3.2, ncols=2, frameon=False, **place)
    return figure


def _styled(experiment: Experiment) -> Iterator[tuple[Fit, dict[str, Any]]]:
    places = places_of(fit.label for fit in experiment.fits)
    return ((fit, line_style(places[fit.label])) for fit in experiment.fits)


def _draw_points(axes: Axes, experiment: Experiment) -> None:
    data, out = experiment.data, experiment.data.outliers
    axes.plot(data.x[~out], data.y[~out], "o", markerfacecolor="none", color="#707070", label=say("data points"))
    if out.any():
        axes.plot(data.x[out], data.y[out], "X", color="#303030", markersize=8, label=say("outlier points"))
    if experiment.reference is not None:
        line = experiment.reference
        label = say("without outliers: slope {slope:.2f}", slope=line.slope)
        axes.plot(data.x, line.at(data.x), color="#b0b0b0", linewidth=5, label=label)


def _draw_line(axes: Axes, experiment: Experiment, line: Line, label: str, style: dict[str, Any]) -> None:
    ends = np.array([experiment.data.x.min(), experiment.data.x.max()])
    if not _left_the_data(experiment, line):
        axes.plot(ends, line.at(ends), label=say("{loss}: slope {slope:.2f}", loss=label, slope=line.slope), **style)
        return
    side = float(line.at(ends[1]) > 0)
    about = {"color": style["color"], "clip_on": False, "transform": axes.transAxes}
    taken = sum(other.get_linestyle() == "None" and other.get_clip_on() is False for other in axes.get_lines())
    label = say("{loss}: diverged", loss=label)
    axes.plot([0.97 - 0.06 * taken], [side], "v^"[int(side)], markersize=14, label=label, **about)


def _left_the_data(experiment: Experiment, line: Line) -> bool:
    ends = np.array([experiment.data.x.min(), experiment.data.x.max()])
    return not np.abs(line.at(ends)).max() <= FAR * max(np.abs(experiment.data.y).max(), 1.0)


@speaking_in_pictures()
def losses_picture(experiment: Experiment) -> Figure:
    """Return the losses over the iterations, in their units and as shares of their start.

    A loss that grows without bound ends in an arrow; it does not set the scale of the others.
    """
    figure, (left, right) = new_figure(2)
    fits = [(fit, style, np.array(fit.descent.losses)) for fit, style in _styled(experiment)]
    lost = {fit.label: _left_the_data(experiment, fit.descent.line) for fit, *_ in fits}
    shares = {fit.label: values / values[0] if values[0] else values for fit, _, values in fits}
    most = max([1.0, *(float(shares[name].max()) for name in shares if not lost[name])])
    for fit, style, values in fits:
        name = say("{loss}: diverged", loss=fit.label) if lost[fit.label] else fit.label
        for axes, drawn, bound in (
            (left, values, GROWN * max(values[0], 1.0)),
            (right, shares[fit.label], 1.25 * most),
        ):
            beyond = np.flatnonzero(~(drawn <= bound))
            if lost[fit.label] and len(beyond):
                end = int(beyond[0])
                arrow: dict[str, Any] = {"marker": "^", "markersize": 12, "markevery": [end], "clip_on": False}
                axes.plot(range(end + 1), [*drawn[:end], bound], label=name, **style, **arrow)
            else:
                axes.plot(range(len(drawn)), drawn, label=name, **style)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=(1, 2, 5, 10)))
    if any(fit.descent.losses[0] > 0 for fit in experiment.fits):
        left.set_yscale("log")
        left.yaxis.set_major_locator(LogLocator(subs=(1,) if any(lost.values()) else (1, 2, 5)))
        left.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        left.minorticks_off()
    finish(left, title=say("each in its own unit"), x=say("iteration"), y=say("loss (logarithmic)"))
    finish(right, title=say("on one scale"), x=say("iteration"), y=say("loss / loss at the start"))
    right.set_ylim(0, 1.25 * most if any(lost.values()) else None)
    legend_below(figure, left)
    return figure


@speaking_in_pictures()
def influence_picture(in_y: Influence, in_x: Influence) -> Figure:
    """Return how far each best line follows one point, moved up on the left and to the right on the right."""
    figure, (left, right) = new_figure(2)
    for axes, influence, title, x in (
        (left, in_y, say("an outlier in y"), say("last point moved up by")),
        (right, in_x, say("leverage"), say("last point moved right by")),
    ):
        for label, place in places_of(influence.followed).items():
            axes.plot(influence.moved, influence.followed[label], label=label, **line_style(place))
        finish(axes, title=title, x=x, y=say("distance the line follows"))
    legend_below(figure, left)
    return figure


@speaking_in_pictures()
def choose_delta_picture(chosen: ChosenDelta) -> Figure:
    """Return mean and deviation of the score over δ, the chosen one marked."""
    figure, (axes,) = new_figure(1)
    best, candidates = chosen.best, chosen.candidates
    deltas, means, deviations = zip(*((one.delta, one.mean, one.deviation) for one in candidates), strict=True)
    label = say("mean ± deviation")
    axes.errorbar(deltas, means, deviations, color=COLOURS[0], marker="o", linewidth=2, capsize=5, label=label)
    label = say("chosen: δ={delta:g}", delta=best.delta)
    axes.plot([best.delta], [best.mean], "D", color=COLOURS[1], markersize=11, label=label)
    axes.set_xscale("log")
    axes.set_xticks(deltas, [f"{delta:g}" for delta in deltas])
    axes.minorticks_off()
    finish(axes, title=say("δ by cross-validation"), x="δ", y=say("median absolute error"))
    legend_below(figure, axes)
    return figure
