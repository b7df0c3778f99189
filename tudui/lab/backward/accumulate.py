"""Gradients add up until they are zeroed, and backward frees its graph."""

from dataclasses import dataclass

import torch

from tudui.lab.backward.batch import FirstBatch
from tudui.training.gradients import gradients_of, layer_names


@dataclass(frozen=True, kw_only=True)
class Accumulated:
    """One parameter's gradient after one backward, after two, and after zeroing."""

    name: str
    once: float  # norm
    twice: float
    exactly_double: bool  # every entry, bit for bit
    halves: float  # largest difference between two half batches and the whole one, as a share of the largest gradient


@dataclass(frozen=True, kw_only=True)
class Accumulation:
    """Results of repeated backwards."""

    layers: tuple[Accumulated, ...]
    grad_after_zeroing: float | None  # norm of the first parameter's; None: there is no gradient
    freed_graph_error: str
    retained_is_double: bool  # two backwards through one retained graph


def accumulate(batch: FirstBatch) -> Accumulation:
    """Call backward once, again without zeroing, and again through a graph that has been freed."""
    model, copies = batch.model, []
    for _ in range(2):
        batch.mean_loss().backward()
        copies.append([gradient.clone() for gradient in gradients_of(model)])
    once, twice = copies
    model.zero_grad()
    zeroed = next(model.parameters()).grad

    for part in torch.arange(len(batch.labels)).tensor_split(2):
        if len(part):  # each half has the weight of its size
            losses = batch.loss(batch.network(batch.images[part]), batch.labels[part])
            (losses.sum() / len(batch.labels)).backward()
    halves = [gradient.clone() for gradient in gradients_of(model)]
    model.zero_grad()
    mean = batch.mean_loss()
    mean.backward(retain_graph=True)
    mean.backward()
    retained = all(torch.equal(2 * one, both) for one, both in zip(once, gradients_of(model), strict=True))
    try:
        mean.backward()
    except RuntimeError as error:
        freed = str(error)
    else:
        raise AssertionError("the graph was not freed")
    model.zero_grad()
    return Accumulation(
        layers=tuple(
            Accumulated(
                name=name,
                once=float(one.norm()),
                twice=float(two.norm()),
                exactly_double=torch.equal(2 * one, two),
                halves=float((half - one).abs().max() / one.abs().max().clamp(min=1e-30)),
            )
            for name, one, two, half in zip(layer_names(model), once, twice, halves, strict=True)
        ),
        grad_after_zeroing=None if zeroed is None else float(zeroed.norm()),
        freed_graph_error=freed,
        retained_is_double=retained,
    )
