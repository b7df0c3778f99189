"""The targets of a CSV file: numbers, or texts as classes."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tudui.config.schema import DataConfig
from tudui.csv_file import Chunk, CsvFile
from tudui.data.columns import Column
from tudui.data.layout import TRAIN, part_of
from tudui.errors import DataError
from tudui.tasks import Classes, Numbers, Task

MOST_CLASSES = 10_000
PART_NAMES = ("split", "part", "subset")


def target_columns(
    file: CsvFile, first: Chunk, config: DataConfig, *, listing: bool = False, known: Task | None = None
) -> list[Column]:
    """Return the columns of the targets, see `CsvFile.targets`; `known` is the task of a trained network."""
    found = []
    for name, place, kind in file.targets(first, config.target, config.text, listing=listing):
        column = Column(name, place, kind, most=MOST_CLASSES)
        if known is not None:
            column.kind = "texts" if isinstance(known, Classes) else "numbers"
        if isinstance(known, Classes):
            column.known, column.texts = True, {text: number for number, text in enumerate(known.names)}
        found.append(column)
    return found


def task_and_targets(columns: Sequence[Column], values: np.ndarray, file: CsvFile) -> tuple[Task, Tensor]:
    """Return the task, and targets int64 [N] or float32 [N, K], from what the columns read [N, K]; DataError."""
    if columns[0].kind == "numbers":
        return Numbers(names=tuple(column.name for column in columns)), torch.from_numpy(values.astype(np.float32))
    (column,) = columns
    names = column.order
    where = f"{file.path}: {column.name}"
    if column.has_too_many:
        raise DataError(
            f"{where}: has more than {MOST_CLASSES:,} different or very long texts, so they are not classes"
        )
    if column.unknown:
        text, line = next(iter(column.unknown.items()))
        raise DataError(f"{file.path}:{line}: {column.name}: the network has no class {text} ({', '.join(names[:10])})")
    if len(names) < 2:
        raise DataError(f"{where}: is {names[0] if names else 'empty'} in every row; two or more classes are needed")
    number_of = np.empty(len(names), dtype=np.int64)
    number_of[[column.texts[text] for text in names]] = range(len(names))
    return Classes(names=tuple(names)), torch.from_numpy(number_of[values[:, 0].astype(np.int64)])


def few_numbers(columns: Sequence[Column], targets: Tensor) -> list[str]:
    """Return a note if a target of numbers has so few whole values that it may mean classes."""
    if targets.dtype != torch.float32:
        return []
    return [
        f"{column.name}: has only {len(values)} different whole numbers and is read as a number; "
        f"for classes use --set 'data.text=[{column.name}]'"
        for place, column in enumerate(columns)
        if len(values := targets[:, place].unique()) <= 10 and bool((values == values.round()).all())
    ]


def part_column(columns: Sequence[Column], first: Chunk) -> Column | None:
    """Return the column, called split, part or subset, whose texts say the part of each row; None if there is none.

    Rows with an empty cell are for training.
    """
    by_name = {column.name.casefold(): column for column in columns}
    column = next((by_name[name] for name in PART_NAMES if name in by_name), None)
    if column is None or not any(map(part_of, set(first.columns[column.place]))):
        return None
    column.kind, column.empty = "texts", TRAIN
    return column


def parts_of(column: Column | None, values: np.ndarray, file: CsvFile) -> list[str]:
    """Return the part of each row from what its column read [N]; without a column, all are for training."""
    if column is None:
        return [TRAIN] * len(values)
    named = {number: part_of(text) for text, number in column.texts.items()}
    if odd := next((text for text in column.texts if part_of(text) is None), None):
        raise DataError(f"{file.path}: {column.name}: {odd} is not a part; use train, validation and test")
    return [named[int(value)] or TRAIN for value in values]
