"""What a data set is to the rest of Tudui: bytes of images, targets, and the task that says what they mean."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import torch
from torch import Tensor

from tudui.config.network_spec import Shape
from tudui.tasks import Task


@dataclass(frozen=True)
class Split:
    """Some rows of a store of images; validation and training share one store, so nothing is held twice."""

    store: Tensor  # uint8 [M, 3, H, W], possibly memory-mapped
    rows: Tensor  # int64 [N]: which rows of the store belong to this split
    targets: Tensor  # [N, ...] as the task has them; int64 [N] for classes
    index: Tensor  # int64 [N], on the CPU: the numbers of these images in their source
    clean: Tensor | None = None  # the targets before any were made wrong; None: none were

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def images(self) -> Tensor:
        """All images of the split, uint8 [N, 3, H, W]; a copy."""
        return self.store[self.rows]

    def to(self, device: torch.device, store: Tensor | None = None) -> "Split":
        """Return the split on the device: of a whole store that is there already, or with its own rows alone."""
        if device.type == "cpu":
            return self
        rows = self.rows.to(device)
        if store is None:
            store, rows = self.images.to(device), torch.arange(len(self), device=device)
        clean = None if self.clean is None else self.clean.to(device)
        return Split(store, rows, self.targets.to(device), self.index, clean)


@dataclass(frozen=True)
class Preparation:
    """How bytes become the numbers that the network sees: (pixel / 255 - mean) / std, per channel."""

    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    def __call__(self, images: Tensor) -> Tensor:
        """Return float32 [B, 3, H, W] of uint8 [B, 3, H, W], on the same device."""
        factor, offset = _constants(self, images.device)
        return images.float().mul_(factor).add_(offset)

    @classmethod
    def standardizing(cls, split: Split) -> "Preparation":
        """Return the preparation that gives the split's images mean 0 and deviation 1 per channel."""
        counts = torch.zeros(3, 256, dtype=torch.int64)
        pixels = len(split) * split.store[0, 0].numel()
        for start in range(0, len(split), 4096):
            images = split.store[split.rows[start : start + 4096]]
            for channel in range(3):
                counts[channel] += torch.bincount(images[:, channel].flatten(), minlength=256)
        values = torch.arange(256, dtype=torch.float64) / 255
        share = counts.double() / pixels
        mean = share @ values
        std = (share @ values.square() - mean.square()).clamp(min=0).sqrt()
        # a channel of one colour has no deviation to divide by
        return cls(tuple(mean.tolist()), tuple(torch.where(std > 1e-6, std, 1.0).tolist()))


@cache
def _constants(preparation: Preparation, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return factor and offset [3, 1, 1], made once per device."""
    pairs = list(zip(preparation.mean, preparation.std, strict=True))
    factor = torch.tensor([1 / (255 * std) for _, std in pairs], device=device)
    offset = torch.tensor([-mean / std for mean, std in pairs], device=device)
    return factor.view(3, 1, 1), offset.view(3, 1, 1)


@dataclass(frozen=True)
class Dataset:
    """A data set that is ready for the loop."""

    name: str
    task: Task
    train: Split
    validation: Split | None
    test: Split
    preparation: Preparation
    notes: tuple[str, ...] = ()  # what the user should know about how the data came to be

    @property
    def shape(self) -> Shape:
        """What a network for this data set takes and returns."""
        return Shape(tuple(self.train.store.shape[1:]), self.task.outputs)

    def splits(self) -> dict[str, Split]:
        """Return the splits that exist, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    def fingerprint(self) -> str:
        """Return a sha256 over the names of the outputs, targets, and bytes of some 500 images of each split."""
        digest = hashlib.sha256("\0".join(self.task.names).encode())
        for split in self.splits().values():
            some = split.rows[:: max(1, len(split) // 500)]
            for tensor in (split.targets, split.store[some]):
                digest.update(tensor.cpu().numpy().tobytes())
        return digest.hexdigest()

    def to(self, device: torch.device, store: Tensor | None = None) -> "Dataset":
        """Return the data set on the device; its splits share one store, which may be there already."""
        store = self.train.store.to(device) if store is None else store
        moved = {name: split.to(device, store) for name, split in self.splits().items()}
        return replace(self, train=moved["train"], validation=moved.get("validation"), test=moved["test"])


@dataclass(frozen=True)
class Source:
    """What a source hands over: one store, and which rows its own parts hold."""

    store: Tensor  # uint8 [M, 3, H, W]
    targets: Tensor  # [M, ...] as the task has them; int64 [M] for classes
    task: Task
    parts: dict[str, Tensor]  # "train", and if the source has them "validation" and "test": rows of the store
    notes: Sequence[str] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)  # image files that were skipped, and why
