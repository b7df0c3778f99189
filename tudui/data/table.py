"""The user's table: a CSV file with a column of targets."""

import os
from collections.abc import Sequence
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
from tudui.data.targets import FEWEST_ROWS, few_numbers, part_column, parts_of, target_columns, task_and_targets
from tudui.errors import DataError, did_you_mean

SHARE = 2  # of this machine's memory for a table
IDS = ("id", "uuid", "index", "编号", "序号")


def read_table(config: DataConfig, known: Known | None = None) -> Source:
    """Return the rows of a CSV file: numbers and one-hot texts as features; DataError if it is no table of this kind.

    With `known`, features and classes are those of a trained network.
    """
    file = open_csv(Path(config.name.removeprefix(TABLE)))
    chunks = file.chunks()
    if (first := next(chunks, None)) is None:
        raise DataError(f"{file.path}: has no rows below its header; at least {FEWEST_ROWS} are needed")
    targets = target_columns(file, first, config, known=known.task if known else None)
    parts, features, notes = _features(file, first, config, [column.name for column in targets])
    if known:
        layout = layout_of(known.features, file)
        features = [*layout.numbers, *layout.texts]
    columns = [*targets, *parts, *features]
    blocks: list[np.ndarray] = []
    most = _most_rows(len(columns))
    for chunk in chain([first], chunks):
        blocks.append(_block(columns, chunk, file))
        if len(blocks) * len(first.lines) > most:
            raise DataError(f"{file.path}: more than {most:,} rows of {len(columns)} columns do not fit into memory")
    if not known:
        features, left_out = _kept(features, file)
        layout = Layout(*(tuple(one for one in features if (one.kind == "numbers") == of) for of in (True, False)))
        notes += left_out
    return _source(file, config, blocks, columns, targets, parts, layout, notes)


def _features(
    file: CsvFile, first: Chunk, config: DataConfig, targets: Sequence[str]
) -> tuple[list[Column], list[Column], list[str]]:
    """Return the column of parts, if there is one, those that may be features, and notes on the others."""
    for key, names in (("ignore", config.ignore), ("text", config.text)):
        for name in names:
            if name not in file.names:
                raise DataError(f"data.{key}: {name}: no such column in {file.path}{did_you_mean(name, file.names)}")
    columns = [
        Column(name, place, "texts" if name in config.text else file.kind(first.columns[place]))
        for place, name in enumerate(file.names)
        if name not in targets and name not in config.ignore
    ]
    part = part_column(columns, first)
    dates = [column.name for column in columns if column.kind == "dates"]
    note = f"{file.path}: dates are left out: {listed(dates)}; for a network, write numbers, for example the month"
    rest = [column for column in columns if column.kind != "dates" and column is not part]
    return [part] if part else [], rest, [note] if dates else []


def _block(columns: Sequence[Column], chunk: Chunk, file: CsvFile) -> np.ndarray:
    """Return float32 [N, columns] of some rows."""
    block = np.empty((len(chunk.lines), len(columns)), dtype=np.float32)
    for place, column in enumerate(columns):
        if column.kind == "nothing":
            column.kind = file.kind(chunk.columns[column.place])
        if column.kind == "nothing" or column.kind == "dates":
            column.missing += len(block)
            block[:, place] = np.nan
        else:
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
    out = left_out_by(",".join([*rows, *ids])) if rows or ids else ""
    notes = {
        f"columns with more than {kept[0].most} different or very long texts (ids, names) are left out": many,
        "columns without values are left out": empty,
        "these columns only number the rows": rows,
        "these columns look like ids": ids,
    }
    found = [
        f"{file.path}: {what}: {listed(names)}{f'; {out}' if names in (rows, ids) else ''}"
        for what, names in notes.items()
        if names
    ]
    return kept, found


def _named_as_id(name: str) -> bool:
    return name.casefold() in IDS or name.endswith(("_id", "Id", "ID", " id"))


def _source(
    file: CsvFile,
    config: DataConfig,
    blocks: list[np.ndarray],
    columns: Sequence[Column],
    targets: Sequence[Column],
    parts: Sequence[Column],
    layout: Layout,
    notes: list[str],
) -> Source:
    used = [*targets, *parts, *layout.numbers, *layout.texts]
    places = {column.name: columns.index(column) for column in used}
    rows = sum(map(len, blocks))
    if any(column.missing for column in used):
        notes += about_missing(used, rows, file, config)
        needed = [places[column.name] for column in (used if config.on_missing == "drop" else [*targets, *parts])]
        blocks = [block[~np.isnan(block[:, needed]).any(1)] for block in blocks]
    if (rows := sum(map(len, blocks))) < FEWEST_ROWS:
        raise DataError(f"{file.path}: has only {rows} complete rows; at least {FEWEST_ROWS} are needed")
    if (number := len(layout.names)) > MAX_FEATURES:
        why = f"{number:,} features are too many (at most {MAX_FEATURES:,})"
        raise DataError(f"{file.path}: {why}; leave columns out with data.ignore")
    answers = np.concatenate([block[:, : len(targets)] for block in blocks])
    task, tensor = task_and_targets(targets, answers, file)
    parts_of_rows = np.concatenate([block[:, len(targets)] for block in blocks]) if parts else np.zeros(rows)
    store, start = np.empty((rows, number), dtype=np.float32), 0
    while blocks:
        block = blocks.pop(0)  # freed, so that the table is in memory once
        values = {name: block[:, place] for name, place in places.items()}
        store[start : start + len(block)] = layout.features(values, len(block))
        start += len(block)
    notes += [*file.remarks, *few_numbers(targets, tensor), *_equal(store, tensor, layout, file)]
    names = np.array(parts_of(parts[0] if parts else None, parts_of_rows, file))
    rows_of = {part: torch.from_numpy((names == part).nonzero()[0]) for part in sorted(set(names))}
    return Source(torch.from_numpy(store), tensor, task, rows_of, notes, features=layout.names)


def _equal(store: np.ndarray, targets: Tensor, layout: Layout, file: CsvFile) -> list[str]:
    """Return a note if a feature alone gives the target: then there is nothing to learn."""
    answers = targets.numpy() if targets.ndim == 2 else targets.numpy()[:, None]
    of_classes = targets.ndim == 1

    def gives(feature: np.ndarray, answer: np.ndarray) -> bool:
        return all(_determines(feature[:some], answer[:some], of_classes) for some in (1000, len(feature)))

    same = [
        name
        for name, feature in zip(layout.names, store.T, strict=True)
        if any(gives(feature, one) for one in answers.T)
    ]
    return [f"{file.path}: these columns alone give the target: {listed(same)}; {left_out_by(same[0])}"] if same else []


def _determines(feature: np.ndarray, answer: np.ndarray, of_classes: bool) -> bool:
    """Return whether a feature is the target, or a number for each class."""
    if not of_classes:
        return bool((feature == answer).all())
    pairs = np.unique(np.stack([feature, answer.astype(np.float32)]), axis=1)
    return bool(len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1] > 1)
