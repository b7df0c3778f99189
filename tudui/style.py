"""Colours, dashes and fonts of the plots in reports, the lab and TensorBoard."""

import logging
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from typing import IO, TYPE_CHECKING, Any
from zlib import crc32

from tudui.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.ImageFont import FreeTypeFont

# distinct for colour-blind readers (Okabe, Ito 2008); the dashes differ in grey print
COLOURS = ("#0072B2", "#D55E00", "#000000", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)), (0, (4, 1.5, 1, 1.5, 1, 1.5)))
STYLES = len(COLOURS) * len(DASHES)  # that differ
# the losses of Tudui in the order of their colours and dashes; others follow
LOSSES = (
    *("ce", "mse", "l1", "huber", "smooth_l1", "focal", "gce", "sce", "nce+mae", "phuber_ce", "squentropy"),
    "probability_mae",
)
INK, FAINT, GRID, RIGHT, WRONG = "#222222", "#6b6b6b", "#d9d9d9", "#1a6e3c", "#c0392b"
PANEL = 6.4  # width of a panel in inches
TITLE, LABEL, TICKS = 16, 14, 12  # points: readable on a slide and on a phone


def loss_places(losses: Mapping[str, str]) -> dict[str, int]:
    """Return the place of the colour, dashes and mark of each label, from the label and the name of its loss.

    A loss of Tudui has the same place everywhere. Any other label has one by its name, or the next that is free.
    """
    places: dict[str, int] = {}
    for label in sorted(losses, key=lambda label: label not in LOSSES):  # a loss's own name comes first
        name = label if label in LOSSES else losses[label]
        place = LOSSES.index(name) if name in LOSSES else None
        if place is None or place in places.values():
            first, number = len(LOSSES), STYLES - len(LOSSES)
            wanted = [first + (crc32(label.encode()) + step) % number for step in range(number)]
            if place is not None:  # another form of a loss that is there: with other dashes, in another colour
                used = {(kind, one % kind) for one in places.values() for kind in (len(COLOURS), len(DASHES))}
                wanted.sort(key=lambda one: sum((kind, one % kind) in used for kind in (len(COLOURS), len(DASHES))))
            place = next((one for one in wanted if one not in places.values()), wanted[0])
        places[label] = place
    return {label: places[label] for label in losses}


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


def shortened(name: str, most: int) -> str:
    """Return a name of at most so many characters: if it is longer, its beginning and its end."""
    return name if len(name) <= most else f"{name[: most // 2 - 1]}…{name[-(most // 2) :]}"


def equal_axes(axes: "Axes", low: float, high: float) -> None:
    """Give both axes of predicted over true values the same range and ticks, and draw the line of right predictions."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    spare = 0.03 * (high - low) or 1.0
    ends = low - spare, high + spare
    axes.plot(ends, ends, color=INK, linewidth=1.2, label="predicted = true")
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], min_n_ticks=4))
        formatter = ScalarFormatter()
        formatter.set_powerlimits((-3, 6))
        axis.set_major_formatter(formatter)


def legend_below(figure: "Figure", *panels: "Axes") -> None:
    """Write one legend of the lines of some panels below all panels, so that it never covers a line."""
    entries = {
        label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    letters = 52 * figure.get_figwidth() / PANEL  # in a line
    figure.legend(
        entries.values(),
        entries.keys(),
        loc="outside lower center",
        ncols=max(1, min(len(entries), int(letters / (max(map(len, entries)) + 6)))),
        fontsize=TICKS,
        handlelength=2.6,
        frameon=False,
    )


def save(figure: "Figure", file: IO[bytes], **how: Any) -> None:
    """Write a picture, each text in a font that has its characters."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        words = text.get_text()
        if "$" in words and "\\mathdefault" not in words:  # a name, for example of a column, is no formula
            text.set_parse_math(False)
        if name := _family_of(words):
            text.set_fontfamily(["DejaVu Sans", name])
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # a font of another weight is good enough
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # `notes_on` says so once
        figure.savefig(file, **how)


def pillow_font(text: str, size: int) -> "FreeTypeFont":
    """Return the font for a text in a picture that Pillow draws: its own, or one that has all characters."""
    from PIL import ImageFont

    own = ImageFont.load_default(size)
    assert isinstance(own, ImageFont.FreeTypeFont), "Pillow's wheels contain FreeType"
    try:
        return own if text.isascii() else ImageFont.truetype(_font_for(text), size)
    except OSError:  # a font of colour pictures has only its own sizes
        return own


def notes_on(names: Iterable[str]) -> list[str]:
    """Return the note, if any, that no installed font has the characters of some names."""
    boxes = [name for name in names if not name.isascii() and _missing(name, _font_for(name))]
    if not boxes:
        return []
    shown = ", ".join(map(printable, boxes[:5])) + (", ..." if len(boxes) > 5 else "")
    how = "install one, for example Noto Sans, or Noto Sans CJK for Chinese, Japanese and Korean"
    return [f"pictures show boxes in place of {shown}: no installed font has the characters; {how}"]


def _family_of(text: str) -> str | None:
    """Return the name of the font to add to matplotlib's own for this text; None if its own is enough."""
    if text.isascii() or (path := _font_for(text)) == _fonts()[0]:
        return None
    from matplotlib import font_manager

    font_manager.fontManager.addfont(path)
    return str(font_manager.get_font(path).family_name)


@cache
def _font_for(text: str) -> str:
    """Return the file of the first font that has every character of a text; without one, of that with the most."""
    whole = next((path for path in _fonts() if not _missing(text, path)), None)
    return whole or min(_fonts(), key=lambda path: _missing(text, path))


def _missing(text: str, path: str) -> int:
    """Return how many characters of a text a font does not have."""
    return len({ord(one) for one in text if one.isprintable() and not one.isspace()} - _characters(path))


@cache
def _fonts() -> list[str]:
    """Return the files of fonts: matplotlib's own, then those of the system, upright and of normal weight first."""
    from matplotlib import font_manager

    def unusual(path: str) -> tuple[bool, str]:
        return any(word in path.lower() for word in ("bold", "italic", "oblique", "light", "thin", "black")), path

    return [font_manager.findfont("DejaVu Sans"), *sorted(map(str, font_manager.findSystemFonts()), key=unusual)]


@cache
def _characters(path: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):  # a font that FreeType cannot use, for example of colour pictures
        return frozenset()
