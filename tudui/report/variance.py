"""What the scores of one run vary with, and what to repeat because of it."""

from collections.abc import Iterator

from tudui.comparison.outcome import Comparison
from tudui.comparison.variance import IMAGES, REST, Explained
from tudui.report.document import Block, Bullets, Heading, Paragraph, Table
from tudui.report.words import UNKNOWN, counted, listed, noise_words, number

MOST = 0.8  # the largest components that make up this share are worth repeating
LITTLE = 0.1  # a source whose interval ends below this share of the sum matters little


def variance_table(comparison: Comparison, noise: float) -> Table:
    """Return the components of every score and difference at one noise level, as standard deviations of one run."""
    unit = comparison.metric.unit
    rows = []
    for explained in comparison.explained:
        if explained.label_noise != noise:
            continue
        for part in explained.components:
            ends = [number(end**0.5, unit) for end in part.interval] if part.interval else []
            share = f"{100 * explained.share(part):.0f} %"
            rows.append([_of(explained), part.source, number(part.sd, unit), " to ".join(ends) or UNKNOWN, share])
    inside = f" in {unit.difference}" if unit.difference else ""
    what = f"What the {comparison.metric.title} of one run varies with, {noise_words(comparison, noise)}"
    return Table(
        f"{what}: standard deviation{inside}",
        ["of", "varies with", "deviation", "its 95 % interval", "share of the variance"],
        rows,
        words=("of", "varies with"),
    )


def advice(comparison: Comparison) -> list[str]:
    """Return a sentence for each difference, or for each score if there is only one variant."""
    several = any(explained.baseline for explained in comparison.explained)
    return [
        f"With {noise_words(comparison, explained.label_noise)}, {_advice(explained)}"
        for explained in comparison.explained
        if bool(explained.baseline) == several
    ]


def _advice(explained: Explained) -> str:
    if not explained.components:
        return f"too few runs of {_of(explained)} finished."
    parts = [part for part in explained.components if part.source != REST]
    total = sum(part.sd**2 for part in parts)
    if not total:
        return f"{_of(explained)} varies with none of them."
    main, sum_of_main = [], 0.0
    for part in parts:
        if sum_of_main < MOST * total:
            main.append(part.source)
            sum_of_main += part.sd**2
    repeat = "more seeds, which lowers all but the part of the test images" if IMAGES in main else "more seeds"
    if main == [IMAGES]:
        repeat = "more test images; more seeds would change little"
    little = [part.source for part in parts if part.interval and part.interval[1] < LITTLE * total]
    text = f"{_of(explained)} varies most with {listed(main)}: repeat with {repeat}."
    return f"{text} It varies little with {listed(little)}." if little else text


def variance_section(comparison: Comparison) -> Iterator[Block]:
    """Yield the section on what the scores vary with, if it was asked for."""
    if not comparison.explained:
        return
    parts = [part for explained in comparison.explained for part in explained.components]
    runs = min((part.n for part in parts if part.interval), default=0)
    yield Heading("What the scores vary with")
    yield Bullets(advice(comparison))
    yield Paragraph(
        f"Each source has {counted(runs, 'run')} that differ in it alone; everything else is that of the first seed. A "
        f"component is the mean square of these runs minus the residual: its variance over infinitely many images. "
        f"“{IMAGES.capitalize()}” is what other test images would change in every run alike, “{REST}” what they would "
        f"change in each run differently; more seeds lower the second only. With so few runs the intervals are wide."
    )
    yield from (variance_table(comparison, noise) for noise in comparison.noise_levels)


def _of(explained: Explained) -> str:
    return f"{explained.variant} minus {explained.baseline}" if explained.baseline else explained.variant
