"""scikit-learn's 1,797 handwritten digits, which are installed with Tudui."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from tudui.config.schema import DataConfig
from tudui.data.dataset import Source
from tudui.tasks import Classes


def read_digits(config: DataConfig) -> Source:
    """Return the digits, scaled from 8x8 values 0 to 16 to 32x32 bytes in three equal channels.

    Source: UCI ML hand-written digits, test part (Alpaydin, Kaynak 1998), the file of `sklearn.datasets.load_digits`.
    """
    found = find_spec("sklearn")  # importing it would take longer than training an epoch
    assert found is not None
    assert found.origin is not None
    rows = np.loadtxt(Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    small = torch.from_numpy(rows[:, :64].astype(np.float32)).reshape(-1, 1, 8, 8) * (255 / 16)
    images = functional.interpolate(small, size=(32, 32), mode="bilinear", align_corners=False)
    store = images.round().clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
    labels = torch.from_numpy(rows[:, 64].astype(np.int64))
    return Source(store, labels, Classes(names=tuple("0123456789")), {"train": torch.arange(len(labels))})
