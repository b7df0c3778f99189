"""Pictures of the lab: loss curves, gradients over depth; and how a picture is saved."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tudui.errors import DiskError, UsageError
from tudui.files import written_aside
from tudui.lab.curves import Curve
from tudui.style import PANEL, TICKS, finish, line_style

if TYPE_CHECKING:
    from tudui.lab.backward.depth import Depth

FORMATS = (".png", ".svg", ".pdf")


def new_figure(columns: int, *, rows: int = 1, height: float = 4.8) -> tuple[Figure, list[Axes]]:
    """Return an empty picture and its axes, row by row."""
    figure = Figure(figsize=(PANEL * columns, height * rows), layout="constrained")
    return figure, [figure.add_subplot(rows, columns, place + 1) for place in range(rows * columns)]


def with_legend(axes: Axes, *, below: bool = False) -> None:
    """Name the lines in a corner of the panel or, where it must hide no point, below it."""
    place: dict[str, Any] = {"framealpha": 0.9}
    if below:
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14), "ncols": 2, "frameon": False}
    axes.legend(fontsize=TICKS, handlelength=3.2, **place)


def curves_picture(over_residual: Sequence[Curve], over_probability: Sequence[Curve]) -> Figure:
    """Return loss and derivative side by side, a row over the residual and a row over the true class's probability."""
    rows = (bool(over_residual)) + bool(over_probability)
    figure, axes = new_figure(2, rows=rows)
    labels = list(dict.fromkeys(curve.label for curve in (*over_probability, *over_residual)))
    styles = {label: line_style(index) for index, label in enumerate(labels)}
    parts = [
        (over_residual, "residual (output − target)", "derivative by the output"),
        (over_probability, "probability of the true class", "gradient of the true logit"),
    ]
    for (left, right), (curves, x, slope) in zip(
        zip(axes[::2], axes[1::2], strict=True), [part for part in parts if part[0]], strict=True
    ):
        for curve in curves:
            left.plot(curve.place, curve.loss, label=curve.label, **styles[curve.label])
            right.plot(curve.place, curve.derivative, label=curve.label, **styles[curve.label])
        finish(left, title="loss", x=x, y="loss")
        with_legend(left)
        finish(right, title=slope, x=x, y=slope)
    return figure


def depth_picture(depths: "Sequence[Depth]") -> Figure:
    """Return the gradient's norm over the convolutions it has come through, a line per initialisation."""
    figure, (axes,) = new_figure(1, height=5.4)
    for index, depth in enumerate(depths):
        axes.plot(range(len(depth.norms)), depth.norms, label=depth.initialisation, **line_style(index))
    axes.set_yscale("log")
    finish(axes, title="a convolution 32 → 32, repeated", x="convolutions on the way back", y="norm of the gradient")
    with_legend(axes)
    return figure


def check_format(path: Path) -> None:
    """Raise UsageError for a picture format that is not offered."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"--out {path}: must end with {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; DiskError where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError(f"{folder}: cannot be made: {error.strerror or error}; choose another place") from None


def save_picture(figure: Figure, path: Path) -> None:
    """Write a picture in the format of its suffix; DiskError where it cannot be written."""
    kind = path.suffix.lower().removeprefix(".")
    # without a date, the same picture is the same file
    metadata = {"png": None, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
    with written_aside(path) as file:
        figure.savefig(file, format=kind, dpi=120, metadata=metadata)
