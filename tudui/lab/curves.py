"""Curves of losses and their derivatives, over the residual and over the true class's probability."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tudui.config.loss_spec import loss_section
from tudui.lab.choice import ChosenLoss
from tudui.losses import build_loss, numbered_classes
from tudui.losses.residual import ResidualParameters
from tudui.style import loss_places

SMALLEST_REACH, LARGEST_REACH = 1e-6, 1e6  # their squares are still far from the bounds of float64
HALF, POINTS = 400, 197  # of a curve: residuals on each side of 0, and probabilities
CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One loss over one axis; all arrays float64 [N]."""

    label: str
    place: np.ndarray  # the residual, or the probability of the true class
    loss: np.ndarray
    derivative: np.ndarray  # with respect to the output, or the true class's logit


def residual_curve(chosen: ChosenLoss, *, label: str, reach: float) -> Curve:
    """Return a residual loss for residuals from -reach to reach."""
    residual = torch.linspace(-reach, reach, 2 * HALF + 1, dtype=torch.float64)
    residual[HALF] = 0.0  # there torch's derivative of |r| is 0
    output = residual.clone().requires_grad_()
    values = chosen.elementwise(output, torch.zeros_like(residual))
    (derivative,) = torch.autograd.grad(values.sum(), output)
    return Curve(label=label, place=residual.numpy(), loss=values.detach().numpy(), derivative=derivative.numpy())


def class_curve(chosen: ChosenLoss, *, label: str) -> Curve:
    """Return the loss of a classifier for probabilities 0.01 to 0.99 of the first of 10 classes, equal for the others.

    A residual loss compares softmax probabilities and sums over the classes with equal weights.
    """
    probability = torch.linspace(0.01, 0.99, POINTS, dtype=torch.float64)
    logits = torch.zeros(POINTS, CLASSES, dtype=torch.float64)
    logits[:, 0] = torch.log(probability / (1 - probability) * (CLASSES - 1))
    logits.requires_grad_()
    parameters = chosen.parameters
    if isinstance(parameters, ResidualParameters):
        given = chosen.own_parameters() | {"name": parameters.name, "input": "probabilities", "true_class_weight": 1.0}
        parameters = type(parameters).model_validate(given)
    values = build_loss(parameters, numbered_classes(CLASSES))(logits, torch.zeros(POINTS, dtype=torch.int64))
    (gradient,) = torch.autograd.grad(values.sum(), logits)
    derivative = gradient[:, 0].numpy()
    return Curve(label=label, place=probability.numpy(), loss=values.detach().numpy(), derivative=derivative)


def curve_label(chosen: ChosenLoss) -> str:
    """Return the name of a curve: the loss and, if it has one, its δ."""
    delta = getattr(chosen.parameters, "delta", None)
    return chosen.label if delta is None or ":" in chosen.label else f"{chosen.label} δ={delta:g}"


def places_of(labels: Iterable[str]) -> dict[str, int]:
    """Return the place of each label's colour, dashes and mark; a label begins with a loss's name."""
    return loss_places({label: loss_section(label.partition(" ")[0])["name"] for label in labels})


def reach_of(chosen: Sequence[ChosenLoss]) -> float:
    """Return the largest residual to draw: 1.5 times the largest δ, at least 3."""
    deltas = [getattr(loss.parameters, "delta", 1.0) for loss in chosen]
    return min(max(3.0, 1.5 * max(deltas, default=1.0)), LARGEST_REACH)
