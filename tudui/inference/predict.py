"""Predict classes or numbers of image files, batch by batch, so that any number of files fits into memory."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tudui.config import config_from
from tudui.csv_file import open_csv
from tudui.data import load_data, load_whole
from tudui.data.columns import layout_of
from tudui.data.decoding import decode_or_reason
from tudui.data.layout import ENDINGS, class_name, images_below
from tudui.errors import DataError, UsageError
from tudui.inference.scores import EVERY, known_of, network_of, preparation_of, split_of, task_of
from tudui.tasks import Classes, Numbers, Unit
from tudui.training import engine
from tudui.weights import Weights

BATCH = 256  # files that are decoded at once


@dataclass(frozen=True)
class ImageFile:
    """An image file, and the names of the folders between it and the named folder."""

    path: Path
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """An image file or row, and its most likely classes with their probabilities, highest first; or its numbers."""

    path: Path
    classes: tuple[tuple[str, float], ...]  # or the columns of the target with their values, in the target's unit
    expected: str | tuple[float, ...] | None  # class whose name its folder has, or the true target of a split
    split: str | None = None  # of the run's own data


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
    names, task = weights.class_names, weights.task or Classes(names=weights.class_names)
    if len(weights.shape.input) != 3:
        raise UsageError(f"{weights.origin}: takes {weights.shape.words} and no images; use --split")
    _, height, width = weights.shape.input
    network = network_of(weights, preparation=preparation_of(weights, normalize, None))
    size = engine.evaluation_batch(network.device, (3, height, width))
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without the GIL
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            decoded = list(pool.map(lambda file: decode_or_reason(file.path, (height, width)), batch))
            likeliest: Iterator[tuple[tuple[str, float], ...]] = iter(())
            if pixels := [image for image in decoded if not isinstance(image, str)]:
                with torch.inference_mode():
                    batches = torch.from_numpy(np.stack(pixels)).split(size)
                    outputs = torch.cat([network(images.to(network.device)).cpu() for images in batches])
                likeliest = iter(task.words(outputs, top))
            for file, image in zip(batch, decoded, strict=True):
                if isinstance(image, str):
                    yield Unreadable(file.path, image)
                else:
                    folders = map(class_name, reversed(file.folders)) if isinstance(task, Classes) else ()
                    expected = next((name for name in folders if name in names), None)
                    yield Prediction(file.path, next(likeliest), expected)


def predict_rows(
    weights: Weights, paths: Sequence[Path], *, top: int = 3, normalize: str | None = None
) -> Iterator[Prediction]:
    """Yield the same for each row of CSV files with the columns of the training; `path` is FILE:LINE.

    A file may have the target's columns, whose values are then `expected`. DataError for a column or value that is
    missing, unless a fill for missing values was trained.
    """
    network = network_of(weights, preparation=preparation_of(weights, normalize, None))
    task, fill = weights.task or Classes(names=weights.class_names), network.preparation.fill
    names = task.names if isinstance(task, Numbers) else ((weights.config or {}).get("data") or {}).get("target", ())
    for path in paths:
        file = open_csv(path)
        layout = layout_of(weights.features, file)
        places = [file.names.index(name) for name in names if name in file.names]
        for chunk in file.chunks():
            features = layout.read(chunk, file, filled=bool(fill))
            expected: Iterable[Any] = repeat(None)
            if places and isinstance(task, Numbers) and len(places) == len(names):
                expected = zip(*(file.numbers(chunk.columns[place]) for place in places), strict=True)
            elif places and isinstance(task, Classes):
                expected = (cell.strip() or None for cell in chunk.columns[places[0]])
            with torch.inference_mode():
                outputs = network(torch.from_numpy(features).to(network.device)).cpu()
            for line, found, true in zip(chunk.lines, task.words(outputs, top), expected, strict=False):
                yield Prediction(Path(f"{path}:{line}"), found, true)


@dataclass(frozen=True)
class Predictions:
    """Predictions; for image files, each loop computes them again."""

    weights: Weights
    paths: Sequence[Path]
    compute: Callable[[], Iterable[Prediction | Unreadable]]

    @property
    def units(self) -> dict[str, Unit]:
        """How the values of each column of numbers are written; {} for classes."""
        task = self.weights.task
        if not isinstance(task, Numbers):
            return {}
        return {name: task.unit_of(column) for column, name in enumerate(task.names)}

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Prediction | Unreadable]:
        return iter(self.compute())


def predict_split(weights: Weights, name: str, *, top: int = 3, normalize: str | None = None) -> Predictions:
    """Return predictions for a split of a run's own data; `path` is NAME/NUMBER for images without files."""
    if weights.config is None:
        raise UsageError(f"--split {name}: {weights.origin} does not name its data; give a run, or name images")
    config = config_from(weights.config, weights.origin)
    read = load_whole if name == EVERY else load_data
    dataset = read(config.data.model_copy(update={"normalize": "standardize"}), config.seed, known_of(weights))
    weights.check_fits(dataset.shape)
    split = split_of(dataset, name)
    paths = [Path(dataset.files[row] if dataset.files else f"{dataset.name}/{row}") for row in split.index.tolist()]
    network = network_of(weights, preparation=preparation_of(weights, normalize, dataset.preparation))
    outputs = engine.predict(network, split.to(network.device)).cpu()
    task, targets = task_of(weights, dataset), (split.targets if split.clean is None else split.clean).tolist()
    true = [tuple(target) if isinstance(task, Numbers) else task.names[target] for target in targets]
    words = zip(paths, task.words(outputs, top), true, strict=True)
    found = [Prediction(path, classes, expected, name) for path, classes, expected in words]
    return Predictions(weights, paths, lambda: found)
