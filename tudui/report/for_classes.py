"""The report's parts for classifiers: memorised wrong labels, confusion, calibration, single classes."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from tudui.comparison.outcome import Comparison, Row
from tudui.comparison.runs import cell_name
from tudui.events import MOST_PAIRS, WrongLabels
from tudui.language import say, speaking_in_pictures
from tudui.report.document import Block, Code, Folded, Gallery, Heading, Paragraph, Picture, Table, gallery
from tudui.report.drawing import HEIGHT, legend_below, new_picture, png, styles_of
from tudui.report.words import UNKNOWN, counted, noise_words, number
from tudui.sinks.pictures import NOTES, confusion_picture
from tudui.style import finish
from tudui.tasks.classes import ACCURACY
from tudui.tasks.classes import CALIBRATION_BINS as BINS

FEWEST = 10  # predictions in a bin: the share of fewer is mostly chance
FEW = 4  # pictures that are shown unfolded
MOST_CLASSES = 20  # that can be read


def wrong_labels(comparison: Comparison) -> Iterator[Block]:
    """Yield the section on the labels that were made wrong, if there are any: shares, pairs, transition matrices."""
    levels = {noise: found for noise in comparison.noise_levels if (found := comparison.wrong_labels(noise))}
    if not levels:
        return
    names = comparison.task.names
    yield Heading(say("Wrong labels"))
    text = say(
        "Some labels of the training and validation samples were made wrong on purpose; the test labels were not. The "
        "level is the setting; the shares are counted. A pair is a true class and a wrong label that its samples were "
        "given, with the share of such samples in the class, for the first seed."
    )
    yield Paragraph(text)
    names_of_columns = ("level", "kind", "training labels wrong %", "validation labels wrong %", "pairs")
    head = [say(name) for name in names_of_columns]
    rows = []
    for noise, found in levels.items():
        pairs = found[0].pairs(names)
        more = say(" and {number} more", number=len(pairs) - MOST_PAIRS) if len(pairs) > MOST_PAIRS else ""
        shares = [
            number(comparison.wrong_share(noise, split), ACCURACY.unit) if split in found[0].images else UNKNOWN
            for split in ("train", "validation")
        ]
        rows.append([f"{noise:g}", say(found[0].kind), *shares, say(", ").join(pairs[:MOST_PAIRS]) + more])
    yield Table(say("Wrong labels, means over seeds"), head, rows, words=(head[1], head[-1]))
    drawn = [transitions(comparison, noise, found) for noise, found in levels.items() if found[0].cells]
    if drawn and len(names) <= MOST_CLASSES:
        yield Gallery(drawn) if len(drawn) <= FEW else Folded(say("Transition matrices"), [Gallery(drawn)])
    first = next(iter(levels.values()))[0]
    if first.matrix:
        text = "\n".join(",".join(f"{cell:g}" for cell in row) for row in first.matrix)
        name = Path(comparison.plan.base.data.noise_matrix or "").name
        title = say("The matrix {name} (sha256 {sha256})", name=name, sha256=first.sha256)
        yield Folded(title, [Code(text)])


def transitions(comparison: Comparison, noise: float, found: list[WrongLabels]) -> Picture:
    """Return the matrix of true and given labels at one noise level, shares over all seeds."""
    counts = np.zeros((comparison.task.outputs,) * 2, dtype=int)
    for true, given, count in (cell for labels in found for cell in labels.cells):
        counts[true, given] += count
    file, title = BytesIO(), noise_words(comparison, noise)
    with speaking_in_pictures():
        notes = (say("rows: true class, in percent"), say("columns: given label"))
    Image.fromarray(confusion_picture(counts.tolist(), comparison.task.names, notes)).save(file, "png")
    alt = say("Given labels of each class with {noise}.", noise=title)
    return Picture(cell_name("labels", noise), alt, say("{alt}.", alt=title), file.getvalue())


def learned(comparison: Comparison) -> Iterator[Block]:
    """Yield the section on memorised wrong labels, if there are any."""
    if not any(row.learned for row in comparison.rows):
        return
    yield Heading(say("What was learned from wrong labels"))
    text = say(
        "Share of correctly labelled training samples that are predicted correctly; share of mislabelled ones that "
        "are predicted as their wrong label, which was memorised; and share of mislabelled ones that are predicted "
        "as their true class."
    )
    yield Paragraph(text)
    names = ("loss", "right labels predicted %", "wrong labels predicted %", "true class of these predicted %")
    head = [say(name) for name in names]
    columns = (("clean", ACCURACY.name), ("flipped", ACCURACY.name), ("flipped", f"true_{ACCURACY.name}"))
    for noise in comparison.noise_levels:
        rows = [
            [row.variant, *(number(row.learned[labels][score], ACCURACY.unit) for labels, score in columns)]
            for row in comparison.rows_at(noise)
            if row.learned
        ]
        text = "Training samples after the last epoch, {noise}, means over seeds"
        if rows:
            yield Table(say(text, noise=noise_words(comparison, noise)), head, rows, words=head[:1])


def pictures(comparison: Comparison) -> Iterator[Block]:
    """Yield confusion matrices and calibration."""
    levels = comparison.noise_levels
    yield Heading(say("Confusion matrices"))
    if too_many := _too_many(comparison):
        yield too_many
    else:
        matrices = {noise: drawn for noise in levels if (drawn := confusion_pictures(comparison, noise))}
        for noise, drawn in matrices.items():
            shown, few = Gallery(drawn), len(matrices) * len(drawn) <= FEW
            title = say("Confusion matrices, {noise}", noise=noise_words(comparison, noise))
            yield shown if few else Folded(title, [shown])
    yield Heading(say("Calibration"))
    yield gallery([calibration_picture(comparison, noise) for noise in levels], otherwise=say("No run finished."))


def classes(comparison: Comparison) -> Iterator[Block]:
    """Yield the accuracy of each class."""
    yield Heading(say("Accuracy of each class"))
    if too_many := _too_many(comparison):
        yield too_many
        return
    for noise in comparison.noise_levels:
        rows = comparison.finished_at(noise)
        text = "Test accuracy % of each class, {noise}, means over seeds"
        caption = say(text, noise=noise_words(comparison, noise))
        shown = [
            [name, *(number(row.details["per_class_accuracy"][name], ACCURACY.unit, 1) for row in rows)]
            for name in comparison.task.names
        ]
        if rows:
            head = [say("class"), *(row.variant for row in rows)]
            yield Table(caption, head, shown, words=head[:1])


def _too_many(comparison: Comparison) -> Paragraph | None:
    classes = comparison.task.outputs
    text = "{number} classes are too many to show here; comparison.json contains them all."
    return Paragraph(say(text, number=classes)) if classes > MOST_CLASSES else None


def calibration_picture(comparison: Comparison, noise: float) -> Picture | None:
    """Return the share of right predictions over their confidence, all seeds pooled; None if no run finished."""
    styles = styles_of(comparison.plan.comparison.variants)
    rows = comparison.finished_at(noise)
    if not rows:
        return None
    figure, axes = new_picture(HEIGHT + 1.2)
    axes.plot([0, 100], [0, 100], color="#909090", linewidth=1)
    for row in rows:
        style = styles[row.variant]
        confidence, accuracy, share = reliability(row)
        axes.plot(100 * confidence, 100 * accuracy, label=style.label, **style.line)
        axes.scatter(100 * confidence, 100 * accuracy, s=10 + 180 * share, color=style.colour, alpha=0.8, clip_on=False)
    axes.set_xlim(0, 102)
    axes.set_ylim(0, 102)
    with speaking_in_pictures():
        x, y = say("confidence / %"), say("share that is right / %")
        finish(axes, title=noise_words(comparison, noise), x=x, y=y)
    legend_below(figure, axes)
    title = noise_words(comparison, noise)
    text = "Reliability diagram of each loss with {noise}: share of right predictions over their confidence."
    alt = say(text, noise=title)
    caption = say(
        "Calibration with {noise}, all seeds pooled, {bins} bins, without bins of fewer than {fewest} predictions; "
        "a dot's area grows with the share of predictions in its bin. Above the grey line a model is underconfident, "
        "below it overconfident.",
        noise=title, bins=BINS, fewest=FEWEST,
    )  # fmt: skip
    return Picture(cell_name("calibration", noise), alt, caption, png(figure))


def reliability(row: Row) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean confidence, share that is right, and share of all predictions, of each large enough bin."""
    confidence = np.concatenate([run.predictions["confidence"].astype(np.float64) for run in row.finished])
    correct = np.concatenate([run.predictions[ACCURACY.name] for run in row.finished])
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    number = np.bincount(bins, minlength=BINS)
    used = number >= FEWEST
    sums = [np.bincount(bins, weights=weights, minlength=BINS)[used] for weights in (confidence, correct)]
    return sums[0] / number[used], sums[1] / number[used], number[used] / len(bins)


def confusion_pictures(comparison: Comparison, noise: float) -> list[Picture]:
    """Return a confusion matrix per variant, shares of each true class's test samples over all seeds."""
    pictures = []
    for row in comparison.rows_at(noise):
        if not row.finished:
            continue
        file, seeds = BytesIO(), counted(len(row.finished), "seed")
        with speaking_in_pictures():
            head = say("{name}, {noise}", name=row.variant, noise=noise_words(comparison, noise))
            notes = [say("{name}: {text}", name=head, text=seeds), *(say(note) for note in NOTES)]
        Image.fromarray(confusion_picture(row.details["confusion"], comparison.task.names, notes)).save(file, "png")
        where = say("{name}, {noise}", name=row.variant, noise=noise_words(comparison, noise))
        alt = say("Confusion matrix of {what}.", what=where)
        pictures.append(Picture(f"confusion-{row.name}", alt, say("{alt}.", alt=where), file.getvalue()))
    return pictures
