"""Predict the classes of image files, batch by batch, so that any number of files fits into memory."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tudui.data.decoding import decode_or_reason
from tudui.data.layout import ENDINGS, class_name, images_below
from tudui.errors import DataError
from tudui.inference.scores import network_of, preparation_of
from tudui.tasks import Classes
from tudui.weights import Weights

BATCH = 256


@dataclass(frozen=True)
class ImageFile:
    """An image file, and the names of the folders between it and the named folder."""

    path: Path
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """An image file, and its most likely classes with their probabilities, highest first."""

    path: Path
    classes: tuple[tuple[str, float], ...]
    expected: str | None  # class whose name its folder has


@dataclass(frozen=True)
class Unreadable:
    """An image file that cannot be read, and why."""

    path: Path
    why: str


def find_images(paths: Iterable[Path]) -> list[ImageFile]:
    """Return the files, and the images below the folders, in order; DataError if a folder has none."""
    found: list[ImageFile] = []
    for path in paths:
        if not path.is_dir():
            found.append(ImageFile(path))
        elif inside := images_below(path):
            found += [ImageFile(image, image.relative_to(path).parts[:-1]) for image in inside]
        else:
            raise DataError(f"{path}: no images in this folder; their names must end with {', '.join(sorted(ENDINGS))}")
    return found


def predict_files(
    weights: Weights, files: Sequence[ImageFile], *, top: int = 3, normalize: str | None = None
) -> Iterator[Prediction | Unreadable]:
    """Yield the `top` most likely classes of each image in order, or why it cannot be read."""
    names = weights.class_names
    _, height, width = weights.shape.input
    network = network_of(weights, preparation=preparation_of(weights, normalize, None))
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without the GIL
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            decoded = list(pool.map(lambda file: decode_or_reason(file.path, (height, width)), batch))
            likeliest: Iterator[tuple[tuple[str, float], ...]] = iter(())
            if pixels := [image for image in decoded if not isinstance(image, str)]:
                with torch.inference_mode():
                    outputs = network(torch.from_numpy(np.stack(pixels)).to(network.device)).cpu()
                likeliest = iter(Classes(names=names).words(outputs, top))
            for file, image in zip(batch, decoded, strict=True):
                if isinstance(image, str):
                    yield Unreadable(file.path, image)
                else:
                    expected = next((name for name in map(class_name, reversed(file.folders)) if name in names), None)
                    yield Prediction(file.path, next(likeliest), expected)


@dataclass(frozen=True)
class Predictions:
    """Predictions for image files; each loop computes them again."""

    weights: Weights
    files: Sequence[ImageFile]
    top: int = 3
    normalize: str | None = None

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[Prediction | Unreadable]:
        return predict_files(self.weights, self.files, top=self.top, normalize=self.normalize)
