"""Vanishing and exploding gradients: one convolution, repeated many times, under several initialisations."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tudui.lab.backward.batch import FirstBatch

CHANNELS, WIDTH = 32, 3
IMAGES = 16  # more would change little and take longer


@dataclass(frozen=True, kw_only=True)
class Depth:
    """Norm of the gradient at the input of each repetition; index 0 is the output of the last."""

    initialisation: str
    meaning: str
    norms: tuple[float, ...]  # [depth + 1], from the loss backwards
    loss: float

    @property
    def factor(self) -> float:
        """The factor of one repetition on the norm, geometric mean over all norms before 0 or infinity."""
        finite = list(itertools.takewhile(lambda norm: 0 < norm < math.inf, self.norms))
        return (finite[-1] / finite[0]) ** (1 / (len(finite) - 1)) if len(finite) > 1 else math.nan


def _normal(factor: float) -> Callable[[Tensor], Tensor]:
    return lambda weight: nn.init.normal_(weight, std=factor * weight[0].numel() ** -0.5)


def _orthogonal(weight: Tensor) -> None:
    centre = nn.init.orthogonal_(torch.empty(CHANNELS, CHANNELS))
    weight.zero_()[:, :, WIDTH // 2, WIDTH // 2] = centre


INITIALISATIONS: dict[str, tuple[str, Callable[[Tensor], object]]] = {
    "default": (
        "Uniform, deviation 1 / sqrt(3 fan_in): what nn.Conv2d draws.",
        lambda weight: nn.init.kaiming_uniform_(weight, a=5**0.5),
    ),
    "small": ("Normal, deviation 0.5 / sqrt(fan_in).", _normal(0.5)),
    "large": ("Normal, deviation 2 / sqrt(fan_in).", _normal(2)),
    "xavier": (
        "Normal, deviation 1 / sqrt(fan_in): keeps the variance, for a network without activations.",
        nn.init.xavier_normal_,
    ),
    "orthogonal": ("An orthogonal matrix at the kernel's centre, 0 around it: keeps every norm exactly.", _orthogonal),
}


def over_depth(batch: FirstBatch, *, depth: int = 32) -> tuple[Depth, ...]:
    """Insert `depth` convolutions 32 -> 32 after the first pooling of the network, and call backward through them.

    Each has its own weights, from the same initialisation, and no bias; the rest of the network is unchanged.
    """
    torch.set_flush_denormal(True)  # a vanishing signal becomes subnormal, which is slow
    try:
        return tuple(_measure(batch, name, depth) for name in INITIALISATIONS)
    finally:
        torch.set_flush_denormal(False)


def _measure(batch: FirstBatch, name: str, depth: int) -> Depth:
    meaning, draw = INITIALISATIONS[name]
    layers = list(batch.model.children())
    start, rest = nn.Sequential(*layers[:2]), nn.Sequential(*layers[2:])
    inputs, labels = batch.first(IMAGES)
    with torch.no_grad():
        signal = start(inputs)  # [B, 32, 16, 16]
    signal.requires_grad_()
    signals = [signal]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(batch.config.seed)
        for _ in range(depth):
            weight = torch.empty(CHANNELS, CHANNELS, WIDTH, WIDTH)
            draw(weight)
            signals.append(nn.functional.conv2d(signals[-1], weight.to(signal.device), padding=WIDTH // 2))
    mean = batch.loss(rest(signals[-1]), labels).mean()
    gradients = torch.autograd.grad(mean, signals)
    return Depth(
        initialisation=name,
        meaning=meaning,
        norms=tuple(float(gradient.norm()) for gradient in reversed(gradients)),
        loss=float(mean.detach()),
    )
