"""Colours, dashes and font sizes of the plots in reports, the lab and TensorBoard."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# distinct for colour-blind readers (Okabe, Ito 2008); the dashes differ in grey print
COLOURS = ("#0072B2", "#D55E00", "#000000", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)), (0, (4, 1.5, 1, 1.5, 1, 1.5)))
INK, FAINT, GRID, RIGHT, WRONG = "#222222", "#6b6b6b", "#d9d9d9", "#1a6e3c", "#c0392b"
PANEL = 6.4  # width of a panel in inches
TITLE, LABEL, TICKS = 16, 14, 12  # points: readable on a slide and on a phone


def line_style(index: int) -> dict[str, Any]:
    """Return colour and dashes of the index-th line; no two of the first 35 share both."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": DASHES[index % len(DASHES)], "linewidth": 2.2}


def finish(axes: "Axes", *, title: str, x: str, y: str) -> None:
    """Label the axes and apply the common style."""
    axes.set_title(title, fontsize=TITLE)
    axes.set_xlabel(x, fontsize=LABEL)
    axes.set_ylabel(y, fontsize=LABEL)
    axes.tick_params(labelsize=TICKS)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
