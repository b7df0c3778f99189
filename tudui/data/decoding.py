"""Image files to bytes: one image, scaled and cropped, or the reason why it cannot be read."""

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from tudui.errors import DataError
from tudui.files import opened
from tudui.text import in_a_line

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
logging.getLogger("PIL").addHandler(logging.NullHandler())  # what it logs would go to stderr
_reading = threading.local()  # .path: the file that a thread decodes
SIDE = 32  # height and width in pixels, unless data.size says another


class Decoded(NamedTuple):
    """An image as uint8 [3, H, W]; for one of more than 8 bits per pixel, also the value that became 255."""

    pixels: np.ndarray
    white: str = ""


@contextlib.contextmanager
def pillow_warnings() -> Iterator[dict[Path, str]]:
    """Yield Pillow's first warning of each file that is decoded until the block ends; none is printed."""
    found: dict[Path, str] = {}

    def keep(message: Warning | str, *_: object, **__: object) -> None:
        found.setdefault(getattr(_reading, "path", Path()), in_a_line(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = keep
        yield found


def decode_or_reason(path: Path, size: tuple[int, int] = (SIDE, SIDE)) -> np.ndarray | str:
    """Return an image as uint8 [3, H, W], or the reason why it cannot be read."""
    decoded = decoded_or_reason(path, size)
    return decoded if isinstance(decoded, str) else decoded.pixels


def decoded_or_reason(path: Path, size: tuple[int, int] = (SIDE, SIDE)) -> Decoded | str:
    """Return an image with its white, or the reason why it cannot be read."""
    try:
        return decode(path, size)
    except DataError as error:
        return str(error)


def decode_image(path: Path, size: tuple[int, int] = (SIDE, SIDE)) -> np.ndarray:
    """Return an image as uint8 [3, H, W], of this size (height, width); DataError if it cannot be read."""
    return decode(path, size).pixels


def decode(path: Path, size: tuple[int, int]) -> Decoded:
    """Return an image of this size (height, width), and its white; DataError if it cannot be read."""
    height, width = size
    _reading.path = path
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
        link = "a broken link" if path.is_symlink() else "no such file"
        raise DataError(link) from None
    except UnidentifiedImageError:
        raise DataError("not an image of a known format") from None
    except IsADirectoryError:
        raise DataError("a folder, not an image") from None
    except Exception as error:  # a broken file makes Pillow's decoders raise almost anything
        why = getattr(error, "strerror", None) or str(error).replace(repr(str(path)), "file") or type(error).__name__
        raise DataError(in_a_line(why)) from None


def original_size(path: Path) -> tuple[int, int]:
    """Return the height and width of an image file as it is seen, from its first bytes; DataError if it has none."""
    try:
        with opened(path) as file, Image.open(file, formats=FORMATS) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation) in range(5, 9)  # by 90 degrees; it may be a text
            return (image.width, image.height) if turned else (image.height, image.width)
    except Exception as error:  # a broken file makes Pillow's decoders raise almost anything
        raise DataError(f"{path}: has no size: {in_a_line(error)}") from None


def fitted(image: Image.Image, size: tuple[int, int]) -> Decoded:
    """Return an image upright, scaled to cover the size (height, width), and cropped to its centre."""
    ImageOps.exif_transpose(image, in_place=True)  # a copy would lose its type
    upright, white = _to_bytes(image)
    square = ImageOps.fit(_to_rgb(upright), size[::-1], Image.Resampling.BILINEAR)
    return Decoded(np.asarray(square).transpose(2, 0, 1), white)


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
    values = np.array(image, dtype=np.float64)
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= white * 1.001):  # also if one is NaN
        raise DataError(f"{kind} with values from {low:g} to {high:g}; scale them to 0 (black) to {white} (white)")
    values *= 255 / white  # in place: a copy of a large image takes 200 MB
    np.rint(np.clip(values, 0, 255, out=values), out=values)
    return Image.fromarray(values.astype(np.uint8)), f"{kind} with {white}"


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return RGB: transparency over white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
