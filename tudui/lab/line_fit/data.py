"""The points of the outlier experiment: the tutorial's, or from a CSV file."""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tudui.csv_file import Chunk, CsvFile, open_csv
from tudui.errors import DataError, UsageError, did_you_mean
from tudui.text import in_a_line

MAX_BYTES = 2**20  # of a file
MAX_POINTS = 2_000  # with more, the solvers are slow and the picture is black
LARGEST = 1e6  # with larger numbers, sums of squares are wrong in the digits shown


@dataclass(frozen=True, kw_only=True)
class LineData:
    """Points (x, y), float64 [N], and their outliers, if known."""

    x: np.ndarray
    y: np.ndarray
    unshifted_y: np.ndarray | None  # before the outliers were made; None for a file
    scaled: bool = False  # gradient steps are of scaled x, so that a rate does not depend on the unit of x
    x_name: str = "x"
    y_name: str = "y"

    @property
    def outliers(self) -> np.ndarray:
        """True for each shifted point, bool [N]."""
        return np.zeros(len(self.x), dtype=bool) if self.unshifted_y is None else self.y != self.unshifted_y

    @property
    def scale(self) -> tuple[float, float]:
        """Centre and spread of x in gradient steps: its mean and standard deviation, or 0 and 1 if it is not scaled."""
        return (float(self.x.mean()), float(self.x.std())) if self.scaled else (0.0, 1.0)

    @property
    def without_outliers(self) -> "LineData":
        """The points before any of them was shifted."""
        y = self.y if self.unshifted_y is None else self.unshifted_y
        return replace(self, y=y)


def tutorial_data(seed: int, *, points: int = 40, outliers: int = 5, shift: float = -8.0) -> LineData:
    """Return x evenly from 1 to 20, y = x + an integer of 0 to 3, the last `outliers` points moved by `shift`."""
    if not 2 <= points <= MAX_POINTS:
        raise UsageError(f"--points {points}: must be from 2 to {MAX_POINTS:,}")
    if not 0 <= outliers <= points:
        raise UsageError(f"--outliers {outliers}: must be from 0 to {points}, the number of points")
    if not abs(shift) <= LARGEST:
        raise UsageError(f"--shift {shift:g}: must be from -{LARGEST:g} to {LARGEST:g}")
    if seed < 0:
        raise UsageError(f"--seed {seed}: must be 0 or greater")
    x = np.linspace(1, 20, points)
    unshifted = x + np.random.default_rng(seed).integers(0, 4, points)
    y = unshifted.copy()
    y[points - outliers :] += shift
    return LineData(x=x, y=y, unshifted_y=unshifted)


def csv_data(path: Path, *, x: str | None = None, y: str | None = None) -> LineData:
    """Return two columns of a file, by default x and y, or the only two; UsageError names a wrong line.

    How it may be written, see `tudui.csv_file`.
    """
    where = f"--csv {path}"
    try:
        with suppress(OSError):  # opening it says why
            if path.stat().st_size > MAX_BYTES:
                raise UsageError(f"{where}: too large; at most {MAX_POINTS:,} points can be fitted, take a sample")
        file = open_csv(path)
        chunks = list(file.chunks())
    except DataError as error:
        raise UsageError(f"--csv {error}") from None
    columns = {axis: _column(list(file.names), axis, given, where) for axis, given in (("x", x), ("y", y))}
    found = {axis: [value for chunk in chunks for value in _values(chunk, at, file)] for axis, at in columns.items()}
    number = len(found["x"])
    if number > MAX_POINTS:
        raise UsageError(f"{where}: contains {number:,} points; at most {MAX_POINTS:,} can be fitted, take a sample")
    if len(set(found["x"])) < 2:
        raise UsageError(f"{where}: a line needs at least two different x (got {len(set(found['x']))}); add points")
    labels = {f"{axis}_name": file.names[column] for axis, column in columns.items()}
    return LineData(x=np.array(found["x"]), y=np.array(found["y"]), unshifted_y=None, scaled=True, **labels)


def _column(names: list[str], axis: str, given: str | None, where: str) -> int:
    """Return the column of an axis: as given, or by its name, or by its place in a file with two columns."""
    lower = [name.lower() for name in names]
    wanted = (given or axis).strip().lower()
    if wanted in lower:
        return lower.index(wanted)
    if given is None and len(names) == 2 and not {"x", "y"} & set(lower):
        return "xy".index(axis)
    got = in_a_line(", ".join(names) or "nothing")
    if given is None:
        raise UsageError(f"{where}: has no column {axis}; name it with --{axis} NAME (columns: {got})")
    raise UsageError(f"--{axis} {given}: no such column in {where}{did_you_mean(given, names)} (columns: {got})")


def _values(chunk: Chunk, column: int, file: CsvFile) -> list[float]:
    cells = chunk.columns[column]
    values = file.numbers(cells)
    for line, cell, value in zip(chunk.lines, cells, values, strict=True):
        if not abs(value) <= LARGEST:  # also NaN
            what = f"must be a number from -{LARGEST:g} to {LARGEST:g} (got {cell[:40]!r})"
            raise UsageError(f"--csv {file.path}:{line}: {file.names[column]}: {what}")
    return values
