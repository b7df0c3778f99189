"""Everything random in an epoch, drawn at its start from (seed, epoch) and the same on every device."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tudui.config.schema import DataConfig
from tudui.data.dataset import Split
from tudui.seeding import derive_seed


@dataclass(frozen=True)
class EpochDraw:
    """The order of an epoch's images and how each is changed."""

    order: Tensor  # int64 [N]: positions in the split
    flips: Tensor | None  # bool [N]
    shifts: Tensor | None  # int64 [N, 2]: rows and columns, 0 to 2 * shift
    shift: int

    def to(self, device: torch.device) -> "EpochDraw":
        """Return the draw on the device."""
        return EpochDraw(
            self.order.to(device),
            None if self.flips is None else self.flips.to(device),
            None if self.shifts is None else self.shifts.to(device),
            self.shift,
        )

    def batch(self, split: Split, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return images uint8 [B, 3, 32, 32] and labels int64 [B] of the epoch's positions start to stop."""
        chosen = self.order[start:stop]
        images = split.store[split.rows[chosen]]
        if self.shifts is not None:
            padded = torch.nn.functional.pad(images, (self.shift,) * 4)  # black borders
            windows = padded.unfold(2, 32, 1).unfold(3, 32, 1)  # [B, 3, 2 shift + 1, 2 shift + 1, 32, 32], a view
            rows, columns = self.shifts[start:stop].unbind(1)
            images = windows[torch.arange(len(chosen), device=images.device), :, rows, columns]
        if self.flips is not None:
            images = torch.where(self.flips[start:stop, None, None, None], images.flip(3), images)
        return images, split.labels[chosen]


def draw_epoch(n: int, *, seed: int, epoch: int, data: DataConfig) -> EpochDraw:
    """Draw the order, flips and shifts of epoch `epoch` (from 0) for n images, on the CPU."""

    def generator(purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(seed, purpose, epoch))

    order = torch.randperm(n, generator=generator("order")) if data.shuffle else torch.arange(n)
    flips = torch.rand(n, generator=generator("flip")) < 0.5 if data.augment.flip else None
    shift = data.augment.shift
    shifts = torch.randint(2 * shift + 1, (n, 2), generator=generator("shift")) if shift else None
    return EpochDraw(order, flips, shifts, shift)
