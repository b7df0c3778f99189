"""A data set: images as bytes or rows of a table, targets, and the task that defines their meaning."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property

import torch
from torch import Tensor

from tudui.config.network_spec import Shape
from tudui.data.cache import rows_of
from tudui.data.stream import fits, placed, stream
from tudui.tasks import Task


@dataclass(frozen=True)
class Split:
    """Some rows of a store of images or features, which all splits share."""

    store: Tensor  # uint8 [M, 3, H, W], possibly memory-mapped, or float32 [M, F]
    rows: Tensor  # int64 [N]: the rows of the store in this split
    targets: Tensor  # [N, ...] as the task has them; int64 [N] for classes
    index: Tensor  # int64 [N], on the CPU: the numbers of these images in their source
    clean: Tensor | None = None  # the targets before some were made wrong on purpose; None: none were
    streamed: bool = False  # store and rows are on the CPU, and batches are sent to the device of the targets

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def images(self) -> Tensor:
        """All images of the split, uint8 [N, 3, H, W]; a copy."""
        return self.store[self.rows]

    def take(self, positions: Tensor) -> Tensor:
        """Return the images at positions int64 [B] of the split, on their device."""
        rows = self.rows.index_select(0, positions.to(self.rows.device))
        return self.store.index_select(0, rows).to(positions.device)  # index_select copies whole images

    def batches(self, rows: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the images of each batch of rows of the store, on the split's device."""
        if self.streamed:
            return stream(self.store, rows, self.targets.device)
        return (self.store.index_select(0, some) for some in rows)

    def to(self, device: torch.device, store: Tensor | None = None) -> "Split":
        """Return the split on the device, with the given store, or with only its own rows.

        Images that do not fit there, and a store that is not there, are streamed.
        """
        if device.type == "cpu":
            return self
        rows = self.rows
        if store is None and fits(len(self) * self.store[0].nbytes, device):
            store = torch.empty(len(self), *self.store.shape[1:], dtype=self.store.dtype, device=device)
            for start, some in enumerate(rows.split(length := rows_of(self.store))):
                store[start * length : (start + 1) * length] = self.store[some].to(device)
            rows = torch.arange(len(self))
        store = self.store if store is None else store
        streamed = store.device.type != device.type
        clean = None if self.clean is None else self.clean.to(device)
        rows = rows if streamed else rows.to(device)
        return Split(store, rows, self.targets.to(device), self.index, clean, streamed)


@dataclass(frozen=True)
class Preparation:
    """The network's input: (pixel / 255 - mean) / std per channel, or (value - mean) / std per feature of a table."""

    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    fill: tuple[float, ...] = ()  # of each feature, the value for one that is missing (NaN); (): none is missing

    def __call__(self, images: Tensor) -> Tensor:
        """Return float32 [B, 3, H, W] from uint8 [B, 3, H, W], or [B, F] from float32 [B, F], on the same device."""
        if images.dtype != torch.uint8:
            mean, std, fill = _of_features(self, images.device)
            images = images if fill is None else torch.where(images.isnan(), fill, images)
            return (images - mean) / std
        factor, offset = _constants(self, images.device)
        return images.float().mul_(factor).add_(offset)

    @classmethod
    def leaving(cls, split: Split) -> "Preparation":
        """Return the preparation that leaves pixels in [0, 1], and features as they are."""
        if split.store.dtype == torch.uint8:
            return cls()
        features = split.store.shape[1]
        return cls((0.0,) * features, (1.0,) * features, _medians(split))

    @classmethod
    def standardizing(cls, split: Split) -> "Preparation":
        """Return the preparation that gives the split mean 0 and standard deviation 1 per channel or feature.

        A feature with only the values 0 and 1 stays as it is.
        """
        if split.store.dtype != torch.uint8:
            return cls._of_table(split)
        counts = torch.zeros(3, 256, dtype=torch.int64)
        pixels = len(split) * split.store[0, 0].numel()
        for rows in split.rows.split(rows_of(split.store)):
            images = split.store[rows]
            for channel in range(3):
                counts[channel] += torch.bincount(images[:, channel].flatten(), minlength=256)
        values = torch.arange(256, dtype=torch.float64) / 255
        share = counts.double() / pixels
        mean = share @ values
        std = (share @ values.square() - mean.square()).clamp(min=0).sqrt()
        # a constant channel has deviation 0
        return cls(tuple(mean.tolist()), tuple(torch.where(std > 1e-6, std, 1.0).tolist()))

    @classmethod
    def _of_table(cls, split: Split) -> "Preparation":
        fill = _medians(split)
        total = squares = torch.zeros(split.store.shape[1], dtype=torch.float64)
        of_01 = torch.ones(split.store.shape[1], dtype=torch.bool)
        shift = split.store[split.rows[0]].double().nan_to_num()  # against cancellation
        for rows in split.rows.split(rows_of(split.store)):
            values = split.store[rows]
            values = torch.where(values.isnan(), torch.tensor(fill), values) if fill else values
            of_01 &= ((values == 0) | (values == 1)).all(0)
            values = values.double() - shift
            total, squares = total + values.sum(0), squares + values.square().sum(0)
        mean = total / len(split)
        std = (squares / len(split) - mean.square()).clamp(min=0).sqrt()
        std = torch.where(std > 1e-9 * (mean + shift).abs(), std, 1.0)  # of a constant feature 1
        mean, std = torch.where(of_01, 0.0, mean + shift), torch.where(of_01, 1.0, std)
        return cls(tuple(mean.tolist()), tuple(std.tolist()), fill)


def _medians(split: Split) -> tuple[float, ...]:
    """Return the median of each feature of a split; () if no row of the store lacks one."""
    store = split.store
    if not any(bool(some.isnan().any()) for some in store.split(rows_of(store))):
        return ()
    return tuple(float(store[split.rows, place].nanmedian().nan_to_num()) for place in range(store.shape[1]))


@cache
def _of_features(preparation: Preparation, device: torch.device) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return mean, standard deviation and fill [F], once per device."""
    mean, std, fill = (
        torch.tensor(values, device=device) for values in (preparation.mean, preparation.std, preparation.fill)
    )
    return mean, std, fill if preparation.fill else None


@cache
def _constants(preparation: Preparation, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return factor and offset [3, 1, 1], once per device."""
    pairs = list(zip(preparation.mean, preparation.std, strict=True))
    factor = torch.tensor([1 / (255 * std) for _, std in pairs], device=device)
    offset = torch.tensor([-mean / std for mean, std in pairs], device=device)
    return factor.view(3, 1, 1), offset.view(3, 1, 1)


@dataclass(frozen=True)
class Dataset:
    """A data set that is ready for training."""

    name: str
    task: Task
    train: Split
    validation: Split | None
    test: Split
    preparation: Preparation
    notes: tuple[str, ...] = ()  # for the user, for example how the data was split
    files: tuple[str, ...] = ()  # of each image of the source; () if its images have no files of their own
    features: tuple[str, ...] = ()  # names of a table's columns; () for images

    @property
    def shape(self) -> Shape:
        """Input and output sizes of a network for this data set."""
        return Shape(tuple(self.train.store.shape[1:]), self.task.outputs)

    @property
    def noun(self) -> str:
        """What a sample is called."""
        return "row" if self.features else "image"

    def splits(self) -> dict[str, Split]:
        """Return the splits that exist, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    def fingerprint(self) -> str:
        """Return a sha256 of the output names, the targets, and the bytes of about 500 images of each split."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:  # every checkpoint contains it, and large images take a second
        digest = hashlib.sha256("\0".join(self.task.names).encode())
        for split in self.splits().values():
            digest.update(split.targets.cpu().numpy().tobytes())
            for rows in split.rows[:: max(1, len(split) // 500)].split(rows_of(split.store)):
                digest.update(split.store[rows].cpu().numpy().data)
        return digest.hexdigest()

    def to(self, device: torch.device, store: Tensor | None = None) -> "Dataset":
        """Return the data set on the device; its splits share one store, by default this one if it fits there."""
        store = placed(self.train.store, device) if store is None else store
        moved = {name: split.to(device, store) for name, split in self.splits().items()}
        return replace(self, train=moved["train"], validation=moved.get("validation"), test=moved["test"])


@dataclass(frozen=True)
class Source:
    """The images or features of a source in one store, and the rows of its parts."""

    store: Tensor  # uint8 [M, 3, H, W], or float32 [M, F] of a table
    targets: Tensor  # [M, ...] as the task has them; int64 [M] for classes, float32 [M, K] for numbers
    task: Task
    parts: dict[str, Tensor]  # rows of the store: "train" and, if the source has them, "validation" and "test"
    notes: Sequence[str] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)  # image files that were skipped, and why
    files: tuple[str, ...] = ()  # of each row of the store; () if images have no files of their own
    sizes: Sequence[tuple[int, int]] = ()  # heights and widths before scaling, of each image or one of all; (): files'
    features: tuple[str, ...] = ()  # names of a table's columns; () for images
    lines: Tensor | None = None  # int64 [M]: on which line of its CSV file each row of a table begins


@dataclass(frozen=True)
class Known:
    """What a trained network takes and gives; a file of the user's is then read for it."""

    task: Task
    features: tuple[str, ...] = ()  # of a table
