"""Several looks at growing numbers of seeds: `--until-decided`, with an error rate as if there were one look.

A comparison is decided at the first look whose p is small enough. Without correction, each look is another chance for a
wrong verdict. `p_over_looks` corrects p for all of them, with the same threshold at every look (Pocock 1977), here for
t tests of 3, 5, 7, 10 seeds.
"""

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tudui.config.comparison import ComparisonConfig

DEFAULT = (3, 5, 7, 10)  # seeds at each look, up to --max-seeds, which is the last
DRAWS = 8_000  # for each look
GRID = np.logspace(-8, math.log10(0.5), 36)  # smaller p count as the smallest


def looks_of(comparison: ComparisonConfig) -> tuple[int, ...]:
    """Return the numbers of seeds at which verdicts are looked at; without `until_decided` only one."""
    if not comparison.until_decided:
        return (comparison.seeds,)
    return (*(look for look in DEFAULT if look < comparison.max_seeds), comparison.max_seeds)


def p_over_looks(p: Any, looks: tuple[int, ...], *, sides: int) -> NDArray[np.float64]:
    """Return the probability, without a difference, of a p as small as each of these at one of the looks."""
    if len(looks) == 1:
        return np.asarray(p, dtype=float)
    one_sided = np.maximum(np.asarray(p, dtype=float) / sides, GRID[0])
    over = np.exp(np.interp(np.log(one_sided), np.log(GRID), np.log(_on_grid(looks))))
    return np.asarray(np.minimum(sides * over, 1.0))


def threshold(alpha: float, looks: tuple[int, ...], *, sides: int) -> float:
    """Return the p that `p_over_looks` makes `alpha`."""
    if len(looks) == 1:
        return alpha
    return sides * float(np.exp(np.interp(np.log(alpha / sides), np.log(_on_grid(looks)), np.log(GRID))))


@cache
def _on_grid(looks: tuple[int, ...]) -> NDArray[np.float64]:
    """Return for each one-sided p of GRID the probability that the t test of a look has one as small.

    The probability of a union of rare events, by Owen, Maximov and Chertkov 2019 (Electronic Journal of Statistics 13,
    231-263): draw from each event alone; the mean of 1 / (events that the draw is in) is the union as a part of the sum
    of the events. Its relative error is the same for small and large p, below 1 %.
    """
    random = np.random.default_rng(0)
    drawn = [_start(look, looks[-1], random) for look in looks]
    return np.array([p * sum(_share(p, *one, looks) for one in drawn) for p in GRID])


def _start(look: int, most: int, random: np.random.Generator) -> tuple[int, Any, Any, Any, Any]:
    """Return the look and what of its draws does not depend on p: uniform, radius, direction, later seeds."""
    residual = random.standard_normal((DRAWS, look))
    residual -= residual.mean(axis=1, keepdims=True)
    residual /= residual.std(axis=1, ddof=1, keepdims=True)
    radius = np.sqrt(random.chisquare(look, DRAWS))
    return look, random.uniform(size=DRAWS), radius, residual, random.standard_normal((DRAWS, most - look))


def _share(p: float, look: int, uniform: Any, radius: Any, residual: Any, later: Any, looks: tuple[int, ...]) -> float:
    """Return the mean of 1 / (looks with a t as extreme) over draws whose t at `look` is."""
    t = stats.t.isf(p * uniform, look - 1)
    sd = radius / np.sqrt(look - 1 + t**2)  # given t, the squared length of the seeds is chi-square
    values = np.hstack([(t * sd / math.sqrt(look))[:, None] + sd[:, None] * residual, later])
    extreme = np.zeros(len(values))
    for other in looks:
        first = values[:, :other]
        found = first.mean(axis=1) / first.std(axis=1, ddof=1) * math.sqrt(other)
        extreme += True if other == look else found > stats.t.isf(p, other - 1)
    return float((1 / extreme).mean())
