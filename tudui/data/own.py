"""Data from a file of the user: `FILE.py:NAME`, a function, or a class of torch's datasets."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from tudui.config.describe import shorten
from tudui.config.own_code import call_own, own_errors, own_object, path_of
from tudui.config.schema import DataConfig
from tudui.data.cache import as_tensor, chunk_of, kept
from tudui.data.dataset import Source
from tudui.data.decoding import SIDE, fitted
from tudui.errors import DataError
from tudui.tasks import Classes, Numbers, Task

PARTS = ("train", "validation", "test")
RETURNS = "must return train, or (train, test), each (images, labels) or a torch Dataset"


class Part(NamedTuple):
    """A part of the data as the user's code returned it."""

    where: str  # for messages
    length: int
    items: Callable[[], Iterable[tuple[Any, Any]]]  # images with their labels
    classes: tuple[str, ...] | None


def read_own(config: DataConfig) -> Source:
    """Return the images of the user's function or class, which is called without arguments, or of a Dataset of theirs.

    It returns the training part, a pair (train, test), or a mapping with the keys train, validation and test. A part is
    a pair of images and labels, or a torch Dataset of (image, label). Images are Pillow's, or arrays or tensors
    [H, W], [H, W, 3] or [3, H, W]: bytes, or floats from 0 to 1. Labels are class numbers or names; if some have a
    fraction, all are numbers to predict.
    """
    made = own_object(config.name, config.code or "", "--data")
    returned = made if isinstance(made, TorchDataset) else call_own(made, config.name, {}, None)
    with own_errors(path_of(config.name)):
        parts = {name: _part(part, f"{config.name}, {name}") for name, part in _parts(returned, config.name).items()}
        store, labels, sizes, notes = _read(list(parts.values()), config)
    named = next((part.classes for part in parts.values() if part.classes), None)
    task, targets = _task(labels, named, config.name)
    rows = torch.arange(len(store)).split([part.length for part in parts.values()])
    return Source(store, targets, task, dict(zip(parts, rows, strict=True)), notes=notes, sizes=sizes)


def _read(parts: Sequence[Part], config: DataConfig) -> tuple[Tensor, list[Any], list[tuple[int, int]], list[str]]:
    """Return the images of all parts, their labels, their sizes before scaling, and notes; each image is read once."""
    labels: list[Any] = []
    sizes: list[tuple[int, int]] = []

    def images() -> Iterator[np.ndarray]:
        for part in parts:
            for image, label in part.items():
                labels.append(_label(label, part.where))
                pixels, size = _bytes(image, part.where, config.size)
                sizes.append(size)
                yield pixels

    found = images()
    first = next(found)
    every, (_, height, width) = chain([first], found), first.shape

    def chunks() -> Iterator[np.ndarray]:
        while some := list(islice(every, chunk_of(height, width))):
            if other := {image.shape for image in some} - {first.shape}:
                shown = _shown({first.shape, *other})
                raise DataError(f"{config.name}: images of different sizes ({shown}); scale them to one with --size")
            yield np.stack(some)

    kept_images, notes = kept(None, (sum(part.length for part in parts), 3, height, width), chunks, dict)
    return as_tensor(kept_images), labels, sizes, notes


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


def _part(part: Any, where: str) -> Part:
    """Return a part whose images are read one by one; DataError if it is none."""
    names = getattr(part, "classes", None)
    known = tuple(names) if isinstance(names, list | tuple) and all(isinstance(one, str) for one in names) else None
    if _is_pair(part):
        return Part(where, len(part[1]), partial(zip, *part), known)
    if not (isinstance(part, TorchDataset) and hasattr(part, "__len__")):
        raise DataError(f"{where}: {RETURNS} (got {type(part).__name__})")
    if not len(part):
        raise DataError(f"{where}: contains no images")

    def items() -> Iterator[tuple[Any, Any]]:
        for index in range(len(part)):
            item = part[index]
            if not (isinstance(item, tuple | list) and len(item) == 2):
                raise DataError(f"{where}: an item must be a pair (image, label) (got {_what(item)})")
            yield item[0], item[1]

    return Part(where, len(part), items, known)


def _what(value: Any) -> str:
    """Return the kind of a value, and its shape or length if it has one."""
    size = list(value.shape) if hasattr(value, "shape") else f"of {len(value)}" if hasattr(value, "__len__") else ""
    return f"{type(value).__name__} {size}".rstrip()


def _label(label: Any, where: str) -> Any:
    """Return a class number or name as a plain value."""
    if isinstance(label, Tensor | np.ndarray | np.generic):
        if label.size != 1 if isinstance(label, np.ndarray) else isinstance(label, Tensor) and label.numel() != 1:
            raise DataError(f"{where}: a label must be one number or name (got {_what(label)}); return its argmax()")
        label = label.item()
    return int(label) if isinstance(label, bool) else label


def _bytes(image: Any, where: str, side: int | None) -> tuple[np.ndarray, tuple[int, int]]:
    """Return an image as uint8 [3, H, W], scaled as those in folders, and its height and width before."""
    if isinstance(image, Image.Image):
        return fitted(image, (side or SIDE, side or SIDE)).pixels, (image.height, image.width)
    if not isinstance(image, Tensor | np.ndarray | list | tuple):
        raise DataError(f"{where}: an image must be a Pillow image, an array or a tensor (got {_what(image)})")
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
    _, height, width = array.shape
    array = np.broadcast_to(array, (3, height, width))
    if side and (height, width) != (side, side):
        whole = Image.fromarray(np.ascontiguousarray(array.transpose(1, 2, 0)))
        return fitted(whole, (side, side)).pixels, (height, width)
    return array, (height, width)


def _task(labels: list[Any], named: tuple[str, ...] | None, name: str) -> tuple[Task, Tensor]:
    """Return what the labels are, and the target of each."""
    if any(type(label) is float for label in labels) and all(type(label) in (float, int) for label in labels):
        return Numbers(names=("target",)), torch.tensor(labels, dtype=torch.float32)[:, None]
    classes, targets = _classes(labels, named, name)
    return Classes(names=classes), targets


def _classes(labels: list[Any], named: tuple[str, ...] | None, name: str) -> tuple[tuple[str, ...], Tensor]:
    """Return the names of the classes, and the number of each label's class."""
    if all(isinstance(label, str) for label in labels):
        classes = tuple(sorted(set(labels)))
        return classes, torch.tensor([classes.index(label) for label in labels])
    if not all(type(label) is int and label >= 0 for label in labels):
        odd = next(label for label in labels if type(label) is not int or label < 0)
        raise DataError(
            f"{name}: labels must be all names, all whole numbers from 0, or all numbers (got {shorten(odd)})"
        )
    number = max(labels) + 1
    return named if named and len(named) >= number else tuple(map(str, range(number))), torch.tensor(labels)


def _shown(shapes: set[tuple[int, ...]]) -> str:
    return ", ".join(sorted(f"{height} x {width}" for _, height, width in shapes)[:3])
