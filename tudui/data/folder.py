"""The user's images: a folder per class, alone or inside `train/`, `validation/` and `test/`."""

import contextlib
import hashlib
import os
import stat
import sys
import threading
import unicodedata
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from rich.console import Console
from rich.markup import escape
from rich.progress import track

from tudui.config.schema import DataConfig
from tudui.data.cache import read_cached, write_cached
from tudui.data.dataset import Source
from tudui.errors import DataError
from tudui.files import opened
from tudui.seeding import derive_seed
from tudui.tasks import Classes
from tudui.text import in_a_line, printable

ENDINGS = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
FORMATS = (
    "BMP",
    "GIF",
    "JPEG",
    "PNG",
    "PPM",
    "TIFF",
    "WEBP",
)  # by content; not EPS, which Pillow passes to another program
PARTS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
MAX_PIXELS = 80_000_000  # in a file; a large JPEG is decoded at a smaller size
MAX_DECODED = 24_000_000  # in memory; transparent images then take 400 MB
LARGE = 4_000_000  # pixels beyond which images are decoded one at a time
ONE_LARGE = threading.Lock()
# Pillow only warns beyond its own limit, which is above MAX_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
SIDE = 32  # height and width in pixels, unless data.size says another
FORMAT = "1"  # part of every cache key; increase it when decoding changes
SHOWN = 10


class ImageFile(NamedTuple):
    """An image file, with its part and class by its folders."""

    path: Path
    part: str
    label: str
    version: tuple[int, ...]  # changes with the file


def some_of(bad: Mapping[str, str]) -> str:
    """Return the first unreadable images with the reasons, and the number of others."""
    shown = [f"{printable(name)} ({why})" for name, why in list(bad.items())[:SHOWN]]
    return ", ".join(shown) + (f" and {len(bad) - SHOWN:,} more" if len(bad) > SHOWN else "")


def read_folder(root: Path, config: DataConfig) -> Source:
    """Return the images of a folder, each scaled to a shorter side of `data.size` and cropped to its centre."""
    files, others = _list(root)
    if not files:
        if loose := sum(path.suffix.lower() in ENDINGS for path in root.iterdir()):
            raise DataError(f"{root}: {loose} images without class; move each into a folder: {root}/CLASS/*.jpg")
        raise DataError(
            f"{root}: no images; expected {root}/CLASS/*.jpg or {root}/train/CLASS/*.jpg "
            f"(endings: {' '.join(sorted(ENDINGS))})"
        )
    images, bad = _decode_or_recall(root, files, config)
    notes = []
    if bad:
        listed = f"{root}: {len(bad)} of {len(files)} images cannot be read: {some_of(bad)}"
        if config.on_bad_image == "refuse":
            raise DataError(f"{listed}; fix or delete them, or skip them with --set data.on_bad_image=skip")
        if len(bad) == len(files):
            raise DataError(f"{listed}; put readable images there")
        notes.append(f"{listed}; skipped")
    if others:
        notes.append(f"{root}: {others} other file{'s' * (others > 1)} ignored")
    good = [file for file in files if str(file.path.relative_to(root)) not in bad]
    classes = tuple(sorted({file.label for file in files}))
    if len(classes) < 2:
        raise DataError(f"{root}: only one class ({classes[0]}); create a folder for each of two or more classes")
    labels = torch.tensor([classes.index(file.label) for file in good], dtype=torch.int64)
    # files are in class order; a fixed random order makes data.shuffle=false work as for other data sets
    order = torch.randperm(len(good), generator=torch.Generator().manual_seed(derive_seed(0, "folder order")))
    part_of = np.array([file.part for file in good])[order.numpy()]
    parts = {part: order[torch.from_numpy(part_of == part)] for part in ("train", "validation", "test")}
    if not len(parts["train"]):
        raise DataError(f"{root}/train: no images; create a folder per class there")
    kept = {name: rows for name, rows in parts.items() if len(rows)}
    return Source(torch.from_numpy(images), labels, Classes(names=classes), kept, notes, bad)


def _list(root: Path) -> tuple[list[ImageFile], int]:
    """Return all image files, sorted, and the number of other files."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; check the path")
    try:
        inside = {entry.name: Path(entry.path) for entry in os.scandir(root) if entry.is_dir()}
        tops = [("train", root)]
        if "train" in inside:
            tops = [(PARTS[name], path) for name, path in sorted(inside.items()) if name in PARTS]
        files, others = [], 0
        for part, top in tops:
            for folder in sorted(Path(entry.path) for entry in os.scandir(top) if entry.is_dir()):
                if not shown_as_it_is(folder.name):
                    raise DataError(f"{top}: class folder {folder.name!r} has control characters; rename it")
                for path in sorted(_files_below(folder)):
                    status = path.stat()
                    if _is_image(path, status):
                        version = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
                        files.append(ImageFile(path, part, folder.name, version))
                    else:
                        others += 1
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from None
    return files, others


def shown_as_it_is(name: str) -> bool:
    """Return whether a name has no line break, control character or change of the writing direction."""
    joiners = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # needed by some languages and emoji
    return all(unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") or c in joiners for c in name)


def images_below(folder: Path) -> list[Path]:
    """Return the image files below a folder, sorted, by the rules for a class; DataError if it cannot be read."""
    try:
        return [path for path in sorted(_files_below(folder)) if _is_image(path, path.stat())]
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from None


def _is_image(path: Path, status: os.stat_result) -> bool:
    return path.suffix.lower() in ENDINGS and stat.S_ISREG(status.st_mode)


def _files_below(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        yield from (Path(parent) / name for name in names if not name.startswith("."))


def _decode_or_recall(root: Path, files: list[ImageFile], config: DataConfig) -> tuple[np.ndarray, dict[str, str]]:
    """Return the readable images as uint8 [N, 3, H, W], and the reason for each unreadable one."""
    digest = hashlib.sha256(f"{FORMAT}\n{root.resolve()}\n{config.size or SIDE}\n".encode())
    for file in files:
        digest.update(f"{file.path.relative_to(root)}\0{file.version}\n".encode(errors="surrogateescape"))
    key = digest.hexdigest()[:32]
    if config.cache and (cached := read_cached(key)):
        images, description = cached
        bad = description.get("bad")
        names = {str(file.path.relative_to(root)) for file in files}
        if isinstance(bad, dict) and bad.keys() <= names and len(images) == len(files) - len(bad):
            return images, bad
    images, bad = _decode(root, files, config.size or SIDE)
    if config.cache and not (bad and config.on_bad_image == "refuse"):
        write_cached(key, images, {"folder": str(root.resolve()), "bad": bad})
    return images, bad


def _decode(root: Path, files: list[ImageFile], side: int) -> tuple[np.ndarray, dict[str, str]]:
    images = np.empty((len(files), 3, side, side), dtype=np.uint8)
    bad: dict[str, str] = {}
    filled = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without the GIL
        decoded = track(
            pool.map(partial(decode_or_reason, size=(side, side)), (file.path for file in files), chunksize=64),
            f"Reading {escape(root.name)}",
            total=len(files),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        for file, image in zip(files, decoded, strict=True):
            if isinstance(image, str):
                bad[str(file.path.relative_to(root))] = image
            else:
                images[filled] = image
                filled += 1
    return images[:filled], bad


def decode_or_reason(path: Path, size: tuple[int, int] = (SIDE, SIDE)) -> np.ndarray | str:
    """Return an image as uint8 [3, H, W], or the reason why it cannot be read."""
    try:
        return decode_image(path, size)
    except DataError as error:
        return str(error)


def decode_image(path: Path, size: tuple[int, int] = (SIDE, SIDE)) -> np.ndarray:
    """Return an image as uint8 [3, H, W], of this size (height, width); DataError if it cannot be read."""
    height, width = size
    try:
        with opened(path) as file, Image.open(file, formats=FORMATS) as image:
            pixels = image.width * image.height
            if pixels > MAX_PIXELS:
                raise DataError(f"{image.width}x{image.height} pixels are too many")
            image.draft("RGB", (2 * width, 2 * height))  # the JPEG decoder reads large images at a smaller size
            if image.width * image.height > MAX_DECODED:
                raise DataError(f"{image.width}x{image.height} pixels are too many to decode; make it smaller")
            with ONE_LARGE if pixels > LARGE else contextlib.nullcontext():
                return fitted(image, size)
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError("no such file") from None
    except UnidentifiedImageError:
        raise DataError("not an image of a known format") from None
    except Exception as error:  # a broken file makes Pillow's decoders raise almost anything
        why = str(error).replace(repr(str(path)), "file") or type(error).__name__
        raise DataError(in_a_line(why)) from None


def fitted(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Return an image as uint8 [3, H, W]: upright, scaled to cover the size (height, width), cropped to its centre."""
    image = ImageOps.exif_transpose(image)
    square = ImageOps.fit(_to_rgb(image), size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(square).transpose(2, 0, 1)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return RGB: transparency over white, 16-bit grey scaled to bytes."""
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype=np.float64)
        values *= 255 / (65535 if values.max(initial=0) > 255 else 255)
        image = Image.fromarray(values.clip(0, 255, out=values).round(out=values).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
