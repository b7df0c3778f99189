"""The verdict on a variant against the baseline, as a value; `report/words` has the sentences."""

from collections.abc import Collection
from enum import StrEnum

from tudui.comparison.statistics import ALPHA, Difference
from tudui.tasks import Metric

FEWEST_WITH_LOST_CLASS = 10  # seeds; with fewer, the runs that lost a class decide too much


class Verdict(StrEnum):
    """Every verdict that a pair may have."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNSTABLE = "unstable"
    NOT_DISTINGUISHABLE = "not_distinguishable"
    IDENTICAL = "identical"
    NO_VERDICT = "no_verdict"


class Flag(StrEnum):
    """What makes some runs of a variant or of its baseline unlike the others."""

    DIVERGED = "diverged"
    LOST_CLASS = "lost_class"  # never predicts a class that other runs predict


OPEN = (Verdict.UNSTABLE, Verdict.NOT_DISTINGUISHABLE, Verdict.NO_VERDICT)  # that more seeds may change


def verdict(
    found: Difference | None,
    p_holm: float | None,
    p_equivalent_holm: float | None,
    metric: Metric,
    flags: Collection[Flag] = (),
) -> Verdict:
    """Return the verdict on a difference, by its corrected p values and flags.

    None for `found`: no seed finished in both. "identical" is a fact and needs no test. If runs diverged, both p are
    also valid with the lost runs at chance, and "equivalent" is impossible.
    """
    if found is None:
        return Verdict.NO_VERDICT
    if found.identical:
        return Verdict.IDENTICAL
    if p_holm is None or p_equivalent_holm is None:
        return Verdict.NO_VERDICT
    if Flag.LOST_CLASS in flags and found.n < FEWEST_WITH_LOST_CLASS:
        return Verdict.UNSTABLE
    if p_holm < ALPHA:
        return Verdict.BETTER if (found.difference > 0) == (metric.better == "more") else Verdict.WORSE
    if Flag.DIVERGED in flags:
        return Verdict.UNSTABLE
    return Verdict.EQUIVALENT if p_equivalent_holm < ALPHA else Verdict.NOT_DISTINGUISHABLE
