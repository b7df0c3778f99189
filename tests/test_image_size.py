"""Images of any size: cut, scaled, cached, standardised, trained on and predicted as torchvision and Pillow do it."""

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms import RandomResizedCrop, v2

from tests.conftest import photograph, quick_config
from tudui.config import load_config, parse_set
from tudui.config.schema import AugmentConfig, DataConfig
from tudui.data import Split, draw_epoch, load_data
from tudui.errors import ConfigError, UsageError


def pictures(number: int, height: int, width: int) -> torch.Tensor:
    """Real digits as photographs of this size, uint8 [number, 3, height, width]."""
    scaled = [np.asarray(photograph(one).resize((width, height))) for one in range(number)]
    return torch.from_numpy(np.stack(scaled)).permute(0, 3, 1, 2).contiguous()


def split_of(store: torch.Tensor) -> Split:
    rows = torch.arange(len(store))
    return Split(store, rows, rows % 2, rows)


@pytest.mark.parametrize("share", [(0.08, 1.0), (0.5, 0.6), (0.9, 1.0), (1.0, 1.0)])
def test_crops_are_distributed_as_torchvisions(share):
    """On an image so large that its rounding to pixels does not matter."""
    side, n = 100_000, 3000
    ours = draw_epoch(n, seed=1, epoch=0, data=DataConfig(augment=AugmentConfig(crop=share))).crops.double().numpy()
    torch.manual_seed(0)
    image = torch.empty(1, 1, 1).expand(1, side, side)
    theirs = np.array([RandomResizedCrop.get_params(image, share, (3 / 4, 4 / 3)) for _ in range(n)]) / side
    for name, of in {
        "area": lambda crop: crop[:, 2] * crop[:, 3],
        "aspect": lambda crop: crop[:, 3] / crop[:, 2],
        "top": lambda crop: crop[:, 0],
        "left": lambda crop: crop[:, 1],
        "bottom": lambda crop: crop[:, 0] + crop[:, 2],
        "whole": lambda crop: (crop[:, 2:] == 1).all(1).astype(float),
    }.items():
        assert ks_2samp(of(ours).round(4), of(theirs).round(4)).pvalue > 1e-3, name
    assert (ours[:, :2] >= 0).all()
    assert (ours[:, :2] + ours[:, 2:] <= 1 + 1e-6).all()


@pytest.mark.parametrize("size", [(32, 32), (96, 96), (20, 48)])
def test_a_crop_is_enlarged_as_torchvision_does_it(size):
    store, config = pictures(40, *size), DataConfig(augment=AugmentConfig(crop=(0.3, 1.0), flip=True, shift=2))
    drawn = draw_epoch(40, seed=0, epoch=0, data=config)
    scale = torch.tensor([size[0], size[1]] * 2)
    boxes = (drawn.crops * scale).round()  # whole pixels, which torchvision has
    drawn.crops.copy_(boxes / scale)
    images, targets = drawn.batch(split_of(store), 0, 40)
    assert images.dtype == torch.uint8
    assert torch.equal(targets, drawn.order % 2)
    for image, source, box, flip, (down, right) in zip(
        images, store[drawn.order], boxes.int().tolist(), drawn.flips, drawn.shifts.tolist(), strict=True
    ):
        enlarged = v2.functional.resized_crop(source, *box, size=list(size), antialias=True)
        moved = torch.nn.functional.pad(enlarged, (2, 2, 2, 2))[:, down : down + size[0], right : right + size[1]]
        expected = moved.flip(2) if flip else moved
        # torchvision does not see the pixels beyond the crop, which matters at its edge alone
        margin = 2 + max(-(-size[0] // box[2]), -(-size[1] // box[3]))
        inside = (slice(None), slice(margin, -margin), slice(margin, -margin))
        assert (image[inside].int() - expected[inside].int()).abs().max() <= 1


def test_a_crop_of_the_whole_changes_nothing():
    store = pictures(8, 31, 45)
    drawn = draw_epoch(8, seed=0, epoch=0, data=DataConfig(augment=AugmentConfig(crop=(0.2, 1.0))))
    drawn.crops.copy_(torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(8, 4))
    assert torch.equal(drawn.batch(split_of(store), 0, 8)[0], store[drawn.order])


def test_crops_are_new_in_each_epoch_and_change_nothing_else():
    augment = {"flip": True, "shift": 2}
    plain = draw_epoch(100, seed=0, epoch=3, data=DataConfig(augment=AugmentConfig(**augment)))
    config = DataConfig(augment=AugmentConfig(crop=(0.5, 1.0), **augment))
    first, again, other = (draw_epoch(100, seed=0, epoch=epoch, data=config) for epoch in (3, 3, 4))
    for name in ("order", "flips", "shifts"):
        assert torch.equal(getattr(plain, name), getattr(first, name))
    assert torch.equal(first.crops, again.crops)
    assert len(torch.cat([first.crops, other.crops]).unique(dim=0)) == 200


@pytest.mark.parametrize("crop", ["[0.9, 0.5]", "[0, 1]", "[0.5, 1.5]", "[0.5]", "0.5"])
def test_a_crop_is_two_shares_in_order(crop):
    with pytest.raises(ConfigError, match=r"data\.augment\.crop"):
        load_config(None, [parse_set(f"data.augment.crop={crop}")])


@pytest.mark.parametrize(("size", "most"), [("8", 4), ("null", 16), ("224", 112)])
def test_a_shift_is_at_most_half_the_size(size, most):
    settings = [f"data.size={size}", "network=linear", "optimizer.lr=0.1"]
    assert load_data(quick_config(*settings, f"data.augment.shift={most}").data, 0)
    with pytest.raises(UsageError, match=f"use at most {most}$"):
        load_data(quick_config(*settings, f"data.augment.shift={most + 1}").data, 0)
