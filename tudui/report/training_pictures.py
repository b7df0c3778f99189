"""Pictures of training: learning curves, gradient norms, and the search for learning rates."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, StrMethodFormatter

from tudui.comparison.done import RunRecord
from tudui.comparison.outcome import Comparison
from tudui.comparison.runs import cell_name
from tudui.report.document import Picture
from tudui.report.drawing import (
    MANY,
    Style,
    axis_title,
    empty_picture,
    label_ends,
    legend_below,
    new_picture,
    png,
    styles_of,
)
from tudui.report.words import noise_words
from tudui.style import LABEL, PANEL, TICKS, TITLE, finish

FEW_POINTS = 12
BAND = ", the band from the lowest to the highest"


def learning_picture(comparison: Comparison, noise: float) -> Picture | None:
    """Return the validation score by the task's first metric over the epochs; None if there is none."""
    first, styles = comparison.task.metrics[0], styles_of(comparison.plan.comparison.variants)
    scale = first.unit.scale
    curves = {
        styles[row.variant]: _over_seeds([{e: scale * score for e, score, _ in run.validation} for run in row.finished])
        for row in comparison.rows_at(noise)
        if any(run.validation for run in row.finished)
    }
    if not curves:
        return None
    figure, axes = new_picture()
    band = len(curves) <= MANY
    for style, (epochs, scores) in curves.items():
        _draw_band(axes, style, epochs, scores, band=band)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    title, names = noise_words(comparison, noise), ", ".join(style.label for style in curves)
    finish(axes, title=title, x="epoch", y=axis_title(f"validation {first.title}", first.unit))
    label_ends(axes, {style: (epochs[-1], scores[:, -1].mean()) for style, (epochs, scores) in curves.items()})
    return Picture(
        cell_name("learning", noise),
        f"Learning curves with {title}: validation {first.title} over the epochs, for {names}.",
        f"Validation {first.title} with {title}: mean over the seeds that finished{BAND if band else ''}.",
        png(figure),
    )


def gradient_picture(comparison: Comparison, noise: float) -> Picture | None:
    """Return the gradient's norm over the epochs, a panel per layer; None if it was never finite."""
    rows, styles = comparison.rows_at(noise), styles_of(comparison.plan.comparison.variants)
    layers = [
        layer for layer in rows[0].runs[0].training[0].gradient_norm if layer == "total" or layer.endswith(".weight")
    ]
    lines, band = -(-len(layers) // 2), len(rows) <= MANY
    figure = empty_picture(1.15 * PANEL, 0.6 + 2.3 * lines)
    panels = [figure.add_subplot(lines, 2, place + 1) for place in range(len(layers))]
    for axes, layer in zip(panels, layers, strict=True):
        for row in rows:
            style = styles[row.variant]
            epochs, found = _over_seeds([_norms(run, layer) for run in row.finished or row.runs])
            if len(epochs):
                label = style.label + ("" if row.finished else " (diverged)")
                _draw_band(axes, style, epochs, found, band=band, label=label)
        _use_decades(axes)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        finish(axes, title="whole gradient" if layer == "total" else layer.removesuffix(".weight"), x="", y="")
        axes.tick_params(labelsize=TICKS - 2)
    if not panels[0].lines:  # every run diverged before its first finite norm
        return None
    for axes in panels[-2:]:
        axes.set_xlabel("epoch", fontsize=LABEL)
    title = noise_words(comparison, noise)
    figure.suptitle(title, fontsize=TITLE)
    figure.supylabel("norm of the gradient, before clipping", fontsize=LABEL)
    legend_below(figure, panels[0])
    return Picture(
        cell_name("gradients", noise),
        f"Gradient norm of each layer's weights over the epochs, with {title}, a line per loss.",
        f"Norm of the gradient with {title}, of the whole network and of each layer's weights (biases left out): mean "
        f"over the seeds{BAND if band else ''}. Logarithmic, as losses differ in scale.",
        png(figure),
    )


def tuning_picture(comparison: Comparison, noise: float) -> Picture:
    """Return the validation score by the task's first metric over the learning rate, the chosen rates marked."""
    first, styles = comparison.task.metrics[0], styles_of(comparison.plan.comparison.variants)
    scale = first.unit.scale
    figure, axes = new_picture()
    curves = [curve for curve in comparison.tuning if curve.label_noise == noise]
    ends = {}
    for curve in curves:
        style, rates = styles[curve.variant], curve.rates
        means = [scale * float(np.mean(seeds)) for seeds in curve.scores]
        axes.plot(rates, means, **style.line)
        for rate, seeds in zip(rates, curve.scores, strict=True):
            axes.plot([rate] * len(seeds), [scale * seed for seed in seeds], "o", markersize=4, color=style.colour)
        best = means[rates.index(curve.chosen)]
        axes.plot(curve.chosen, best, "D", markersize=10, markerfacecolor="none", color=style.colour, mew=2)
        ends[style] = (rates[-1], means[-1])
    rates = sorted({rate for curve in curves for rate in curve.rates})
    axes.set_xscale("log")
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates], rotation=45 if len(rates) > 6 else 0)
    axes.minorticks_off()
    title = noise_words(comparison, noise)
    finish(axes, title=title, x="peak learning rate", y=axis_title(f"validation {first.title}", first.unit))
    label_ends(axes, ends)
    chosen = ", ".join(f"{curve.variant} {curve.chosen:g}" for curve in curves)
    return Picture(
        cell_name("learning-rates", noise),
        f"Validation {first.title} over the learning rate with {title}; chosen: {chosen}.",
        f"Learning rates with {title}: a dot is a tuning seed, the line their mean, the diamond the chosen rate. A run "
        f"that diverged counts as 0.",
        png(figure),
    )


def _norms(run: RunRecord, layer: str) -> dict[float, float]:
    """Return the finite norms of one layer by epoch, a fraction."""
    found = {step.step / step.steps_planned * step.epochs_planned: step.gradient_norm[layer] for step in run.training}
    return {epoch: norm for epoch, norm in found.items() if math.isfinite(norm)}


def _over_seeds(runs: Sequence[Mapping[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the places [P] that every run has, and its values there [runs, P]."""
    places = sorted(set.intersection(*(set(run) for run in runs)))
    return np.array(places), np.array([[run[place] for place in places] for run in runs])


def _draw_band(axes: Axes, style: Style, x: np.ndarray, y: np.ndarray, *, band: bool, label: str = "") -> None:
    marker = "o" if len(x) <= FEW_POINTS else ""
    axes.plot(x, y.mean(0), marker=marker, markersize=4, label=label or style.label, **style.line)
    if band and len(y) > 1:
        axes.fill_between(x, y.min(0), y.max(0), color=style.colour, alpha=0.15, linewidth=0)


def _use_decades(axes: Axes) -> None:
    """Make the vertical axis logarithmic, with a few round numbers for any range."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,), numticks=6))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.minorticks_off()
