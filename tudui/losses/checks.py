"""Checks for every loss: shapes that torch would broadcast, and labels out of range."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from tudui.config.loss_spec import Loss


def checked(loss: "Loss", name: str, classes: int) -> "Loss":
    """Return the loss with checks of its arguments and of its result's shape; ValueError if one fails."""
    import torch

    def call(logits: "Tensor", labels: "Tensor") -> "Tensor":
        if logits.ndim != 2 or logits.shape[1] != classes or not logits.is_floating_point():
            got = f"{logits.dtype} {list(logits.shape)}"
            raise ValueError(f"{name}: logits must be float [batch, {classes}] (got {got})")
        if labels.dtype != torch.int64 or labels.shape != logits.shape[:1]:
            got = f"{labels.dtype} {list(labels.shape)}"
            raise ValueError(f"{name}: labels must be int64 [{len(logits)}], one per row of logits (got {got})")
        # on a GPU this check would make the CPU wait; the data set's labels were checked when it was loaded
        if labels.device.type == "cpu" and len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
            got = f"{int(labels.min())} to {int(labels.max())}"
            raise ValueError(f"{name}: labels must be from 0 to {classes - 1} (got {got})")
        values = loss(logits, labels)
        if values.shape != labels.shape:
            raise ValueError(f"{name}: must return one value per sample (got {list(values.shape)})")
        return values

    return call
