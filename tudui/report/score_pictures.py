"""Pictures of the final models' scores on the test images."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import pairwise

import numpy as np
from PIL import Image

from tudui.comparison.collect import Cell
from tudui.comparison.runs import cell_name
from tudui.report.document import Picture
from tudui.report.drawing import HEIGHT, MANY, Style, label_ends, legend_below, new_picture, png
from tudui.report.words import Values, noise_levels, noise_words, percent, rows_at
from tudui.sinks.pictures import confusion_picture
from tudui.style import TICKS, finish

Styles = Mapping[str, Style]
BINS = 15  # as the calibration error has
FEWEST = 10  # predictions in a bin: the share of fewer is mostly chance


def accuracy_picture(values: Values, noise: float, styles: Styles) -> Picture | None:
    """Return every seed as a dot, mean and interval, a line per variant; None where no run finished."""
    rows = rows_at(values, noise)
    if not any(row["accuracy"] for row in rows):
        return None
    figure, axes = new_picture(1.3 + 0.5 * len(rows))
    for place, row in enumerate(rows):
        style, accuracy = styles[row["variant"]], row["accuracy"]
        if accuracy is None:
            axes.annotate("diverged", (0.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=TICKS)
            continue
        seeds = accuracy["values"]
        if accuracy["interval"]:
            low, high = accuracy["interval"]
            axes.plot(
                [100 * low, 100 * high],
                [place, place],
                color=style.colour,
                linewidth=7,
                alpha=0.3,
                solid_capstyle="butt",
            )
        axes.plot([100 * accuracy["mean"]] * 2, [place - 0.3, place + 0.3], color=style.colour, linewidth=2, zorder=3)
        apart = place + np.linspace(-0.16, 0.16, len(seeds)) if len(seeds) > 1 else [place]
        axes.plot([100 * seed for seed in seeds], apart, "o", markersize=6, color=style.colour, mec="white", mew=0.7)
    axes.set_yticks(range(len(rows)), [styles[row["variant"]].label for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    title = noise_words(values, noise)
    finish(axes, title=title, x="test accuracy / %", y="")
    shown = [f"{row['variant']} {percent(row['accuracy']['mean'])} %" for row in rows if row["accuracy"]]
    return Picture(
        cell_name("accuracy", noise),
        f"Test accuracy by loss with {title}: {', '.join(shown)}.",
        f"Test accuracy of the last weights with {title}: a dot is a seed, the upright line the mean, the bar the "
        f"95 % interval over seeds and test images.",
        png(figure),
    )


def noise_picture(values: Values, styles: Styles) -> Picture:
    """Return accuracy over the share of wrong labels, a line per variant."""
    levels = sorted(noise_levels(values))
    figure, axes = new_picture()
    step = min(b - a for a, b in pairwise(levels))
    ends, intervals = {}, len(styles) <= MANY
    for index, (variant, style) in enumerate(styles.items()):
        rows = {row["label_noise"]: row["accuracy"] for row in values["rows"] if row["variant"] == variant}
        known = [(level, rows[level]) for level in levels if rows[level]]
        if not known:
            continue
        # beside each other, so that no interval hides another
        moved = 0.08 * step * ((index + 0.5) / len(styles) - 0.5)
        x = [100 * (level + moved) for level, _ in known]
        y = [100 * accuracy["mean"] for _, accuracy in known]
        axes.plot(x, y, marker="o", markersize=5, **style.line)
        for place, (_, accuracy) in zip(x, known, strict=True):
            if intervals and accuracy["interval"]:
                low, high = accuracy["interval"]
                axes.plot([place, place], [100 * low, 100 * high], color=style.colour, linewidth=1.2, alpha=0.6)
        ends[style] = (x[-1], y[-1])
    axes.set_xticks([100 * level for level in levels])
    finish(axes, title="accuracy over label noise", x="labels made wrong / %", y="test accuracy / %")
    label_ends(axes, ends)
    return Picture(
        "accuracy-over-noise",
        "Test accuracy of each loss over the share of wrong labels; the numbers are in the tables above.",
        "Mean test accuracy of the last weights"
        + ("; the upright lines are the 95 % intervals over seeds and test images." if intervals else "."),
        png(figure),
    )


def calibration_picture(values: Values, noise: float, cells: Sequence[Cell], styles: Styles) -> Picture | None:
    """Return how often predictions of each confidence are right, all seeds pooled; None where no run finished."""
    cells = [cell for cell in cells if cell.label_noise == noise and cell.finished]
    if not cells:
        return None
    figure, axes = new_picture(HEIGHT + 1.2)
    axes.plot([0, 100], [0, 100], color="#909090", linewidth=1)
    for cell in cells:
        style = styles[cell.variant]
        confidence, accuracy, share = reliability(cell)
        axes.plot(100 * confidence, 100 * accuracy, label=style.label, **style.line)
        axes.scatter(100 * confidence, 100 * accuracy, s=10 + 180 * share, color=style.colour, alpha=0.8, clip_on=False)
    axes.set_xlim(0, 102)
    axes.set_ylim(0, 102)
    title = noise_words(values, noise)
    finish(axes, title=title, x="confidence / %", y="share that is right / %")
    legend_below(figure, axes)
    return Picture(
        cell_name("calibration", noise),
        f"Reliability diagram of each loss with {title}: share of right predictions over their confidence.",
        f"Calibration with {title}, all seeds pooled, {BINS} bins, those of fewer than {FEWEST} predictions left out; "
        f"a dot's area grows with the share of predictions in its bin. Above the grey line a model is right more often "
        f"than it says, below it less often.",
        png(figure),
    )


def reliability(cell: Cell) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean confidence, share that is right, and share of all predictions, for each bin that holds enough."""
    kept = [run.predictions for run in cell.finished if run.predictions is not None]
    confidence = np.concatenate([predictions["probabilities"].astype(np.float64).max(1) for predictions in kept])
    correct = np.concatenate([run.correct for run in cell.finished])
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    number = np.bincount(bins, minlength=BINS)
    used = number >= FEWEST
    sums = [np.bincount(bins, weights=weights, minlength=BINS)[used] for weights in (confidence, correct)]
    return sums[0] / number[used], sums[1] / number[used], number[used] / len(bins)


def confusion_pictures(values: Values, noise: float) -> list[Picture]:
    """Return a confusion matrix per variant, shares of each true class's test images over all seeds."""
    pictures = []
    for row in rows_at(values, noise):
        if row["accuracy"] is None:
            continue
        file = BytesIO()
        Image.fromarray(confusion_picture(row["confusion"], list(row["per_class_accuracy"]))).save(file, "png")
        where = f"{row['variant']}, {noise_words(values, noise)}"
        pictures.append(
            Picture(f"confusion-{row['name']}", f"Confusion matrix of {where}.", f"{where}.", file.getvalue())
        )
    return pictures
