"""The verdict on a variant against the baseline, as a value; `report/words` has the sentences."""

from enum import StrEnum

from tudui.comparison.statistics import ALPHA, Difference
from tudui.tasks import Metric


class Verdict(StrEnum):
    """Every verdict that a pair may have; today's rule gives neither `equivalent` nor `unstable`."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNSTABLE = "unstable"
    NOT_DISTINGUISHABLE = "not_distinguishable"
    IDENTICAL = "identical"
    NO_VERDICT = "no_verdict"


def verdict(found: Difference | None, p_holm: float | None, metric: Metric) -> Verdict:
    """Return the verdict on a difference; `p_holm` is its p after `holm` over all variants.

    "better" or "worse" needs both: p_holm < 0.05, for these test samples, and an `interval` without 0, for other test
    samples too. "identical" is a fact and needs no test. With one seed, or none that finished in both (None), there is
    no verdict.
    """
    if found is None:
        return Verdict.NO_VERDICT
    if found.identical:
        return Verdict.IDENTICAL
    if found.interval is None or p_holm is None:
        return Verdict.NO_VERDICT
    low, high = found.interval
    if p_holm < ALPHA and (low > 0 or high < 0):
        return Verdict.BETTER if (low > 0) == (metric.better == "more") else Verdict.WORSE
    return Verdict.NOT_DISTINGUISHABLE
