"""The user's table: a CSV file with a column of targets."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tudui.config.data_sets import TABLE
from tudui.config.network_spec import MAX_FEATURES
from tudui.config.schema import DataConfig
from tudui.csv_file import Chunk, CsvFile, open_csv
from tudui.data.columns import Column, Layout, about_missing, layout_of, left_out_by, listed
from tudui.data.dataset import Known, Source
from tudui.data.targets import few_numbers, part_column, parts_of, target_columns, task_and_targets
from tudui.errors import DataError, did_you_mean
from tudui.tasks.numbers import FEWEST_ROWS

SHARE = 2  # of this machine's memory for a table
IDS = ("id", "uuid", "index", "编号", "序号")


@dataclass
class _Columns:
    """The columns that are read, in the order of a block."""

    targets: list[Column]
    part: Column | None
    features: list[Column]

    @property
    def every(self) -> list[Column]:
        return [*self.targets, *([self.part] if self.part else []), *self.features]


def read_table(config: DataConfig, known: Known | None = None) -> Source:
    """Return the rows of a CSV file: numbers and one-hot texts as features; DataError if it is no table of this kind.

    With `known`, features and classes are those of a trained network.
    """
    file = open_csv(Path(config.name.removeprefix(TABLE)))
    chunks = file.chunks()
    if (first := next(chunks, None)) is None:
        raise DataError(f"{file.path}: has no rows below its header; at least {FEWEST_ROWS} are needed")
    columns, notes = _columns(file, first, config, known)
    layout = layout_of(known.features, file) if known else None
    if layout:
        columns.features = [*layout.numbers, *layout.texts]
    blocks: list[np.ndarray] = []
    lines: list[np.ndarray] = []
    most = _most_rows(len(columns.every))
    for chunk in chain([first], chunks):
        blocks.append(_block(columns.every, chunk, file))
        lines.append(np.array(chunk.lines))
        if len(blocks) * len(first.lines) > most:
            raise DataError(f"{file.path}: more than {most:,} rows of {len(columns.every)} columns are too large here")
    if layout is None:
        kept, left_out = _kept(columns.features, file)
        layout = Layout(*(tuple(one for one in kept if (one.kind == "numbers") == of) for of in (True, False)))
        notes += left_out
    whole, some = _complete(blocks, columns, layout, file, config)
    blocks = [block if kept.all() else block[kept] for block, kept in zip(blocks, whole, strict=True)]
    notes += some
    rows, fewest = sum(map(len, blocks)), 1 if known else FEWEST_ROWS
    if rows < fewest:
        raise DataError(f"{file.path}: has only {rows} complete rows; at least {fewest} are needed")
    of_rows = np.concatenate(lines)[np.concatenate(whole)]
    return replace(_source(blocks, columns, layout, file, notes), lines=torch.from_numpy(of_rows))


def _columns(file: CsvFile, first: Chunk, config: DataConfig, known: Known | None) -> tuple[_Columns, list[str]]:
    """Return the targets, the column of parts, and the columns that may be features, and notes on others."""
    targets = target_columns(file, first, config, known=known.task if known else None)
    for key, names in (("ignore", config.ignore), ("text", config.text)):
        if unknown := next((name for name in names if name not in file.names and not known), None):
            raise DataError(f"data.{key}: {unknown}: no such column in {file.path}{did_you_mean(unknown, file.names)}")
    others = [
        Column(name, place, "texts" if name in config.text else file.kind(first.columns[place]))
        for place, name in enumerate(file.names)
        if name not in config.ignore and not any(name == target.name for target in targets)
    ]
    part = part_column(others, first)
    dates = [column.name for column in others if column.kind == "dates"]
    note = f"{file.path}: dates are left out: {listed(dates)}; for a network, write numbers, for example the month"
    features = [column for column in others if column.kind != "dates" and column is not part]
    return _Columns(targets, part, features), [note] if dates and not known else []


def _block(columns: Sequence[Column], chunk: Chunk, file: CsvFile) -> np.ndarray:
    """Return float32 [N, columns] of some rows; NaN for what is missing."""
    block = np.empty((len(chunk.lines), len(columns)), dtype=np.float32)
    for place, column in enumerate(columns):
        if column.kind == "nothing":
            column.kind = file.kind(chunk.columns[column.place])
        block[:, place] = column.read(chunk, file)
    return block


def _most_rows(columns: int) -> int:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 2**33
    return memory // SHARE // (4 * columns)


def _kept(features: Sequence[Column], file: CsvFile) -> tuple[list[Column], list[str]]:
    """Return the features that are used, and notes on those that are not, or that may be none."""
    kept = [one for one in features if one.kind in ("numbers", "texts") and not one.has_too_many]
    if not kept:
        raise DataError(f"{file.path}: no column besides the target can be used; add numbers, or texts that repeat")
    many = [one.name for one in features if one.has_too_many]
    empty = [one.name for one in features if one.kind in ("nothing", "dates")]
    rows = [one.name for one in kept if one.kind == "numbers" and one.numbers_rows]
    ids = [one.name for one in kept if one.name not in rows and _named_as_id(one.name)]
    out = left_out_by(",".join([*rows, *ids]))
    too_many = f"columns with more than {kept[0].most} different or very long texts (ids, names) are left out"
    found = [
        (many, f"{too_many}: {listed(many)}"),
        (empty, f"columns without values are left out: {listed(empty)}"),
        (rows, f"these columns only number the rows: {listed(rows)}; {out}"),
        (ids, f"these columns look like ids: {listed(ids)}; {out}"),
    ]
    return kept, [f"{file.path}: {note}" for names, note in found if names]


def _named_as_id(name: str) -> bool:
    return name.casefold() in IDS or name.endswith(("_id", "Id", "ID", " id"))


def _complete(
    blocks: list[np.ndarray], columns: _Columns, layout: Layout, file: CsvFile, config: DataConfig
) -> tuple[list[np.ndarray], list[str]]:
    """Return which rows of each block `data.on_missing` keeps, and notes; DataError if it refuses missing values."""
    needed = columns.every[: len(columns.every) - len(columns.features)]
    used = [*needed, *layout.numbers, *layout.texts]
    notes = [
        f"{file.path}: {column.name}: the network does not know these texts: {listed(list(column.unknown))}"
        for column in layout.texts
        if column.unknown
    ]
    if any(column.missing for column in used):
        notes += about_missing(used, sum(map(len, blocks)), file, config)
        needed = used if config.on_missing == "drop" else needed
        place_of = {column: place for place, column in enumerate(columns.every)}
        places = [place_of[column] for column in needed]
        return [~np.isnan(block[:, places]).any(1) for block in blocks], notes
    return [np.ones(len(block), dtype=bool) for block in blocks], notes


def _source(blocks: list[np.ndarray], columns: _Columns, layout: Layout, file: CsvFile, notes: list[str]) -> Source:
    if (number := len(layout.names)) > MAX_FEATURES:
        why = f"{number:,} features are too many (at most {MAX_FEATURES:,})"
        raise DataError(f"{file.path}: {why}; leave columns out with data.ignore")
    rows, first = sum(map(len, blocks)), len(columns.targets)
    task, targets = task_and_targets(columns.targets, np.concatenate([block[:, :first] for block in blocks]), file)
    parts = parts_of(columns.part, np.concatenate([block[:, first] for block in blocks]), file)
    places = {column.name: place for place, column in enumerate(columns.every)}
    store, start = np.empty((rows, number), dtype=np.float32), 0
    while blocks:
        block = blocks.pop(0)  # freed, so that the table is in memory once
        values = {name: block[:, place] for name, place in places.items()}
        store[start : start + len(block)] = layout.features(values, len(block))
        start += len(block)
    notes += [*file.remarks, *few_numbers(columns.targets, targets), *_equal(store, targets, layout, file)]
    of_rows = np.array(parts)
    rows_of = {part: torch.from_numpy((of_rows == part).nonzero()[0]) for part in sorted(set(parts))}
    return Source(torch.from_numpy(store), targets, task, rows_of, notes, features=layout.names)


def _equal(store: np.ndarray, targets: Tensor, layout: Layout, file: CsvFile) -> list[str]:
    """Return a note if a column alone gives the target: then there is nothing to learn."""
    answers = targets.numpy() if targets.ndim == 2 else targets.numpy()[:, None]
    of_classes = targets.ndim == 1

    def gives(feature: np.ndarray, answer: np.ndarray) -> bool:
        return all(_determines(feature[:some], answer[:some], of_classes) for some in (1000, len(feature)))

    values = {column.name: store[:, place] for place, column in enumerate(layout.numbers)}
    start = len(layout.numbers)
    for column in layout.texts:
        stop = start + len(column.texts)
        values[column.name] = store[:, start:stop].argmax(1) + store[:, start:stop].max(1)  # 0: missing
        start = stop
    same = [name for name, column in values.items() if any(gives(column, answer) for answer in answers.T)]
    return [f"{file.path}: these columns alone give the target: {listed(same)}; {left_out_by(same[0])}"] if same else []


def _determines(feature: np.ndarray, answer: np.ndarray, of_classes: bool) -> bool:
    """Return whether a feature is the target, or a number for each class."""
    if not of_classes:
        return bool((feature == answer).all())
    pairs = np.unique(np.stack([feature, answer.astype(np.float32)]), axis=1)
    return bool(len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1] > 1)
