"""Shared by the report's pictures: readable on a phone, each loss in the same colour everywhere."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from tudui.config.loss_spec import LossParameters
from tudui.language import say
from tudui.style import PANEL, TICKS, line_style, loss_places, save, shortened
from tudui.style import legend_below as legend_below
from tudui.tasks import Unit

HEIGHT = 4.4  # inches
LONGEST_NAME = 22
LEADER = {"arrowstyle": "-", "linewidth": 0.8, "shrinkA": 1, "shrinkB": 3, "relpos": (0, 0.5)}  # from label to line
MANY = 6  # variants, beyond which bands and intervals would hide each other


class Style(NamedTuple):
    """How a variant is drawn in every picture."""

    label: str
    place: int  # of its colour and dashes

    @property
    def line(self) -> dict[str, Any]:
        """Keywords of a line."""
        return line_style(self.place)

    @property
    def colour(self) -> str:
        """The colour of its line."""
        return str(self.line["color"])


def styles_of(variants: Mapping[str, LossParameters]) -> dict[str, Style]:
    """Return each variant's style, long names shortened; no two of 35 share both colour and dashes."""
    return {
        name: Style(shortened(name, LONGEST_NAME), place)
        for name, place in loss_places({name: loss.name for name, loss in variants.items()}).items()
    }


def new_picture(height: float = HEIGHT) -> tuple[Figure, Axes]:
    """Return an empty picture with one panel."""
    figure = empty_picture(PANEL, height)
    return figure, figure.add_subplot()


def empty_picture(width: float, height: float) -> Figure:
    """Return a picture without panels, with room at its edges."""
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))


def axis_title(title: str, unit: Unit) -> str:
    """Return the title of an axis, with its unit."""
    return f"{title} / {say(unit.value)}" if unit.value else title


def label_ends(axes: Axes, ends: Mapping[Style, tuple[float, float]]) -> None:
    """Write each line's name to the right of its end, which replaces a legend; limits must be final."""
    if not ends:
        return
    order = sorted(ends, key=lambda style: ends[style][1])
    axes.autoscale_view()  # otherwise only done when the picture is drawn
    to_fraction = axes.transScale + axes.transLimits
    heights = [float(to_fraction.transform(ends[style])[1]) for style in order]
    figure = axes.get_figure(root=True)
    assert figure is not None
    line = TICKS * 1.25 / (0.75 * figure.get_size_inches()[1] * 72)  # of the panel's height
    gap = min(line, 1 / max(len(order) - 1, 1))
    for style, height in zip(order, _spread(heights, gap), strict=True):
        axes.annotate(
            style.label,
            xy=ends[style],
            xytext=(1.09, height),
            textcoords="axes fraction",
            verticalalignment="center",
            color=style.colour,
            fontsize=TICKS * min(1, gap / line),
            annotation_clip=False,
            arrowprops=LEADER | {"color": style.colour},
        )


def _spread(heights: Sequence[float], gap: float) -> list[float]:
    """Return ascending heights moved apart to at least `gap`, as little as possible, within 0 and 1."""
    places = gap * np.arange(len(heights))
    free = np.asarray(heights) - places  # without the gaps, neighbours need only be in order
    pushed_up, pushed_down = np.maximum.accumulate(free), np.minimum.accumulate(free[::-1])[::-1]
    return list(np.clip((pushed_up + pushed_down) / 2, 0, max(0.0, 1 - places[-1])) + places)


def png(figure: Figure) -> bytes:
    """Return the picture as a file that is the same every time."""
    file = BytesIO()
    save(figure, file, format="png", dpi=150, metadata={"Software": None})
    return file.getvalue()
