"""The value of a loss, its terms, and its gradient by every input, with autograd in float64."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from tudui.config.loss_spec import Loss
from tudui.errors import UsageError
from tudui.lab.choice import ChosenLoss
from tudui.losses import build_loss, numbered_classes

Reduction = Literal["mean", "sum", "none"]


@dataclass(frozen=True, kw_only=True)
class LossValue:
    """A loss on given numbers. Without a reduction `value` is None, and each input has the gradient of its own term."""

    loss: str
    inputs: np.ndarray
    targets: np.ndarray  # of the inputs' shape; [B] for a loss of classes
    parameters: dict[str, Any]
    reduction: Reduction
    value: float | None
    terms: np.ndarray  # of the inputs' shape; [B] for a loss of classes
    gradient: np.ndarray  # of the inputs' shape
    probabilities: np.ndarray | None  # [B, K], for a loss of classes


def value_of(
    chosen: ChosenLoss, inputs: np.ndarray, targets: np.ndarray, *, reduction: Reduction = "mean"
) -> LossValue:
    """Return a loss between numbers of one shape, or between logits [B, K] and classes int64 [B].

    UsageError if there is not one target for each.
    """
    loss: Loss = chosen.elementwise
    needed, each, probabilities = inputs.shape, "target for each input", None
    if not chosen.on_numbers:
        classes = inputs.shape[1]
        loss = build_loss(chosen.parameters, numbered_classes(classes, (1,) * classes))
        needed, each = inputs.shape[:1], "class for each row of logits"
        probabilities = torch.from_numpy(inputs).softmax(1).numpy()
    if targets.shape != needed:
        shapes = f"--input has shape {list(inputs.shape)} and --target {list(targets.shape)}"
        raise UsageError(f"{shapes}; give one {each}")
    leaf = torch.from_numpy(inputs).requires_grad_()
    terms = loss(leaf, torch.from_numpy(targets))
    reduced = terms.mean() if reduction == "mean" else terms.sum()
    (gradient,) = torch.autograd.grad(reduced, leaf)
    if not (terms.isfinite().all() and gradient.isfinite().all() and reduced.isfinite()):
        raise UsageError(f"{chosen.label}: the loss or its gradient overflows; scale these numbers down")
    return LossValue(
        loss=chosen.label,
        inputs=inputs,
        targets=targets,
        parameters=chosen.own_parameters(),
        reduction=reduction,
        value=None if reduction == "none" else float(reduced.detach()),
        terms=terms.detach().numpy(),
        gradient=gradient.numpy(),
        probabilities=probabilities,
    )
