"""The value of a loss, its terms, and its gradient by every input, with autograd in float64."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from tudui.errors import UsageError
from tudui.lab.choice import ChosenLoss
from tudui.losses import build_loss, numbered_classes

if TYPE_CHECKING:
    from tudui.config.loss_spec import Loss

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


def residual_value(
    chosen: ChosenLoss, inputs: np.ndarray, targets: np.ndarray, *, reduction: Reduction = "mean"
) -> LossValue:
    """Return a residual loss between numbers of one shape; UsageError if the shapes differ."""
    if inputs.shape != targets.shape:
        shapes = f"--input has shape {list(inputs.shape)} and --target {list(targets.shape)}"
        raise UsageError(f"{shapes}; give one target for each input")
    return _value(chosen, chosen.elementwise, inputs, targets, reduction)


def class_value(
    chosen: ChosenLoss, logits: np.ndarray, classes: np.ndarray, *, reduction: Reduction = "mean"
) -> LossValue:
    """Return a loss between logits [B, K] and classes int64 [B]; UsageError if the numbers of rows differ."""
    if len(logits) != len(classes):
        shapes = f"--input has shape {list(logits.shape)} and --target {list(classes.shape)}"
        raise UsageError(f"{shapes}; give one class for each row of logits")
    loss = build_loss(chosen.parameters, numbered_classes(logits.shape[1], (1,) * logits.shape[1]))
    return _value(chosen, loss, logits, classes, reduction, torch.from_numpy(logits).softmax(1).numpy())


def _value(
    chosen: ChosenLoss,
    loss: "Loss",
    inputs: np.ndarray,
    targets: np.ndarray,
    reduction: Reduction,
    probabilities: np.ndarray | None = None,
) -> LossValue:
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
