"""Data from a file of the user: `FILE.py:NAME`, a function, or a class of torch's datasets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from tudui.config.own_code import call_own, own_errors, own_object, path_of
from tudui.config.schema import DataConfig
from tudui.data.dataset import Source
from tudui.data.decoding import SIDE, fitted
from tudui.errors import DataError
from tudui.tasks import Classes

PARTS = ("train", "validation", "test")
RETURNS = "must return train, or (train, test), each (images, labels) or a torch Dataset"


def read_own(config: DataConfig) -> Source:
    """Return the images of the user's function or class, which is called without arguments.

    It returns the training part, a pair (train, test), or a mapping with the keys train, validation and test. A part is
    a pair of images and labels, or a torch Dataset of (image, label). Images are Pillow's, or arrays or tensors
    [H, W], [H, W, 3] or [3, H, W]: bytes, or floats from 0 to 1. Labels are class numbers or names.
    """
    make = own_object(config.name, config.code or "", "--data")
    returned = call_own(make, config.name, {}, None)
    with own_errors(path_of(config.name)):
        parts = {
            name: _part(part, f"{config.name}, {name}", config.size or SIDE)
            for name, part in _parts(returned, config.name).items()
        }
    labels = [label for _, given, _ in parts.values() for label in given]
    named = next((names for *_, names in parts.values() if names), None)
    classes, targets = _classes(labels, named, config.name)
    shapes = {image.shape for images, *_ in parts.values() for image in images}
    if len(shapes) > 1:
        raise DataError(f"{config.name}: images of different sizes ({_shown(shapes)}); scale them to one size")
    store = torch.from_numpy(np.stack([image for images, *_ in parts.values() for image in images]))
    rows, start = {}, 0
    for name, (images, *_) in parts.items():
        rows[name] = torch.arange(start, start + len(images))
        start += len(images)
    return Source(store, targets, Classes(names=classes), rows)


def _parts(returned: Any, name: str) -> dict[str, Any]:
    if isinstance(returned, Mapping):
        if "train" not in returned or not set(returned) <= set(PARTS):
            raise DataError(f"{name}: a mapping must have the key train, and may have validation and test")
        return dict(returned)
    if isinstance(returned, TorchDataset) or _is_pair(returned):
        return {"train": returned}
    if isinstance(returned, tuple | list) and len(returned) == 2:
        return dict(zip(("train", "test"), returned, strict=True))
    raise DataError(f"{name}: {RETURNS} (got {type(returned).__name__})")


def _is_pair(part: Any) -> bool:
    """Return whether this is images and labels, one label per image."""
    if not isinstance(part, tuple | list) or len(part) != 2 or any(isinstance(one, TorchDataset) for one in part):
        return False
    images, labels = part
    if not all(hasattr(one, "__len__") for one in part) or len(images) != len(labels) or not len(labels):
        return False
    return np.ndim(labels[0]) == 0


def _part(part: Any, where: str, side: int) -> tuple[list[np.ndarray], list[Any], tuple[str, ...] | None]:
    """Return the images as uint8 [3, H, W], their labels, and the names of the classes if the part has them."""
    if _is_pair(part):
        images, labels = part
    elif isinstance(part, TorchDataset) and hasattr(part, "__len__"):
        items: Sequence[Any] = [part[index] for index in range(len(part))]
        if not all(isinstance(item, tuple | list) and len(item) == 2 for item in items):
            raise DataError(f"{where}: an item must be a pair (image, label)")
        images, labels = [item[0] for item in items], [item[1] for item in items]
    else:
        raise DataError(f"{where}: {RETURNS} (got {type(part).__name__})")
    if not len(labels):
        raise DataError(f"{where}: contains no images")
    labels = [label.item() if isinstance(label, Tensor | np.generic) else label for label in labels]
    names = getattr(part, "classes", None)
    known = tuple(names) if isinstance(names, list | tuple) and all(isinstance(one, str) for one in names) else None
    return [_bytes(image, where, side) for image in images], labels, known


def _bytes(image: Any, where: str, side: int) -> np.ndarray:
    """Return an image as uint8 [3, H, W]; Pillow's are scaled as those in folders."""
    if isinstance(image, Image.Image):
        return fitted(image, (side, side)).pixels
    array = np.asarray(image.detach().cpu() if isinstance(image, Tensor) else image)
    if array.ndim == 2:
        array = np.broadcast_to(array, (3, *array.shape))
    elif array.ndim == 3 and array.shape[0] not in (1, 3) and array.shape[2] in (1, 3):
        array = array.transpose(2, 0, 1)
    if array.ndim != 3 or array.shape[0] not in (1, 3):
        raise DataError(f"{where}: an image must be [H, W], [H, W, 3] or [3, H, W] (got {list(array.shape)})")
    if array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):
            low, high = f"{array.min():.3g}", f"{array.max():.3g}"
            raise DataError(f"{where}: floats must be from 0 to 1 (got {low} to {high}); leave Normalize out")
        array = np.rint(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise DataError(f"{where}: images must be bytes, or floats from 0 to 1 (got {array.dtype})")
    return np.broadcast_to(array, (3, *array.shape[1:]))


def _classes(labels: list[Any], named: tuple[str, ...] | None, name: str) -> tuple[tuple[str, ...], Tensor]:
    """Return the names of the classes, and the number of each label's class."""
    if all(isinstance(label, str) for label in labels):
        classes = tuple(sorted(set(labels)))
        return classes, torch.tensor([classes.index(label) for label in labels])
    if not all(type(label) is int and label >= 0 for label in labels):
        odd = next(label for label in labels if type(label) is not int or label < 0)
        raise DataError(f"{name}: labels must be all names, or all whole numbers from 0 (got {odd!r})")
    number = max(labels) + 1
    return named if named and len(named) >= number else tuple(map(str, range(number))), torch.tensor(labels)


def _shown(shapes: set[tuple[int, ...]]) -> str:
    return ", ".join(sorted(f"{height} x {width}" for _, height, width in shapes)[:3])
