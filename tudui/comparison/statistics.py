"""Is one loss better than another? A metric's values over seeds and test samples, paired by both.

Seeds and samples are both drawn at random, so the main interval lets both vary. The values [seeds, samples] are
a two-way crossed random effects design without replicates, known from reader studies in radiology, with readers for our
seeds and cases for our samples: Obuchowski and Rockette 1995, Hillis 2007 (Statistics in Medicine 26, 596-619).
`experiments/simulate_verdicts.py` and, for real-valued metrics, `experiments/simulate_numbers.py` measure how often
verdicts are wrong and intervals contain the truth.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import elementwise

from tudui.tasks import Metric
from tudui.tasks.metric import wilson

ALPHA = 0.05
STEP = 0.05  # of the baseline's value: the margin of a metric that names none
LUCK = 0.05  # the seeds' means are closer than MS_residual alone makes them in this share of cases; they count as that
HEAVY = 0.2  # of a variance: if a real-valued metric has more from one sample, its interval may be too short
SMALLEST = 1e-300  # p

Interval = tuple[float, float]
Values = NDArray[Any]  # of a metric, [..., S seeds, N samples]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean and standard deviation over seeds, in the metric's own unit; one seed has no deviation."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True, kw_only=True)
class Summary(Spread):
    """A metric's mean for one variant; what one seed cannot show is None."""

    interval: Interval | None  # over seeds and test samples
    interval_seeds_only: Interval | None  # these test samples, other seeds; None too if all seeds are the same
    from_one_sample: float | None  # the largest share of the interval's variance that comes from one test sample
    values: tuple[float, ...]  # of each seed


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How many of some runs failed, with the exact interval of 95 % of the rate (Clopper and Pearson 1934)."""

    runs: int
    of: int
    interval: Interval


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A variant minus the baseline, in the metric's own unit; what one seed cannot show is None."""

    difference: float
    sd: float | None  # of the differences, over seeds
    n: int
    interval: Interval | None  # over seeds and test samples
    interval_seeds_only: Interval | None  # these test samples, other seeds; None too if all seeds are the same
    p: float | None  # at which `interval`, of 1 - p instead of 95 %, touches 0
    p_equivalent: float | None  # at which the interval of 1 - 2 p touches the margin from inside; above 0.5 outside it
    identical: bool  # the same value on every sample in every seed
    margin: float  # the smallest difference that matters
    variance_seeds: float | None  # of `difference`, that more seeds would lower
    variance_samples: float | None  # and that only more test samples would
    from_one_sample: float | None  # the largest share of both that comes from one test sample


def summary(values: Values, metric: Metric) -> Summary:
    """Return the mean of a metric's values [S seeds, N samples] with its intervals of 95 %.

    `interval` is mean ± t' SE as in `pair`. For a proportion it is Wilson's score interval for as many independent
    samples as would give the variance that was found, the "effective sample size" of survey statistics (recommended by
    Franco, Little, Louis and Slud 2019, Journal of Survey Statistics and Methodology 7, 334-364). Unlike mean ± error
    it is valid for proportions near 1 too.
    """
    seeds, samples = values.shape
    values = _exact(values)
    sums = values.sum(axis=1)
    mean = float(sums.sum()) / values.size
    interval = share = None
    if seeds > 1:
        seed_part, sample_part = map(float, variance_parts(values))
        share = float(from_one_sample(values, seed_part, sample_part))
        variance = seed_part + sample_part
        quantile = t_quantile(seed_part, sample_part, seeds, samples)
        if metric.proportion:
            effective = mean * (1 - mean) / variance if variance and 0 < mean < 1 else float(samples)
            interval = wilson(mean, effective, quantile)
        else:
            interval = (mean - quantile * math.sqrt(variance), mean + quantile * math.sqrt(variance))
    return Summary(
        mean=mean,
        sd=_sd(sums, samples),
        n=seeds,
        interval=interval,
        interval_seeds_only=_t_interval(sums, samples),
        from_one_sample=share,
        values=tuple((sums / samples).tolist()),
    )


def pair(baseline: Values, variant: Values, metric: Metric, *, margin: float | None = None) -> Difference:
    """Return how `variant` differs from `baseline`, both [S seeds, N >= 2 samples], row s of the same seed s.

    `interval` is difference ± t' SE, where SE² is the sum of `variance_parts` and t' weighs the t quantiles of S - 1
    and N - 1 degrees of freedom by the two parts, as Cochran and Cox 1950 do for two variances estimated apart (option
    COCHRAN of SAS's TTEST), but never narrower than `interval_seeds_only`. It errs to the wide side: with three seeds
    it contains the truth in 94 to 97 % of cases, with Satterthwaite's degrees of freedom in as few as 92 %.

    `p` and `p_equivalent` (two one-sided tests, Schuirmann 1987) come from the same interval. `margin` replaces the
    metric's step, or 5 % of the baseline's value if it has none.
    """
    seeds, samples = variant.shape
    baseline, variant = _exact(baseline), _exact(variant)
    differences = variant - baseline
    sums = differences.sum(axis=1)
    identical = not differences.any()
    if margin is None:
        margin = STEP * abs(float(baseline.mean())) if metric.step is None else metric.step
    difference = float(sums.sum()) / differences.size
    p = p_equivalent = interval = seed_part = sample_part = share = None
    if seeds > 1:
        seed_part, sample_part = map(float, variance_parts(differences))
        share = float(from_one_sample(differences, seed_part, sample_part))
        half = t_quantile(seed_part, sample_part, seeds, samples) * math.sqrt(seed_part + sample_part)
        interval = (difference - half, difference + half)
        p = float(p_value(difference, seed_part, sample_part, seeds, samples))
        p_equivalent = float(p_inside(difference, margin, seed_part, sample_part, seeds, samples))
    return Difference(
        difference=difference,
        sd=_sd(sums, samples),
        n=seeds,
        interval=interval,
        interval_seeds_only=(0.0, 0.0) if identical and seeds > 1 else _t_interval(sums, samples),
        p=p,
        p_equivalent=p_equivalent,
        identical=identical,
        margin=margin,
        variance_seeds=seed_part,
        variance_samples=sample_part,
        from_one_sample=share,
    )


def p_value(difference: Any, seed_part: Any, sample_part: Any, seeds: int, samples: int) -> NDArray[np.float64]:
    """Return the p at which the two-way interval around each difference touches 0; the arguments are broadcast.

    The interval is the wider of two, so p is the larger of theirs: a t test over seeds alone, and the root of
    `t_quantile`'s weighted part, which lies between the p of the two t distributions that it mixes.
    """
    difference, seed_part, sample_part = np.broadcast_arrays(np.abs(difference), seed_part, sample_part)
    error = np.sqrt(seed_part + sample_part)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(error > 0, seed_part / error**2, 1.0)
        t = np.where(error > 0, difference / error, np.where(difference > 0, np.inf, 0.0))
        over_seeds = 2 * stats.t.sf(t / np.sqrt(share), seeds - 1)
        ends = [np.log(np.maximum(2 * stats.t.sf(t, freedom), SMALLEST)) for freedom in (seeds - 1, samples - 1)]
        low, high = np.minimum(*ends) - 1e-9, np.maximum(*ends) + 1e-9

        def too_wide(log_p: Any, share: Any, t: Any) -> Any:
            half = np.exp(log_p) / 2
            return share * stats.t.isf(half, seeds - 1) + (1 - share) * stats.t.isf(half, samples - 1) - t

        found = elementwise.find_root(too_wide, (low, high), args=(share, t))
    over_both = np.exp(np.where(found.success, found.x, low))
    return np.asarray(np.clip(np.maximum(over_seeds, over_both), SMALLEST, 1.0))


def p_inside(
    difference: Any, margin: Any, seed_part: Any, sample_part: Any, seeds: int, samples: int
) -> NDArray[np.float64]:
    """Return the one-sided p of a true difference outside ± margin, broadcast as `p_value`: of the nearer side."""
    inside = margin - np.abs(difference)
    p = p_value(inside, seed_part, sample_part, seeds, samples) / 2
    return np.where(inside > 0, p, 1 - p)


def failure_rate(runs: int, of: int) -> Rate:
    """Return the rate of `runs` failures among `of` >= 1 runs."""
    found = stats.binomtest(runs, of).proportion_ci(1 - ALPHA, method="exact")
    return Rate(runs=runs, of=of, interval=(float(found.low), float(found.high)))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return the p values corrected for their number by Holm's step-down (1979); None stays and does not count."""
    order = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        corrected[place] = largest
    return corrected


def mean_squares(values: Values) -> tuple[Any, Any, Any]:
    """Return the mean squares of seeds, samples and residual of values [..., S >= 2, N >= 2]."""
    values = _exact(values)
    seeds, samples = values.shape[-2:]
    if values.dtype.kind == "f":  # against cancellation
        values = values - values.mean(axis=(-2, -1), keepdims=True)
    total = values.sum(axis=(-2, -1)) ** 2  # each sum of squares below is multiplied by S N
    of_seeds = seeds * np.square(values.sum(axis=-1)).sum(axis=-1) - total
    of_samples = samples * np.square(values.sum(axis=-2)).sum(axis=-1) - total
    rest = seeds * samples * np.square(values).sum(axis=(-2, -1)) - of_seeds - of_samples - total
    freedom = (seeds - 1, samples - 1, (seeds - 1) * (samples - 1))
    squares = (of_seeds, of_samples, rest)
    found = [np.maximum(square, 0) / (seeds * samples * free) for square, free in zip(squares, freedom, strict=True)]
    return found[0], found[1], found[2]


def variance_parts(values: Values) -> tuple[Any, Any]:
    """Return the variance of the mean of values [..., S, N] that more seeds would lower, and that only samples would.

    MS_seeds / SN and (MS_samples - MS_residual) / SN. Their sum is unbiased whenever seeds and samples are each drawn
    independently, whatever the distribution of the values, up to setting a negative second part to 0 (Hillis 2007).
    MS_seeds is at least the 5 % quantile of what MS_residual alone gives: a few equal counts are luck, and do not show
    that seeds have no effect.
    """
    of_seeds, of_samples, rest = mean_squares(values)
    seeds, samples = values.shape[-2:]
    least = rest * stats.chi2.ppf(LUCK, seeds - 1) / (seeds - 1)
    return np.maximum(of_seeds, least) / (seeds * samples), np.maximum(of_samples - rest, 0.0) / (seeds * samples)


def from_one_sample(values: Values, seed_part: Any, sample_part: Any) -> NDArray[np.float64]:
    """Return the largest share of the variance of a mean of values [..., S, N] that comes from one sample.

    The parts are those of `variance_parts`. Means of few very large values are skewed, and t intervals around them too
    short. This share shows it, and is small if the seeds make up most of the variance.
    """
    means = values.mean(axis=-2, dtype=np.float64)
    squares = np.square(means - means.mean(axis=-1, keepdims=True))
    largest, every = squares.max(axis=-1) * sample_part, squares.sum(axis=-1) * (seed_part + sample_part)
    return np.asarray(largest / np.where(every > 0, every, 1.0))


def t_quantile(seed_part: float, sample_part: float, seeds: int, samples: float, alpha: float = ALPHA) -> float:
    """Return t' of `pair`: the half width of the two-way interval of 1 - alpha, in standard errors."""
    of_seeds, of_samples = map(float, stats.t.isf(alpha / 2, [seeds - 1, samples - 1]))
    variance = seed_part + sample_part
    share = seed_part / variance if variance else 1.0
    return max(share * of_seeds + (1 - share) * of_samples, math.sqrt(share) * of_seeds)


def _exact(values: Values) -> Values:
    """Return whole numbers as int64, real ones as float64."""
    return values.astype(np.int64 if values.dtype.kind in "biu" else np.float64, copy=False)


def _sd(sums: NDArray[Any], samples: int) -> float | None:
    if len(sums) < 2:
        return None
    return float(np.std(sums - sums[0], ddof=1)) / samples  # equal ones give exactly 0


def _t_interval(sums: NDArray[Any], samples: int) -> Interval | None:
    sd = _sd(sums, samples)
    if not sd:  # one seed, or all the same: a width of 0 would claim that no seed can differ
        return None
    mean = float(np.mean(sums)) / samples
    half = float(stats.t.isf(ALPHA / 2, len(sums) - 1)) * sd / math.sqrt(len(sums))
    return mean - half, mean + half
