"""Gradient steps of a line under a loss; the gradients come from autograd on the loss that training uses."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tudui.lab.choice import ChosenLoss
from tudui.lab.line_fit.data import LineData

# Half the mean square, whose gradient is the mean of r (1, x). The whole one, torch.nn.MSELoss, is past the
# stability limit at the tutorial's rate: 0.01 x its largest eigenvalue is 2.85, and steps are stable below 2.
FACTORS = {"mse": 0.5}
LIMIT = 10_000  # steps after which the optimum counts as not reached
NEAR = 0.01  # within 1 % of the loss at the optimum


@dataclass(frozen=True, kw_only=True)
class Line:
    """intercept + slope x, and its loss on the data."""

    intercept: float
    slope: float
    loss: float

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return the line's height at x."""
        return np.asarray(self.intercept + self.slope * x)


@dataclass(frozen=True, kw_only=True)
class Descent:
    """What gradient steps from (0, 0) came to."""

    line: Line
    losses: tuple[float, ...]  # before the first step, then after each
    zero_residuals: int  # residuals of exactly 0 met on the way, whose sign is a matter of taste


class LineLoss:
    """The mean loss of a line on given points, as a function of weights (intercept, slope), float64."""

    def __init__(self, chosen: ChosenLoss, x: np.ndarray, y: np.ndarray) -> None:
        self.chosen = chosen
        self.factor = FACTORS.get(chosen.spec.name, 1.0)
        self.design = torch.from_numpy(np.stack([np.ones_like(x), x], axis=1))  # [N, 2]
        self.y = torch.from_numpy(np.array(y, dtype=np.float64))

    def terms(self, prediction: Tensor) -> Tensor:
        """Return the loss of each point [N] for predictions [N]."""
        return self.chosen.elementwise(prediction, self.y) * self.factor

    def __call__(self, weights: Tensor) -> Tensor:
        """Return the mean over the points."""
        return self.terms(self.design @ weights).mean()

    def line(self, weights: np.ndarray) -> Line:
        """Return the line of these weights with its loss."""
        loss = float(self(torch.from_numpy(weights)))
        return Line(intercept=float(weights[0]), slope=float(weights[1]), loss=loss)


def descend(chosen: ChosenLoss, data: LineData, *, steps: int, rate: float) -> Descent:
    """Take gradient steps from (0, 0), each on all points."""
    loss = LineLoss(chosen, data.x, data.y)
    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    losses, zeros = [], 0
    for _ in range(steps):
        value = loss(weights)
        losses.append(float(value.detach()))
        (gradient,) = torch.autograd.grad(value, weights)
        with torch.no_grad():
            zeros += int((loss.design @ weights == loss.y).sum())
            weights -= rate * gradient
    line = loss.line(weights.detach().numpy())
    return Descent(line=line, losses=(*losses, line.loss), zero_residuals=zeros)


def steps_to(chosen: ChosenLoss, data: LineData, *, rate: float, optimum: float, limit: int = LIMIT) -> int | None:
    """Return after how many steps the loss is first within 1 % of the optimum's; None where it is not by the limit."""
    loss = LineLoss(chosen, data.x, data.y)
    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    near_enough = optimum * (1 + NEAR) + 1e-12  # points on one line have an optimum of 0
    for step in range(limit + 1):
        value = loss(weights)
        here = float(value.detach())
        if here <= near_enough:
            return step
        if not np.isfinite(here):
            return None
        (gradient,) = torch.autograd.grad(value, weights)
        with torch.no_grad():
            weights -= rate * gradient
    return None


def stability(data: LineData, *, rate: float) -> float:
    """Return rate x largest eigenvalue of half the mean square; from 2 on its steps explode."""
    design = np.stack([np.ones_like(data.x), data.x], axis=1)
    return float(rate * np.linalg.eigvalsh(design.T @ design / len(data.x))[-1])
