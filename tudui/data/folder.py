"""The user's images: a folder per class, alone or inside `train/`, `validation/` and `test/`."""

import hashlib
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from tudui.config.schema import DataConfig
from tudui.data.cache import as_tensor, chunk_of, kept, read_cached
from tudui.data.dataset import Source
from tudui.data.decoding import SIDE, decoded_or_reason, pillow_warnings
from tudui.data.layout import PARTS, TRAIN, find_classes
from tudui.errors import DataError
from tudui.seeding import derive_seed
from tudui.tasks import Classes
from tudui.text import printable

FORMAT = "2"  # part of every cache key; increase it when decoding changes
SHOWN = 10  # images in a message


class ImageFile(NamedTuple):
    """An image file, with its part and class by its folders."""

    path: Path
    part: str
    label: str
    version: tuple[int, ...]  # changes with the file


class Remarks(NamedTuple):
    """What the user should know about images that were read."""

    whites: Mapping[str, int]  # value that became white -> number of images of more than 8 bits
    warnings: Mapping[str, str]  # image -> what Pillow warned of

    def notes(self, root: Path) -> list[str]:
        """Return a line for each kind."""
        notes = [
            f"{root}: {count} image{'s' * (count > 1)} of {white} as white" for white, count in self.whites.items()
        ]
        return notes + remarks_on(self.warnings, str(root))


def some_of(bad: Mapping[str, str]) -> str:
    """Return the first unreadable images with the reasons, and the number of others."""
    shown = [f"{printable(name)} ({why})" for name, why in list(bad.items())[:SHOWN]]
    return ", ".join(shown) + (f" and {len(bad) - SHOWN:,} more" if len(bad) > SHOWN else "")


def remarks_on(remarks: Mapping[str, str], where: str) -> list[str]:
    """Return the note, if any, that images were read although Pillow warned of them."""
    if not remarks:
        return []
    what = "1 image was" if len(remarks) == 1 else f"{len(remarks):,} images were"
    return [f"{where}: {what} read, with warnings of the decoder: {some_of(remarks)}"]


def read_folder(root: Path, config: DataConfig) -> Source:
    """Return the images of a folder, each scaled to a shorter side of `data.size` and cropped to its centre."""
    found = find_classes(root)
    files, notes = [ImageFile(*file, version=version_of(file[0])) for file in found.files], found.notes
    images, bad = readable_images(root, files, config, notes)
    good = [file for file in files if str(file.path.relative_to(root)) not in bad]
    classes = tuple(sorted({file.label for file in files}))
    if len(classes) < 2:
        raise DataError(f"{root}: only one class ({classes[0]}); create a folder for each of two or more classes")
    labels = torch.tensor([classes.index(file.label) for file in good], dtype=torch.int64)
    parts, paths = rows_of_parts([file.part for file in good], root), tuple(str(file.path) for file in good)
    return Source(as_tensor(images), labels, Classes(names=classes), parts, notes, bad, paths)


def rows_of_parts(part_of_rows: list[str], root: Path) -> dict[str, torch.Tensor]:
    """Return the rows of each part; DataError if none is for training.

    Files are sorted; a fixed random order makes data.shuffle=false work as for other data sets.
    """
    generator = torch.Generator().manual_seed(derive_seed(0, "folder order"))
    order = torch.randperm(len(part_of_rows), generator=generator)
    part_of = np.array(part_of_rows)[order.numpy()]
    parts = {part: order[torch.from_numpy(part_of == part)] for part in PARTS}
    if not len(parts[TRAIN]):
        raise DataError(f"{root}: no training image can be read; put readable images there")
    return {name: rows for name, rows in parts.items() if len(rows)}


def version_of(path: Path) -> tuple[int, ...]:
    """Return what changes with a file; () for one that is gone, or a broken link."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _refuse(root: Path, bad: Mapping[str, str], number: int, config: DataConfig) -> str:
    """Return a note that some of the images cannot be read; DataError if that is not accepted, or if none can."""
    listed = f"{root}: {len(bad)} of {number} images cannot be read: {some_of(bad)}"
    if config.on_bad_image == "refuse":
        raise DataError(f"{listed}; fix or delete them, or skip them with --on-bad-image skip")
    if len(bad) == number:
        raise DataError(f"{listed}; put readable images there")
    return f"{listed}; skipped"


def readable_images(
    root: Path, files: list[ImageFile], config: DataConfig, notes: list[str]
) -> tuple[np.ndarray, dict[str, str]]:
    """Return the readable images as uint8 [N, 3, H, W], and the reason for each unreadable one; add notes.

    DataError if some are not readable, unless `data.on_bad_image` skips them.
    """
    images, bad = _decode_or_recall(root, files, config, notes)
    if bad:
        notes.append(_refuse(root, bad, len(files), config))
    return images, bad


def _decode_or_recall(
    root: Path, files: list[ImageFile], config: DataConfig, notes: list[str]
) -> tuple[np.ndarray, dict[str, str]]:
    """Return the readable images as uint8 [N, 3, H, W], and the reason for each unreadable one; add notes."""
    side = config.size or SIDE
    digest = hashlib.sha256(f"{FORMAT}\n{root.resolve()}\n{side}\n".encode(errors="surrogateescape"))
    for file in files:
        digest.update(f"{file.path.relative_to(root)}\0{file.version}\n".encode(errors="surrogateescape"))
    key = digest.hexdigest()[:32]
    if config.cache and (cached := read_cached(key)):
        images, description = cached
        found: list[Any] = [description.get(name) for name in ("bad", "whites", "warnings")]
        names = {str(file.path.relative_to(root)) for file in files}
        if all(isinstance(one, dict) for one in found):
            bad, whites, of_pillow = found
            if bad.keys() <= names and len(images) == len(files) - len(bad):
                notes += Remarks(whites, of_pillow).notes(root)
                return images, bad
    decoding = _Decoding(root, files, side)

    def checked() -> Iterator[np.ndarray]:
        yield from decoding.chunks()
        if decoding.bad:
            _refuse(root, decoding.bad, len(files), config)  # before they are cached

    size = (len(files), 3, side, side)
    images, failed = kept(key if config.cache else None, size, checked, decoding.description)
    notes += [*decoding.remarks.notes(root), *failed]
    return images, decoding.bad


class _Decoding:
    """Decodes the files of a folder chunk by chunk, and then knows what was odd about them."""

    def __init__(self, root: Path, files: list[ImageFile], side: int) -> None:
        self.root, self.files, self.side = root, files, side
        self.bad: dict[str, str] = {}
        self.remarks = Remarks({}, {})

    def description(self) -> dict[str, Any]:
        """Return what the cache keeps besides the images."""
        return {"folder": str(self.root.resolve()), "bad": self.bad, **self.remarks._asdict()}

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield the readable images, uint8 [*, 3, side, side], in the order of their files."""
        self.bad.clear()
        whites: Counter[str] = Counter()
        length = chunk_of(self.side, self.side)
        decode = partial(decoded_or_reason, size=(self.side, self.side))
        progress = Progress(*Progress.get_default_columns(), console=Console(stderr=True), transient=True)
        progress.disable = not sys.stderr.isatty()
        with pillow_warnings() as warned, ThreadPoolExecutor(os.cpu_count()) as pool, progress:
            task = progress.add_task(f"Reading {escape(self.root.name)}", total=len(self.files))
            for start in range(0, len(self.files), length):
                some = self.files[start : start + length]
                good: list[np.ndarray] = []
                # Pillow decodes without the GIL
                for file, image in zip(some, pool.map(decode, (file.path for file in some)), strict=True):
                    progress.advance(task)
                    if isinstance(image, str):
                        self.bad[str(file.path.relative_to(self.root))] = image
                    else:
                        good.append(image.pixels)
                        whites.update([image.white] if image.white else [])
                if good:
                    yield np.stack(good)
        of_pillow = {str(path.relative_to(self.root)): text for path, text in warned.items()}
        kept_ones = {name: of_pillow[name] for name in sorted(of_pillow.keys() - self.bad.keys())}
        self.remarks = Remarks(dict(sorted(whites.items())), kept_ones)
