"""A run's predictions.npz, read without executing anything and within bounds."""

from pathlib import Path

import numpy as np

from tudui.errors import DataError, in_a_line
from tudui.files import unpacked_size

MAX_BYTES = 512 * 2**20  # unpacked; the probabilities of 10,000 images in 26,000 classes


PREDICTIONS = ("label", "predicted", "probabilities")


def read_predictions(path: Path) -> dict[str, np.ndarray]:
    """Return label [N], predicted [N] and probabilities [N, K]; DataError says why a file is not read."""
    try:
        size = unpacked_size(path)
        if size <= MAX_BYTES:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in PREDICTIONS}
    except Exception as error:  # random bytes make numpy raise almost anything
        raise DataError(f"{path}: cannot be read ({in_a_line(error)})") from None
    raise DataError(f"{path}: {size:,} bytes are too many ({MAX_BYTES:,} allowed)")
