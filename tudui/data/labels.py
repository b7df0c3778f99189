"""The user's images with a CSV file of their targets: a column of files, and one or more of targets."""

import unicodedata
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tudui.config.schema import DataConfig
from tudui.csv_file import CsvFile, open_csv
from tudui.data.cache import as_tensor
from tudui.data.columns import Column, about_missing, listed
from tudui.data.dataset import Known, Source
from tudui.data.folder import ImageFile, readable_images, rows_of_parts, version_of
from tudui.data.layout import check_folder, images_below
from tudui.data.targets import few_numbers, part_column, parts_of, target_columns, task_and_targets
from tudui.errors import DataError
from tudui.tasks import Task
from tudui.tasks.numbers import FEWEST_ROWS
from tudui.text import printable

SEVERAL = -2  # instead of the number of an image: the name is that of several


class _Rows(NamedTuple):
    """The rows of the file that have a target."""

    names: list[str]  # of files
    lines: list[int]
    values: np.ndarray  # float32 [N, targets and, if there is one, the part]


def read_labelled(root: Path, config: DataConfig, known: Known | None = None) -> Source:
    """Return the images of a folder with the targets of `data.labels`; DataError if they do not belong together.

    With `known`, the classes are those of a trained network.
    """
    check_folder(root)
    images = images_below(root)
    file = open_csv(Path(config.labels or ""))
    if not images:
        raise DataError(f"{root}: no images; {file.path} has the targets of images in this folder")
    columns, part, rows, notes = _read(file, config, known.task if known else None)
    numbers = _match(root, images, file, rows, config, notes)
    of_image = {number: row for row, number in enumerate(numbers) if number >= 0}
    if len(of_image) < (fewest := 1 if known else FEWEST_ROWS):
        raise DataError(f"{file.path}: has targets of only {len(of_image)} images; at least {fewest} are needed")
    used = sorted(of_image)
    task, targets = task_and_targets(columns, rows.values[[of_image[number] for number in used], : len(columns)], file)
    parts = parts_of(part, rows.values[[of_image[number] for number in used], -1], file)
    pictures = [
        ImageFile(images[number], part, "", version_of(images[number]))
        for number, part in zip(used, parts, strict=True)
    ]
    store, bad = readable_images(root, pictures, config, notes)
    good = [place for place, one in enumerate(pictures) if str(one.path.relative_to(root)) not in bad]
    notes += [*file.remarks, *few_numbers(columns, targets)]
    paths = tuple(str(pictures[place].path) for place in good)
    rows_of = rows_of_parts([pictures[place].part for place in good], root)
    return Source(as_tensor(store), targets[good], task, rows_of, notes, bad, paths)


def _read(
    file: CsvFile, config: DataConfig, known: Task | None
) -> tuple[list[Column], Column | None, _Rows, list[str]]:
    chunks = file.chunks()
    if (first := next(chunks, None)) is None:
        raise DataError(f"{file.path}: has no rows below its header")
    columns = target_columns(file, first, config, listing=True, known=known)
    taken = {file.listing, *(column.place for column in columns)}
    part = part_column([Column(name, at, "texts") for at, name in enumerate(file.names) if at not in taken], first)
    read = [*columns, *([part] if part else [])]
    names: list[str] = []
    lines: list[int] = []
    blocks: list[np.ndarray] = []
    for chunk in chain([first], chunks):
        names += chunk.columns[file.listing]
        lines += chunk.lines
        blocks.append(np.stack([column.read(chunk, file) for column in read], axis=1).astype(np.float32))
    values = np.concatenate(blocks)
    notes = about_missing(read, len(names), file, config) if any(column.missing for column in read) else []
    kept = (~np.isnan(values).any(1)).nonzero()[0]
    return columns, part, _Rows([names[row] for row in kept], [lines[row] for row in kept], values[kept]), notes


def _match(
    root: Path, images: Sequence[Path], file: CsvFile, rows: _Rows, config: DataConfig, notes: list[str]
) -> list[int]:
    """Return the number of each row's image, -1 for a row that is not used; DataError for what does not match."""
    find = _Finder(root, images)
    numbers = [find(name) for name in rows.names]
    if (row := next((row for row, number in enumerate(numbers) if number == SEVERAL), None)) is not None:
        name = printable(rows.names[row])
        raise DataError(
            f"{file.path}:{rows.lines[row]}: {name}: several images in {root} have this name; give the path"
        )
    lost = [printable(rows.names[row]) for row, number in enumerate(numbers) if number < 0]
    if len(lost) == len(numbers):
        names = listed(lost[:3])
        raise DataError(f"{file.path}: none of its {len(lost):,} files is in {root} ({names}); is it another folder?")
    row_of: dict[int, int] = {}
    again = 0
    for row, number in enumerate(numbers):
        first = row_of.setdefault(number, row) if number >= 0 else row
        if first == row:
            continue
        if (rows.values[first] != rows.values[row]).any():
            name = printable(rows.names[row])
            raise DataError(
                f"{file.path}:{rows.lines[row]}: {name} has another target on line {rows.lines[first]}; keep one row"
            )
        numbers[row] = -1
        again += 1
    others = [printable(str(image.relative_to(root))) for at, image in enumerate(images) if at not in row_of]
    wrong = [f"{len(lost):,} files are not in {root}: {listed(lost[:5])}"] if lost else []
    wrong += [f"{len(others):,} images in {root} have no row: {listed(others[:5])}"] if others else []
    if wrong and config.on_bad_image == "refuse":
        raise DataError(f"{file.path}: {'; '.join(wrong)}; correct that, or leave them out with --on-bad-image skip")
    notes += [f"{file.path}: {what}; left out" for what in wrong]
    notes += [f"{file.path}: {again:,} rows are repeated with the same target; each is used once"] if again else []
    return numbers


class _Finder:
    """Finds images by the names in a file: the path below the folder, or the name alone; each also without ending."""

    def __init__(self, root: Path, images: Sequence[Path]) -> None:
        self.above = f"{_plain(root.resolve().name)}/"
        self.levels: list[dict[str, int]] = [{} for _ in range(4)]
        for number, image in enumerate(images):
            path = image.relative_to(root)
            for level, name in zip(self.levels, (path, path.with_suffix(""), path.name, path.stem), strict=True):
                level[_plain(str(name))] = SEVERAL if _plain(str(name)) in level else number

    def __call__(self, name: str) -> int:
        """Return the number of an image, -1 if there is none of this name, SEVERAL if there are more."""
        plain = _plain(name.strip().replace("\\", "/")).removeprefix("./")
        for written in (plain, plain.removeprefix(self.above)):
            for level in self.levels:
                if written in level:
                    return level[written]
        return -1


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name)
