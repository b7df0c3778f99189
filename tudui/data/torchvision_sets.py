"""CIFAR-10, CIFAR-100, MNIST, Fashion-MNIST and SVHN: read a copy, or download and check it with torchvision."""

import contextlib
import hashlib
import os
import pickle
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tudui.config.schema import DataConfig
from tudui.data.archives import unpack_hint
from tudui.data.cache import cache_folder
from tudui.data.dataset import Source
from tudui.errors import DataError
from tudui.files import opened
from tudui.tasks import Classes
from tudui.text import in_a_line


class Cifar(NamedTuple):
    """The layout of a CIFAR folder."""

    torchvision_class: str
    folder: str
    files: dict[str, dict[str, str]]  # part -> file -> md5, as on its home page and in torchvision
    labels_key: str
    meta_file: str
    names_key: str


CIFAR = {
    "cifar10": Cifar(
        "CIFAR10", "cifar-10-batches-py",
        {
            "train": {
                "data_batch_1": "c99cafc152244af753f735de768cd75f", "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
                "data_batch_3": "54ebc095f3ab1f0389bbae665268c751", "data_batch_4": "634d18415352ddfa80567beed471001a",
                "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            },
            "test": {"test_batch": "40351d587109b95175f43aff81a1287e"},
        },
        "labels", "batches.meta", "label_names",
    ),
    "cifar100": Cifar(
        "CIFAR100", "cifar-100-python",
        {"train": {"train": "16019d7e3df5f24257cddd939b257f8d"}, "test": {"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"}},
        "fine_labels", "meta", "fine_label_names",
    ),
}  # fmt: skip
MNIST = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}  # names of torchvision classes and of folders
SETS = (*CIFAR, *MNIST, "svhn")


def read_torchvision_set(config: DataConfig) -> Source:
    """Return a data set from `data.dir`, the cache, or a download."""
    root = _root_of(config)
    if config.dir and not root.is_dir():
        if root.is_file():
            raise DataError(f"--data-dir {root}: is a file and not a folder{unpack_hint(root)}")
        raise DataError(f"--data-dir {root}: no such folder; name one with a copy of {config.name}, or create it")
    if config.name in CIFAR:
        return _read_cifar(config.name, CIFAR[config.name], root)
    return {"mnist": _read_mnist, "fashion-mnist": _read_mnist, "svhn": _read_svhn}[config.name](config.name, root)


def _root_of(config: DataConfig) -> Path:
    return Path(config.dir) if config.dir else cache_folder() / "datasets"


def would_be_fetched(config: DataConfig) -> bool:
    """Return whether reading a data set would start a download."""
    return config.name in SETS and config.name not in find_copies(_root_of(config))


def find_copies(root: Path) -> dict[str, Path]:
    """Return the data sets with files in a folder, and where; the files may be incomplete."""
    found = {
        name: place
        for name, layout in CIFAR.items()
        for place in (root, root / layout.folder)
        if os.access(place / layout.meta_file, os.F_OK)  # Path.exists raises for what is in a closed folder
    }
    others = {name: root / kind / "raw" for name, kind in MNIST.items()} | {"svhn": root / "train_32x32.mat"}
    return found | {name: place for name, place in others.items() if os.access(place, os.F_OK)}


class _PickledType:
    """Replaces numpy's dtype, whose unpickling crashes on a wrong byte."""

    def __init__(self, code: str, *_: Any) -> None:
        if code not in ("u1", "|u1"):
            raise pickle.UnpicklingError(f"contains numbers of type {code}, but images are bytes")

    def __setstate__(self, state: Any) -> None:
        pass  # the byte order, which single bytes do not have


class _PickledArray:
    """Replaces numpy's array of bytes, for the same reason."""

    def __init__(self, *_: Any) -> None:
        self.array = np.empty(0, np.uint8)

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        assert isinstance(kind, _PickledType)
        content = data.encode("latin1") if isinstance(data, str) else data  # as Python 2 wrote it
        self.array = np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran else "C")

    @classmethod
    def from_buffer(cls, data: Any, kind: Any, shape: Any, order: Any) -> "_PickledArray":
        """Replace `numpy.core.numeric._frombuffer`."""
        array = cls()
        array.__setstate__((1, shape, kind, order == "F", data))
        return array


def _encode(text: str, encoding: str) -> bytes:
    assert encoding == "latin1"
    return text.encode(encoding)


ARRAYS: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _PickledArray,
    ("numpy.core.numeric", "_frombuffer"): _PickledArray.from_buffer,
    ("numpy", "ndarray"): _PickledArray,
    ("numpy", "dtype"): _PickledType,
    ("_codecs", "encode"): _encode,
}


class _ArraysOnly(pickle._Unpickler):
    """An unpickler for numpy's arrays and plain containers, which cannot run code.

    It extends Python's version, because five bytes of a file can make the C version fill the memory.
    """

    def find_class(self, module: str, name: str) -> Any:
        found = ARRAYS.get((module.replace("numpy._core", "numpy.core"), name))
        if found is None:
            raise pickle.UnpicklingError(f"contains {module}.{name}, which no data set needs")
        return found


def _read_cifar(name: str, layout: Cifar, root: Path) -> Source:
    folder = root if os.access(root / layout.meta_file, os.F_OK) else root / layout.folder
    if not os.access(folder, os.F_OK):
        _download(name, root, layout.torchvision_class)
    images: list[np.ndarray] = []
    labels: list[int] = []
    parts: dict[str, Tensor] = {}
    differing: list[str] = []
    for part, files in layout.files.items():
        start = len(labels)
        for file, official in files.items():
            content, md5 = _read_pickle(folder / file)
            if md5 != official:
                differing.append(file)
            pixels: Any = content.get("data")
            given: Any = content.get(layout.labels_key)
            # before any label is read: a list in a pickle may claim to be far longer than its file
            if not isinstance(given, list) or getattr(pixels, "shape", None) != (len(given), 3072):
                raise DataError(f"{folder / file}: not a batch of {name}; download the file again")
            images.append(pixels.reshape(-1, 3, 32, 32))
            labels += given
        parts[part] = torch.arange(start, len(labels))
    meta, _ = _read_pickle(folder / layout.meta_file)
    classes: Any = meta.get(layout.names_key)
    whole = isinstance(classes, list) and all(isinstance(label, str) for label in classes)
    if not whole or not labels or not all(type(label) is int and 0 <= label < len(classes) for label in labels):
        raise DataError(f"{folder}: labels do not match the images and classes; download the files again")
    notes = [f"{folder}: not the official {name}: the md5 of {', '.join(differing)} differs"] if differing else []
    return Source(
        torch.from_numpy(np.concatenate(images)), torch.tensor(labels), Classes(names=tuple(classes)), parts, notes
    )


def _read_pickle(path: Path) -> tuple[dict[str, Any], str]:
    """Return the content of a pickled file, and its md5."""
    try:
        with opened(path) as file:
            md5 = hashlib.file_digest(file, "md5").hexdigest()  # type: ignore[arg-type]  # IO[Any] is a file of bytes here
            file.seek(0)
            content = _ArraysOnly(file, encoding="latin1").load()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; download the data set again") from None
    except Exception as error:  # random bytes make the unpickler raise almost anything
        raise DataError(f"{path}: not a file of this data set: {in_a_line(error)}; download it again") from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a file of this data set; download it again")
    arrays = {name: value.array for name, value in content.items() if isinstance(value, _PickledArray)}
    return content | arrays, md5


def _read_mnist(name: str, root: Path) -> Source:
    train, test = (_download(name, root, MNIST[name], train=part) for part in (True, False))
    for part in (train, test):
        if part.data.shape != (len(part.targets), 28, 28) or (part.targets > 9).any() or not len(part.targets):
            raise DataError(f"{root}: images and labels of {name} do not match; delete its files and download it again")
    # 28x28 grey, padded to 32x32 with black, as for LeNet
    grey = torch.nn.functional.pad(torch.cat([train.data, test.data]), (2, 2, 2, 2))
    store = grey.unsqueeze(1).expand(-1, 3, -1, -1).contiguous()
    return _two_parts(tuple(train.classes), store, [train.targets, test.targets])


def _read_svhn(name: str, root: Path) -> Source:
    train, test = (_download(name, root, "SVHN", split=part) for part in ("train", "test"))
    store = torch.from_numpy(np.concatenate([train.data, test.data]))
    return _two_parts(tuple("0123456789"), store, [torch.as_tensor(part.labels) for part in (train, test)])


def _two_parts(classes: tuple[str, ...], store: Tensor, labels: list[Tensor]) -> Source:
    train, test = (len(part) for part in labels)
    parts = {"train": torch.arange(train), "test": torch.arange(train, train + test)}
    return Source(store, torch.cat(labels).to(torch.int64), Classes(names=classes), parts)


def _download(name: str, root: Path, kind: str, **part: Any) -> Any:
    """Open a data set of torchvision, which downloads it if it is missing; DataError names the alternatives."""
    from torchvision import datasets

    # torchvision's MNIST would prefer the pickled files of its first versions
    safe = type(kind, (getattr(datasets, kind),), {"_check_legacy_exist": lambda _: False})
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _timeout(30), contextlib.redirect_stdout(sys.stderr):
            return safe(root, download=True, **part)
    except (OSError, RuntimeError) as error:
        looked_for = f" (looked for {CIFAR[name].folder}/)" if name in CIFAR else ""
        raise DataError(
            f"{name}: not in {root}{looked_for}, and the download failed ({in_a_line(error)}). Without internet "
            "access, use --data-dir DIR with a copy of it, --data folder:PATH with your own images, or --data digits"
            f"{unpack_hint(root)}"
        ) from None
    except Exception as error:  # random bytes make torchvision's readers raise almost anything
        why = in_a_line(f"{type(error).__name__} {error}")
        raise DataError(f"{name}: a file in {root} is damaged ({why}); delete it and download it again") from None


@contextlib.contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
