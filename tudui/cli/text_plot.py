"""A plot of plain characters, for a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MARKS = "*o+x#@%&"


def text_plot(
    lines: Sequence["tuple[str, np.ndarray, np.ndarray]"], *, title: str, width: int = 64, height: int = 14
) -> str:
    """Return lines (label, x [N], y [N]) in one frame of `width` x `height` characters, with a legend.

    A line is drawn with the first character of its label.
    """
    import numpy as np

    every_x = np.concatenate([x for _, x, _ in lines])
    every_y = np.concatenate([y for _, _, y in lines])
    left, right, low, high = every_x.min(), every_x.max(), every_y.min(), every_y.max()
    grid = [[" "] * width for _ in range(height)]
    for label, x, y in reversed(lines):  # the first line lies on top
        across = np.linspace(left, right, width)
        heights = np.interp(across, x, y)
        for column, value in enumerate(heights):
            row = round((high - value) / max(high - low, 1e-300) * (height - 1))
            grid[row][column] = label[0]
    names = {0: f"{high:.3g}", height - 1: f"{low:.3g}"}
    margin = max(len(name) for name in names.values())
    body = [f"{names.get(row, ''):>{margin}} |{''.join(cells).rstrip()}" for row, cells in enumerate(grid)]
    axis = f"{left:.3g}".ljust(width - len(f"{right:.3g}")) + f"{right:.3g}"
    legend = "   ".join(label for label, _, _ in lines)
    pad = " " * (margin + 2)
    return "\n".join([title, *body, f"{' ' * (margin + 1)}+{'-' * width}", pad + axis, pad + legend])
