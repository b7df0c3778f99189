"""The whole experiment: every loss's steps and optimum, and how far a line follows one point that moves away."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tudui.lab.choice import ChosenLoss
from tudui.lab.curves import curve_label
from tudui.lab.line_fit.data import LineData
from tudui.lab.line_fit.optimum import best_line, least_squares
from tudui.lab.line_fit.steps import LIMIT, Descent, Line, descend, stability, steps_to

# How far the one point is moved, in widths of the data: a lever must be long to outweigh all other points.
FARTHEST = {"y": 2.0, "x": 20.0}
PLACES = 31


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One loss: where its steps ended, where they would, and when they come near."""

    label: str
    descent: Descent
    optimum: Line
    steps_to_optimum: int | None
    distance: float | None  # of the line after the steps from the line without outliers
    optimum_distance: float | None


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Every loss on the same points."""

    data: LineData
    steps: int
    rate: float
    stability: float
    reference: Line | None  # the least squares line without outliers
    fits: tuple[Fit, ...]
    limit: int = LIMIT  # steps in which the optimum is looked for

    def values(self) -> dict[str, Any]:
        """Return plain values, as in fits.json."""
        return {
            "points": len(self.data.x),
            "outliers": int(self.data.outliers.sum()),
            "steps": self.steps,
            "learning_rate": self.rate,
            "rate_times_largest_eigenvalue": self.stability,
            "mse_is": "half the mean square",
            "limit": self.limit,
            "without_outliers": None if self.reference is None else _line(self.reference),
            "fits": {
                fit.label: {
                    "after_steps": _line(fit.descent.line) | {"distance": fit.distance},
                    "optimum": _line(fit.optimum) | {"distance": fit.optimum_distance},
                    "steps_to_optimum": fit.steps_to_optimum,
                    "losses": list(fit.descent.losses),
                    "zero_residuals": fit.descent.zero_residuals,
                }
                for fit in self.fits
            },
        }


@dataclass(frozen=True, kw_only=True)
class Influence:
    """How far each best line moves while the last point moves away from the others."""

    moved: np.ndarray  # [P]
    followed: dict[str, np.ndarray]  # loss -> distance [P] of its line from where it was

    def values(self) -> dict[str, Any]:
        """Return plain values."""
        return {"moved": self.moved.tolist(), **{label: line.tolist() for label, line in self.followed.items()}}


def run_experiment(losses: Sequence[ChosenLoss], data: LineData, *, steps: int, rate: float) -> Experiment:
    """Fit the line under every loss."""
    reference = None
    if data.unshifted_y is not None:
        intercept, slope = least_squares(data.x, data.unshifted_y).tolist()
        loss = float(np.mean((data.unshifted_y - intercept - slope * data.x) ** 2)) / 2
        reference = Line(intercept=intercept, slope=slope, loss=loss)
    fits = []
    for chosen in losses:
        descent = descend(chosen, data, steps=steps, rate=rate)
        optimum = best_line(chosen, data.x, data.y)
        fits.append(
            Fit(
                label=curve_label(chosen),
                descent=descent,
                optimum=optimum,
                steps_to_optimum=steps_to(chosen, data, rate=rate, optimum=optimum.loss),
                distance=None if reference is None else distance(descent.line, reference, data.x),
                optimum_distance=None if reference is None else distance(optimum, reference, data.x),
            )
        )
    return Experiment(
        data=data,
        steps=steps,
        rate=rate,
        stability=stability(data, rate=rate),
        reference=reference,
        fits=tuple(fits),
    )


def distance(line: Line, other: Line, x: np.ndarray) -> float:
    """Return the vertical distance of two lines, root mean square over the points' x."""
    with np.errstate(over="ignore", invalid="ignore"):  # a line that exploded is far away, and that is all
        return float(np.sqrt(np.mean((line.at(x) - other.at(x)) ** 2)))


def influence(losses: Sequence[ChosenLoss], data: LineData, *, axis: str) -> Influence:
    """Move the last point up (axis "y") or to the right (axis "x") and follow each loss's best line.

    Starts from the points without outliers, so that nothing but the one point is out of line.
    """
    clean = data.without_outliers
    moved = np.linspace(0, FARTHEST[axis] * np.ptp(clean.x if axis == "x" else clean.y), PLACES)
    followed = {}
    for chosen in losses:
        lines = []
        for amount in moved:
            x, y = clean.x.copy(), clean.y.copy()
            (x if axis == "x" else y)[-1] += amount
            lines.append(best_line(chosen, x, y))
        followed[curve_label(chosen)] = np.array([distance(line, lines[0], clean.x) for line in lines])
    return Influence(moved=moved, followed=followed)


def _line(line: Line) -> dict[str, float]:
    return {"intercept": line.intercept, "slope": line.slope, "loss": line.loss}
