"""Reads a user's numbers: typed as `1,2,3;4,5,6`, or from a .json, .csv or .npy file."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tudui.errors import UsageError
from tudui.files import opened
from tudui.text import in_a_line

MAX_BYTES = 8 * 2**20  # a million numbers of 64 bits; JSON takes 24 times its text
Numbers = ArrayLike  # a text is read: typed numbers, or the name of a file
HOW = "give numbers, for example 1,2,3 (rows separated by ;), or a .json, .csv or .npy file"


def read_numbers(given: Numbers, *, flag: str) -> np.ndarray:
    """Return float64 of any shape; UsageError if it is empty, ragged, not finite or not numbers."""
    path = Path(given.strip()) if isinstance(given, str) else Path()
    reader = READERS.get(path.suffix.lower())
    where = f"{flag} {path}" if reader else flag
    try:
        if not isinstance(given, str):
            values = np.asarray(given, dtype=np.float64)
        elif reader:
            values = reader(path)
        else:
            values = _parse_rows([row.split(",") for row in given.split(";")])
            values = values[0] if len(values) == 1 else values
    except OSError as error:
        raise UsageError(f"{where}: cannot be read: {error.strerror or error}; {HOW}") from None
    except Exception as error:  # random bytes make numpy raise almost anything
        kinds = {UnicodeDecodeError: "not a text file", json.JSONDecodeError: f"not JSON: {error}"}
        raise UsageError(f"{where}: {kinds.get(type(error), in_a_line(error))}; {HOW}") from None
    if values.size == 0:
        raise UsageError(f"{where}: contains no numbers; {HOW}")
    if not np.isfinite(values).all():
        raise UsageError(f"{where}: contains a value that is not finite (NaN or infinity); remove or replace it")
    return values


def read_classes(given: Numbers, *, flag: str, classes: int) -> np.ndarray:
    """Return int64 [B] of classes 0 to `classes` - 1, separated by `,` or `;` or in a file; UsageError."""
    given = given.replace(";", ",") if isinstance(given, str) else given
    values = read_numbers(given, flag=flag).reshape(-1)
    for value in values:
        if value != round(value) or not 0 <= value < classes:
            raise UsageError(
                f"{flag}: {value:g} is not a class; the {classes} logits are for the classes 0 to {classes - 1}"
            )
    return values.astype(np.int64)


def _parse_rows(rows: list[list[str]]) -> np.ndarray:
    """Return [R, C]."""
    if rows == [[""]] or not rows:
        raise ValueError("empty")
    numbers = [[_number(cell) for cell in row] for row in rows]
    lengths = sorted({len(row) for row in numbers})
    if len(lengths) > 1:
        raise ValueError(f"rows differ in length ({' and '.join(map(str, lengths))} numbers)")
    return np.array(numbers, dtype=np.float64)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"'{cell.strip()[:40]}' is not a number" if cell.strip() else "a number is missing") from None


def _read_json(path: Path) -> np.ndarray:
    with opened(path, "r", most=MAX_BYTES, encoding="utf-8") as file:
        values = json.load(file)
    _check_lists(values)
    return np.array(values, dtype=np.float64)


def _check_lists(values: Any) -> None:
    if isinstance(values, list):
        for inside in values:
            _check_lists(inside)
    elif isinstance(values, bool) or not isinstance(values, int | float):
        raise ValueError(f"must be a list of numbers, or of lists of them (got {type(values).__name__})")


def _read_csv(path: Path) -> np.ndarray:
    with opened(path, "r", most=MAX_BYTES, newline="", encoding="utf-8") as file:
        values = _parse_rows([row for row in csv.reader(file) if row])
    return values.reshape(-1) if 1 in values.shape else values  # one row or column is a list of numbers


def _read_npy(path: Path) -> np.ndarray:
    with opened(path, most=MAX_BYTES) as file:
        values = np.load(file, allow_pickle=False)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf":
        raise ValueError(f"must be one array of numbers (got {getattr(values, 'dtype', 'several arrays')})")
    return values.astype(np.float64)


READERS: dict[str, Callable[[Path], np.ndarray]] = {".json": _read_json, ".csv": _read_csv, ".npy": _read_npy}
