"""The points of the outlier experiment: the tutorial's, or from a CSV file."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tudui.errors import UsageError
from tudui.files import opened
from tudui.lab.reading import MAX_BYTES
from tudui.text import in_a_line

MAX_POINTS = 2_000  # with more, the solvers are slow and the picture is black
LARGEST = 1e6  # with larger numbers, sums of squares are wrong in the digits shown


@dataclass(frozen=True, kw_only=True)
class LineData:
    """Points (x, y), float64 [N], and their outliers, if known."""

    x: np.ndarray
    y: np.ndarray
    unshifted_y: np.ndarray | None  # before the outliers were made; None for a file

    @property
    def outliers(self) -> np.ndarray:
        """True for each shifted point, bool [N]."""
        return np.zeros(len(self.x), dtype=bool) if self.unshifted_y is None else self.y != self.unshifted_y

    @property
    def without_outliers(self) -> "LineData":
        """The points before any of them was shifted."""
        y = self.y if self.unshifted_y is None else self.unshifted_y
        return LineData(x=self.x, y=y, unshifted_y=self.unshifted_y)


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


def csv_data(path: Path) -> LineData:
    """Return the columns x and y of a file; UsageError names a wrong line."""
    points: dict[str, list[float]] = {"x": [], "y": []}
    try:
        with opened(path, "r", most=MAX_BYTES, newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            names = [name.strip().lower() for name in rows.fieldnames or []]
            if "x" not in names or "y" not in names:
                got = in_a_line(", ".join(names) or "nothing")
                raise UsageError(f"--csv {path}: needs columns x and y (got {got})")
            rows.fieldnames = names
            for row in rows:
                for name, column in points.items():
                    column.append(_number(row[name], f"--csv {path}:{rows.line_num}: {name}"))
    except OSError as error:
        raise UsageError(f"--csv {path}: cannot be read: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error):
        raise UsageError(f"--csv {path}: not a text file of comma-separated values") from None
    x, y = points.values()
    if len(x) > MAX_POINTS:
        raise UsageError(
            f"--csv {path}: contains {len(x):,} points; at most {MAX_POINTS:,} can be fitted, take a sample"
        )
    if len(set(x)) < 2:
        raise UsageError(f"--csv {path}: a line needs at least two different x (got {len(set(x))}); add points")
    return LineData(x=np.array(x), y=np.array(y), unshifted_y=None)


def _number(text: str | None, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not abs(value) <= LARGEST:
        raise UsageError(f"{where}: must be a number from -{LARGEST:g} to {LARGEST:g} (got {text!r})")
    return value
