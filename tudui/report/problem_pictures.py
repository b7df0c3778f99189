"""The picture of a grid of problems: every difference with its interval."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tudui.comparison.over_problems import have_one_metric
from tudui.comparison.problems import Problems
from tudui.language import say, speaking_in_pictures
from tudui.report.conclusions import are_compared, compared
from tudui.report.document import Block, Gallery, Picture
from tudui.report.drawing import axis_title, legend_below, new_picture, png, styles_of
from tudui.report.words import noise_words, title_of_score
from tudui.style import INK, finish

HEIGHT = 0.32  # inches of a line in the picture


def pictures_of_problems(problems: Problems) -> Iterator[Block]:
    """Yield the differences of each noise level, if there are any and they have one scale."""
    if are_compared(problems) and have_one_metric(problems.every):
        yield Gallery([_picture(problems, noise) for noise in problems.first.noise_levels])


def _picture(problems: Problems, noise: float) -> Picture:
    """Return every difference with its interval, by problem."""
    metric, styles = problems.first.metric, styles_of(problems.first.plan.comparison.variants)
    scale, others = metric.unit.scale, [tally.variant for tally in compared(problems, noise)]
    names = list(problems.comparisons)
    figure, axes = new_picture(1.8 + HEIGHT * len(names) * (len(others) + 1))
    for place, one in enumerate(problems.every):
        offsets = np.linspace(-0.22, 0.22, len(others)) if len(others) > 1 else [0.0]
        for offset, variant in zip(offsets, others, strict=True):
            pair = next(pair for pair in one.pairs_at(noise) if pair.variant == variant)
            style = styles[variant]
            if pair.found is None:
                continue
            if pair.found.interval:
                ends = [scale * end for end in pair.found.interval]
                axes.plot(ends, [place + offset] * 2, color=style.colour, linewidth=2)
            label = None if axes.get_legend_handles_labels()[1].count(style.label) else style.label
            axes.plot(
                [scale * pair.found.difference], [place + offset], "o", markersize=7, color=style.colour, label=label
            )
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    unit, baseline = replace(metric.unit, value=metric.unit.difference), problems.first.baseline
    with speaking_in_pictures():
        x = say("{metric} minus {baseline}", metric=title_of_score(metric), baseline=baseline)
        finish(axes, title=noise_words(problems.first, noise), x=axis_title(x, unit), y="")
    if axes.get_legend_handles_labels()[1]:
        legend_below(figure, axes)
    what = say(
        "The difference between the test {metric} and that of {baseline} in each problem, {noise}",
        metric=title_of_score(metric),
        baseline=baseline,
        noise=noise_words(problems.first, noise),
    )
    caption = say("{what}: a dot is the difference, the line its 95 % interval over seeds and test samples.", what=what)
    return Picture(f"problems-noise{100 * noise:g}", say("{alt}.", alt=what), caption, png(figure))
