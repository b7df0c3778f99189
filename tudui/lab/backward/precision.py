"""How many gradient values a half precision format loses, with and without loss scaling."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from tudui.lab.backward.batch import FirstBatch
from tudui.training.gradients import gradients_of, layer_names

FORMATS = {"bf16": torch.bfloat16, "fp16": torch.float16}
SCALE = 65536.0  # what torch.amp.GradScaler begins with


@dataclass(frozen=True, kw_only=True)
class Lost:
    """What becomes of one tensor's nonzero gradient values in one format, as shares of them."""

    underflow: float  # rounded to 0
    coarse: float  # so small that digits are lost
    overflow: float  # became infinite


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One gradient tensor: that of a parameter, or that of a layer's output."""

    name: str
    values: int  # entries
    nonzero: int
    median: float  # of the nonzero absolute values
    lost: dict[str, Lost]  # "fp16", "fp16 scaled", "bf16", "bf16 scaled"


@dataclass(frozen=True, kw_only=True)
class Precision:
    """All gradients of one batch."""

    scale: float
    smallest: dict[str, float]  # the least positive number of each format
    largest: dict[str, float]
    parameters: tuple[Measured, ...]
    outputs: tuple[Measured, ...]


def underflow(batch: FirstBatch, *, scale: float = SCALE) -> Precision:
    """Round the fp32 gradients of the loss, and of the loss times `scale`, to each format and count what is lost.

    The gradients of the layers' outputs are counted too: they are what travels back through the network, and the
    smallest of all. The backward itself is fp32, since that of an fp16 convolution is very slow on a CPU.
    """
    outputs: dict[str, Tensor] = {}
    batch = replace(batch, network=replace(batch.network, autocast=None))

    def keep(name: str, output: Tensor) -> None:
        output.retain_grad()
        outputs[name] = output

    hooks = [
        layer.register_forward_hook(lambda _, __, output, name=name: keep(name, output))
        for name, layer in batch.model.named_children()
        if not isinstance(layer, nn.Flatten | nn.MaxPool2d)  # these only pass values on
    ]
    batch.mean_loss().backward()
    for hook in hooks:
        hook.remove()
    travelling = [(name, output.grad) for name, output in outputs.items() if output.grad is not None]
    return Precision(
        scale=scale,
        smallest={name: torch.finfo(kind).smallest_normal * torch.finfo(kind).eps for name, kind in FORMATS.items()},
        largest={name: torch.finfo(kind).max for name, kind in FORMATS.items()},
        parameters=tuple(
            _measure(name, gradient, scale)
            for name, gradient in zip(layer_names(batch.model), gradients_of(batch.model), strict=True)
        ),
        outputs=tuple(_measure(f"{name} output", gradient, scale) for name, gradient in travelling),
    )


def _measure(name: str, gradient: Tensor, scale: float) -> Measured:
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
    if not len(nonzero):
        return Lost(underflow=0.0, coarse=0.0, overflow=0.0)
    rounded = nonzero.to(kind).float()
    coarse = (rounded != 0) & (rounded.abs() < torch.finfo(kind).smallest_normal)
    return Lost(
        underflow=float((rounded == 0).double().mean()),
        coarse=float(coarse.double().mean()),
        overflow=float(rounded.isinf().double().mean()),
    )
