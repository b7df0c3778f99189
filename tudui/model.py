"""The Tudui network: the Sequential CNN of the course, without any activation function."""

from collections import OrderedDict

import torch
from torch import nn

from tudui.seeding import derive_seed

LAYERS = ("conv1", "conv2", "conv3", "linear1", "linear2")


class Tudui(nn.Sequential):
    """Three convolutions with max pooling, two linear layers: logits [B, K] of prepared images [B, 3, 32, 32].

    Max pooling is the only non-linearity. With 10 classes there are 145,578 parameters.
    Source: the course's `Tudui` class, whose unnamed layers stand in the same order.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__(
            OrderedDict(
                conv1=nn.Conv2d(3, 32, 5, padding=2),
                pool1=nn.MaxPool2d(2),
                conv2=nn.Conv2d(32, 32, 5, padding=2),
                pool2=nn.MaxPool2d(2),
                conv3=nn.Conv2d(32, 64, 5, padding=2),
                pool3=nn.MaxPool2d(2),
                flatten=nn.Flatten(),
                linear1=nn.Linear(1024, 64),
                linear2=nn.Linear(64, classes),
            )
        )


def build_model(classes: int, *, seed: int) -> Tudui:
    """Return the network with PyTorch's default initialisation, drawn from the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "weights"))
        return Tudui(classes)
