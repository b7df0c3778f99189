"""Is one loss better than another? Accuracies over seeds and test images, paired by both.

Seeds and images are both samples, so the interval that counts lets both vary. The outcomes [seeds, images] are a
two-way crossed random effects design without replicates, known from reader studies in radiology, where readers stand
for our seeds and cases for our images: Obuchowski and Rockette 1995, Hillis 2007 (Statistics in Medicine 26, 596-619).
`experiments/simulate_coverage.py` measures how often the intervals hold.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

ALPHA = 0.05
POWER = 0.8
ONE_POINT = 0.01
MOST_SEEDS = 10_000
AS_GOOD_AS_NORMAL = 1e6  # degrees of freedom; scipy's noncentral t takes no infinity
FEWEST_FOR_SIGN_FLIP = 7  # of fewer, even the smallest possible p, 2 / 2^n, does not survive two comparisons

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The accuracy of one variant, in fractions; what one seed cannot tell is None."""

    mean: float
    sd: float | None  # over seeds
    n: int
    interval: Interval | None  # over seeds and test images
    interval_seeds_only: Interval | None  # these test images, other seeds; None too where all seeds are the same


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A variant minus the baseline, in fractions; what one seed cannot tell is None."""

    difference: float
    sd: float | None  # of the differences, over seeds
    n: int
    interval: Interval | None  # over seeds and test images
    interval_seeds_only: Interval | None  # these test images, other seeds; None too where `constant`
    p: float | None  # paired t test over seeds; where `constant`, the exact sign-flip test
    p_sign_flip: float | None
    identical: bool  # right and wrong on the same images in every seed
    constant: bool  # not identical, but the same difference in every seed: a t test would divide by 0
    seeds_for_one_point: int | None
    more_images_needed: bool  # no number of seeds would show one point on this many test images


def summary(correct: NDArray[np.bool_]) -> Summary:
    """Return the mean accuracy of correct [S seeds, N images] with its intervals of 95 %.

    `interval` is Wilson's score interval for as many independent images as would give the variance that was found, the
    "effective sample size" of survey statistics (recommended by Franco, Little, Louis and Slud 2019, Journal of Survey
    Statistics and Methodology 7, 334-364). Unlike mean ± error it holds for accuracies near 1 as well.
    """
    seeds, images = correct.shape
    counts = correct.sum(axis=1)
    mean = float(counts.sum()) / correct.size
    interval = None
    if seeds > 1:
        seed_part, image_part = variance_parts(correct)
        variance = seed_part + image_part
        quantile = _quantile(seed_part, image_part, seeds, images)
        effective = mean * (1 - mean) / variance if variance and 0 < mean < 1 else float(images)
        interval = _wilson(mean, effective, quantile)
    return Summary(
        mean=mean,
        sd=_sd(counts, images),
        n=seeds,
        interval=interval,
        interval_seeds_only=_t_interval(counts, images),
    )


def pair(baseline: NDArray[np.bool_], variant: NDArray[np.bool_]) -> Pair:
    """Return how `variant` differs from `baseline`, both correct [S seeds, N >= 2 images], row s of the same seed s.

    `interval` is difference ± t' SE, where SE² is the sum of `variance_parts` and t' weighs the t quantiles of S - 1
    and N - 1 degrees of freedom by the two parts, as Cochran and Cox 1950 do for two variances estimated apart (option
    COCHRAN of SAS's TTEST), but never narrower than `interval_seeds_only`. It errs to the wide side: with three seeds
    it holds the truth in 95 to 98 %, whereas with Satterthwaite's degrees of freedom it would in as few as 92 %.

    `p_sign_flip` is exact and needs 7 seeds. Where `constant`, `p` is from that test: 2 / 2^S, or 1 of a difference 0.
    """
    seeds, images = variant.shape
    differences = variant.astype(np.int8) - baseline.astype(np.int8)
    counts = differences.sum(axis=1, dtype=np.int64)
    difference = float(counts.sum()) / differences.size
    identical = not differences.any()
    constant = seeds > 1 and not identical and bool((counts == counts[0]).all())

    p = p_sign_flip = interval = interval_seeds_only = seeds_needed = None
    if seeds > 1:
        seed_part, image_part = variance_parts(differences)
        half = _quantile(seed_part, image_part, seeds, images) * math.sqrt(seed_part + image_part)
        interval = (difference - half, difference + half)
        flipped = sign_flip_test(counts)
        p_sign_flip = flipped if seeds >= FEWEST_FOR_SIGN_FLIP else None
        p = flipped if identical or constant else float(stats.ttest_1samp(counts, 0).pvalue)
        interval_seeds_only = (0.0, 0.0) if identical else _t_interval(counts, images)
        if not identical:
            seeds_needed = seeds_to_see(ONE_POINT, seed_part * seeds, image_part)
    return Pair(
        difference=difference,
        sd=_sd(counts, images),
        n=seeds,
        interval=interval,
        interval_seeds_only=interval_seeds_only,
        p=p,
        p_sign_flip=p_sign_flip,
        identical=identical,
        constant=constant,
        seeds_for_one_point=seeds_needed,
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


def verdict(pair: Pair, p_holm: float | None) -> str:
    """Return what may be said of the variant, `p_holm` being its p after `holm` over all variants.

    "better" or "worse" needs both: p_holm < 0.05, which holds for these test images, and an `interval` without 0, which
    holds for other test images as well. "identical" is a fact and needs no test.
    """
    if pair.identical:
        return "identical"
    if pair.interval is None or p_holm is None:
        return "one seed: no verdict"
    low, high = pair.interval
    if p_holm < ALPHA and (low > 0 or high < 0):
        return "better" if low > 0 else "worse"
    return f"not distinguishable with these {pair.n} seeds"


def mean_squares(values: NDArray[np.generic]) -> tuple[float, float, float]:
    """Return the mean squares of seeds, images and residual of values [S >= 2, N >= 2] of -1, 0 or 1.

    Sums of whole numbers, so that what is 0 comes out as 0.
    """
    whole = values.astype(np.int64)
    seeds, images = whole.shape
    total = int(whole.sum())
    of_seeds = int((whole.sum(axis=1) ** 2).sum())
    of_images = int((whole.sum(axis=0) ** 2).sum())
    of_all = int((whole**2).sum())
    between_seeds = seeds * of_seeds - total**2
    between_images = images * of_images - total**2
    rest = seeds * images * of_all - seeds * of_seeds - images * of_images + total**2
    return (
        between_seeds / (seeds * images * (seeds - 1)),
        between_images / (seeds * images * (images - 1)),
        rest / (seeds * images * (seeds - 1) * (images - 1)),
    )


def variance_parts(values: NDArray[np.generic]) -> tuple[float, float]:
    """Return the variance of the mean of values [S, N] that more seeds would lower, and that which only images would.

    MS_seeds / SN and (MS_images - MS_residual) / SN. Their sum is unbiased whenever seeds and images are each drawn
    independently, whatever the distribution of the values, up to setting a negative second part to 0 (Hillis 2007). The
    first part includes the residual, MS_residual / SN; this takes its place where all seeds have the same mean, an
    accident of counting, for two or three equal counts do not show that seeds are without effect.
    """
    of_seeds, of_images, rest = mean_squares(values)
    return (of_seeds or rest) / values.size, max(of_images - rest, 0.0) / values.size


def sign_flip_test(counts: NDArray[np.int64]) -> float:
    """Return the exact two-sided p of whole-number differences [S]: how many of the 2^S choices of sign reach the sum.

    Sums of whole numbers take few values, so that their distribution is built seed by seed, for any number of seeds.
    """
    chances = np.ones(1)
    for size in np.abs(counts):
        plus_or_minus = np.zeros(len(chances) + 2 * size)
        plus_or_minus[: len(chances)] += chances / 2
        plus_or_minus[2 * size :] += chances / 2
        chances = plus_or_minus
    sums = np.arange(len(chances)) - len(chances) // 2
    return min(1.0, float(chances[np.abs(sums) >= abs(counts.sum())].sum()))


def seeds_to_see(difference: float, seed_variance: float, image_variance: float) -> int | None:
    """Return how many seeds put `difference` outside its `interval` with a chance of 80 %; None if 10,000 do not.

    `seed_variance` is that of one seed's difference, `image_variance` what remains after infinitely many seeds. The
    chance is from a noncentral t with the degrees of freedom of Hillis 2007; without image variance it is the power of
    the paired t test.
    """

    def are_enough(seeds: int) -> bool:
        seed_part = seed_variance / seeds
        variance = seed_part + image_variance
        if not variance:
            return True
        critical = _quantile(seed_part, image_variance, seeds, math.inf)
        freedom = (seeds - 1) * (variance / seed_part) ** 2 if seed_part else math.inf
        chance = stats.nct.sf(critical, min(freedom, AS_GOOD_AS_NORMAL), difference / math.sqrt(variance))
        return bool(chance >= POWER)

    found = bisect_left(range(2, MOST_SEEDS + 1), True, key=are_enough) + 2
    return found if found <= MOST_SEEDS else None


def _quantile(seed_part: float, image_part: float, seeds: int, images: float) -> float:
    of_seeds, of_images = map(float, stats.t.isf(ALPHA / 2, [seeds - 1, images - 1]))
    variance = seed_part + image_part
    share = seed_part / variance if variance else 1.0
    return max(share * of_seeds + (1 - share) * of_images, math.sqrt(share) * of_seeds)


def _wilson(mean: float, number: float, quantile: float) -> Interval:
    shrink = 1 + quantile**2 / number
    centre = (mean + quantile**2 / (2 * number)) / shrink
    half = quantile / shrink * math.sqrt(mean * (1 - mean) / number + (quantile / (2 * number)) ** 2)
    return min(mean, max(0.0, centre - half)), max(mean, min(1.0, centre + half))  # min and max against rounding


def _sd(counts: NDArray[np.int64], images: int) -> float | None:
    return float(np.std(counts, ddof=1)) / images if len(counts) > 1 else None


def _t_interval(counts: NDArray[np.int64], images: int) -> Interval | None:
    sd = _sd(counts, images)
    if not sd:  # one seed, or all the same: a width of 0 would claim that no seed can differ
        return None
    mean = float(np.mean(counts)) / images
    half = float(stats.t.isf(ALPHA / 2, len(counts) - 1)) * sd / math.sqrt(len(counts))
    return mean - half, mean + half
