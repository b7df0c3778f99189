"""Vanishing and exploding gradients: one convolution repeated many times, and what its initialisation changes."""

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
    """Norm of the gradient of what enters each repetition; index 0 is what leaves the last."""

    initialisation: str
    meaning: str
    norms: tuple[float, ...]  # [depth + 1], from the loss backwards
    loss: float

    @property
    def factor(self) -> float:
        """By how much one repetition multiplies the norm, on geometric average, as far as numbers reach."""
        held = list(itertools.takewhile(lambda norm: 0 < norm < math.inf, self.norms))
        return (held[-1] / held[0]) ** (1 / (len(held) - 1)) if len(held) > 1 else math.nan


def pytorch_default(weight: Tensor) -> None:
    """Uniform, deviation 1 / sqrt(3 fan_in): what nn.Conv2d draws."""
    nn.init.kaiming_uniform_(weight, a=5**0.5)


def too_small(weight: Tensor) -> None:
    """Normal, deviation 0.5 / sqrt(fan_in)."""
    nn.init.normal_(weight, std=0.5 * _fan_in(weight) ** -0.5)


def too_large(weight: Tensor) -> None:
    """Normal, deviation 2 / sqrt(fan_in)."""
    nn.init.normal_(weight, std=2 * _fan_in(weight) ** -0.5)


def xavier(weight: Tensor) -> None:
    """Normal, deviation 1 / sqrt(fan_in): keeps the variance, for a network without activations."""
    nn.init.xavier_normal_(weight)


def orthogonal(weight: Tensor) -> None:
    """An orthogonal matrix at the kernel's centre, 0 around it: keeps every norm exactly."""
    nn.init.zeros_(weight)
    nn.init.orthogonal_(centre := torch.empty(CHANNELS, CHANNELS))
    with torch.no_grad():
        weight[:, :, WIDTH // 2, WIDTH // 2] = centre


INITIALISATIONS: dict[str, Callable[[Tensor], None]] = {
    "default": pytorch_default,
    "small": too_small,
    "large": too_large,
    "xavier": xavier,
    "orthogonal": orthogonal,
}


def over_depth(batch: FirstBatch, *, depth: int = 32) -> tuple[Depth, ...]:
    """Put `depth` convolutions 32 -> 32 behind the first pooling of the network, and go back through all of them.

    Each has weights of its own, drawn in the same way, and no bias; the rest of the network is as it is.
    """
    torch.set_flush_denormal(True)  # a vanishing signal passes through the least of all numbers, which are slow
    try:
        return tuple(_measure(batch, name, draw, depth) for name, draw in INITIALISATIONS.items())
    finally:
        torch.set_flush_denormal(False)


def _measure(batch: FirstBatch, name: str, draw: Callable[[Tensor], None], depth: int) -> Depth:
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
        meaning=(draw.__doc__ or "").strip(),
        norms=tuple(float(gradient.norm()) for gradient in reversed(gradients)),
        loss=float(mean.detach()),
    )


def _fan_in(weight: Tensor) -> int:
    return weight[0].numel()
