"""What a variant does over several problems: how often it gets which verdict, its mean difference, its mean rank."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tudui.comparison.outcome import Comparison, Pair
from tudui.comparison.statistics import ALPHA, Interval
from tudui.comparison.verdict import Verdict

FEWEST_PROBLEMS = 5  # for a mean: of fewer, the interval is wider than any difference that was found


@dataclass(frozen=True, kw_only=True)
class Mean:
    """The mean over problems of a variant minus the baseline, in the metric's own unit."""

    difference: float
    interval: Interval | None  # 95 %, for other problems of the same kind; None if all differences are equal
    between: float | None  # standard deviation of the true differences between problems; None with one seed
    n: int  # problems


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The results of one variant at one noise level over all problems."""

    variant: str
    label_noise: float
    verdicts: Mapping[Verdict, int] | None  # in how many problems it has which; None for the baseline
    mean: Mean | None  # None for the baseline, and below FEWEST_PROBLEMS
    mean_rank: float | None  # 1 is the best variant; None below FEWEST_PROBLEMS


def hartung_knapp(differences: Any, weights: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weighted mean of differences [..., K problems], and half of its interval of 95 %.

    Its variance is estimated from the differences themselves, with K - 1 degrees of freedom (Hartung and Knapp 2001,
    Statistics in Medicine 20, 3875-3889), so it contains what seeds, test images and problems contribute.
    """
    differences, weights = np.broadcast_arrays(np.asarray(differences, float), np.asarray(weights, float))
    total, freedom = weights.sum(axis=-1), differences.shape[-1] - 1
    mean = (weights * differences).sum(axis=-1) / total
    squares = (weights * (differences - mean[..., None]) ** 2).sum(axis=-1)
    return mean, stats.t.isf(ALPHA / 2, freedom) * np.sqrt(squares / freedom / total)


def mean_difference(differences: Sequence[float], variances: Sequence[float | None]) -> Mean:
    """Return the mean of differences in K >= 2 problems, each with the variance that seeds and images give it.

    All problems have the same weight. Weights 1 / (variance + variance between problems), which are usual, have to be
    estimated from a few seeds, and then exclude the truth in up to 16 % of cases instead of 5 %
    (`experiments/simulate_problems.py`). The variance between problems is Hedges' estimate (1983, Psychological
    Bulletin 93, 388-395): that of the differences minus the mean of `variances`, which needs no weights either.
    """
    mean, half = map(float, hartung_knapp(differences, 1.0))
    known = [variance for variance in variances if variance is not None]
    between = float(np.var(differences, ddof=1)) - fmean(known) if len(known) == len(variances) else None
    return Mean(
        difference=mean,
        interval=(mean - half, mean + half) if half else None,
        between=None if between is None else math.sqrt(max(between, 0.0)),
        n=len(differences),
    )


def have_one_metric(comparisons: Sequence[Comparison]) -> bool:
    """Return whether the differences of comparisons may be averaged: their metric has one name and one unit."""
    return len({(one.metric.name, one.metric.unit) for one in comparisons}) == 1


def tallies(comparisons: Sequence[Comparison]) -> list[Tally]:
    """Return the tally of each variant and noise level, of which the comparisons have the same."""
    first, enough = comparisons[0], have_one_metric(comparisons) and len(comparisons) >= FEWEST_PROBLEMS
    found = []
    for noise in first.noise_levels:
        ranks = [_ranks(one, noise) for one in comparisons]
        for variant in first.plan.comparison.variants:
            pairs = [pair for one in comparisons for pair in one.pairs_at(noise) if pair.variant == variant]
            counts = Counter(pair.verdict for pair in pairs)
            found.append(
                Tally(
                    variant=variant,
                    label_noise=noise,
                    verdicts={verdict: counts[verdict] for verdict in Verdict} if pairs else None,
                    mean=_mean(pairs) if enough else None,
                    mean_rank=fmean(rank[variant] for rank in ranks) if enough else None,
                )
            )
    return found


def _mean(pairs: Sequence[Pair]) -> Mean | None:
    """Return the mean over the problems in which a seed finished in both; None for too few of these."""
    known = [pair.found for pair in pairs if pair.found]
    if len(known) < FEWEST_PROBLEMS:
        return None
    parts = [(one.variance_seeds, one.variance_samples) for one in known]
    variances = [None if seeds is None or images is None else seeds + images for seeds, images in parts]
    return mean_difference([one.difference for one in known], variances)


def _ranks(comparison: Comparison, noise: float) -> dict[str, float]:
    """Return the rank of each variant by its mean, 1 for the best; equal ones share theirs, the diverged are last."""
    metric, rows = comparison.metric, comparison.rows_at(noise)
    sign, last = (-1 if metric.better == "more" else 1), math.inf
    means = [sign * row.metrics[metric.name].mean if row.metrics else last for row in rows]
    return dict(zip((row.variant for row in rows), map(float, stats.rankdata(means)), strict=True))
