"""Hashes of what a run starts from. If two runs share them, only the difference of their configs can matter."""

import hashlib
from collections.abc import Iterable

from torch import Tensor, nn

from tudui.config import Config
from tudui.data import Dataset, draw_epoch

EPOCHS = 100  # number of epochs whose draws are hashed; the seed determines the later ones


def begun_from(config: Config, data: Dataset, model: nn.Module) -> dict[str, str]:
    """Return the sha256 of initial weights, order and augmentation, labels as trained on, and images."""
    draws = (
        tensor
        for epoch in range(min(config.train.epochs, EPOCHS))
        for tensor in draw_epoch(len(data.train), seed=config.seed, epoch=epoch, data=config.data).tensors()
    )
    learned_from = [split for name, split in data.splits().items() if name != "test"]
    return {
        "initial_weights": _sha256(model.state_dict().values()),
        "order_and_augmentation": _sha256(draws),
        "labels": _sha256(tensor for split in learned_from for tensor in (split.index, split.targets)),
        "test": _sha256([data.test.index, data.test.targets]),
        "data": data.fingerprint(),
    }


def _sha256(tensors: Iterable[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
