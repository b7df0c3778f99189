"""Pictures for TensorBoard of numbers as targets: predicted over true values, and images with their values."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from tudui.data import Split
from tudui.sinks.pictures import COLUMNS, fit, image_grid, shade, vertical
from tudui.style import FAINT, INK, pillow_font
from tudui.tasks import Numbers
from tudui.tasks.details import BINS

CELL, MARGIN, LINE = 10, 10, 26  # pixels


def pairs_picture(pairs: Mapping[str, Any], task: Numbers, column: int) -> np.ndarray:
    """Return uint8 [H, W, 3]: counts of predicted (upwards) over true values (to the right), the identity as a line."""
    side, name, unit = CELL * BINS, task.names[column], task.unit_of(column)
    font = pillow_font(name, 18)
    left, top = MARGIN + 2 * LINE, MARGIN
    bottom, right = top + side, left + side
    canvas = Image.new("RGB", (right + MARGIN, bottom + 2 * LINE + MARGIN), "white")
    draw = ImageDraw.Draw(canvas)
    most = max((count for _, _, count in pairs["cells"]), default=1)
    draw.rectangle((left, top, right, bottom), outline=FAINT)
    for true, predicted, count in pairs["cells"]:
        x, y = left + CELL * true, bottom - CELL * (predicted + 1)
        draw.rectangle((x, y, x + CELL - 1, y + CELL - 1), fill=shade(0.3 + 0.7 * count / most))
    draw.line((left, bottom, right, top), fill=INK)
    low, high = (unit.text(end) for end in pairs["range"])
    for which in ("true", "predicted"):
        title = fit(draw, f"{which} {name}", font, side)
        for text, share, colour, line in ((low, 0.0, INK, 0), (title, 0.5, FAINT, 1), (high, 1.0, INK, 0)):
            place = round(share * (side - draw.textlength(text, font)))  # of its beginning, along the axis
            if which == "true":
                draw.text((left + place, bottom + 4 + LINE * line), text, colour, font)
            else:
                vertical(canvas, text, font, colour, x=left - 18 - LINE * line, y=bottom - place)
    return np.asarray(canvas)


def values_grid(
    split: Split,
    positions: Sequence[int],
    predicted: Sequence[Sequence[float]],
    task: Numbers,
    *,
    columns: int = COLUMNS,
) -> np.ndarray:
    """Return uint8 [H, W, 3]: the images at positions of a split, true above predicted values of the first column."""
    places = np.asarray(positions)
    images = split.store[split.rows[places]].cpu().numpy()
    true, unit = split.targets[places, 0].tolist(), task.unit_of(0)
    right = [abs(row[0] - value) <= task.tolerance[0] for row, value in zip(predicted, true, strict=True)]
    above = [unit.text(value, unit.fewer) for value in true]
    below = [f"predicted {row[0]:.{unit.fewer}f}" for row in predicted]
    return image_grid(images, above, below, right, pillow_font("".join(above), 16), columns=columns)
