"""Pictures for TensorBoard of numbers as targets: predicted over true values, and images with their values."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from tudui.data import Split
from tudui.sinks.pictures import image_grid, shade
from tudui.style import FAINT, INK, pillow_font
from tudui.tasks import Numbers
from tudui.tasks.details import BINS

CELL, MARGIN = 10, 26  # pixels


def pairs_picture(pairs: Mapping[str, Any], task: Numbers, column: int) -> np.ndarray:
    """Return uint8 [H, W, 3]: counts of predicted (upwards) over true values (to the right), the identity as a line."""
    side, font = CELL * BINS, pillow_font(task.names[column], 18)
    canvas = Image.new("RGB", (side + 2 * MARGIN, side + 4 * MARGIN), "white")
    draw = ImageDraw.Draw(canvas)
    most = max((count for _, _, count in pairs["cells"]), default=1)
    left, bottom = MARGIN, MARGIN + side
    draw.rectangle((left, MARGIN, left + side, bottom), outline=FAINT)
    for true, predicted, count in pairs["cells"]:
        x, y = left + CELL * true, bottom - CELL * (predicted + 1)
        draw.rectangle((x, y, x + CELL - 1, y + CELL - 1), fill=shade(0.3 + 0.7 * count / most))
    draw.line((left, bottom, left + side, MARGIN), fill=INK)
    low, high = (task.unit_of(column).text(end) for end in pairs["range"])
    draw.text((left, bottom + 6), f"both from {low} to {high}", INK, font)
    draw.text((left, bottom + 6 + MARGIN), f"upwards: predicted {task.names[column]}; to the right: true", FAINT, font)
    return np.asarray(canvas)


def values_grid(
    split: Split, positions: Sequence[int], predicted: Sequence[Sequence[float]], task: Numbers
) -> np.ndarray:
    """Return uint8 [H, W, 3]: the images at positions of a split, true above predicted values of the first column."""
    places = np.asarray(positions)
    images = split.store[split.rows[places]].cpu().numpy()
    true, unit = split.targets[places, 0].tolist(), task.unit_of(0)
    right = [abs(row[0] - value) <= task.tolerance[0] for row, value in zip(predicted, true, strict=True)]
    above = [unit.text(value, unit.fewer) for value in true]
    below = [f"saw {row[0]:.{unit.fewer}f}" for row in predicted]
    return image_grid(images, above, below, right, pillow_font("".join(above), 15))
