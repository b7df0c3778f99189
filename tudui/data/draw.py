"""The random choices of an epoch, drawn at its start from (seed, epoch), the same on every device."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from tudui.config.schema import DataConfig
from tudui.data.dataset import Split
from tudui.seeding import derive_seed, sub_seed

ASPECT = 4 / 3  # of a crop, at most, and its inverse at least
TRIES = 10  # for a crop that is inside the image


@dataclass(frozen=True)
class EpochDraw:
    """The order of an epoch's images and how each is changed."""

    order: Tensor  # int64 [N]: positions in the split
    flips: Tensor | None = None  # bool [N]
    shifts: Tensor | None = None  # int64 [N, 2]: rows and columns, 0 to 2 * shift
    shift: int = 0
    crops: Tensor | None = None  # float32 [N, 4]: top, left, height, width; 1 is the image's height or width

    def to(self, device: torch.device) -> "EpochDraw":
        """Return the draw on the device."""
        flips, shifts, crops = (
            None if drawn is None else drawn.to(device) for drawn in (self.flips, self.shifts, self.crops)
        )
        return EpochDraw(self.order.to(device), flips, shifts, self.shift, crops)

    def copy_(self, other: "EpochDraw") -> None:
        """Copy another epoch's draw of the same data into these tensors."""
        for here, there in zip(self.tensors(), other.tensors(), strict=True):
            here.copy_(there)

    def tensors(self) -> list[Tensor]:
        """Return order and, if there are any, flips, shifts and crops."""
        return [tensor for tensor in (self.order, self.flips, self.shifts, self.crops) if tensor is not None]

    def batch(self, split: Split, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return images uint8 [B, 3, H, W] and targets [B, ...] of the epoch's positions start to stop."""
        stop = min(stop, len(self.order))
        return self.at(split, torch.arange(start, stop, device=self.order.device))

    def at(self, split: Split, positions: Tensor, images: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the same for positions int64 [B] on the device.

        `images` are those at the positions before they are changed; without them, a split that is streamed waits.
        """
        chosen = self.order.index_select(0, positions)
        images = split.take(chosen) if images is None else images
        if self.crops is not None:
            images = _cropped(images, self.crops.index_select(0, positions))
        if self.shifts is not None or self.flips is not None:
            images = self._changed(images, positions)
        return images, split.targets.index_select(0, chosen)

    def _changed(self, images: Tensor, positions: Tensor) -> Tensor:
        """Return the images shifted and flipped, in one gather from the padded images."""
        number, channels, height, width = images.shape
        across = torch.arange(width, device=images.device)
        rows = torch.arange(height, device=images.device).expand(number, height)
        columns = across.expand(number, width)
        if self.flips is not None:
            columns = torch.where(self.flips.index_select(0, positions)[:, None], width - 1 - across, across)
        if self.shifts is not None:
            images = functional.pad(images, (self.shift,) * 4)  # black borders
            shifts = self.shifts.index_select(0, positions)
            rows, columns = rows + shifts[:, :1], columns + shifts[:, 1:]
        pixels = (rows[:, :, None] * images.shape[3] + columns[:, None, :]).view(number, 1, height * width)
        changed = images.view(number, channels, -1).gather(2, pixels.expand(-1, channels, -1))
        return changed.view(number, channels, height, width)


def _cropped(images: Tensor, crops: Tensor) -> Tensor:
    """Return images uint8 [B, C, H, W] whose parts [B, 4] are enlarged to the whole, bilinear and rounded to bytes."""
    origin, extent = crops[:, :2].flip(1), crops[:, 2:].flip(1)  # x before y, as in a grid
    theta = torch.cat([torch.diag_embed(extent), (2 * origin + extent - 1)[:, :, None]], dim=2)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    sampled = functional.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    return sampled.round_().to(torch.uint8)


def draw_epoch(n: int, *, seed: int, epoch: int, data: DataConfig) -> EpochDraw:
    """Draw the order, flips, shifts and crops of epoch `epoch` (from 0) for n images, on the CPU."""

    seed = sub_seed(data.order_seed, seed)

    def generator(purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(seed, purpose, epoch))

    order = torch.randperm(n, generator=generator("order")) if data.shuffle else torch.arange(n)
    flips = None
    if data.augment.flip == "alternate":
        first_half = torch.rand(n, generator=torch.Generator().manual_seed(derive_seed(seed, "flip"))) < 0.5
        flips = first_half[order] ^ (epoch % 2 == 1)
    elif data.augment.flip:
        flips = torch.rand(n, generator=generator("flip")) < 0.5
    shift = data.augment.shift
    shifts = torch.randint(2 * shift + 1, (n, 2), generator=generator("shift")) if shift else None
    crops = _draw_crops(n, *data.augment.crop, generator("crop")) if data.augment.crop else None
    return EpochDraw(order, flips, shifts, shift, crops)


def _draw_crops(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Return n crops [N, 4] as `EpochDraw` has them: a share of the area, an aspect ratio, and then a place.

    As torchvision's RandomResizedCrop, which draws again if a crop is larger than the image, ten times at most, and
    then takes the whole image; but the sides are not rounded to pixels.
    """
    sides = torch.full((n, 2), math.inf)
    for _ in range(TRIES):
        area, aspect = torch.rand(2, n, generator=generator)
        area, aspect = low + (high - low) * area, ASPECT ** (2 * aspect - 1)
        drawn = torch.stack([(area / aspect).sqrt(), (area * aspect).sqrt()], dim=1)
        sides = torch.where((sides > 1).any(1, keepdim=True), drawn, sides)
    sides = torch.where((sides > 1).any(1, keepdim=True), 1.0, sides)
    return torch.cat([torch.rand(n, 2, generator=generator) * (1 - sides), sides], dim=1)
