"""What would settle an undecided comparison: how many seeds, or how many test samples."""

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from scipy import stats

from tudui.comparison.statistics import Difference, t_quantile

POWER = 0.8
RANGE = 0.8  # share of the chi-square distribution of the seeds' variance that the range of seeds covers
MOST_SEEDS = 10_000
AS_GOOD_AS_NORMAL = 1e6  # degrees of freedom; scipy's noncentral t takes no infinity


@dataclass(frozen=True, kw_only=True)
class Needed:
    """What detects a true difference of this size with a power of 80 %, after correction."""

    difference: float
    seeds: int | None  # None: 10,000 seeds are not enough on these test samples
    fewest: int | None  # if the seeds' true variance is as small, or as large,
    most: int | None  # as so few seeds allow (80 %)
    samples: int | None  # if seeds are None: with fewer test samples than this, no number of seeds is enough


def needed(found: Difference, samples: int, alpha: float) -> Iterator[Needed]:
    """Yield what would detect the margin and the difference that was found, at level `alpha`."""
    assert found.variance_seeds is not None
    assert found.variance_samples is not None
    of_seed, freedom = found.variance_seeds * found.n, found.n - 1
    tails = ((1 + RANGE) / 2, (1 - RANGE) / 2)
    spread = [of_seed, *(of_seed * freedom / float(stats.chi2.ppf(tail, freedom)) for tail in tails)]
    for difference in (found.margin, abs(found.difference)):
        if not difference:
            continue
        seeds, fewest, most = (seeds_to_see(difference, one, found.variance_samples, alpha) for one in spread)
        error = difference / float(
            stats.norm.isf(alpha / 2) + stats.norm.ppf(POWER)
        )  # that shows it with endless seeds
        enough = math.ceil(found.variance_samples * samples / error**2)
        yield Needed(difference=difference, seeds=seeds, fewest=fewest, most=most, samples=None if seeds else enough)


def seeds_to_see(difference: float, seed_variance: float, sample_variance: float, alpha: float) -> int | None:
    """Return the number of seeds that detects `difference` with a power of 80 % at level `alpha`; None beyond 10,000.

    `seed_variance` is that of one seed's difference, `sample_variance` what remains after infinitely many seeds. The
    power is from a noncentral t with the degrees of freedom of Hillis 2007; without image variance it is the power of
    the paired t test.
    """

    def are_enough(seeds: int) -> bool:
        seed_part = seed_variance / seeds
        variance = seed_part + sample_variance
        if not variance:
            return True
        critical = t_quantile(seed_part, sample_variance, seeds, math.inf, alpha)
        freedom = (seeds - 1) * (variance / seed_part) ** 2 if seed_part else math.inf
        power = stats.nct.sf(critical, min(freedom, AS_GOOD_AS_NORMAL), difference / math.sqrt(variance))
        return bool(power >= POWER)

    found = bisect_left(range(2, MOST_SEEDS + 1), True, key=are_enough) + 2
    return found if found <= MOST_SEEDS else None
