"""The cache of decoded and scaled images. Sets that are larger than LARGE are never in memory as a whole."""

import json
import math
import os
import shutil
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from tudui.errors import DataError, DiskError
from tudui.files import opened
from tudui.output import Lasting
from tudui.text import printable

LARGE = 2**28  # bytes of images; more are written to a file chunk by chunk, and mapped
CHUNK = 2**26  # bytes that are read or made at once
ABANDONED = 24 * 3600  # seconds after which a file that nobody wrote to was left by a killed process
_writes = ContextVar("whether images are written to the cache", default=True)
_mapped: dict[Path, int] = {}  # files whose images this process reads from the disk -> their length in bytes


def cache_folder() -> Path:
    """Return the user's cache folder: $TUDUI_CACHE, or the platform's default; DiskError if the user has no home."""
    if chosen := os.environ.get("TUDUI_CACHE"):
        return Path(chosen)
    try:
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "tudui" / "cache"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "tudui"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tudui"
    except RuntimeError:  # as in a container that runs as a number without a name
        raise DiskError("no home folder for the cache; set TUDUI_CACHE to a folder") from None


def chunk_of(height: int, width: int) -> int:
    """Return how many images of this size are read or made at once."""
    return max(1, CHUNK // (3 * height * width))


def rows_of(store: torch.Tensor) -> int:
    """Return how many rows of a store are read at once."""
    return max(1, CHUNK // max(1, math.prod(store.shape[1:]) * store.element_size()))


def as_tensor(images: np.ndarray) -> torch.Tensor:
    """Return the same images as a tensor; those of a file must not be written to."""
    with warnings.catch_warnings(action="ignore"):  # torch warns that they are read-only
        return torch.from_numpy(images)


def read_cached(key: str) -> tuple[np.ndarray, dict[str, Any]] | None:
    """Return the memory-mapped images and their description; None if they are missing or damaged."""
    try:
        entry = cache_folder() / "folders" / key
    except DiskError:
        return None
    if not os.access(entry, os.F_OK):  # Path.exists raises for what is in a closed folder
        return None
    with suppress(Exception):  # random bytes make numpy raise almost anything
        opened(entry / "images.npy").close()  # numpy maps only what it opens itself
        images = np.load(entry / "images.npy", mmap_mode="r")  # writable, the system would count it as memory
        with opened(entry / "description.json") as file:
            description: dict[str, Any] = json.load(file)
        path, length = entry / "images.npy", images.offset + images.nbytes
        found = path.stat().st_size, images.dtype, [*images.shape, zlib.crc32(images.data)]
        if found == (length, np.uint8, description["shape and crc32"]):
            _mapped[path] = length
            return images, description
    shutil.rmtree(entry, ignore_errors=True)  # so that it can be written again
    return None


def check_cached() -> None:
    """Raise DataError if a file whose images are in use was cut: to read what is missing would kill the process."""
    for path, length in _mapped.items():
        if path.exists() and path.stat().st_size < length:  # one that was removed is kept by the system
            raise DataError(f"{path}: was cut while its images were in use; resume the run to decode them again")


def kept(
    key: str | None,
    size: tuple[int, int, int, int],
    chunks: Callable[[], Iterator[np.ndarray]],
    describe: Callable[[], dict[str, Any]],
) -> tuple[np.ndarray, list[str]]:
    """Return what `chunks` yields, at most uint8 `size` [N, 3, H, W], and a note if the cache cannot be written.

    Without a key, nothing is cached. More than LARGE bytes are mapped from a file: that of the cache or, if there is
    none, one without a name in the system's folder for temporary files. DiskError if neither disk has enough space.
    """
    key = key if _writes.get() else None
    need, notes = math.prod(size), list[str]()
    if need <= LARGE:
        images, number = np.empty(size, dtype=np.uint8), 0
        for chunk in chunks():
            images[number : number + len(chunk)] = chunk
            number += len(chunk)
        images = images[:number]
        return images, write_cached(key, images.shape, [images], describe) if key else []
    if key:
        notes = write_cached(key, size, chunks(), describe)
        if not notes and (found := read_cached(key)):
            return found[0], []
    folder = Path(tempfile.gettempdir())
    try:
        _check_room(folder, size, "TMPDIR")
        with tempfile.TemporaryFile() as file:
            number, _ = _write(file, size, chunks())
            start = file.tell()
            if not number:
                return np.empty((0, *size[1:]), dtype=np.uint8), notes
            return np.memmap(file, np.uint8, "r", start, (number, *size[1:])), notes
    except OSError as error:
        raise DiskError(f"{folder}: {error.strerror or error}; set TMPDIR to another folder") from None


@contextmanager
def only_read() -> Iterator[None]:
    """Read images from the cache if they are there, and write none to it."""
    before = _writes.set(False)
    try:
        yield
    finally:
        _writes.reset(before)


def write_cached(
    key: str, size: tuple[int, ...], chunks: Iterable[np.ndarray], describe: Callable[[], dict[str, Any]]
) -> list[str]:
    """Store images under the key, at most `size` [N, 3, H, W]; return a note if the cache cannot be written."""
    aside = None
    try:
        parent = cache_folder() / "folders"
        parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(parent)
        _check_room(parent, size, "TUDUI_CACHE")
        aside = Path(tempfile.mkdtemp(dir=parent, prefix=".writing-"))
        with (aside / "images.npy").open("wb") as file:
            number, crc = _write(file, size, chunks)
            os.fsync(file.fileno())
        described = {"shape and crc32": [number, *size[1:], crc], **describe()}
        (aside / "description.json").write_text(json.dumps(described))
        aside.rename(parent / key)
    except (OSError, DiskError) as error:
        if aside is not None and os.access(parent / key / "images.npy", os.R_OK):  # just written by another process
            return []
        why = str(error)
        if isinstance(error, OSError):
            why = f"{error.filename or parent}: {error.strerror or error}; set TUDUI_CACHE to another folder"
        return [f"images are decoded again each time: {why}"]
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
    return []


def _write(file: IO[bytes], size: tuple[int, ...], chunks: Iterable[np.ndarray]) -> tuple[int, int]:
    """Write an .npy file up to its last image; return the number of images, and the crc32 of their bytes.

    The file is then at its first image.
    """

    def header(number: int) -> int:
        about = {"descr": "|u1", "fortran_order": False, "shape": (number, *size[1:])}
        file.seek(0)
        np.lib.format.write_array_header_1_0(file, about)  # numpy leaves room for a longer number of images
        return file.tell()

    start, number, crc = header(size[0]), 0, 0
    for chunk in chunks:
        content = np.ascontiguousarray(chunk).data
        file.write(content)
        number, crc = number + len(chunk), zlib.crc32(content, crc)
    if header(number) != start:
        raise OSError(f"numpy {np.__version__} writes headers of different lengths")
    file.flush()
    return number, crc


def _check_room(folder: Path, size: tuple[int, ...], variable: str) -> None:
    """Say how much space a large set takes in a folder; DiskError if it has less."""
    need, free = math.prod(size), shutil.disk_usage(folder).free
    number, _, height, width = size
    takes = f"{number:,} images of {height} x {width} pixels take {need / 1e9:.1f} GB"
    if need > free:
        other = f"set {variable} to a folder on a larger disk, or use a smaller --size"
        raise DiskError(f"{folder}: {takes}, {free / 1e9:.1f} GB are free; {other}")
    if need > LARGE:
        print(f"{takes} in {printable(str(folder))}", file=Lasting(sys.stderr))


def _remove_abandoned(parent: Path) -> None:
    for left in parent.glob(".writing-*"):
        with suppress(OSError):
            if (left / "images.npy").stat().st_mtime < time.time() - ABANDONED:
                shutil.rmtree(left, ignore_errors=True)
