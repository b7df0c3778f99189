"""The chain rule by hand on a net of two inputs, two hidden units (tanh) and one or two outputs."""

from dataclasses import dataclass
from math import prod

import numpy as np
import torch

from tudui.errors import UsageError
from tudui.lab.choice import ChosenLoss
from tudui.losses import build_loss, numbered_classes


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One factor of a product, for example do1/dh1."""

    name: str
    value: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Product:
    """The derivative of the loss by one weight: a sum over the paths to the weight, each a product of factors."""

    weight: str
    paths: tuple[tuple[Factor, ...], ...]
    by_hand: float
    autograd: float


@dataclass(frozen=True, kw_only=True)
class ByHand:
    """The whole net with all its numbers."""

    inputs: tuple[float, float]
    target: float
    weights: dict[str, float]
    forward: dict[str, float]  # a1 a2 h1 h2 o1 ... loss
    loss: str
    products: tuple[Product, ...]


def by_hand(chosen: ChosenLoss, *, inputs: np.ndarray, target: float, seed: int = 0) -> ByHand:
    """Multiply and add the factors of every derivative, and compare with autograd; UsageError for bad numbers.

    One output for a loss of numbers; two logits for a loss of classes. Only dL/do comes from autograd.
    """
    if inputs.shape != (2,):
        raise UsageError(f"--input has shape {list(inputs.shape)}; give two numbers, for example 0.5,-1")
    if not chosen.on_numbers and target not in (0, 1):
        raise UsageError(f"--target {target:g}: {chosen.label} compares two logits with a class, 0 or 1")
    outputs = (1,) if chosen.on_numbers else (1, 2)
    weights = _draw_weights(outputs, seed)
    x1, x2 = inputs.tolist()
    leaf = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in weights.items()}
    a = {f"a{j}": leaf[f"w{j}1"] * x1 + leaf[f"w{j}2"] * x2 + leaf[f"b{j}"] for j in (1, 2)}
    h = {f"h{j}": a[f"a{j}"].tanh() for j in (1, 2)}
    o = torch.stack([leaf[f"v{k}1"] * h["h1"] + leaf[f"v{k}2"] * h["h2"] + leaf[f"c{k}"] for k in outputs])
    o.retain_grad()
    loss = _loss_of(chosen, o, target)
    loss.backward()
    assert o.grad is not None

    tensors = a | h | {f"o{k}": value for k, value in zip(outputs, o, strict=True)} | {"loss": loss}
    forward = {name: float(value.detach()) for name, value in tensors.items()}
    numbers = forward | weights | {"x1": x1, "x2": x2}

    def factor(derivative: str, number: str) -> Factor:
        """Return a derivative that is one of the numbers, or 1 without one."""
        return Factor(name=f"{derivative} = {number}", value=numbers[number]) if number else Factor(name=derivative)

    starts = {k: Factor(name=f"dL/do{k}", value=slope) for k, slope in zip(outputs, o.grad.tolist(), strict=True)}
    paths: dict[str, tuple[tuple[Factor, ...], ...]] = {}
    for k, start in starts.items():
        for weight, number in ((f"v{k}1", "h1"), (f"v{k}2", "h2"), (f"c{k}", "")):
            paths[weight] = ((start, factor(f"do{k}/d{weight}", number)),)
    for j in (1, 2):
        bend = Factor(name=f"dh{j}/da{j} = 1 - h{j}²", value=1 - forward[f"h{j}"] ** 2)
        for weight, number in ((f"w{j}1", "x1"), (f"w{j}2", "x2"), (f"b{j}", "")):
            last = factor(f"da{j}/d{weight}", number)
            paths[weight] = tuple(
                (start, factor(f"do{k}/dh{j}", f"v{k}{j}"), bend, last) for k, start in starts.items()
            )
    products = tuple(
        Product(
            weight=weight,
            paths=path,
            by_hand=sum(prod(one.value for one in factors) for factors in path),
            autograd=float(leaf[weight].grad),  # type: ignore[arg-type]  # filled by backward
        )
        for weight, path in paths.items()
    )
    return ByHand(
        inputs=(x1, x2), target=target, weights=weights, forward=forward, loss=chosen.label, products=products
    )


def _draw_weights(outputs: tuple[int, ...], seed: int) -> dict[str, float]:
    """Return weights with one decimal, which are easy to copy onto paper."""
    names = [name for j in (1, 2) for name in (f"w{j}1", f"w{j}2", f"b{j}")]
    names += [name for k in outputs for name in (f"v{k}1", f"v{k}2", f"c{k}")]
    tenths = np.random.default_rng(seed).permutation([n for n in range(-9, 10) if n])[: len(names)]
    return {name: int(value) / 10 for name, value in zip(names, tenths, strict=True)}


def _loss_of(chosen: ChosenLoss, o: torch.Tensor, target: float) -> torch.Tensor:
    if chosen.on_numbers:
        return chosen.elementwise(o, torch.full_like(o, target)).sum()
    return build_loss(chosen.parameters, numbered_classes(2))(o[None], torch.tensor([int(target)])).sum()
