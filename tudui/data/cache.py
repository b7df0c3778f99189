"""The cache of decoded image folders and downloads."""

import json
import os
import shutil
import sys
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tudui.errors import DataError, DiskError
from tudui.files import opened

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
        images = np.load(entry / "images.npy", mmap_mode="c")  # copy-on-write: torch warns about read-only arrays
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


def write_cached(key: str, images: np.ndarray, description: dict[str, Any]) -> list[str]:
    """Store images under the key; return a note if the cache cannot be written."""
    aside = None
    try:
        parent = cache_folder() / "folders"
        parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=parent, prefix=".writing-"))
        with (aside / "images.npy").open("wb") as file:
            np.save(file, images)
            file.flush()
            os.fsync(file.fileno())
        described = {"shape and crc32": [*images.shape, zlib.crc32(images.data)], **description}
        (aside / "description.json").write_text(json.dumps(described))
        aside.rename(parent / key)
    except (OSError, DiskError) as error:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
            if os.access(parent / key / "images.npy", os.R_OK):  # just written by another process
                return []
        why = str(error)
        if isinstance(error, OSError):
            why = f"{error.filename or parent}: {error.strerror or error}; set TUDUI_CACHE to another folder"
        return [f"images are decoded anew each time: {why}"]
    return []
