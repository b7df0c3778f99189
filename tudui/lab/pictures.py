"""Pictures of the lab: loss curves, gradients over depth; and saving a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tudui import style
from tudui.errors import DiskError, UsageError
from tudui.files import refuse_overwriting, written_aside
from tudui.lab.backward.depth import Depth
from tudui.lab.curves import Curve, places_of
from tudui.language import say, speaking_in_pictures

FORMATS = (".png", ".svg", ".pdf")
WIDE = 7.0  # of a line that lies under another one


def new_figure(columns: int, *, rows: int = 1, height: float = 4.8) -> tuple[Figure, list[Axes]]:
    """Return an empty picture and its axes, row by row."""
    figure = Figure(figsize=(style.PANEL * columns, height * rows), layout="constrained")
    return figure, [figure.add_subplot(rows, columns, place + 1) for place in range(rows * columns)]


def curves_picture(over_residual: Sequence[Curve], over_probability: Sequence[Curve]) -> Figure:
    """Return loss and derivative side by side, a row over the residual and a row over the true class's probability."""
    with speaking_in_pictures():
        loss, value = say("loss"), say("loss value")
        rows = [
            (over_residual, say("residual (output − target)"), say("derivative by the output")),
            (over_probability, say("probability of the true class"), say("gradient of the true logit")),
        ]
    rows = [row for row in rows if row[0]]
    figure, axes = new_figure(2, rows=len(rows))
    labels = dict.fromkeys(curve.label for curve in (*over_probability, *over_residual))
    styles = {label: style.line_style(place) for label, place in places_of(labels).items()}
    for left, right, (curves, x, slope) in zip(axes[::2], axes[1::2], rows, strict=True):
        for place, curve in enumerate(curves):
            hidden = any(np.allclose(curve.loss, later.loss) for later in curves[place + 1 :])
            line = styles[curve.label] | ({"linewidth": WIDE, "alpha": 0.45} if hidden else {})
            left.plot(curve.place, curve.loss, label=curve.label, **line)
            right.plot(curve.place, curve.derivative, label=curve.label, **line)
        style.finish(left, title=loss, x=x, y=value)
        style.finish(right, title=slope, x=x, y=slope)
    style.legend_below(figure, *axes)
    return figure


def depth_picture(depths: Sequence[Depth]) -> Figure:
    """Return the gradient's norm over the convolutions it has passed, a line per initialisation."""
    figure, (axes,) = new_figure(1, height=5.4)
    for index, depth in enumerate(depths):
        axes.plot(range(len(depth.norms)), depth.norms, label=depth.initialisation, **style.line_style(index))
    axes.set_yscale("log")
    style.finish(
        axes, title="a convolution 32 → 32, repeated", x="convolutions on the way back", y="norm of the gradient"
    )
    style.legend_below(figure, axes)
    return figure


def check_place(path: Path, *, overwrite: bool) -> None:
    """Raise UsageError for a picture format that is not supported, or a file that must not be overwritten."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"--out {path}: must end with {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    refuse_overwriting(path, overwrite=overwrite)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents; DiskError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError(f"{folder}: cannot be created: {error.strerror or error}; choose another folder") from None


def save_picture(figure: Figure, path: Path) -> None:
    """Write a picture in the format of its suffix, and make its folder; DiskError if that fails."""
    make_folder(path.parent)
    kind = path.suffix.lower().removeprefix(".")
    # without a date, the same picture is the same file
    metadata = {"png": None, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
    with written_aside(path) as file:
        style.save(figure, file, format=kind, dpi=120, metadata=metadata)
