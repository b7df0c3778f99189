"""Stratified splits, with the same share of every class."""

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
