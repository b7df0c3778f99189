"""One step, layer by layer: gradients before and after `backward()`, weights before and after the optimizer."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tudui.lab.backward.batch import FirstBatch
from tudui.training.optimizer import Optimizer


@dataclass(frozen=True, kw_only=True)
class LayerStep:
    """One parameter in one step; `entry` is the index of its largest gradient, and the last four values are there."""

    name: str
    shape: tuple[int, ...]
    gradient_before: float | None  # norm; None before the first backward
    norm: float
    mean: float  # of the absolute values
    largest: float
    zeros: float  # share of entries that are exactly 0
    entry: tuple[int, ...]
    weight_before: float
    weight_after: float
    change: float
    rate_times_gradient: float


@dataclass(frozen=True, kw_only=True)
class Step:
    """A whole step on one batch."""

    outputs: list[list[float]]  # [N, K] of the first samples
    targets: list[int]
    loss: float
    batch_losses: list[float]
    batch_size: int
    batches: int  # in an epoch
    dropped: int  # images of an epoch after its last full batch
    optimizer: str
    learning_rate: float
    layers: tuple[LayerStep, ...]


def one_step(batch: FirstBatch, *, samples: int = 4, batches: int = 5) -> Step:
    """Forward, backward and one optimizer step at the peak learning rate."""
    batch_losses = batch.losses_of_batches(batches)
    rate, settings = float(batch.config.optimizer.lr), batch.config.optimizer.model_dump(exclude={"name", "lr"})
    parameters = dict(batch.model.named_parameters())
    gradients = [None if one.grad is None else float(one.grad.norm()) for one in parameters.values()]
    weights = [one.detach().clone() for one in parameters.values()]
    logits = batch.network(batch.images)
    mean = batch.loss(logits, batch.labels).mean()
    mean.backward()
    Optimizer(batch.model, batch.config.optimizer).step()
    return Step(
        outputs=logits.detach()[:samples].tolist(),
        targets=batch.labels[:samples].tolist(),
        loss=float(mean.detach()),
        batch_losses=batch_losses,
        batch_size=len(batch.labels),
        batches=batch.batches,
        dropped=max(0, len(batch.data.train) - batch.batches * batch.config.train.batch_size),
        optimizer=", ".join([batch.config.optimizer.name, *(f"{name} {value}" for name, value in settings.items())]),
        learning_rate=rate,
        layers=tuple(
            _layer(name, parameter, gradient_before, old=old, rate=rate)
            for (name, parameter), gradient_before, old in zip(parameters.items(), gradients, weights, strict=True)
        ),
    )


def _layer(name: str, parameter: Tensor, gradient_before: float | None, *, old: Tensor, rate: float) -> LayerStep:
    gradient, new = parameter.grad, parameter.detach()
    assert gradient is not None
    entry = tuple(int(place) for place in torch.unravel_index(gradient.abs().argmax(), gradient.shape))
    return LayerStep(
        name=name,
        shape=tuple(parameter.shape),
        gradient_before=gradient_before,
        norm=float(gradient.norm()),
        mean=float(gradient.abs().mean()),
        largest=float(gradient.abs().max()),
        zeros=float((gradient == 0).float().mean()),
        entry=entry,
        weight_before=float(old[entry]),
        weight_after=float(new[entry]),
        change=float(new[entry].double() - old[entry].double()),
        rate_times_gradient=rate * float(gradient[entry]),
    )
