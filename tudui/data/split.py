"""Stratified splits and folds, with the same share of every class."""

import torch
from torch import Tensor

from tudui.seeding import derive_seed


def stratified(labels: Tensor, *, share: float, seed: int, purpose: str) -> tuple[Tensor, Tensor]:
    """Return the positions (kept, held out) in ascending order; `share` of each class is held out.

    A class with two or more images has at least one in each.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, purpose))
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        positions = (labels == label).nonzero().flatten()
        count = round(share * len(positions))
        if len(positions) > 1:
            count = min(max(count, 1), len(positions) - 1)
        held_out[positions[torch.randperm(len(positions), generator=generator)[:count]]] = True
    return (~held_out).nonzero().flatten(), held_out.nonzero().flatten()


def folds_of(labels: Tensor, folds: int) -> Tensor:
    """Return the fold, 1 to `folds`, of each position: always the same, and stratified.

    The images of each class are dealt out like cards, one class after the other, so the sizes of two folds, and the
    numbers of images that they have of a class, differ by at most one.
    """
    generator = torch.Generator().manual_seed(derive_seed(0, "folds"))
    of_classes = [(labels == label).nonzero().flatten() for label in labels.unique()]
    order = torch.cat([positions[torch.randperm(len(positions), generator=generator)] for positions in of_classes])
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(order)) % folds + 1)
