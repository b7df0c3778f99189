"""What the scores of one run vary with, and what to repeat because of it."""

from collections.abc import Iterator

from tudui.comparison.outcome import Comparison
from tudui.comparison.variance import IMAGES, REST, Explained
from tudui.language import say
from tudui.report.document import Block, Bullets, Heading, Paragraph, Table
from tudui.report.words import (
    UNKNOWN,
    capitalised,
    counted,
    from_to,
    inside,
    listed,
    noise_words,
    number,
    title_of_score,
)

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
            between = from_to(*ends) if ends else UNKNOWN
            rows.append([_of(explained), say(part.source), number(part.sd, unit), between, share])
    caption = say(
        "What the {metric} of one run varies with, {noise}: standard deviation{unit}",
        metric=title_of_score(comparison.metric),
        noise=noise_words(comparison, noise),
        unit=inside(unit.difference),
    )
    names = ("of", "varies with", "deviation", "its 95 % interval", "share of the variance")
    head = [say(name) for name in names]
    return Table(caption, head, rows, words=head[:2])


def advice(comparison: Comparison) -> list[str]:
    """Return a sentence for each difference, or for each score if there is only one variant."""
    several = any(explained.baseline for explained in comparison.explained)
    return [
        say("With {noise}, {advice}", noise=noise_words(comparison, explained.label_noise), advice=_advice(explained))
        for explained in comparison.explained
        if bool(explained.baseline) == several
    ]


def _advice(explained: Explained) -> str:
    if not explained.components:
        return say("too few runs of {loss} finished.", loss=_of(explained))
    parts = [part for part in explained.components if part.source != REST]
    total = sum(part.sd**2 for part in parts)
    if not total:
        return say("{loss} does not vary with any of them.", loss=_of(explained))
    main, sum_of_main = [], 0.0
    for part in parts:
        if sum_of_main < MOST * total:
            main.append(part.source)
            sum_of_main += part.sd**2
    text = "{loss} varies most with {sources}: repeat with more seeds."
    if main == [IMAGES]:
        text = "{loss} varies most with {sources}: repeat with more test samples; more seeds would change little."
    elif IMAGES in main:
        text = (
            "{loss} varies most with {sources}: repeat with more seeds, which lowers all parts except that of the "
            "test samples."
        )
    little = [part.source for part in parts if part.interval and part.interval[1] < LITTLE * total]
    text = say(text, loss=_of(explained), sources=listed(list(map(say, main))))
    if not little:
        return text
    return say(" ").join([text, say("It varies little with {sources}.", sources=listed(list(map(say, little))))])


def variance_section(comparison: Comparison) -> Iterator[Block]:
    """Yield the section on what the scores vary with, if it was asked for."""
    if not comparison.explained:
        return
    parts = [part for explained in comparison.explained for part in explained.components]
    runs = min((part.n for part in parts if part.interval), default=0)
    yield Heading(say("What the scores vary with"))
    yield Bullets(advice(comparison))
    text = say(
        "For each source there are {runs} that differ only in it; everything else is as for the first seed. A "
        "component is the mean square of these runs minus the residual: its variance over infinitely many samples. "
        "“{images}” is what other test samples would change equally in every run, “{rest}” what they would change "
        "differently in each run; more seeds lower only the second. With so few runs the intervals are wide.",
        runs=counted(runs, "run"), images=capitalised(say(IMAGES)), rest=say(REST),
    )  # fmt: skip
    yield Paragraph(text)
    yield from (variance_table(comparison, noise) for noise in comparison.noise_levels)


def _of(explained: Explained) -> str:
    if not explained.baseline:
        return explained.variant
    return say("{variant} minus {baseline}", variant=explained.variant, baseline=explained.baseline)
