"""First weights that are made from the training images."""

import torch
from torch import nn

from tudui.data import Preparation, Split

IMAGES = 5_000  # enough for the covariance of 75 numbers
SCALE = 0.1  # deviation of the outputs
FLOOR = 5e-4  # added to the variance of directions in which patches hardly differ


def whiten(model: nn.Module, train: Split, preparation: Preparation) -> None:
    """Let the first convolution begin with the principal directions of training patches [C, k, k], each twice with
    opposite signs and scaled so that its outputs on them have the same deviation.

    Max pooling keeps the largest output only: of a direction and its negative it keeps both ends. Source: the first
    layer of airbench (Jordan 2024), which is frozen there.
    """
    layer = model.get_submodule("conv1")
    assert isinstance(layer, nn.Conv2d)
    channels, side = layer.in_channels, layer.kernel_size[0]
    some = train.rows[:: max(1, len(train) // IMAGES)]
    images = preparation(train.store.index_select(0, some)).double()
    patches = images.unfold(2, side, side - 2).unfold(3, side, side - 2)  # [N, C, rows, columns, k, k]
    patches = patches.permute(0, 2, 3, 1, 4, 5).reshape(-1, channels * side * side).cpu()
    variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
    number = min(layer.out_channels // 2, len(variances))
    variances, directions = variances.flip(0)[:number], directions.flip(1)[:, :number]
    largest = directions.abs().argmax(0)
    directions = directions * directions[largest, torch.arange(number)].sign()  # whose sign is anybody's
    filters = (SCALE * directions / (variances + FLOOR).sqrt()).T.view(number, channels, side, side)
    with torch.no_grad():
        layer.weight[:number] = filters
        layer.weight[layer.out_channels - number :] = -filters
