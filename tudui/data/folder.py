"""The user's images: a folder per class, alone or inside `train/`, `validation/` and `test/`."""

import contextlib
import hashlib
import os
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile
from rich.console import Console
from rich.markup import escape
from rich.progress import track

from tudui.config.schema import DataConfig
from tudui.data.cache import read_cached, write_cached
from tudui.data.dataset import Source
from tudui.data.layout import PARTS, TRAIN, find_classes
from tudui.errors import DataError
from tudui.files import opened
from tudui.seeding import derive_seed
from tudui.tasks import Classes
from tudui.text import in_a_line, printable

FORMATS = (
    "BMP",
    "GIF",
    "JPEG",
    "PNG",
    "PPM",
    "TIFF",
    "WEBP",
)  # by content; not EPS, which Pillow passes to another program
MAX_PIXELS = 80_000_000  # in a file; a large JPEG is decoded at a smaller size
MAX_DECODED = 24_000_000  # in memory; transparent images then take 400 MB
LARGE = 4_000_000  # pixels beyond which images are decoded one at a time
ONE_LARGE = threading.Lock()
# Pillow only warns beyond its own limit, which is above MAX_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
SIZE = (32, 32)  # height and width in pixels, as of all data sets of Tudui
FORMAT = "2"  # part of every cache key; increase it when decoding changes
SHOWN = 10


class ImageFile(NamedTuple):
    """An image file, with its part and class by its folders."""

    path: Path
    part: str
    label: str
    version: tuple[int, ...]  # changes with the file


class Decoded(NamedTuple):
    """An image as uint8 [3, H, W]; for one of more than 8 bits per pixel, also the value that became 255."""

    pixels: np.ndarray
    white: str = ""


def some_of(bad: Mapping[str, str]) -> str:
    """Return the first unreadable images with the reasons, and the number of others."""
    shown = [f"{printable(name)} ({why})" for name, why in list(bad.items())[:SHOWN]]
    return ", ".join(shown) + (f" and {len(bad) - SHOWN:,} more" if len(bad) > SHOWN else "")


def read_folder(root: Path, config: DataConfig) -> Source:
    """Return the images of a folder, each scaled to a shorter side of 32 pixels and cropped to its centre."""
    found = find_classes(root)
    files, notes = [ImageFile(*file, version=_version(file[0])) for file in found.files], found.notes
    images, bad, whites = _decode_or_recall(root, files, config)
    notes += [f"{root}: {number} image{'s' * (number > 1)} of {white} as white" for white, number in whites.items()]
    if bad:
        listed = f"{root}: {len(bad)} of {len(files)} images cannot be read: {some_of(bad)}"
        if config.on_bad_image == "refuse":
            raise DataError(f"{listed}; fix or delete them, or skip them with --set data.on_bad_image=skip")
        if len(bad) == len(files):
            raise DataError(f"{listed}; put readable images there")
        notes.append(f"{listed}; skipped")
    good = [file for file in files if str(file.path.relative_to(root)) not in bad]
    classes = tuple(sorted({file.label for file in files}))
    if len(classes) < 2:
        raise DataError(f"{root}: only one class ({classes[0]}); create a folder for each of two or more classes")
    labels = torch.tensor([classes.index(file.label) for file in good], dtype=torch.int64)
    # files are in class order; a fixed random order makes data.shuffle=false work as for other data sets
    order = torch.randperm(len(good), generator=torch.Generator().manual_seed(derive_seed(0, "folder order")))
    part_of = np.array([file.part for file in good])[order.numpy()]
    parts = {part: order[torch.from_numpy(part_of == part)] for part in PARTS}
    if not len(parts[TRAIN]):
        raise DataError(f"{root}: no training image can be read; put readable images there")
    kept = {name: rows for name, rows in parts.items() if len(rows)}
    return Source(torch.from_numpy(images), labels, Classes(names=classes), kept, notes, bad)


def _version(path: Path) -> tuple[int, ...]:
    """Return what changes with a file; () for one that is gone, or a link that leads nowhere."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _decode_or_recall(
    root: Path, files: list[ImageFile], config: DataConfig
) -> tuple[np.ndarray, dict[str, str], dict[str, int]]:
    """Return the readable images as uint8 [N, 3, H, W], the reason for each unreadable one, and counted whites."""
    digest = hashlib.sha256(f"{FORMAT}\n{root.resolve()}\n".encode())
    for file in files:
        digest.update(f"{file.path.relative_to(root)}\0{file.version}\n".encode(errors="surrogateescape"))
    key = digest.hexdigest()[:32]
    if config.cache and (cached := read_cached(key)):
        images, description = cached
        bad: Any = description.get("bad")
        whites: Any = description.get("whites")
        names = {str(file.path.relative_to(root)) for file in files}
        known = isinstance(bad, dict) and bad.keys() <= names and isinstance(whites, dict)
        if known and len(images) == len(files) - len(bad):
            return images, bad, whites
    images, bad, whites = _decode(root, files)
    if config.cache and not (bad and config.on_bad_image == "refuse"):
        write_cached(key, images, {"folder": str(root.resolve()), "bad": bad, "whites": whites})
    return images, bad, whites


def _decode(root: Path, files: list[ImageFile]) -> tuple[np.ndarray, dict[str, str], dict[str, int]]:
    images = np.empty((len(files), 3, *SIZE), dtype=np.uint8)
    bad: dict[str, str] = {}
    whites: Counter[str] = Counter()
    filled = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without the GIL
        decoded = track(
            pool.map(_decode_or_reason, (file.path for file in files), chunksize=64),
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
                images[filled] = image.pixels
                whites.update([image.white] if image.white else [])
                filled += 1
    return images[:filled], bad, dict(sorted(whites.items()))


def decode_or_reason(path: Path, size: tuple[int, int] = SIZE) -> np.ndarray | str:
    """Return an image as uint8 [3, H, W], or the reason why it cannot be read."""
    decoded = _decode_or_reason(path, size)
    return decoded if isinstance(decoded, str) else decoded.pixels


def _decode_or_reason(path: Path, size: tuple[int, int] = SIZE) -> Decoded | str:
    try:
        return decode(path, size)
    except DataError as error:
        return str(error)


def decode_image(path: Path, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return an image as uint8 [3, H, W], of this size (height, width); DataError if it cannot be read."""
    return decode(path, size).pixels


def decode(path: Path, size: tuple[int, int]) -> Decoded:
    """Return an image of this size (height, width), and its white; DataError if it cannot be read."""
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
                ImageOps.exif_transpose(image, in_place=True)
                grey, white = _to_bytes(image)
                square = ImageOps.fit(_to_rgb(grey), (width, height), Image.Resampling.BILINEAR)
            return Decoded(np.asarray(square).transpose(2, 0, 1), white)
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError("no such file") from None
    except UnidentifiedImageError:
        raise DataError("not an image of a known format") from None
    except Exception as error:  # a broken file makes Pillow's decoders raise almost anything
        why = str(error).replace(repr(str(path)), "file") or type(error).__name__
        raise DataError(in_a_line(why)) from None


def _to_bytes(image: Image.Image) -> tuple[Image.Image, str]:
    """Return an image of 8 bits per channel, and the white of one that had more: its type decides, never its values.

    Integers are white at 65535, or at the largest value of their bits if these are fewer than 16; floats at 1.
    """
    if not image.mode.startswith(("I", "F")):
        return image, ""
    bits, white, kind = 32, 1, "floats"
    if image.mode != "F":
        # TIFF alone names the bits; the other formats have 8 or 16
        (bits, *_) = image.tag_v2.get(258, (16,)) if isinstance(image, TiffImageFile) else (16,)
        white, kind = 2 ** min(bits, 16) - 1, f"{bits} bits"
    values = np.asarray(image, dtype=np.float64)
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= white * 1.001):  # also if one is NaN
        raise DataError(f"{kind} with values from {low:g} to {high:g}; scale them to 0 (black) to {white} (white)")
    values = (values * (255 / white)).clip(0, 255).round().astype(np.uint8)
    return Image.fromarray(values), f"{kind} with {white}"


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return RGB: transparency over white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
