"""Pictures fit for a slide: large type, and lines told apart by colour (Okabe, Ito 2008) as well as by their dashes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tudui.errors import DiskError, UsageError
from tudui.files import written_aside
from tudui.lab.curves import Curve

if TYPE_CHECKING:
    from tudui.lab.backward.depth import Depth

COLOURS = ("#0072B2", "#D55E00", "#000000", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)), (0, (4, 1.5, 1, 1.5, 1, 1.5)))
FORMATS = (".png", ".svg", ".pdf")
TITLE, LABEL, TICKS = 16, 14, 12  # points, on a picture as wide as a slide


def new_figure(columns: int, *, rows: int = 1, height: float = 4.8) -> tuple[Figure, list[Axes]]:
    """Return an empty picture and its axes, row by row."""
    figure = Figure(figsize=(6.4 * columns, height * rows), layout="constrained")
    return figure, [figure.add_subplot(rows, columns, place + 1) for place in range(rows * columns)]


def line_style(index: int) -> dict[str, Any]:
    """Return colour and dashes of the index-th line; no two of the first 35 share both."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": DASHES[index % len(DASHES)], "linewidth": 2.4}


def finish(axes: Axes, *, title: str, x: str, y: str, legend: Literal["inside", "below"] | None = "inside") -> None:
    """Name the axes, and lay out what every picture has; a legend below hides no point."""
    axes.set_title(title, fontsize=TITLE)
    axes.set_xlabel(x, fontsize=LABEL)
    axes.set_ylabel(y, fontsize=LABEL)
    axes.tick_params(labelsize=TICKS)
    axes.grid(color="#d9d9d9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if legend == "inside":
        axes.legend(fontsize=TICKS, framealpha=0.9, handlelength=3.2)
    if legend == "below":
        axes.legend(
            fontsize=TICKS, handlelength=3.2, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False
        )


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
        finish(right, title=slope, x=x, y=slope, legend=None)
    return figure


def depth_picture(depths: "Sequence[Depth]") -> Figure:
    """Return the gradient's norm over the convolutions it has come through, a line per initialisation."""
    figure, (axes,) = new_figure(1, height=5.4)
    for index, depth in enumerate(depths):
        axes.plot(range(len(depth.norms)), depth.norms, label=depth.initialisation, **line_style(index))
    axes.set_yscale("log")
    finish(axes, title="a convolution 32 → 32, repeated", x="convolutions on the way back", y="norm of the gradient")
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
