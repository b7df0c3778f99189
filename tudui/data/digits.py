"""scikit-learn's 1,797 handwritten digits, which are installed with Tudui; as they are, and turned."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tudui.config.schema import DataConfig
from tudui.data.dataset import Source
from tudui.seeding import derive_seed
from tudui.tasks import Classes, Numbers

MOST_TURNED = 45  # degrees


def read_digits(config: DataConfig) -> Source:
    """Return the digits, scaled from 8x8 values 0 to 16 to 32x32 bytes in three equal channels.

    Source: UCI ML hand-written digits, test part (Alpaydin, Kaynak 1998), the file of `sklearn.datasets.load_digits`.
    """
    images, labels = _scaled_digits()
    return Source(_bytes(images), labels, Classes(names=tuple("0123456789")), {"train": torch.arange(len(labels))})


def read_rotated_digits(config: DataConfig) -> Source:
    """Return the digits, each turned counterclockwise by an angle in degrees, uniform in -45 to 45, the target.

    The angles are the same for every seed. An image is turned after it was scaled, around its centre, bilinear.
    """
    images, _ = _scaled_digits()
    generator = torch.Generator().manual_seed(derive_seed(0, "rotated-digits"))
    angles = MOST_TURNED * (2 * torch.rand(len(images), generator=generator) - 1)
    cosine, sine, zero = angles.deg2rad().cos(), angles.deg2rad().sin(), torch.zeros(len(images))
    # where the grid reads each pixel of the turned image, x before y, and y downwards
    turned = torch.stack([torch.stack([cosine, -sine, zero], 1), torch.stack([sine, cosine, zero], 1)], 1)
    grid = functional.affine_grid(turned, list(images.shape), align_corners=False)
    images = functional.grid_sample(images, grid, align_corners=False)
    task = Numbers(names=("angle",), units=("degrees",))
    return Source(_bytes(images), angles[:, None], task, {"train": torch.arange(len(images))})


def file_of_sklearn(name: str) -> Path:
    """Return the path of a data file of scikit-learn, whose import would take longer than training an epoch."""
    found = find_spec("sklearn")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "datasets" / "data" / name


def _scaled_digits() -> tuple[Tensor, Tensor]:
    """Return the digits float32 [N, 1, 32, 32], 0 to 255, and their labels."""
    rows = np.loadtxt(file_of_sklearn("digits.csv.gz"), delimiter=",")
    small = torch.from_numpy(rows[:, :64].astype(np.float32)).reshape(-1, 1, 8, 8) * (255 / 16)
    images = functional.interpolate(small, size=(32, 32), mode="bilinear", align_corners=False)
    return images, torch.from_numpy(rows[:, 64].astype(np.int64))


def _bytes(images: Tensor) -> Tensor:
    return images.round().clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
