"""What the runs of a comparison came to, from what they left behind."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from tudui.comparison.done import RunRecord
from tudui.comparison.runs import cell_name
from tudui.comparison.statistics import Pair, holm, pair, summary, verdict
from tudui.config.plan import Plan


@dataclass(frozen=True)
class Cell:
    """The runs of one variant at one noise level, by seed."""

    variant: str
    label_noise: float
    runs: tuple[RunRecord, ...]

    @property
    def name(self) -> str:
        """Such as `gce-noise20`."""
        return cell_name(self.variant, self.label_noise)

    @property
    def finished(self) -> tuple[RunRecord, ...]:
        """The runs that did not diverge."""
        return tuple(run for run in self.runs if run.finished)


@dataclass(frozen=True, repr=False)
class Comparison:
    """A comparison that is done: `values` is what comparison.json holds, the rest is what pictures need."""

    values: Mapping[str, Any]
    cells: tuple[Cell, ...]
    folder: Path


def cells_of(records: Sequence[RunRecord], plan: Plan) -> tuple[Cell, ...]:
    """Return the records by noise level and variant, in the plan's order."""
    return tuple(
        Cell(
            variant,
            noise,
            tuple(
                record for record in records if (record.planned.variant, record.planned.label_noise) == (variant, noise)
            ),
        )
        for noise in plan.comparison.label_noise
        for variant in plan.comparison.variants
    )


def collect(
    plan: Plan, records: Sequence[RunRecord], *, folder: Path, command: str, tuning: Sequence[Mapping[str, Any]] = ()
) -> Comparison:
    """Return the comparison of runs that are done."""
    cells = cells_of(records, plan)
    first = records[0].result
    reach = {noise: _accuracy_to_reach(plan, cells, noise) for noise in plan.comparison.label_noise}
    values = {
        "command": command,
        "plan": plan.comparison.model_dump(mode="json") | {"base": _base(plan)},
        "versions": first.versions,
        "hardware": first.hardware.model_dump(),
        "warnings": _warnings(records),
        "test_images": next((len(record.correct) for record in records if record.finished), None),
        "hashes": _hashes(records),
        "rows": [_row(cell, reach[cell.label_noise]) for cell in cells],
        "pairs": list(_pairs(plan, cells)),
        "tuning": list(tuning),
        "timing": {
            "loop_seconds": sum(record.result.timing.seconds for record in records),
            "rows": [_times(cell, reach[cell.label_noise]) for cell in cells],
        },
    }
    return Comparison(values, cells, folder)


def _warnings(records: Sequence[RunRecord]) -> list[str]:
    """Return what runs told their user, and how they differ in what they ran on, each with how many runs it is of."""
    counts = Counter(message for record in records for message in dict.fromkeys(record.warnings))
    found = [f"{message} ({count} of {len(records)} runs)" for message, count in counts.items()]
    for what in ("versions", "hardware"):
        ran_on = [record.result.model_dump(include={what})[what] for record in records]
        kinds = Counter(json.dumps(one, sort_keys=True) for one in ran_on)
        if len(kinds) > 1:
            found.append(f"not held equal, {what}: " + "; ".join(f"{kind} in {n} runs" for kind, n in kinds.items()))
    return found


def _base(plan: Plan) -> dict[str, Any]:
    """Return what all runs have in common."""
    base = plan.base.model_dump(mode="json", exclude={"loss", "expect", "log", "checkpoint"})
    base["data"] = {name: value for name, value in base["data"].items() if name not in ("dir", "cache", "label_noise")}
    base["optimizer"].pop("lr")
    base.pop("seed")
    return base


def _hashes(records: Sequence[RunRecord]) -> dict[str, Any]:
    """Return by noise level and seed what every variant began from; a list where they did not begin from the same."""
    shared: dict[str, Any] = {}
    for record in records:
        planned = record.planned
        slot = shared.setdefault(f"noise{100 * planned.label_noise:g}/seed{planned.seed}", {})
        for name, value in record.hashes.items():
            slot.setdefault(name, [])
            if value not in slot[name]:
                slot[name].append(value)
    return {
        place: {name: seen[0] if len(seen) == 1 else seen for name, seen in slot.items()}
        for place, slot in shared.items()
    }


def _row(cell: Cell, reach: float | None) -> dict[str, Any]:
    finished = cell.finished
    planned = cell.runs[0].planned
    row: dict[str, Any] = {
        "name": cell.name,
        "variant": cell.variant,
        "label_noise": cell.label_noise,
        "loss": planned.config.loss.model_dump(mode="json"),
        "learning_rate": planned.rate,
        "seeds": [run.planned.seed for run in cell.runs],
        "diverged": [run.planned.seed for run in cell.runs if not run.finished],
    }
    if not finished:
        return row | {"accuracy": None}
    tests = [run.test for run in finished if run.test is not None]
    return row | {
        "accuracy": asdict(summary(np.stack([run.correct for run in finished])))
        | {"values": [test["accuracy"] for test in tests]},
        "accuracy_selected": _spread([run.result.best["test_accuracy"] or 0.0 for run in finished if run.result.best]),
        "validation_accuracy": _spread([run.validation[-1][1] for run in finished if run.validation]),
        "nll": _spread([test["nll"] for test in tests]),
        "ece": _spread([test["ece"] for test in tests]),
        "per_class_accuracy": _means([test["per_class_accuracy"] for test in tests]),
        "loss_values": _means([test["losses"] for test in tests]),
        "train": _learned(finished),
        "reach": {"validation_accuracy": reach, "epochs": [_reached(run, reach)[0] for run in finished]},
        "confusion": np.sum([test["confusion"] for test in tests], axis=0).tolist(),
    }


def _spread(values: Sequence[float]) -> dict[str, Any] | None:
    if not values:
        return None
    return {"mean": fmean(values), "sd": stdev(values) if len(values) > 1 else None, "n": len(values)}


def _means(scores: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    means = {}
    for name in scores[0]:
        seen = [value for score in scores if (value := score.get(name)) is not None and math.isfinite(value)]
        means[name] = fmean(seen) if seen else None
    return means


def _learned(runs: Sequence[RunRecord]) -> dict[str, Any] | None:
    """Return the training accuracy on right labels and on those made wrong, mean over the runs."""
    learned = [run.result.train for run in runs if run.result.train]
    if not learned:
        return None
    return {
        "clean": _means([run.clean for run in learned]),
        "flipped": _means([run.flipped for run in learned]),
    }


def _accuracy_to_reach(plan: Plan, cells: Sequence[Cell], noise: float) -> float | None:
    if plan.comparison.reach != "auto":
        return plan.comparison.reach
    baseline = _cell(cells, plan.comparison.baseline, noise)
    last = [run.validation[-1][1] for run in baseline.finished if run.validation]
    return round(0.9 * fmean(last), 2) if last else None


def _reached(run: RunRecord, accuracy: float | None) -> tuple[int | None, float | None]:
    """Return the epoch, and the seconds in the loop, after which validation accuracy was first that high."""
    if accuracy is not None:
        for epoch, value, seconds in run.validation:
            if value >= accuracy:
                return epoch, seconds
    return None, None


def _times(cell: Cell, reach: float | None) -> dict[str, Any]:
    return {
        "name": cell.name,
        "loop_seconds": [run.result.timing.seconds for run in cell.runs],
        "seconds_to_reach": [_reached(run, reach)[1] for run in cell.finished],
    }


def _cell(cells: Sequence[Cell], variant: str, noise: float) -> Cell:
    return next(cell for cell in cells if (cell.variant, cell.label_noise) == (variant, noise))


def _pairs(plan: Plan, cells: Sequence[Cell]) -> Iterator[dict[str, Any]]:
    """Compare each variant with the baseline over the seeds that finished in both, noise level by noise level."""
    for noise in plan.comparison.label_noise:
        baseline = _cell(cells, plan.comparison.baseline, noise)
        others = [cell for cell in cells if cell.label_noise == noise and cell is not baseline]
        compared = [_pair(baseline, cell) for cell in others]
        corrected = holm([None if found is None else found.p for found in compared])
        for cell, found, p_holm in zip(others, compared, corrected, strict=True):
            lost = [
                f"{side.variant} diverged with {len(side.runs) - len(side.finished)} of {len(side.runs)} seeds"
                for side in (cell, baseline)
                if len(side.finished) < len(side.runs)
            ]
            words = "no seed finished in both" if found is None else verdict(found, p_holm)
            yield {
                "variant": cell.variant,
                "baseline": baseline.variant,
                "label_noise": noise,
                **({"difference": None, "n": 0} if found is None else asdict(found)),
                "p_holm": p_holm,
                "verdict": "; ".join([words, *lost]),
            }


def _pair(baseline: Cell, cell: Cell) -> Pair | None:
    by_seed = {run.planned.seed: run.correct for run in baseline.finished}
    both = [(by_seed[run.planned.seed], run.correct) for run in cell.finished if run.planned.seed in by_seed]
    if not both:
        return None
    first, second = zip(*both, strict=True)
    return pair(np.stack(first), np.stack(second))
