"""The report, block by block."""

from collections.abc import Iterator

from tudui.comparison.collect import Cell, Comparison
from tudui.report.document import (
    Block,
    Bullets,
    Code,
    Folded,
    Gallery,
    Heading,
    Paragraph,
    Picture,
)
from tudui.report.drawing import styles_of
from tudui.report.protocol import held_equal, protocol, rates_words
from tudui.report.score_pictures import (
    accuracy_picture,
    calibration_picture,
    confusion_pictures,
    noise_picture,
)
from tudui.report.tables import (
    MOST_CLASSES,
    accuracy_table,
    classes_table,
    learned_table,
    losses_table,
    number_of_classes,
    yardsticks_table,
)
from tudui.report.training_pictures import gradient_picture, learning_picture, tuning_picture
from tudui.report.words import Values, counted, headline, listed, needed, noise_levels, noise_words

FEW = 4  # pictures that need not be folded away


def title_of(values: Values) -> str:
    """Return the report's title."""
    data = values["plan"]["base"]["data"]["name"]
    names = list(values["plan"]["variants"])
    return f"Losses compared on {data}: {listed(names) if len(names) <= 8 else f'{len(names)} variants'}"


def report_of(comparison: Comparison) -> list[Block]:
    """Return the whole report."""
    values = comparison.values
    return [
        Heading(title_of(values), 1),
        *_answer(values),
        *_made_by(values),
        *_tables(values),
        *_accuracy_pictures(values),
        *_training_pictures(values, comparison.cells),
        *(_class_pictures(values, comparison.cells) if number_of_classes(values) else ()),
        *(_losses_and_classes(values) if number_of_classes(values) else ()),
        *protocol(values),
    ]


def summary_of(values: Values) -> list[Block]:
    """Return the answer and the main tables."""
    return [*_answer(values), *(accuracy_table(values, noise) for noise in noise_levels(values))]


def _answer(values: Values) -> Iterator[Block]:
    levels = noise_levels(values)
    yield Bullets([headline(values, noise) for noise in levels])
    power = {noise: words for noise in levels if (words := needed(values, noise))}
    if len(set(power.values())) == 1:
        yield Paragraph(next(iter(power.values())))
    elif power:
        yield Bullets([f"{noise_words(values, noise)}: {words}".capitalize() for noise, words in power.items()])


def _made_by(values: Values) -> Iterator[Block]:
    plan, hardware, images = values["plan"], values["hardware"], values["test_images"]
    device = hardware["gpu"] or hardware["cpu"] or hardware["device"]
    versions = ", ".join(f"{name} {version}" for name, version in values["versions"].items())
    size = [
        plan["base"]["data"]["name"],
        counted(plan["base"]["train"]["epochs"], "epoch"),
        counted(plan["seeds"], "seed"),
        *([f"{images:,} test images"] if images else []),
    ]
    yield Code(values["command"])
    yield Bullets(
        [
            f"{', '.join(size)}.",
            f"{held_equal(values)} {rates_words(values)} More under Protocol.",
            f"{versions}; {device}, {counted(hardware['threads'], 'thread')} per run, {hardware['precision']}.",
            *(f"Warning: {text}." for text in values["warnings"]),
        ]
    )


def _tables(values: Values) -> Iterator[Block]:
    levels = noise_levels(values)
    yield Heading("Test accuracy")
    yield from (accuracy_table(values, noise) for noise in levels)
    yield Heading("Other yardsticks")
    yield Paragraph(
        "Epochs and seconds until the validation accuracy was first that high: means over the seeds that got there. "
        "Seconds are those in the training loop, measured while other runs may have run beside: compare them roughly. "
        "NLL and ECE (expected calibration error, 15 bins) are those of the last weights on the test images."
    )
    yield from (yardsticks_table(values, noise) for noise in levels)
    learned = [table for noise in levels if (table := learned_table(values, noise))]
    if learned:
        yield Heading("What was learned from wrong labels")
        yield Paragraph(
            "How many training images with a right label are predicted as labelled; how many with a wrong label are "
            "predicted so too, which was learned by heart; and how many of these as the class that they really show."
        )
        yield from learned


def _accuracy_pictures(values: Values) -> Iterator[Block]:
    styles, levels = styles_of(values["plan"]["variants"]), noise_levels(values)
    yield Heading("Accuracy by loss")
    accuracies = [accuracy_picture(values, noise, styles) for noise in levels]
    yield _gallery(accuracies, otherwise="No run finished.")
    if len(levels) > 1:
        yield Heading("Accuracy over label noise")
        yield Gallery([noise_picture(values, styles)])


def _training_pictures(values: Values, cells: tuple[Cell, ...]) -> Iterator[Block]:
    styles, levels = styles_of(values["plan"]["variants"]), noise_levels(values)
    yield Heading("Learning curves")
    curves = [learning_picture(values, noise, cells, styles) for noise in levels]
    yield _gallery(curves, otherwise="No run that finished had validation images.")
    yield Heading("Gradient norms")
    gradients = [gradient_picture(values, noise, cells, styles) for noise in levels]
    yield _gallery(gradients, otherwise="None were logged.")
    if values["tuning"]:
        yield Heading("Learning rates")
        yield from _edges(values)
        yield Gallery([tuning_picture(values, noise, styles) for noise in levels])


def _edges(values: Values) -> Iterator[Block]:
    """Say for which variants a rate outside the grid might have been better."""
    edges = [
        f"{curve['variant']} ({noise_words(values, curve['label_noise'])}): {curve['chosen']:g}"
        for curve in values["tuning"]
        if curve["at_the_edge"]
    ]
    if edges:
        yield Paragraph(f"Chosen at the edge of the grid, so that a rate beyond it may do better: {'; '.join(edges)}.")


def _class_pictures(values: Values, cells: tuple[Cell, ...]) -> Iterator[Block]:
    styles, levels = styles_of(values["plan"]["variants"]), noise_levels(values)
    yield Heading("Confusion matrices")
    if too_many := _too_many_classes(values):
        yield too_many
    else:
        matrices = {noise: drawn for noise in levels if (drawn := confusion_pictures(values, noise))}
        for noise, drawn in matrices.items():
            gallery, few = Gallery(drawn), len(matrices) * len(drawn) <= FEW
            yield gallery if few else Folded(f"Confusion matrices, {noise_words(values, noise)}", [gallery])
    yield Heading("Calibration")
    calibration = [calibration_picture(values, noise, cells, styles) for noise in levels]
    yield _gallery(calibration, otherwise="No run finished.")


def _losses_and_classes(values: Values) -> Iterator[Block]:
    levels = noise_levels(values)
    yield Heading("Every model under every loss")
    yield Paragraph(
        "Each row is one kind of model, each column a loss at its defaults (residual losses on logits). Values of "
        "different losses are not comparable across columns, and no loss is ranked by its own value."
    )
    yield from (table for noise in levels if (table := losses_table(values, noise)))
    yield Heading("Accuracy of each class")
    if too_many := _too_many_classes(values):
        yield too_many
    else:
        yield from (table for noise in levels if (table := classes_table(values, noise)))


def _too_many_classes(values: Values) -> Paragraph | None:
    number = number_of_classes(values)
    if number <= MOST_CLASSES:
        return None
    return Paragraph(f"{number} classes are too many to be read here; comparison.json has them all.")


def _gallery(pictures: list[Picture | None], *, otherwise: str) -> Block:
    known = [picture for picture in pictures if picture]
    return Gallery(known) if known else Paragraph(otherwise)
