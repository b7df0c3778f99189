"""Compare each variant with the baseline: differences, p values corrected for their number, flags, verdicts."""

from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from dataclasses import replace
from itertools import combinations, groupby
from typing import NamedTuple

import numpy as np

from tudui.comparison.done import RunRecord
from tudui.comparison.looks import looks_of, p_over_looks, threshold
from tudui.comparison.outcome import Pair, Row
from tudui.comparison.power import needed
from tudui.comparison.statistics import ALPHA, Difference, holm, pair
from tudui.comparison.verdict import Flag, Verdict, verdict
from tudui.config.comparison import ComparisonConfig
from tudui.tasks import Metric
from tudui.tasks.metric import of_each


def values_of(runs: Sequence[RunRecord], metric: Metric) -> np.ndarray:
    """Return a metric's values [S, N] of finished runs."""
    return np.stack([run.predictions[metric.name] for run in runs])


class _Sides(NamedTuple):
    problem: int
    baseline: Row
    row: Row
    metric: Metric


def pairs_of(comparison: ComparisonConfig, rows: Sequence[Row], metric: Metric) -> list[Pair]:
    """Return a pair for each variant and noise level, by level."""
    return pairs_of_problems(comparison, [(rows, metric)])[0]


def pairs_of_problems(
    comparison: ComparisonConfig, problems: Sequence[tuple[Sequence[Row], Metric]]
) -> list[list[Pair]]:
    """Return the pairs of each problem; the family of a report is that of all problems together."""
    sides: list[_Sides] = []
    for problem, (rows, metric) in enumerate(problems):
        for _, group in groupby(rows, key=lambda row: row.label_noise):
            of_level = {row.variant: row for row in group}
            baseline = of_level.pop(comparison.baseline)
            sides += [_Sides(problem, baseline, row, metric) for row in of_level.values()]
    of_problem: list[list[Pair]] = [[] for _ in problems]
    for one, found in zip(sides, _pairs(sides, comparison), strict=True):
        of_problem[one.problem].append(found)
    return of_problem


def every_pair_of(comparison: ComparisonConfig, rows: Sequence[Row], metric: Metric) -> list[Pair]:
    """Return a pair for every two variants of each noise level: corrected for all, so that the best may be chosen."""
    levels = groupby(rows, key=lambda row: row.label_noise)
    sides = [_Sides(0, *both, metric) for _, group in levels for both in combinations(group, 2)]
    return _pairs(sides, comparison)


def _pairs(sides: Sequence[_Sides], comparison: ComparisonConfig) -> list[Pair]:
    families = [(one.problem, one.row.label_noise) if comparison.family == "level" else None for one in sides]
    found = [_difference(one.baseline, one.row, one.metric, comparison.margin) for one in sides]
    claims = [_claims(known, one.baseline, one.row, one.metric) for known, one in zip(found, sides, strict=True)]
    looks = looks_of(comparison)
    p_holm = _corrected([claim and claim[0] for claim in claims], families, looks, sides=2)
    p_equivalent = _corrected([claim and claim[1] for claim in claims], families, looks, sides=1)
    pairs = []
    for one, known, p, p_inside in zip(sides, found, p_holm, p_equivalent, strict=True):
        flags = _flags(one.baseline, one.row)
        pairs.append(
            Pair(
                variant=one.row.variant,
                baseline=one.baseline.variant,
                label_noise=one.row.label_noise,
                metric=one.metric.name,
                found=known,
                p_holm=p,
                p_equivalent_holm=p_inside,
                verdict=verdict(known, p, p_inside, one.metric, flags),
                within_margin=None if p_inside is None else p_inside < ALPHA,
                flags=flags,
            )
        )
    left = Counter(family for family, made in zip(families, pairs, strict=True) if _counts(made))
    return [
        replace(
            made, needed=tuple(needed(made.found, one.row.samples, threshold(ALPHA / left[family], looks, sides=2)))
        )
        if made.found and made.verdict is Verdict.NOT_DISTINGUISHABLE
        else made
        for made, family, one in zip(pairs, families, sides, strict=True)
    ]


def _counts(one: Pair) -> bool:
    """Return whether Holm's method still counts a comparison, beside those that are better or worse already."""
    return one.p_holm is not None and one.verdict not in (Verdict.BETTER, Verdict.WORSE)


def _shared(*sides: Row) -> list[int]:
    """Return the seeds that were run on both sides."""
    return [seed for seed in sides[0].seeds if seed in sides[1].seeds]


def finished_in_both(*sides: Row) -> list[list[RunRecord]]:
    """Return the runs of each side with the seeds that finished on both."""
    seeds = {*_shared(*sides)} - {seed for side in sides for seed in side.diverged}
    return [[run for run in side.runs if run.planned.seed in seeds] for side in sides]


def _difference(baseline: Row, row: Row, metric: Metric, margin: float | None) -> Difference | None:
    """Return the difference over the seeds that finished on both sides; None if there is none."""
    sides = finished_in_both(baseline, row)
    return pair(values_of(sides[0], metric), values_of(sides[1], metric), metric, margin=margin) if sides[0] else None


def _claims(found: Difference | None, baseline: Row, row: Row, metric: Metric) -> tuple[float, float] | None:
    """Return the p of a difference and of equivalence, valid too if runs that diverged are scored at chance."""
    if found is None or found.p is None or found.p_equivalent is None:
        return None
    seeds = _shared(baseline, row)
    if not {*seeds} & {*baseline.diverged, *row.diverged}:
        return found.p, found.p_equivalent
    first, second = (_at_chance(side, seeds, metric) for side in (baseline, row))
    other = pair(first, second, metric, margin=found.margin)
    assert other.p is not None
    assert other.p_equivalent is not None
    same = (other.difference > 0) == (found.difference > 0)
    return max(found.p, other.p) if same else 1.0, max(found.p_equivalent, other.p_equivalent)


def _at_chance(row: Row, seeds: Collection[int], metric: Metric) -> np.ndarray:
    """Return a metric's values [S, N]; a run that diverged has those of a network whose outputs are all equal."""
    import torch

    labels = torch.tensor(row.finished[0].predictions["label"])
    labels = labels if labels.is_floating_point() else labels.long()
    outputs = torch.zeros(len(labels), row.finished[0].task.outputs)
    chance = of_each(metric.of, outputs, labels).numpy()
    return np.stack(
        [run.predictions[metric.name] if run.finished else chance for run in row.runs if run.planned.seed in seeds]
    )


def _corrected(
    p_values: Sequence[float | None], families: Sequence[Hashable], looks: tuple[int, ...], *, sides: int
) -> list[float | None]:
    """Return the p values corrected for the looks and, within each family, by Holm."""
    over = [None if p is None else float(p_over_looks(p, looks, sides=sides)) for p in p_values]
    corrected: list[float | None] = [None] * len(over)
    for family in {*families}:
        places = [place for place, one in enumerate(families) if one == family]
        for place, p in zip(places, holm([over[place] for place in places]), strict=True):
            corrected[place] = p
    return corrected


def _flags(baseline: Row, row: Row) -> tuple[Flag, ...]:
    seeds = {*_shared(baseline, row)}
    failed = {
        Flag.DIVERGED: [*baseline.diverged, *row.diverged],
        Flag.LOST_CLASS: [*baseline.lost_class, *row.lost_class],
    }
    return tuple(flag for flag, found in failed.items() if seeds & {*found})
