"""The chain rule by hand on a net of two inputs, two hidden units (tanh) and its outputs; every factor a number."""

from dataclasses import dataclass
from math import prod, tanh

import numpy as np
import torch

from tudui.errors import UsageError
from tudui.lab.choice import ChosenLoss
from tudui.losses import build_loss, numbered_classes


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One factor of a product, such as do1/dh1."""

    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Product:
    """The derivative of the loss by one weight: a sum over the paths to it, each a product."""

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
    """Go forward and back by hand, and compare with autograd.

    One output for a loss of numbers; two logits for a loss of classes. Only dL/do is left to the loss itself.
    """
    if inputs.shape != (2,):
        raise UsageError(f"--input has shape {list(inputs.shape)}; the net has two inputs, such as 0.5,-1")
    outputs = 1 if chosen.on_numbers else 2
    if not chosen.on_numbers and target not in (0, 1):
        raise UsageError(f"--target {target:g}: {chosen.label} compares two logits with a class, 0 or 1")
    weights = _draw_weights(outputs, seed)
    x1, x2 = inputs.tolist()
    x = (x1, x2)
    a = [weights[f"b{j}"] + sum(weights[f"w{j}{i}"] * x[i - 1] for i in (1, 2)) for j in (1, 2)]
    h = [tanh(value) for value in a]
    o = [weights[f"c{k}"] + sum(weights[f"v{k}{j}"] * h[j - 1] for j in (1, 2)) for k in range(1, outputs + 1)]
    loss, slopes = _loss_at(chosen, o, target)
    exact = _autograd(chosen, weights, x, target, outputs)

    products = []
    for k in range(1, outputs + 1):
        start = Factor(name=f"dL/do{k}", value=slopes[k - 1])
        for j in (1, 2):
            paths = ((start, Factor(name=f"do{k}/dv{k}{j} = h{j}", value=h[j - 1])),)
            products.append(_product(f"v{k}{j}", paths, exact))
        products.append(_product(f"c{k}", ((start, Factor(name=f"do{k}/dc{k}", value=1.0)),), exact))
    for j in (1, 2):
        bend = Factor(name=f"dh{j}/da{j} = 1 - h{j}²", value=1 - h[j - 1] ** 2)
        for name, last in (
            *((f"w{j}{i}", Factor(name=f"da{j}/dw{j}{i} = x{i}", value=x[i - 1])) for i in (1, 2)),
            (f"b{j}", Factor(name=f"da{j}/db{j}", value=1.0)),
        ):
            through = tuple(
                (
                    Factor(name=f"dL/do{k}", value=slopes[k - 1]),
                    Factor(name=f"do{k}/dh{j} = v{k}{j}", value=weights[f"v{k}{j}"]),
                    bend,
                    last,
                )
                for k in range(1, outputs + 1)
            )
            products.append(_product(name, through, exact))
    forward = {f"a{j}": a[j - 1] for j in (1, 2)} | {f"h{j}": h[j - 1] for j in (1, 2)}
    forward |= {f"o{k}": o[k - 1] for k in range(1, outputs + 1)} | {"loss": loss}
    return ByHand(
        inputs=(x1, x2),
        target=target,
        weights=weights,
        forward=forward,
        loss=chosen.label,
        products=tuple(products),
    )


def _draw_weights(outputs: int, seed: int) -> dict[str, float]:
    """Return weights of one decimal, so that they can be copied onto paper."""
    names = [name for j in (1, 2) for name in (f"w{j}1", f"w{j}2", f"b{j}")]
    names += [name for k in range(1, outputs + 1) for name in (f"v{k}1", f"v{k}2", f"c{k}")]
    tenths = np.random.default_rng(seed).permutation([n for n in range(-9, 10) if n])[: len(names)]
    return {name: int(value) / 10 for name, value in zip(names, tenths, strict=True)}


def _product(weight: str, paths: tuple[tuple[Factor, ...], ...], exact: dict[str, float]) -> Product:
    total = sum(prod(factor.value for factor in path) for path in paths)
    return Product(weight=weight, paths=paths, by_hand=total, autograd=exact[weight])


def _loss_of(chosen: ChosenLoss, o: torch.Tensor, target: float) -> torch.Tensor:
    if chosen.on_numbers:
        return chosen.elementwise(o, torch.full_like(o, target)).sum()
    return build_loss(chosen.parameters, numbered_classes(2))(o[None], torch.tensor([int(target)])).sum()


def _loss_at(chosen: ChosenLoss, o: list[float], target: float) -> tuple[float, list[float]]:
    """Return the loss and its derivative by each output."""
    outputs = torch.tensor(o, dtype=torch.float64, requires_grad=True)
    loss = _loss_of(chosen, outputs, target)
    (slopes,) = torch.autograd.grad(loss, outputs)
    return float(loss.detach()), slopes.tolist()


def _autograd(
    chosen: ChosenLoss, weights: dict[str, float], x: tuple[float, float], target: float, outputs: int
) -> dict[str, float]:
    """Return the derivative by every weight, the whole net left to autograd."""
    leaves = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in weights.items()}
    h = [torch.tanh(leaves[f"b{j}"] + leaves[f"w{j}1"] * x[0] + leaves[f"w{j}2"] * x[1]) for j in (1, 2)]
    o = [leaves[f"c{k}"] + leaves[f"v{k}1"] * h[0] + leaves[f"v{k}2"] * h[1] for k in range(1, outputs + 1)]
    _loss_of(chosen, torch.stack(o), target).backward()
    return {name: float(leaf.grad) for name, leaf in leaves.items() if leaf.grad is not None}
