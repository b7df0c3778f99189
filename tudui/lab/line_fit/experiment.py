"""The experiment: steps and optimum of every loss, and how far a line follows one point that moves away."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tudui.lab.choice import ChosenLoss, choose_loss
from tudui.lab.curves import curve_label
from tudui.lab.line_fit.data import LineData
from tudui.lab.line_fit.optimum import best_line
from tudui.lab.line_fit.steps import LIMIT, Descent, Line, descend, stability, steps_to

# How far the point moves, in widths of the data; in x it must move far to outweigh all other points.
FARTHEST = {"y": 2.0, "x": 20.0}
PLACES = 31


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One loss: the line after its steps, the best line, and the steps to get near it."""

    label: str
    descent: Descent
    optimum: Line
    steps_to_optimum: int | None
    distance: float | None  # from the line after the steps to the line without outliers
    optimum_distance: float | None


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Every loss on the same points."""

    data: LineData
    steps: int
    rate: float
    stability: float
    reference: Line | None  # the least squares line without outliers; None: no outliers known
    fits: tuple[Fit, ...]
    limit: int = LIMIT  # after this number of steps the optimum counts as not reached

    def values(self) -> dict[str, Any]:
        """Return plain values, as in fits.json."""
        return {
            "points": len(self.data.x),
            "outliers": int(self.data.outliers.sum()),
            "steps": self.steps,
            "learning_rate": self.rate,
            "rate_times_largest_eigenvalue": self.stability,
            "mse_is": "half the mean square",
            "steps_of": "scaled x" if self.data.scaled else "x",
            "limit": self.limit,
            "without_outliers": None if self.reference is None else asdict(self.reference),
            "fits": {
                fit.label: {
                    "after_steps": asdict(fit.descent.line) | {"distance": fit.distance},
                    "optimum": asdict(fit.optimum) | {"distance": fit.optimum_distance},
                    "steps_to_optimum": fit.steps_to_optimum,
                    "losses": list(fit.descent.losses),
                    "zero_residuals": fit.descent.zero_residuals,
                }
                for fit in self.fits
            },
        }


@dataclass(frozen=True, kw_only=True)
class Influence:
    """The distance that each best line moves while the last point moves away from the others."""

    moved: np.ndarray  # [P]
    followed: dict[str, np.ndarray]  # loss -> distance [P] of its line from the first one

    def values(self) -> dict[str, Any]:
        """Return plain values, by loss."""
        return {"moved": self.moved.tolist(), **{label: line.tolist() for label, line in self.followed.items()}}


def run_experiment(losses: Sequence[ChosenLoss], data: LineData, *, steps: int, rate: float) -> Experiment:
    """Fit the line under every loss."""
    reference = None
    if data.unshifted_y is not None:
        reference = best_line(choose_loss("mse"), data.x, data.unshifted_y)
    fits = []
    for chosen in losses:
        descent = descend(chosen, data, steps=steps, rate=rate)
        optimum = best_line(chosen, data.x, data.y)
        fits.append(
            Fit(
                label=curve_label(chosen),
                descent=descent,
                optimum=optimum,
                steps_to_optimum=steps_to(chosen, data, rate=rate, optimum=optimum),
                distance=None if reference is None else distance(descent.line, reference, data.x),
                optimum_distance=None if reference is None else distance(optimum, reference, data.x),
            )
        )
    stable = stability(data, rate=rate)
    return Experiment(data=data, steps=steps, rate=rate, stability=stable, reference=reference, fits=tuple(fits))


def distance(line: Line, other: Line, x: np.ndarray) -> float:
    """Return the vertical distance of two lines, root mean square over the points' x."""
    with np.errstate(over="ignore", invalid="ignore"):  # a line that exploded is infinitely far away
        return float(np.sqrt(np.mean((line.at(x) - other.at(x)) ** 2)))


def influence(losses: Sequence[ChosenLoss], data: LineData, *, axis: str) -> Influence:
    """Move the last point up (axis "y") or to the right (axis "x") and follow each loss's best line.

    Starts from the points without outliers, so that only this point is an outlier.
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
