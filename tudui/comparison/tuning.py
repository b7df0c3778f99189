"""`--lr tuned`: for each variant and noise level, the rate with the best validation score on seeds of its own."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median_low

from tudui.comparison.done import read_task
from tudui.comparison.outcome import Curve
from tudui.comparison.runs import PlannedRun, planned_run
from tudui.config.plan import TUNING_SEED, Plan
from tudui.errors import UsageError
from tudui.record import read_result
from tudui.run_folder import RunFolder
from tudui.tasks import Metric

MOST_BEYOND = 3  # rates tried past an end of the grid
SERIES = (0.5, 1, 2, 5, 10)  # times a power of ten: the rates past an end

Cell = tuple[str, float]  # variant, noise level


class Search:
    """The search for the rates of a plan, in rounds: the grid, then a rate past the end at which the best rate is.

    Iterate over it for the runs of each round; they must be done in `folder` before the next round is asked for.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.curves: list[Curve] = []  # the rates tried so far, and the best of them

    @property
    def rates(self) -> dict[Cell, float]:
        """The best rate of each variant and noise level."""
        return {(curve.variant, curve.label_noise): curve.chosen for curve in self.curves}

    def __iter__(self) -> Iterator[list[PlannedRun]]:
        comparison = self.plan.comparison
        scores: dict[Cell, dict[float, list[float]]] = {
            (variant, noise): {} for noise in comparison.levels for variant in comparison.variants
        }
        waiting = dict.fromkeys(scores, comparison.rates)
        for _ in range(1 + MOST_BEYOND):
            runs = [run for cell, rates in waiting.items() for run in self._runs(cell, rates)]
            yield runs
            metric = read_task(self.folder / runs[0].name).metrics[0]
            for run in runs:
                score = _validation_score(self.folder / run.name, metric)
                scores[run.variant, run.label_noise].setdefault(run.rate, []).append(score)
            self.curves = [_curve(*cell, found, metric) for cell, found in scores.items()]
            waiting = {(curve.variant, curve.label_noise): _beyond(curve) for curve in self.curves if curve.at_the_edge}
            if not waiting:
                return

    def _runs(self, cell: Cell, rates: Sequence[float]) -> Iterator[PlannedRun]:
        """Yield the tuning runs of a variant at a noise level: the same seeds for each rate."""
        seeds = range(TUNING_SEED, TUNING_SEED + self.plan.comparison.tuning_seeds)
        for rate in rates:
            for seed in seeds:
                yield planned_run(self.plan, *cell, seed=seed, rate=rate, rate_in_name=True)


def _curve(variant: str, noise: float, found: Mapping[float, Sequence[float]], metric: Metric) -> Curve:
    """Return the scores by rate, and the rate with the best mean; of equally good ones, the one in the middle."""
    rates = sorted(found)
    means = {rate: fmean(found[rate]) for rate in rates}
    best = (max if metric.better == "more" else min)(means.values())
    chosen = median_low(rate for rate in rates if means[rate] == best)
    return Curve(variant=variant, label_noise=noise, rates=rates, scores=[found[rate] for rate in rates], chosen=chosen)


def _beyond(curve: Curve) -> tuple[float]:
    """Return the rate after the chosen one, which is an end of the grid: the next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(curve.chosen))
    near = [float(f"{step * power:.6g}") for step in SERIES]
    if curve.chosen == curve.rates[-1]:
        return (min(rate for rate in near if rate > curve.chosen),)
    return (max(rate for rate in near if rate < curve.chosen),)


def _validation_score(folder: Path, metric: Metric) -> float:
    """Return the validation score after the last epoch; the worst possible for a run that diverged."""
    result = read_result(RunFolder(folder).result)
    score = None
    if result.status != "diverged":
        if result.validation is None:
            raise UsageError(f"{folder}: too few images for a validation split, which --lr tuned needs")
        score = result.validation.get(metric.name)
    worst = 0.0 if metric.better == "more" else math.inf
    return worst if score is None else score
