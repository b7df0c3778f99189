"""Gradient steps of a line under a loss; autograd computes the gradients from the loss that training uses."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import isfinite

import numpy as np
import torch
from torch import Tensor

from tudui.lab.choice import ChosenLoss
from tudui.lab.line_fit.data import LineData

# Half the mean square, whose gradient is the mean of r (1, x). The mean square, torch.nn.MSELoss, is unstable
# at the tutorial's rate: 0.01 x its largest eigenvalue is 2.85, and steps are stable below 2.
FACTORS = {"mse": 0.5}
LIMIT = 10_000  # steps after which the optimum counts as not reached
NEAR = 0.01  # slope and intercept are within 1 % of those of the optimum
LEAST = 0.1  # of the scatter of y: a slope or intercept below it counts as this large, since nothing is near 0


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
    """Results of gradient steps from (0, 0)."""

    line: Line
    losses: tuple[float, ...]  # before the first step, then after each
    zero_residuals: int  # residuals of exactly 0 during the steps; l1 has no gradient there


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

    @classmethod
    def of(cls, chosen: ChosenLoss, data: LineData) -> "LineLoss":
        """Return the loss for gradient steps, of x that is scaled if the data says so."""
        centre, spread = data.scale
        return cls(chosen, (data.x - centre) / spread, data.y)


def unscaled(weights: np.ndarray, centre: float, spread: float) -> np.ndarray:
    """Return (intercept, slope) over x from those over (x - centre) / spread."""
    height, slope = weights
    return np.array([height - slope / spread * centre, slope / spread])


def _descent(loss: LineLoss, rate: float) -> Iterator[tuple[Tensor, float]]:
    """Yield the weights and their loss from (0, 0) on, with a gradient step on all points between two."""
    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    while True:
        value = loss(weights)
        yield weights.detach(), float(value.detach())
        (gradient,) = torch.autograd.grad(value, weights)
        with torch.no_grad():
            weights -= rate * gradient


def descend(chosen: ChosenLoss, data: LineData, *, steps: int, rate: float) -> Descent:
    """Take gradient steps from (0, 0), each on all points."""
    loss = LineLoss.of(chosen, data)
    losses, zeros = [], 0
    for weights, value in islice(_descent(loss, rate), steps + 1):
        losses.append(value)
        if len(losses) <= steps:
            zeros += int((loss.design @ weights == loss.y).sum())
    line = LineLoss(chosen, data.x, data.y).line(unscaled(weights.numpy(), *data.scale))
    return Descent(line=line, losses=tuple(losses), zero_residuals=zeros)


def steps_to(chosen: ChosenLoss, data: LineData, *, rate: float, optimum: Line) -> int | None:
    """Return the steps until slope and intercept are within 1 % of the optimum's; None if LIMIT steps are too few."""
    best, scatter = np.array([optimum.intercept, optimum.slope]), float(data.y.std())
    near = NEAR * np.maximum(np.abs(best), LEAST * scatter * np.array([1.0, 1.0 / data.x.std()])) + 1e-12
    descent = _descent(LineLoss.of(chosen, data), rate)
    for step, (weights, value) in enumerate(islice(descent, LIMIT + 1)):
        if (np.abs(unscaled(weights.numpy(), *data.scale) - best) <= near).all():
            return step
        if not isfinite(value):
            break
    return None


def stability(data: LineData, *, rate: float) -> float:
    """Return rate x largest eigenvalue of half the mean square; at 2 and above, its steps explode."""
    centre, spread = data.scale
    design = np.stack([np.ones_like(data.x), (data.x - centre) / spread], axis=1)
    return float(rate * np.linalg.eigvalsh(design.T @ design / len(data.x))[-1])
