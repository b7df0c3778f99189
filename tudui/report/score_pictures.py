"""Pictures of the final models' scores on the test images, by the verdict's metric."""

from itertools import pairwise

import numpy as np

from tudui.comparison.outcome import Comparison
from tudui.comparison.runs import cell_name
from tudui.report.document import Picture
from tudui.report.drawing import MANY, axis_title, label_ends, new_picture, png, styles_of
from tudui.report.words import noise_words
from tudui.style import TICKS, finish


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
        f"the 95 % interval over seeds and test images.",
        png(figure),
    )


def noise_picture(comparison: Comparison) -> Picture:
    """Return the score over the share of wrong labels, a line per variant."""
    levels, metric, styles = (
        sorted(comparison.noise_levels),
        comparison.metric,
        styles_of(comparison.plan.comparison.variants),
    )
    scale = metric.unit.scale
    figure, axes = new_picture()
    step = min(b - a for a, b in pairwise(levels))
    ends, intervals = {}, len(styles) <= MANY
    for index, (variant, style) in enumerate(styles.items()):
        rows = {row.label_noise: row.metrics.get(metric.name) for row in comparison.rows if row.variant == variant}
        known = [(level, score) for level in levels if (score := rows[level])]
        if not known:
            continue
        # beside each other, so that no interval hides another
        moved = 0.08 * step * ((index + 0.5) / len(styles) - 0.5)
        x = [100 * (level + moved) for level, _ in known]
        y = [scale * score.mean for _, score in known]
        axes.plot(x, y, marker="o", markersize=5, **style.line)
        for place, (_, score) in zip(x, known, strict=True):
            if intervals and score.interval:
                low, high = score.interval
                axes.plot([place] * 2, [scale * low, scale * high], color=style.colour, linewidth=1.2, alpha=0.6)
        ends[style] = (x[-1], y[-1])
    axes.set_xticks([100 * level for level in levels])
    y_title = axis_title(f"test {metric.title}", metric.unit)
    finish(axes, title=f"{metric.title} over label noise", x="labels made wrong / %", y=y_title)
    label_ends(axes, ends)
    return Picture(
        f"{metric.name}-over-noise",
        f"Test {metric.title} of each loss over the share of wrong labels; the numbers are in the tables above.",
        f"Mean test {metric.title} of the last weights"
        + ("; the vertical lines are the 95 % intervals over seeds and test images." if intervals else "."),
        png(figure),
    )
