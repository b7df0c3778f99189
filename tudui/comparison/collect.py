"""Compute the rows and pairs of a comparison from its finished runs."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from tudui.comparison.curve import Curve
from tudui.comparison.done import RunRecord
from tudui.comparison.folds import together
from tudui.comparison.outcome import Comparison, Means, Row
from tudui.comparison.pairs import finished_in_both, pairs_of, values_of
from tudui.comparison.statistics import HEAVY, Spread, summary
from tudui.config.data_sets import path_in
from tudui.config.plan import Plan
from tudui.events import Evaluated
from tudui.tasks import Metric, metric_named
from tudui.tasks.classes import confusion_from, confusion_rows
from tudui.tasks.numbers import Numbers

SECOND = {"absolute_error": "squared_error", "squared_error": "absolute_error"}  # metric, and the one beside it
MOST_CELLS = 6  # that a warning names
LABELS = ("clean", "flipped")  # of training images: right ones, and those made wrong on purpose
FEWEST_OF_CLASS = 10  # test images


def collect(
    plan: Plan, records: Sequence[RunRecord], *, folder: Path, command: str, tuning: Sequence[Curve] = ()
) -> Comparison:
    """Return the comparison of finished runs; UsageError if their task does not have the plan's metric."""
    first = records[0]
    metric = metric_named(first.task.metrics, plan.comparison.metric, figures=first.task.figures)
    rows = tuple(_rows(plan, together(records, plan.base.data.folds)))
    found = Comparison(
        plan=plan,
        folder=folder,
        command=command,
        task=first.task,
        metric=metric,
        versions=first.result.versions,
        hardware=first.result.hardware,
        warnings=(*_warnings(records), *_chosen_later(plan)),
        hashes=_hashes(records),
        rows=rows,
        pairs=tuple(pairs_of(plan.comparison, rows, metric)),
        tuning=tuple(tuning),
    )
    if metric.name in SECOND:
        found = replace(found, second=_by_second_metric(found))
    heavy = [text for one in (found, found.second) if one for text in _heavy_tailed(one)]
    return replace(found, warnings=(*found.warnings, *heavy))


def _by_second_metric(found: Comparison) -> Comparison:
    """Return a comparison by its second metric; its margin is 5 %, as one in another unit cannot be used."""
    metric = metric_named(found.task.metrics, SECOND[found.metric.name])
    settings = found.plan.comparison.model_copy(update={"metric": metric.name, "margin": None})
    pairs = tuple(pairs_of(settings, found.rows, metric))
    return replace(found, plan=replace(found.plan, comparison=settings), metric=metric, pairs=pairs)


def _warnings(records: Sequence[RunRecord]) -> list[str]:
    """Return the runs' warnings, each with its runs, and differences in versions and hardware.

    Folders of this machine are left out of the paths of data, because reports are given to others.
    """
    data = records[0].planned.config.data
    paths = [path for path in (path_in(data.name)[1], data.labels) if path and Path(path).is_absolute()]
    found: dict[str, Counter[str]] = {}
    for record in records:
        for message in dict.fromkeys(record.warnings):
            for path in paths:
                message = message.replace(path, Path(path).name)
            found.setdefault(message, Counter())[record.planned.cell] += 1
    notes = []
    for message, cells in found.items():
        named = ", ".join(f"{cell} {number}" for cell, number in cells.items())
        where = f": {named}" if cells.total() < len(records) and len(cells) <= MOST_CELLS else ""
        notes.append(f"{message} ({cells.total()} of {len(records)} runs{where})")
    for what in ("versions", "hardware"):
        kinds = Counter(
            json.dumps(record.result.model_dump(include={what})[what], sort_keys=True) for record in records
        )
        if len(kinds) > 1:
            each = "; ".join(f"{kind} in {n} runs" for kind, n in kinds.items())
            notes.append(f"not equal for all runs, {what}: {each}")
    return notes


def _chosen_later(plan: Plan) -> Iterator[str]:
    """Yield a warning if the number of seeds was chosen after a report."""
    if seen := plan.comparison.reported_at:
        yield (
            f"this comparison was reported before, with {' and '.join(map(str, seen))} seeds: if the number "
            "of seeds is chosen after a report, more than 5 % of reports have a false verdict; see --until-decided"
        )


def _heavy_tailed(comparison: Comparison) -> Iterator[str]:
    """Yield a warning if a mean or difference of the real-valued metric of the verdicts varies with one sample."""
    metric, found = comparison.metric, list[tuple[float, str, Sequence[Sequence[RunRecord]]]]()
    if metric.proportion:
        return
    baselines = {row.label_noise: row for row in comparison.rows if row.variant == comparison.baseline}
    for row in comparison.rows:
        known, pair = row.metrics.get(metric.name), comparison.pair_of(row)
        if known and known.from_one_sample:
            found.append((known.from_one_sample, f"the mean of {row.name}", [row.finished]))
        if pair and pair.found and pair.found.from_one_sample:
            both = finished_in_both(row, baselines[row.label_noise])
            found.append((pair.found.from_one_sample, f"{row.name} minus {comparison.baseline}", both))
    share, where, sides = max(found, key=lambda one: one[0], default=(0.0, "", []))
    if share > HEAVY:
        first, *second = (values_of(runs, metric).mean(axis=0) for runs in sides)
        means = first - second[0] if second else first
        sample = _sample_words(sides[0][0], int(np.abs(means - means.mean()).argmax()))
        yield (
            f"{metric.title} has heavy tails: one test {comparison.samples[:-1]} ({sample}) makes up {100 * share:.0f} "
            f"% of the variance of {where}; above {100 * HEAVY:.0f} %, its intervals may be too short, and its "
            "verdicts false in more than 5 % of reports; check that its target is right; more test "
            f"{comparison.samples} help"
        )


def _sample_words(run: RunRecord, position: int) -> str:
    """Return the number of a test sample, counted from 0, and its target if that is one number."""
    task = run.task
    if not isinstance(task, Numbers) or task.outputs > 1:
        return f"#{position}"
    return f"#{position}, {task.names[0]} {task.unit_of(0).text(float(run.predictions['label'][position, 0]))}"


def _hashes(records: Sequence[RunRecord]) -> dict[str, Any]:
    """Return by noise level, seed and fold the hashes of every variant's initial state; a list if they differ."""
    shared: dict[str, dict[str, list[str]]] = {}
    for record in records:
        planned = record.planned
        fold = f"/fold{planned.config.data.fold}" if planned.config.data.folds else ""
        slot = shared.setdefault(f"noise{100 * planned.label_noise:g}/seed{planned.seed}{fold}", {})
        for name, value in record.hashes.items():
            if value not in slot.setdefault(name, []):
                slot[name].append(value)
    return {
        place: {name: seen[0] if len(seen) == 1 else seen for name, seen in slot.items()}
        for place, slot in shared.items()
    }


def _rows(plan: Plan, records: Sequence[RunRecord]) -> Iterator[Row]:
    comparison = plan.comparison
    for noise in comparison.levels:
        by_variant = {
            variant: [run for run in records if (run.planned.variant, run.planned.label_noise) == (variant, noise)]
            for variant in comparison.variants
        }
        ended = [run.validation[-1][1] for run in by_variant[comparison.baseline] if run.finished and run.validation]
        first = records[0].task.metrics[0]
        auto = _nearly(fmean(ended), first) if ended else None
        reach = auto if comparison.reach == "auto" else comparison.reach
        yield from (_row(variant, noise, runs, reach) for variant, runs in by_variant.items())


def _nearly(score: float, metric: Metric) -> float:
    """Return the score to reach for time to a score: a tenth of it worse."""
    return round(0.9 * score, 2) if metric.better == "more" else float(f"{score / 0.9:.3g}")


def _row(variant: str, noise: float, runs: Sequence[RunRecord], reach: float | None) -> Row:
    task, tests = runs[0].task, [run.test for run in runs if run.test]
    finished = [run for run in runs if run.finished]
    best = [run.result.best.get(f"test_{task.metrics[0].name}") for run in finished if run.result.best]
    learned = [run.result.train for run in finished if run.result.train]
    return Row(
        variant=variant,
        label_noise=noise,
        runs=tuple(runs),
        lost_class=_lost_class(finished),
        metrics={metric.name: summary(values_of(finished, metric), metric) for metric in task.metrics if finished},
        figures={
            figure.name: spread
            for figure in task.figures
            if (spread := _spread([test.scores[figure.name] for test in tests]))
        },
        selected=_spread([score for score in best if score is not None]),
        validation=_spread([run.validation[-1][1] for run in finished if run.validation]),
        losses=_means([test.losses for test in tests]),
        details=_pooled(tests),
        learned={kind: _means([getattr(one, kind) for one in learned]) for kind in LABELS} if learned else None,
        reach=reach,
        reached=tuple(_reached(run, reach, task.metrics[0]) for run in finished),
    )


def _lost_class(finished: Sequence[RunRecord]) -> list[int]:
    """Return the seeds of the runs that never predict a class which other runs predict.

    Classes with fewer than 10 test images do not count: not to predict them may be chance. Numbers have no classes.
    """
    if not finished or finished[0].task.kind != "classes":
        return []
    predicted = [set(run.predictions["predicted"].tolist()) for run in finished]
    images = Counter(finished[0].predictions["label"].tolist())
    known = {label for label, number in images.items() if number >= FEWEST_OF_CLASS} & set().union(*predicted)
    return [run.planned.seed for run, seen in zip(finished, predicted, strict=True) if not known <= seen]


def _spread(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    return Spread(mean=fmean(values), sd=stdev(values) if len(values) > 1 else None, n=len(values))


def _means(scores: Sequence[Mapping[str, float | None]]) -> Means:
    means = {}
    for name in scores[0] if scores else ():
        seen = [value for score in scores if (value := score.get(name)) is not None and math.isfinite(value)]
        means[name] = fmean(seen) if seen else None
    return means


def _pooled(tests: Sequence[Evaluated]) -> dict[str, Any]:
    """Return the accuracy of each class, mean over the seeds, and the sum of their confusion matrices."""
    if not tests or "confusion" not in tests[0].details:
        return {}
    cells: dict[int, Counter[int]] = defaultdict(Counter)
    for test in tests:
        for true, row in confusion_rows(test.details).items():
            cells[true] += row
    return {
        "per_class_accuracy": _means([test.details["per_class_accuracy"] for test in tests]),
        "confusion": confusion_from(cells, len(tests[0].details["per_class_accuracy"])),
    }


def _reached(run: RunRecord, score: float | None, metric: Metric) -> tuple[int | None, float | None]:
    """Return the epoch, and the seconds in the loop, after which the validation score was first that good."""
    reached = (
        (epoch, seconds)
        for epoch, value, seconds in run.validation
        if score is not None and (value == score or metric.is_better(value, score))
    )
    return next(reached, (None, None))
