"""Chooses δ by shuffled cross-validation: fit on all folds but one, score on that one; every δ has the same folds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from tudui.config import Override
from tudui.errors import UsageError
from tudui.lab.choice import choose_loss
from tudui.lab.line_fit.data import LineData
from tudui.lab.line_fit.optimum import best_line

LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One δ; a score is the median absolute error on a fold that was left out of the fit."""

    delta: float
    scores: tuple[float, ...]  # one per fold

    @property
    def mean(self) -> float:
        """Mean over the folds."""
        return float(np.mean(self.scores))

    @property
    def deviation(self) -> float:
        """Standard deviation over the folds."""
        return float(np.std(self.scores, ddof=1))


@dataclass(frozen=True, kw_only=True)
class ChosenDelta:
    """Every δ, and the best."""

    candidates: tuple[Candidate, ...]
    best: Candidate

    @property
    def alike(self) -> tuple[Candidate, ...]:
        """The other δ whose scores do not differ from those of the best, by a paired t test over the folds."""
        found, best = [], np.array(self.best.scores)
        for one in self.candidates:
            differences = np.array(one.scores) - best
            limit = stats.t.isf(LEVEL / 2, len(best) - 1) * differences.std(ddof=1) / np.sqrt(len(best))
            if one is not self.best and abs(differences.mean()) <= limit:
                found.append(one)
        return tuple(found)

    def values(self) -> dict[str, Any]:
        """Return the plain values of delta.json."""
        return {
            "folds": len(self.best.scores),
            "score": "median absolute error",
            "candidates": [
                {"delta": one.delta, "mean": one.mean, "deviation": one.deviation, "scores": one.scores}
                for one in self.candidates
            ],
            "delta": self.best.delta,
            "not_distinguishable": [one.delta for one in self.alike],
        }


def choose_delta(deltas: Sequence[float], data: LineData, *, folds: int, seed: int) -> ChosenDelta:
    """Return the δ with the least mean score, the smallest of equal ones; UsageError if the folds do not fit the data.

    The score is a median, because the points left out contain outliers too, and these must not choose δ.
    """
    points = len(data.x)
    if points < 4:
        raise UsageError(f"--choose-delta: {points} points are too few; give 4 or more")
    if not 2 <= folds <= points // 2:
        raise UsageError(f"--folds {folds}: must be from 2 to {points // 2} for {points} points")
    parts = np.array_split(np.random.default_rng(seed).permutation(points), folds)
    rest = [np.setdiff1d(np.arange(points), part) for part in parts]
    if any(np.ptp(data.x[kept]) == 0 for kept in rest):
        raise UsageError(f"--folds {folds}: without one of the folds all x are equal; use more folds or more points")
    candidates = []
    for delta in sorted(set(deltas)):
        chosen = choose_loss("huber", overrides=[Override("loss.delta", delta, f"--choose-delta {delta:g}")])
        scores = []
        for part, kept in zip(parts, rest, strict=True):
            line = best_line(chosen, data.x[kept], data.y[kept])
            scores.append(float(np.median(np.abs(data.y[part] - line.at(data.x[part])))))
        candidates.append(Candidate(delta=delta, scores=tuple(scores)))
    return ChosenDelta(candidates=tuple(candidates), best=min(candidates, key=lambda candidate: candidate.mean))
