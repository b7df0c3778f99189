"""Counts the gradient values that a half precision format loses, with and without loss scaling."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tudui.lab.backward.batch import FirstBatch
from tudui.training.gradients import gradients_of, layer_names

FORMATS = {"bf16": torch.bfloat16, "fp16": torch.float16}
SCALE = 65536.0  # the initial scale of torch.amp.GradScaler


@dataclass(frozen=True, kw_only=True)
class Lost:
    """Shares of one tensor's nonzero gradient values that one format loses."""

    underflow: float  # become 0
    coarse: float  # become subnormal and lose digits
    overflow: float  # become infinite


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One gradient tensor: of a parameter or of a layer's output."""

    name: str
    values: int  # entries
    nonzero: int
    median: float  # of the nonzero absolute values
    lost: dict[str, Lost]  # "fp16", "fp16 scaled", "bf16", "bf16 scaled"


@dataclass(frozen=True, kw_only=True)
class Precision:
    """All gradients of one batch."""

    scale: float
    smallest: dict[str, float]  # the smallest positive number of each format
    largest: dict[str, float]
    parameters: tuple[Measured, ...]
    outputs: tuple[Measured, ...]


def underflow(batch: FirstBatch, *, scale: float = SCALE) -> Precision:
    """Round the fp32 gradients of the loss, and of the loss times `scale`, to each format and count what is lost.

    The gradients of the layers' outputs are counted too: backward passes them through the network, and they are the
    smallest. The backward itself is fp32, because an fp16 convolution is very slow on a CPU.
    """
    signal, outputs = batch.first(len(batch.labels))[0], {}
    for name, layer in batch.model.named_children():
        signal = layer(signal)
        if not isinstance(layer, nn.Flatten | nn.MaxPool2d):  # these only pass values on
            signal.retain_grad()
            outputs[f"{name} output"] = signal
    batch.loss(signal, batch.labels).mean().backward()
    parameters = zip(layer_names(batch.model), gradients_of(batch.model), strict=True)
    return Precision(
        scale=scale,
        smallest={name: torch.finfo(kind).smallest_normal * torch.finfo(kind).eps for name, kind in FORMATS.items()},
        largest={name: torch.finfo(kind).max for name, kind in FORMATS.items()},
        parameters=tuple(_measure(name, gradient, scale) for name, gradient in parameters),
        outputs=tuple(_measure(name, output.grad, scale) for name, output in outputs.items()),
    )


def _measure(name: str, gradient: Tensor | None, scale: float) -> Measured:
    assert gradient is not None
    nonzero = gradient[gradient != 0]
    return Measured(
        name=name,
        values=gradient.numel(),
        nonzero=len(nonzero),
        median=float(nonzero.abs().median()) if len(nonzero) else 0.0,
        lost={
            f"{kind}{suffix}": _lost(nonzero * factor, FORMATS[kind])
            for kind in FORMATS
            for suffix, factor in (("", 1.0), (" scaled", scale))
        },
    )


def _lost(nonzero: Tensor, kind: torch.dtype) -> Lost:
    rounded = nonzero.to(kind).float()
    coarse = (rounded != 0) & (rounded.abs() < torch.finfo(kind).smallest_normal)
    lost = {"underflow": rounded == 0, "coarse": coarse, "overflow": rounded.isinf()}
    return Lost(**{name: int(which.sum()) / max(len(nonzero), 1) for name, which in lost.items()})
