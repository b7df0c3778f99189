"""The report, block by block."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from tudui.comparison.outcome import Comparison
from tudui.report import for_classes, for_numbers
from tudui.report.answer import answer
from tudui.report.document import Block, Bullets, Code, Folded, Gallery, Heading, Paragraph, gallery
from tudui.report.pictures import (
    gradient_picture,
    learning_picture,
    noise_picture,
    score_picture,
    sensitivity_picture,
    tuning_picture,
)
from tudui.report.protocol import held_equal, protocol, rates_words
from tudui.report.tables import failures_table, losses_tables, main_table, scores_table
from tudui.report.variance import variance_section
from tudui.report.words import counted, listed, needed, noise_words, number_of_seeds
from tudui.tasks import Classes, Numbers

MOST_NAMES = 8  # in a title


def title_of(comparison: Comparison) -> str:
    """Return the report's title."""
    names = list(comparison.plan.comparison.variants)
    shown = listed(names) if len(names) <= MOST_NAMES else f"{len(names)} variants"
    return f"Losses compared on {comparison.plan.base.data.name}: {shown}"


def report_of(comparison: Comparison) -> list[Block]:
    """Return the whole report: the answer, pictures, then details to unfold."""
    finished = any(row.finished for row in comparison.rows)
    classes, numbers = (isinstance(comparison.task, task) and finished for task in (Classes, Numbers))
    details = [
        *_tables(comparison),
        *(for_classes.wrong_labels(comparison) if classes else ()),
        *(for_classes.learned(comparison) if classes else ()),
        *losses_tables(comparison),
        *(for_classes.classes(comparison) if classes else ()),
        *(for_classes.pictures(comparison) if classes else ()),
        *(for_numbers.pictures(comparison) if numbers else ()),
        *protocol(comparison),
    ]
    return [
        Heading(title_of(comparison), 1),
        *answer(comparison),
        *_setup(comparison),
        *_pictures(comparison),
        *variance_section(comparison),
        Heading("Details"),
        *_folded(details),
    ]


def summary_of(comparison: Comparison) -> list[Block]:
    """Return the answer and the main tables."""
    return [*answer(comparison), *(main_table(comparison, noise) for noise in comparison.noise_levels)]


def _folded(blocks: Sequence[Block]) -> Iterator[Block]:
    """Yield each section folded below its heading."""
    starts = [place for place, block in enumerate(blocks) if isinstance(block, Heading) and block.level == 2]
    for start, end in pairwise([*starts, len(blocks)]):
        heading = blocks[start]
        assert isinstance(heading, Heading)
        yield Folded(heading.text, blocks[start + 1 : end])


def _setup(comparison: Comparison) -> Iterator[Block]:
    base, hardware, images = comparison.plan.base, comparison.hardware, comparison.test_images
    versions = ", ".join(f"{name} {version}" for name, version in comparison.versions.items())
    size = [
        f"network {base.network.name}",
        base.data.name,
        counted(base.train.epochs, "epoch"),
        number_of_seeds(comparison),
        *([f"{images:,} test {comparison.samples}"] if images else []),
    ]
    yield Heading("How it was made")
    yield Code(comparison.command)
    yield Bullets(
        [
            f"{', '.join(size)}.",
            f"{held_equal(comparison)} {rates_words(comparison)} More under Protocol.",
            f"{versions}; {hardware.gpu or hardware.cpu or hardware.device}, "
            f"{counted(hardware.threads, 'thread')} per run, {hardware.precision}.",
            *(words for noise in comparison.noise_levels if (words := _settled(comparison, noise))),
        ]
    )


def _settled(comparison: Comparison, noise: float) -> str:
    words = needed(comparison, noise)
    start = noise_words(comparison, noise)
    return f"{start[0].upper()}{start[1:]}: {words[0].lower()}{words[1:]}" if words else ""


def _tables(comparison: Comparison) -> Iterator[Block]:
    levels = comparison.noise_levels
    yield Heading(f"Test {comparison.metric.title}")
    yield from (main_table(comparison, noise) for noise in levels)
    if any(rate.runs for row in comparison.rows for rate in row.failures.values()):
        yield failures_table(comparison)
        yield Paragraph(
            "A run lost a class if it never predicts a class that other runs of the same loss predict. The interval of "
            "the rate is exact (Clopper and Pearson)."
        )
    yield from for_numbers.second_tables(comparison)
    yield Heading("Other scores")
    yield Paragraph(
        f"Epochs and seconds until the validation {comparison.task.metrics[0].title} first reached this value: means "
        f"over the seeds that reached it. Seconds are those in the training loop. Other runs may have shared the "
        f"machine, so compare seconds roughly. Scores without a note are those of the last weights on the test "
        f"{comparison.samples}."
        + (" ECE is the expected calibration error over 15 bins." if isinstance(comparison.task, Classes) else "")
    )
    yield from (scores_table(comparison, noise) for noise in levels)


def _pictures(comparison: Comparison) -> Iterator[Block]:
    levels, title = comparison.noise_levels, comparison.metric.title
    title = title[0].upper() + title[1:]
    yield Heading(f"{title} by loss")
    yield gallery([score_picture(comparison, noise) for noise in levels], otherwise="No run finished.")
    if len(levels) > 1:
        yield Heading(f"{title} over {'outliers' if comparison.task.kind == 'numbers' else 'label noise'}")
        yield Gallery([noise_picture(comparison)])
    yield Heading("Learning curves")
    curves = [learning_picture(comparison, noise) for noise in levels]
    yield gallery(curves, otherwise="No run that finished had validation images.")
    yield Heading("Gradient norms")
    yield gallery([gradient_picture(comparison, noise) for noise in levels], otherwise="No norm was finite.")
    if not comparison.tuning:
        return
    yield Heading("Learning rates")
    edges = [
        f"{curve.variant} ({noise_words(comparison, curve.label_noise)}): {curve.chosen:g}"
        for curve in comparison.tuning
        if curve.at_the_edge
    ]
    if edges:
        yield Paragraph(f"Chosen at the edge of the grid, so that a rate beyond it may be better: {'; '.join(edges)}.")
    yield Gallery([tuning_picture(comparison, noise) for noise in levels])
    for name in comparison.plan.comparison.tuned_parameters:
        yield Heading(f"Sensitivity to {name}")
        ends = [
            f"{curve.variant} ({noise_words(comparison, curve.label_noise)}): {one.chosen:g}"
            for curve in comparison.tuning
            for one in curve.over
            if one.name == name and one.chosen in (one.values[0], one.values[-1])
        ]
        if ends:
            advice = f"try more values: comparison.tune_values.{name}"
            yield Paragraph(f"At an end of the values that were tried, so {advice}. {'; '.join(ends)}.")
        yield Gallery([sensitivity_picture(comparison, noise, name) for noise in levels])
