"""Is one loss better than another? A metric's values over seeds and test samples, paired by both.

Seeds and samples are both drawn at random, so the main interval lets both vary. The values [seeds, samples] are
a two-way crossed random effects design without replicates, known from reader studies in radiology, with readers for our
seeds and cases for our samples: Obuchowski and Rockette 1995, Hillis 2007 (Statistics in Medicine 26, 596-619).
`experiments/simulate_coverage.py` measures how often the intervals contain the truth.

Whole numbers (1 for right, 0 for wrong) are added exactly; sums of real numbers that differ by rounding alone count as
equal.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tudui.tasks import Metric
from tudui.tasks.metric import wilson

ALPHA = 0.05
POWER = 0.8
STEP = 0.05  # of the baseline's value: a difference worth seeing, for a metric that names none
MOST_SEEDS = 10_000
AS_GOOD_AS_NORMAL = 1e6  # degrees of freedom; scipy's noncentral t takes no infinity
FEWEST_FOR_SIGN_FLIP = 7  # with fewer, even the smallest p, 2 / 2^n, is not significant among two comparisons
MOST_FLIPS = 9_999  # of real numbers: all 2^S choices of sign up to 13 seeds; for more seeds this many are drawn
ROUNDING = 1e-7  # of the largest value, as float32 has

Interval = tuple[float, float]
Values = NDArray[Any]  # of a metric, [S seeds, N samples]


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
    values: tuple[float, ...]  # of each seed


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A variant minus the baseline, in the metric's own unit; what one seed cannot show is None."""

    difference: float
    sd: float | None  # of the differences, over seeds
    n: int
    interval: Interval | None  # over seeds and test samples
    interval_seeds_only: Interval | None  # these test samples, other seeds; None too if `constant`
    p: float | None  # paired t test over seeds; if `constant`, the sign-flip test
    p_sign_flip: float | None
    identical: bool  # the same value on every sample in every seed
    constant: bool  # not identical, but the same difference in every seed: a t test would divide by 0
    step: float  # a difference worth seeing
    seeds_for_step: int | None  # to see a difference of `step`
    more_images_needed: bool  # no number of seeds would show `step` on this many test samples


def summary(values: Values, metric: Metric) -> Summary:
    """Return the mean of a metric's values [S seeds, N samples] with its intervals of 95 %.

    `interval` is mean ± t' SE as in `pair`. For a proportion it is Wilson's score interval for as many independent
    samples as would give the variance that was found, the "effective sample size" of survey statistics (recommended by
    Franco, Little, Louis and Slud 2019, Journal of Survey Statistics and Methodology 7, 334-364). Unlike mean ± error
    it is valid for proportions near 1 too.
    """
    seeds, samples = values.shape
    values = _exact(values)
    sums = _sums(values)
    mean = float(sums.sum()) / values.size
    interval = None
    if seeds > 1:
        seed_part, sample_part = variance_parts(values)
        variance = seed_part + sample_part
        quantile = _quantile(seed_part, sample_part, seeds, samples)
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
        values=tuple((sums / samples).tolist()),
    )


def pair(baseline: Values, variant: Values, metric: Metric) -> Difference:
    """Return how `variant` differs from `baseline`, both [S seeds, N >= 2 samples], row s of the same seed s.

    `interval` is difference ± t' SE, where SE² is the sum of `variance_parts` and t' weighs the t quantiles of S - 1
    and N - 1 degrees of freedom by the two parts, as Cochran and Cox 1950 do for two variances estimated apart (option
    COCHRAN of SAS's TTEST), but never narrower than `interval_seeds_only`. It errs to the wide side: with three seeds
    it contains the truth in 95 to 98 % of cases, with Satterthwaite's degrees of freedom in as few as 92 %.

    `p_sign_flip` needs 7 seeds. If `constant`, `p` is from that test: 2 / 2^S, or 1 of a difference 0.
    """
    seeds, samples = variant.shape
    baseline, variant = _exact(baseline), _exact(variant)
    differences = variant - baseline
    sums = _sums(differences)
    identical = not differences.any()
    constant = seeds > 1 and not identical and bool((sums == sums[0]).all())
    step = STEP * abs(float(baseline.mean())) if metric.step is None else metric.step

    difference = float(sums.sum()) / differences.size
    p = p_sign_flip = interval = interval_seeds_only = seeds_needed = None
    if seeds > 1:
        seed_part, sample_part = variance_parts(differences)
        half = _quantile(seed_part, sample_part, seeds, samples) * math.sqrt(seed_part + sample_part)
        interval = (difference - half, difference + half)
        flipped = sign_flip_test(sums)
        p_sign_flip = flipped if seeds >= FEWEST_FOR_SIGN_FLIP else None
        p = flipped if identical or constant else float(stats.ttest_1samp(sums, 0).pvalue)
        interval_seeds_only = (0.0, 0.0) if identical else _t_interval(sums, samples)
        if not identical:
            seeds_needed = seeds_to_see(step, seed_part * seeds, sample_part)
    return Difference(
        difference=difference,
        sd=_sd(sums, samples),
        n=seeds,
        interval=interval,
        interval_seeds_only=interval_seeds_only,
        p=p,
        p_sign_flip=p_sign_flip,
        identical=identical,
        constant=constant,
        step=step,
        seeds_for_step=seeds_needed,
        more_images_needed=seeds > 1 and not identical and seeds_needed is None,
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return the p values corrected for their number by Holm's step-down (1979); None stays and does not count."""
    order = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        corrected[place] = largest
    return corrected


def mean_squares(values: Values) -> tuple[float, float, float]:
    """Return the mean squares of seeds, samples and residual of values [S >= 2, N >= 2]."""
    values = _exact(values)
    seeds, samples = values.shape
    by_seed = _sums(values) / samples
    by_seed = by_seed - by_seed[0]  # equal means give exactly 0
    seed, sample = by_seed - by_seed.mean(), values.mean(axis=0) - values.mean()
    rest = values - values.mean() - seed[:, None] - sample
    squares = [samples * float(seed @ seed), seeds * float(sample @ sample), float(np.square(rest).sum())]
    if values.dtype.kind == "i":  # each is a whole number / values.size: rounding makes them exact, a 0 too
        squares = [round(square * values.size) / values.size for square in squares]
    return squares[0] / (seeds - 1), squares[1] / (samples - 1), squares[2] / ((seeds - 1) * (samples - 1))


def variance_parts(values: Values) -> tuple[float, float]:
    """Return the variance of the mean of values [S, N] that more seeds would lower, and that which only samples would.

    MS_seeds / SN and (MS_samples - MS_residual) / SN. Their sum is unbiased whenever seeds and samples are each drawn
    independently, whatever the distribution of the values, up to setting a negative second part to 0 (Hillis 2007). The
    first part includes the residual, MS_residual / SN, which replaces it if all seeds have the same mean: two or three
    equal counts are chance and do not show that seeds have no effect.
    """
    of_seeds, of_samples, rest = mean_squares(values)
    return (of_seeds or rest) / values.size, max(of_samples - rest, 0.0) / values.size


def sign_flip_test(sums: NDArray[Any]) -> float:
    """Return the two-sided p of differences [S]: the share of the 2^S choices of sign that reaches their sum.

    Exact for whole numbers: their sums take few values, so the distribution is built seed by seed. For real numbers
    exact up to 13 seeds; for more, 9,999 choices are drawn with a fixed random seed.
    """
    if sums.dtype.kind == "f":
        found = stats.permutation_test(
            (sums,),
            lambda values, axis: values.sum(axis=axis),
            permutation_type="samples",
            n_resamples=MOST_FLIPS,
            rng=np.random.default_rng(0),
        )
        return float(found.pvalue)
    chances = np.ones(1)
    for size in np.abs(sums):
        plus_or_minus = np.zeros(len(chances) + 2 * size)
        plus_or_minus[: len(chances)] += chances / 2
        plus_or_minus[2 * size :] += chances / 2
        chances = plus_or_minus
    possible = np.arange(len(chances)) - len(chances) // 2
    return min(1.0, float(chances[np.abs(possible) >= abs(sums.sum())].sum()))


def seeds_to_see(difference: float, seed_variance: float, sample_variance: float) -> int | None:
    """Return the number of seeds that detects `difference` with a power of 80 %; None if 10,000 do not.

    `seed_variance` is that of one seed's difference, `sample_variance` what remains after infinitely many seeds. The
    power is from a noncentral t with the degrees of freedom of Hillis 2007; without image variance it is the power of
    the paired t test.
    """

    def are_enough(seeds: int) -> bool:
        seed_part = seed_variance / seeds
        variance = seed_part + sample_variance
        if not variance:
            return True
        critical = _quantile(seed_part, sample_variance, seeds, math.inf)
        freedom = (seeds - 1) * (variance / seed_part) ** 2 if seed_part else math.inf
        power = stats.nct.sf(critical, min(freedom, AS_GOOD_AS_NORMAL), difference / math.sqrt(variance))
        return bool(power >= POWER)

    found = bisect_left(range(2, MOST_SEEDS + 1), True, key=are_enough) + 2
    return found if found <= MOST_SEEDS else None


def _quantile(seed_part: float, sample_part: float, seeds: int, samples: float) -> float:
    of_seeds, of_samples = map(float, stats.t.isf(ALPHA / 2, [seeds - 1, samples - 1]))
    variance = seed_part + sample_part
    share = seed_part / variance if variance else 1.0
    return max(share * of_seeds + (1 - share) * of_samples, math.sqrt(share) * of_seeds)


def _exact(values: Values) -> Values:
    """Return whole numbers as int64, real ones as float64."""
    return values.astype(np.int64 if values.dtype.kind in "biu" else np.float64, copy=False)


def _sums(values: Values) -> NDArray[Any]:
    """Return the sum of each seed [S]; sums of real numbers that differ by rounding alone are made equal."""
    sums: NDArray[Any] = values.sum(axis=1)
    if sums.dtype.kind == "f" and np.ptp(sums) <= ROUNDING * values.shape[1] * np.abs(values).max():
        sums[:] = sums[0]
    return sums


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
