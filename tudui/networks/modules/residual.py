"""The modules of ResNet-20."""

from collections import OrderedDict
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation around a shortcut: [B, C, H, W] -> [B, C', H', W']."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.stride, self.more = stride, width - channels
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, images: Tensor) -> Tensor:
        """Return the block's outputs; the shortcut leaves pixels out, and its new channels are 0."""
        inside = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(images)))))
        shortcut = images[:, :, :: self.stride, :: self.stride]
        return F.relu(inside + F.pad(shortcut, (0, 0, 0, 0, 0, self.more)))


class ResNet(nn.Sequential):
    """A convolution, stages of blocks that halve the image, the mean over pixels, and a linear layer."""

    def __init__(self, channels: int, widths: tuple[int, ...], blocks: int, outputs: int) -> None:
        stages = OrderedDict[str, nn.Module]()
        for number, (before, width) in enumerate(pairwise((widths[0], *widths)), start=1):
            stride = 1 if number == 1 else 2
            rest = [Block(width, width, 1) for _ in range(blocks - 1)]
            stages[f"stage{number}"] = nn.Sequential(Block(before, width, stride), *rest)
        super().__init__(
            OrderedDict(
                conv=nn.Conv2d(channels, widths[0], 3, padding=1, bias=False),
                bn=nn.BatchNorm2d(widths[0]),
                relu=nn.ReLU(),
                **stages,
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                linear=nn.Linear(widths[-1], outputs),
            )
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)
