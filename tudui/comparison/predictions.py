"""A run's predictions.npz, read without executing anything and within bounds."""

import zipfile
from pathlib import Path

import numpy as np

from tudui.errors import DataError
from tudui.files import unpacked_size

MAX_BYTES = 512 * 2**20  # unpacked; the probabilities of 10,000 images in 26,000 classes


def read_predictions(path: Path) -> dict[str, np.ndarray]:
    """Return label [N], predicted [N] and probabilities [N, K]; DataError says why a file is not read."""
    try:
        if (size := unpacked_size(path)) > MAX_BYTES:
            raise DataError(f"{path}: {size:,} bytes are too many ({MAX_BYTES:,} allowed); train the run again")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in ("label", "predicted", "probabilities")}
    except (OSError, TypeError, KeyError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read ({' '.join(str(error).split())[:120]}); train the run again") from None
