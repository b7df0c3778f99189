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
from tudui.language import say, speaking_in_pictures
from tudui.report import drawing
from tudui.report.document import Picture
from tudui.report.drawing import LONGEST_NAME, MANY, Style, axis_title, label_ends, new_picture, png, styles_of
from tudui.report.words import noise_words, title_of_score, value
from tudui.style import LABEL, PANEL, TICKS, TITLE, finish, shortened

FEW_POINTS = 12
FEW_DECADES = 10  # values that differ by a larger factor have a logarithmic axis


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
            with speaking_in_pictures():
                text = say("diverged")
            axes.annotate(text, (0.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=TICKS)
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
    with speaking_in_pictures():
        x = axis_title(say("test {metric}", metric=title_of_score(metric)), metric.unit)
        finish(axes, title=noise_words(comparison, noise), x=x, y="")
    shown = [f"{row.variant} {value(row.metrics[metric.name].mean, metric.unit)}" for row in rows if row.finished]
    about = {"metric": title_of_score(metric), "noise": noise_words(comparison, noise)}
    alt = say("Test {metric} by loss with {noise}: {scores}.", scores=say(", ").join(shown), **about)
    caption = say(
        "Test {metric} of the last weights with {noise}: a dot is a seed, the vertical line the mean, the bar the 95 % "
        "interval over seeds and test {samples}.",
        samples=comparison.samples, **about,
    )  # fmt: skip
    return Picture(cell_name(metric.name, noise), alt, caption, png(figure))


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
    numbers = comparison.task.kind == "numbers"
    with speaking_in_pictures():
        name = title_of_score(metric)
        title = say("{metric} over outliers" if numbers else "{metric} over label noise", metric=name)
        x_title = say("training targets made outliers / %") if numbers else say("training labels made wrong / %")
        finish(axes, title=title, x=x_title, y=axis_title(say("test {metric}", metric=name), metric.unit))
    label_ends(axes, ends)
    name = title_of_score(metric)
    alt = say(
        "Test {metric} of each loss over the share of outliers; the numbers are in the tables above."
        if numbers
        else "Test {metric} of each loss over the share of wrong labels; the numbers are in the tables above.",
        metric=name,
    )
    text = (
        "Mean test {metric} of the last weights; the vertical lines are the 95 % intervals over seeds and test "
        "{samples}."
        if intervals
        else "Mean test {metric} of the last weights."
    )
    caption = say(text, metric=name, samples=comparison.samples)
    if decades:
        caption += say(" ") + say("Logarithmic, because losses differ by more than a factor of 10.")
    return Picture(f"{metric.name}-over-noise", alt, caption, png(figure))


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
    with speaking_in_pictures():
        y = axis_title(say("validation {metric}", metric=title_of_score(first)), first.unit)
        title = noise_words(comparison, noise)
        title = say("{noise}, in validation too", noise=title) if noise else title
        finish(axes, title=title, x=say("epoch"), y=y)
    label_ends(axes, {style: (epochs[-1], scores[:, -1].mean()) for style, (epochs, scores) in curves.items()})
    about = {"noise": noise_words(comparison, noise), "metric": title_of_score(first)}
    text = "Learning curves with {noise}: validation {metric} over the epochs, for {losses}."
    alt = say(text, losses=say(", ").join(style.label for style in curves), **about)
    text = "Validation {metric} with {noise}: mean over the seeds that finished{band}."
    caption = say(text, band=_about_the_band(shown=band), **about)
    if noise:
        text = (
            "Validation targets have outliers too, test targets do not."
            if comparison.task.kind == "numbers"
            else "Validation labels are wrong too, test labels are not."
        )
        caption += say(" ") + say(text)
    return Picture(cell_name("learning", noise), alt, caption, png(figure))


def _about_the_band(*, shown: bool) -> str:
    return say(", the band from the lowest to the highest") if shown else ""


def gradient_picture(comparison: Comparison, noise: float) -> Picture | None:
    """Return the gradient's norm over the epochs, a panel per layer or block; None if it was never finite."""
    rows, styles = comparison.rows_at(noise), styles_of(comparison.plan.comparison.variants)
    layers = [layer for layer in rows[0].runs[0].training[0].gradient_norm if layer != "total"]
    with speaking_in_pictures():
        whole, diverged, epoch = say("whole gradient"), say(" (diverged)"), say("epoch")
    shown = {whole: ["total"], **blocks.charted(layers)}
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
                label = style.label + ("" if row.finished else diverged)
                _draw_band(axes, style, epochs, found, band=band, label=label)
        _use_decades(axes)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        name = blocks.title_of(block, rows[0].runs[0].kinds)
        finish(axes, title=shortened(name, LONGEST_NAME), x="", y="")
        axes.tick_params(labelsize=TICKS - 2)
    if not panels[0].lines:  # every run diverged before its first finite norm
        return None
    for axes in panels[-2:]:
        axes.set_xlabel(epoch, fontsize=LABEL)
    with speaking_in_pictures():
        figure.suptitle(noise_words(comparison, noise), fontsize=TITLE)
        figure.supylabel(say("norm of the gradient, before clipping"), fontsize=LABEL)
    drawing.legend_below(figure, panels[0])
    title = noise_words(comparison, noise)
    caption = say(
        "Norm of the gradient with {noise}, of the whole network and of {parts}: mean over the seeds{band}. "
        "Logarithmic, because losses differ in scale.",
        noise=title, band=_about_the_band(shown=band),
        parts=say("each layer's weights (without biases)")
        if len(layers) <= blocks.MANY
        else say("each block of layers"),
    )  # fmt: skip
    alt = say("Norm of the gradient over the epochs, with {noise}, a line per loss.", noise=title)
    return Picture(cell_name("gradients", noise), alt, caption, png(figure))


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
