"""The classes that a network sees in image files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tudui.data.folder import decode_image
from tudui.errors import DataError
from tudui.inference.scores import network_of, preparation_of
from tudui.weights import read_weights


@dataclass(frozen=True)
class Prediction:
    """An image file, and its likeliest classes with their probabilities, highest first."""

    path: Path
    classes: tuple[tuple[str, float], ...]


def predict_files(
    weights_path: Path, images: list[Path], *, top: int = 3, normalize: str | None = None, best: bool = False
) -> list[Prediction]:
    """Return the `top` likeliest classes of each image; DataError names every file that cannot be read."""
    weights = read_weights(weights_path, best=best)
    names = weights.classes or tuple(f"class {index}" for index in range(weights.number_of_classes))
    pixels, problems = [], []
    for path in images:
        try:
            pixels.append(decode_image(path))
        except DataError as error:
            problems.append(f"{path}: cannot be read: {error}")
    if problems:
        raise DataError("\n".join(problems))
    network = network_of(weights, preparation=preparation_of(weights, normalize, None))
    with torch.inference_mode():
        probabilities = network(torch.from_numpy(np.stack(pixels)).to(network.device)).softmax(1).cpu()
    likeliest, indices = probabilities.topk(min(top, len(names)), dim=1)
    return [
        Prediction(path, tuple((names[index], value) for index, value in zip(row, values, strict=True)))
        for path, row, values in zip(images, indices.tolist(), likeliest.tolist(), strict=True)
    ]
