"""The value of a loss, its terms, and its gradient with respect to every input, by autograd in float64."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from tudui.errors import UsageError
from tudui.lab.choice import ChosenLoss
from tudui.losses import build_loss, numbered_classes

Reduction = Literal["mean", "sum", "none"]


@dataclass(frozen=True, kw_only=True)
class LossValue:
    """A loss on given numbers; `value` is None without a reduction, and the gradient then that of each own term."""

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
    """Return a residual loss between numbers of one shape; UsageError where the shapes differ."""
    if inputs.shape != targets.shape:
        raise UsageError(
            f"--input has shape {list(inputs.shape)} and --target {list(targets.shape)}; give one target for each input"
        )
    prediction = torch.from_numpy(inputs).requires_grad_()
    return _value(chosen, prediction, targets, chosen.elementwise(prediction, torch.from_numpy(targets)), reduction)


def class_value(
    chosen: ChosenLoss, logits: np.ndarray, classes: np.ndarray, *, reduction: Reduction = "mean"
) -> LossValue:
    """Return a loss between logits [B, K] and classes int64 [B]; UsageError where the numbers of rows differ."""
    if len(logits) != len(classes):
        raise UsageError(
            f"--input has shape {list(logits.shape)} and --target {list(classes.shape)}; "
            f"give one class for each row of logits"
        )
    inputs = torch.from_numpy(logits).requires_grad_()
    loss = build_loss(chosen.parameters, numbered_classes(logits.shape[1], (1,) * logits.shape[1]))
    terms = loss(inputs, torch.from_numpy(classes))
    return _value(chosen, inputs, classes, terms, reduction, inputs.detach().softmax(1))


def _value(
    chosen: ChosenLoss,
    inputs: Tensor,
    targets: np.ndarray,
    terms: Tensor,
    reduction: Reduction,
    probabilities: Tensor | None = None,
) -> LossValue:
    reduced = terms.mean() if reduction == "mean" else terms.sum()
    (gradient,) = torch.autograd.grad(reduced, inputs)
    if not (terms.isfinite().all() and gradient.isfinite().all() and reduced.isfinite()):
        raise UsageError(
            f"{chosen.label}: these numbers are too large, the loss or its gradient overflows; scale them down"
        )
    return LossValue(
        loss=chosen.label,
        inputs=inputs.detach().numpy(),
        targets=targets,
        parameters=chosen.own_parameters(),
        reduction=reduction,
        value=None if reduction == "none" else float(reduced.detach()),
        terms=terms.detach().numpy(),
        gradient=gradient.numpy(),
        probabilities=None if probabilities is None else probabilities.numpy(),
    )
