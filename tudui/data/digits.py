"""scikit-learn's 1,797 handwritten digits: real images that are on every machine that has Tudui."""

import numpy as np
import torch
from torch.nn import functional

from tudui.data.dataset import Source


def read_digits() -> Source:
    """Return the digits, scaled from 8x8 values 0 to 16 to 32x32 bytes in three equal channels.

    Source: UCI ML hand-written digits, test part (Alpaydin, Kaynak 1998), through `sklearn.datasets.load_digits`.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    small = torch.from_numpy(digits.images.astype(np.float32)).unsqueeze(1) * (255 / 16)
    images = functional.interpolate(small, size=(32, 32), mode="bilinear", align_corners=False)
    store = images.round().clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
    labels = torch.from_numpy(digits.target.astype(np.int64))
    return Source(tuple("0123456789"), store, labels, {"train": torch.arange(len(labels))})
