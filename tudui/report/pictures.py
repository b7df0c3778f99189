"""The report's pictures for any task: final scores, learning curves, gradient norms, learning rates."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, StrMethodFormatter

from tudui import blocks
from tudui.comparison.outcome import Comparison
from tudui.comparison.runs import cell_name
from tudui.report import drawing
from tudui.report.document import Picture
from tudui.report.drawing import LONGEST_NAME, MANY, Style, axis_title, label_ends, new_picture, png, styles_of
from tudui.report.words import noise_words
from tudui.style import LABEL, PANEL, TICKS, TITLE, finish

FEW_POINTS = 12
FEW_DECADES = 10  # values that differ by a larger factor have a logarithmic axis
BAND = ", the band from the lowest to the highest"


def score_picture(comparison: Comparison, noise: float) -> Picture | None:
    """Return every seed as a dot, mean and interval, a line per variant; None if no run finished."""
    rows, metric, styles = comparison.rows_at(noise), comparison.metric, styles_of(comparison.plan.comparison.variants)
    if not any(row.finished for row in rows):
        return None
    scale = metric.unit.scale
    figure, axes = new_picture(1.3 + 0.5 * len(rows))
    for place, row in enumerate(rows):
        style, score = styles[row.variant], row.metrics.get(metric.name)
        if score is None:
            axes.annotate("diverged", (0.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=TICKS)
            continue
        if score.interval:
            ends = [scale * end for end in score.interval]
            axes.plot(ends, [place] * 2, color=style.colour, linewidth=7, alpha=0.3, solid_capstyle="butt")
        axes.plot([scale * score.mean] * 2, [place - 0.3, place + 0.3], color=style.colour, linewidth=2, zorder=3)
        seeds = [scale * seed for seed in score.values]
        apart = place + np.linspace(-0.16, 0.16, len(seeds)) if len(seeds) > 1 else [place]
        axes.plot(seeds, apart, "o", markersize=6, color=style.colour, mec="white", mew=0.7)
    axes.set_yticks(range(len(rows)), [styles[row.variant].label for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    title = noise_words(comparison, noise)
    finish(axes, title=title, x=axis_title(f"test {metric.title}", metric.unit), y="")
    shown = [f"{row.variant} {metric.unit.text(row.metrics[metric.name].mean)}" for row in rows if row.finished]
    return Picture(
        cell_name(metric.name, noise),
        f"Test {metric.title} by loss with {title}: {', '.join(shown)}.",
        f"Test {metric.title} of the last weights with {title}: a dot is a seed, the vertical line the mean, the bar "
        f"the 95 % interval over seeds and test {comparison.samples}.",
        png(figure),
    )


def noise_picture(comparison: Comparison) -> Picture:
    """Return the score over the share of wrong labels, a line per variant."""
    levels, metric = sorted(comparison.noise_levels), comparison.metric
    wrong = {level: comparison.wrong_share(level) for level in levels}
    styles = styles_of(comparison.plan.comparison.variants)
    scale = metric.unit.scale
    figure, axes = new_picture()
    step = min(b - a for a, b in pairwise(sorted(wrong.values())))
    ends, intervals = {}, len(styles) <= MANY
    means = [score.mean for row in comparison.rows if (score := row.metrics.get(metric.name))]
    decades = not metric.proportion and 0 < FEW_DECADES * min(means, default=0) < max(means, default=0)
    for index, (variant, style) in enumerate(styles.items()):
        rows = {row.label_noise: row.metrics.get(metric.name) for row in comparison.rows if row.variant == variant}
        known = [(level, score) for level in levels if (score := rows[level])]
        if not known:
            continue
        # side by side, so that no interval hides another
        moved = 0.08 * step * ((index + 0.5) / len(styles) - 0.5)
        x = [100 * (wrong[level] + moved) for level, _ in known]
        y = [scale * score.mean for _, score in known]
        axes.plot(x, y, marker="o", markersize=5, **style.line)
        if intervals:
            low, high = np.transpose([scale * np.array(score.interval or (np.nan, np.nan)) for _, score in known])
            axes.vlines(x, low, high, color=style.colour, linewidth=1.2, alpha=0.6)
        ends[style] = (x[-1], y[-1])
    if decades:
        _use_decades(axes)
    axes.set_xticks(shown := [100 * share for share in wrong.values()], [f"{share:.3g}" for share in shown])
    y_title = axis_title(f"test {metric.title}", metric.unit)
    over, x_title, wrong_targets = "label noise", "training labels made wrong / %", "wrong labels"
    if comparison.task.kind == "numbers":
        over, x_title, wrong_targets = "outliers", "training targets made outliers / %", "outliers"
    finish(axes, title=f"{metric.title} over {over}", x=x_title, y=y_title)
    label_ends(axes, ends)
    return Picture(
        f"{metric.name}-over-noise",
        f"Test {metric.title} of each loss over the share of {wrong_targets}; the numbers are in the tables above.",
        f"Mean test {metric.title} of the last weights"
        + (
            f"; the vertical lines are the 95 % intervals over seeds and test {comparison.samples}."
            if intervals
            else "."
        )
        + (" Logarithmic, as losses differ by more than a factor of 10." if decades else ""),
        png(figure),
    )


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
    """Return the gradient's norm over the epochs, a panel per layer or block; None if it was never finite."""
    rows, styles = comparison.rows_at(noise), styles_of(comparison.plan.comparison.variants)
    layers = [layer for layer in rows[0].runs[0].training[0].gradient_norm if layer != "total"]
    shown = {"whole gradient": ["total"], **blocks.charted(layers)}
    lines, band = -(-len(shown) // 2), len(rows) <= MANY
    figure = drawing.empty_picture(1.15 * PANEL, 0.6 + 2.3 * lines)
    panels = [figure.add_subplot(lines, 2, place + 1) for place in range(len(shown))]
    for axes, (block, inside) in zip(panels, shown.items(), strict=True):
        for row in rows:
            style = styles[row.variant]
            norms = [
                {
                    step.step / step.steps_planned * step.epochs_planned: norm
                    for step in run.training
                    if math.isfinite(norm := blocks.norm_of(step.gradient_norm, inside))
                }
                for run in row.finished or row.runs
            ]
            epochs, found = _over_seeds(norms)
            if len(epochs):
                label = style.label + ("" if row.finished else " (diverged)")
                _draw_band(axes, style, epochs, found, band=band, label=label)
        _use_decades(axes)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        name = block.removesuffix(".weight")
        finish(axes, title=name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}", x="", y="")
        axes.tick_params(labelsize=TICKS - 2)
    if not panels[0].lines:  # every run diverged before its first finite norm
        return None
    for axes in panels[-2:]:
        axes.set_xlabel("epoch", fontsize=LABEL)
    title = noise_words(comparison, noise)
    parts = "each layer's weights (biases left out)" if len(layers) <= blocks.MANY else "each block of layers"
    figure.suptitle(title, fontsize=TITLE)
    figure.supylabel("norm of the gradient, before clipping", fontsize=LABEL)
    drawing.legend_below(figure, panels[0])
    return Picture(
        cell_name("gradients", noise),
        f"Norm of the gradient over the epochs, with {title}, a line per loss.",
        f"Norm of the gradient with {title}, of the whole network and of {parts}: mean "
        f"over the seeds{BAND if band else ''}. Logarithmic, as losses differ in scale.",
        png(figure),
    )


def tuning_picture(comparison: Comparison, noise: float) -> Picture:
    """Return the validation score by the task's first metric over the learning rate, the chosen rates marked."""
    curves = {one.variant: (one.rates, one.scores, one.chosen) for one in comparison.tuning if one.label_noise == noise}
    return _search_picture(
        comparison, noise, curves, name="learning-rates", what="learning rate", x="peak learning rate"
    )


def sensitivity_picture(comparison: Comparison, noise: float, name: str) -> Picture:
    """Return the validation score over a tuned setting of the losses that have it, at the best rate of each."""
    curves, rates = {}, []
    for curve in comparison.tuning:
        for one in curve.over:
            if curve.label_noise == noise and one.name == name:
                curves[curve.variant] = (one.values, one.scores, one.chosen)
                rates.append(f"{curve.variant} {one.rate:g}")
    residual = any(name in loss.in_scaled_units for loss in comparison.plan.comparison.variants.values())
    x = f"{name}, scaled units" if residual and comparison.task.kind == "numbers" else name
    more = f" At the best rate before {name} was tuned: {', '.join(rates)}."
    return _search_picture(comparison, noise, curves, name=f"sensitivity-{name}", what=name, x=x, more=more)


Searched = tuple[Sequence[float], Sequence[Sequence[float]], float]  # values, scores [values, seeds], the chosen value


def _search_picture(
    comparison: Comparison,
    noise: float,
    curves: Mapping[str, Searched],
    *,
    name: str,
    what: str,
    x: str,
    more: str = "",
) -> Picture:
    """Return the validation score over the values that were tried of one setting, by variant."""
    first, styles = comparison.task.metrics[0], styles_of(comparison.plan.comparison.variants)
    figure, axes = new_picture()
    ends = {}
    for variant, (values, by_seed, chosen) in curves.items():
        style = styles[variant]
        scores = first.unit.scale * np.array(by_seed)  # [values, seeds]
        means = scores.mean(1).tolist()
        axes.plot(values, means, **style.line)
        axes.plot(values, scores, "o", markersize=4, color=style.colour)
        best = means[values.index(chosen)]
        axes.plot(chosen, best, "D", markersize=10, markerfacecolor="none", color=style.colour, mew=2)
        ends[style] = (values[-1], means[-1])
    ticks = sorted({value for values, _, _ in curves.values() for value in values})
    if ticks[0] > 0:
        axes.set_xscale("log")
        ticks = _apart(ticks)
    axes.set_xticks(ticks, [f"{value:g}" for value in ticks], rotation=45 if len(ticks) > 6 else 0)
    axes.minorticks_off()
    title = noise_words(comparison, noise)
    finish(axes, title=title, x=x, y=axis_title(f"validation {first.title}", first.unit))
    label_ends(axes, ends)
    all_chosen = ", ".join(f"{variant} {chosen:g}" for variant, (_, _, chosen) in curves.items())
    kind = "rate" if what == "learning rate" else "value"
    return Picture(
        cell_name(name, noise),
        f"Validation {first.title} over the {what} with {title}; chosen: {all_chosen}.",
        f"{what[0].upper()}{what[1:]}{'s' if kind == 'rate' else ''} with {title}: a dot is a tuning seed, the line "
        f"their mean, the diamond the chosen {kind}. "
        + ("A run that diverged counts as 0." if first.better == "more" else "Runs that diverged are not drawn.")
        + more,
        png(figure),
    )


def _apart(values: Sequence[float]) -> list[float]:
    """Return ascending values without those within 15 % of the one before, because their labels would overlap."""
    kept = [values[0]]
    for value in values[1:]:
        if value > 1.15 * kept[-1]:
            kept.append(value)
    return kept


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
