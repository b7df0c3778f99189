"""The report, block by block."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from tudui.comparison.outcome import Comparison
from tudui.config.data_sets import short_name
from tudui.language import say
from tudui.report import for_classes, for_numbers
from tudui.report.answer import answer, warned
from tudui.report.document import Block, Bullets, Code, Folded, Gallery, Heading, Paragraph, gallery
from tudui.report.pictures import (
    gradient_picture,
    learning_picture,
    noise_picture,
    score_picture,
)
from tudui.report.protocol import chosen_value, held_equal, protocol, rates_words
from tudui.report.tables import failures_table, losses_tables, main_table, scores_table
from tudui.report.tuning_pictures import sensitivity_picture, tuning_picture
from tudui.report.variance import variance_section
from tudui.report.words import (
    capitalised,
    counted,
    listed,
    needed,
    noise_words,
    number_of_seeds,
    test_samples,
    title_of_score,
)
from tudui.tasks import Classes, Numbers

MOST_NAMES = 8  # in a title


def title_of(comparison: Comparison) -> str:
    """Return the report's title."""
    names = list(comparison.plan.comparison.variants)
    shown = listed(names) if len(names) <= MOST_NAMES else counted(len(names), "variant")
    return say("Losses compared on {data}: {losses}", data=short_name(comparison.plan.base.data.name), losses=shown)


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
        *warned(comparison),
        *_setup(comparison),
        *_pictures(comparison),
        *variance_section(comparison),
        Heading(say("Details")),
        *_folded(details),
    ]


def summary_of(comparison: Comparison) -> list[Block]:
    """Return the answer, the main tables and the warnings."""
    tables = (main_table(comparison, noise) for noise in comparison.noise_levels)
    return [*answer(comparison), *tables, *warned(comparison)]


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
        say("network {name}", name=base.network.name),
        base.data.name,
        counted(base.train.epochs, "epoch"),
        number_of_seeds(comparison),
        *([counted(base.data.folds, "fold")] if base.data.folds else []),
        *([test_samples(comparison, images)] if images else []),
    ]
    machine = say(
        "{versions}; {hardware}, {threads} per run, {precision}.",
        versions=versions, hardware=hardware.gpu or hardware.cpu or hardware.device,
        threads=counted(hardware.threads, "thread"), precision=hardware.precision,
    )  # fmt: skip
    yield Heading(say("How the comparison was made"))
    yield Code(comparison.command)
    yield Bullets(
        [
            say("{facts}.", facts=say(", ").join(size)),
            say(" ").join([held_equal(comparison), rates_words(comparison), say("More under Protocol.")]),
            machine,
            *(words for noise in comparison.noise_levels if (words := _settled(comparison, noise))),
        ]
    )


def _settled(comparison: Comparison, noise: float) -> str:
    words = needed(comparison, noise)
    start = noise_words(comparison, noise)
    if not words:
        return ""
    return say("{name}: {text}", name=capitalised(start), text=words[0].lower() + words[1:])


def _tables(comparison: Comparison) -> Iterator[Block]:
    levels = comparison.noise_levels
    yield Heading(say("Test {metric}", metric=title_of_score(comparison.metric)))
    yield from (main_table(comparison, noise) for noise in levels)
    if any(rate.runs for row in comparison.rows for rate in row.failures.values()):
        yield failures_table(comparison)
        text = say(
            "“Never predicts a class” is a failure if other runs of the same loss predict this class. The interval of "
            "the rate is exact (Clopper and Pearson)."
        )
        yield Paragraph(text)
    yield from for_numbers.second_tables(comparison)
    yield Heading(say("Other scores"))
    text = say(
        "Epochs and seconds until the validation {metric} first reached this value: means over the seeds that reached "
        "it. Seconds are those in the training loop. Other runs may have shared the machine, so compare seconds "
        "roughly. Scores without a note are those of the last weights on the test {samples}.",
        metric=title_of_score(comparison.task.metrics[0]),
        samples=comparison.samples,
    )
    if isinstance(comparison.task, Classes):
        text += say(" ") + say("ECE is the expected calibration error over 15 bins.")
    yield Paragraph(text)
    yield from (scores_table(comparison, noise) for noise in levels)


def _pictures(comparison: Comparison) -> Iterator[Block]:
    levels, title = comparison.noise_levels, capitalised(title_of_score(comparison.metric))
    yield Heading(say("{metric} by loss", metric=title))
    yield gallery([score_picture(comparison, noise) for noise in levels], otherwise=say("No run finished."))
    if len(levels) > 1:
        numbers = comparison.task.kind == "numbers"
        yield Heading(say("{metric} over outliers" if numbers else "{metric} over label noise", metric=title))
        yield Gallery([noise_picture(comparison)])
    yield Heading(say("Learning curves"))
    curves = [learning_picture(comparison, noise) for noise in levels]
    yield gallery(curves, otherwise=say("No run that finished had validation samples."))
    yield Heading(say("Gradient norms"))
    yield gallery([gradient_picture(comparison, noise) for noise in levels], otherwise=say("No norm was finite."))
    if comparison.tuning:
        yield from _searches(comparison)


def _searches(comparison: Comparison) -> Iterator[Block]:
    """Yield how the learning rates and the tuned settings of the losses were found."""
    levels = comparison.noise_levels
    yield Heading(say("Learning rates"))
    yield Gallery([tuning_picture(comparison, noise) for noise in levels])
    for name in comparison.plan.comparison.tuned_parameters:
        yield Heading(say("Sensitivity to {name}", name=name))
        ends = [
            chosen_value(comparison, curve, one.chosen)
            for curve in comparison.tuning
            for one in curve.over
            if one.name == name and one.chosen in (one.values[0], one.values[-1])
        ]
        if ends:
            text = (
                "The best value is at an end of the values that were tried, so try more of them with {key}. {values}."
            )
            key = f"comparison.tune_values.{name}"
            yield Paragraph(say(text, key=key, values=say("; ").join(ends)))
        yield Gallery([sensitivity_picture(comparison, noise, name) for noise in levels])
