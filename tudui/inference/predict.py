"""The classes that a network sees in image files, batch by batch, so that any number of them fits into memory."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tudui.data.folder import ENDINGS, decode_or_reason, images_below
from tudui.errors import DataError
from tudui.inference.scores import network_of, preparation_of
from tudui.tasks import Classes
from tudui.weights import Weights

BATCH = 256


@dataclass(frozen=True)
class ImageFile:
    """An image file, and the names of the folders between it and the one that was asked for."""

    path: Path
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """An image file, and its likeliest classes with their probabilities, highest first."""

    path: Path
    classes: tuple[tuple[str, float], ...]
    expected: str | None  # the class that a folder is named after


@dataclass(frozen=True)
class Unreadable:
    """An image file that cannot be read, and why."""

    path: Path
    why: str


def find_images(paths: Iterable[Path]) -> list[ImageFile]:
    """Return the files, and the images below the folders, in order; DataError where a folder has none."""
    found: list[ImageFile] = []
    for path in paths:
        if not path.is_dir():
            found.append(ImageFile(path))
            continue
        inside = images_below(path)
        if not inside:
            raise DataError(f"{path}: no images in this folder (endings: {' '.join(sorted(ENDINGS))})")
        found += [ImageFile(image, image.relative_to(path).parts[:-1]) for image in inside]
    return found


def predict_files(
    weights: Weights, files: Sequence[ImageFile], *, top: int = 3, normalize: str | None = None
) -> Iterator[Prediction | Unreadable]:
    """Yield the `top` likeliest classes of each image in turn, or why it cannot be read."""
    names = weights.class_names
    _, height, width = weights.shape.input
    network = network_of(weights, preparation=preparation_of(weights, normalize, None))
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes outside Python's lock
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            decoded = list(pool.map(lambda file: decode_or_reason(file.path, (height, width)), batch))
            pixels = [image for image in decoded if not isinstance(image, str)]
            likeliest: Iterator[tuple[tuple[str, float], ...]] = iter(())
            if pixels:
                with torch.inference_mode():
                    outputs = network(torch.from_numpy(np.stack(pixels)).to(network.device)).cpu()
                likeliest = iter(Classes(names=names).words(outputs, top))
            for file, image in zip(batch, decoded, strict=True):
                if isinstance(image, str):
                    yield Unreadable(file.path, image)
                else:
                    expected = next((folder for folder in reversed(file.folders) if folder in names), None)
                    yield Prediction(file.path, next(likeliest), expected)


@dataclass(frozen=True)
class Predictions:
    """What a network sees in image files, computed anew by each loop over it."""

    weights: Weights
    files: Sequence[ImageFile]
    top: int = 3
    normalize: str | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.files)

    def __iter__(self) -> Iterator[Prediction | Unreadable]:
        """Yield the likeliest classes of each image in turn, or why it cannot be read."""
        return predict_files(self.weights, self.files, top=self.top, normalize=self.normalize)
