"""`--tune lr,loss.delta`: for each variant and noise level, the settings with the best validation score.

The seeds of the tuning runs are not reported. `--lr tuned` chooses the rate alone.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median_low
from typing import NamedTuple, TypeVar

from tudui.comparison.curve import Curve, Sensitivity
from tudui.comparison.done import read_task
from tudui.comparison.runs import Cell, Parameters, PlannedRun, planned_run
from tudui.config.comparison import MOST_BEYOND
from tudui.config.plan import TUNING_SEED, Plan
from tudui.errors import UsageError
from tudui.record import read_result
from tudui.run_folder import RunFolder
from tudui.tasks import Metric

SERIES = (0.5, 1, 2, 5, 10)  # times a power of ten: the rates past an end


class Setting(NamedTuple):
    """What is tried with the same seeds: a rate, and values of the tuned settings that the loss has."""

    rate: float
    parameters: Parameters = ()


T = TypeVar("T", float, Setting)
Round = Iterator[list[PlannedRun]]


class Search:
    """The search for the settings of a plan, in rounds: rates, then each setting of the loss at the best rate.

    First the grid of rates; then, while the best rate is at an end, one past it; then the values of each setting of the
    loss. If there are such settings, rates near the best one follow, until each loss has had the same number of runs.

    Iterate over it for the runs of each round; they must be done in `folder` before the next round is asked for.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.metric: Metric | None = None  # known after the first round
        cells = [(variant, noise) for noise in plan.comparison.levels for variant in plan.comparison.variants]
        self.tried: dict[Cell, dict[Setting, list[float]]] = {cell: {} for cell in cells}  # scores by seed
        self.rate_before: dict[tuple[Cell, str], float] = {}  # at which the values of a setting were tried

    @property
    def curves(self) -> list[Curve]:
        """The settings tried so far, and the best of them."""
        return [self._curve(cell) for cell in self.tried] if self.metric else []

    @property
    def rates(self) -> dict[Cell, float]:
        """The best rate of each variant and noise level."""
        return {(curve.variant, curve.label_noise): curve.chosen for curve in self.curves}

    @property
    def parameters(self) -> dict[Cell, Parameters]:
        """The best settings of each variant's loss at each noise level."""
        return {(curve.variant, curve.label_noise): curve.parameters for curve in self.curves}

    def __iter__(self) -> Round:
        comparison = self.plan.comparison
        own = {cell: self._own_parameters(cell[0]) for cell in self.tried}
        yield from self._round({cell: [Setting(rate, own[cell]) for rate in comparison.rates] for cell in self.tried})
        for _ in range(MOST_BEYOND):
            at_the_edge = {cell: curve for cell in self.tried if (curve := self._curve(cell)).at_the_edge}
            yield from self._round({cell: [self._at(cell, _beyond(curve))] for cell, curve in at_the_edge.items()})
        for name in comparison.tuned_parameters:
            having = [cell for cell in self.tried if name in dict(own[cell])]
            self.rate_before |= {(cell, name): self._best(cell).rate for cell in having}
            yield from self._round({cell: list(self._values(cell, name)) for cell in having})
        while short := [cell for cell in self.tried if len(self.tried[cell]) < comparison.settings_to_try]:
            yield from self._round({cell: [self._at(cell, _near(self._curve(cell)))] for cell in short})

    def _round(self, waiting: Mapping[Cell, Sequence[Setting]]) -> Round:
        """Yield the runs of settings, and read their scores."""
        planned = [
            (cell, one, run) for cell, tries in waiting.items() for one in tries for run in self._runs(cell, one)
        ]
        if not planned:
            return
        yield [run for _, _, run in planned]
        self.metric = read_task(self.folder / planned[0][2].name).metrics[0]
        for cell, setting, run in planned:
            score = _validation_score(self.folder / run.name, self.metric)
            self.tried[cell].setdefault(setting, []).append(score)

    def _runs(self, cell: Cell, setting: Setting) -> Iterator[PlannedRun]:
        """Yield the tuning runs of a variant at a noise level: the same seeds for each setting."""
        for seed in range(TUNING_SEED, TUNING_SEED + self.plan.comparison.tuning_seeds):
            yield planned_run(
                self.plan, *cell, seed=seed, rate=setting.rate, rate_in_name=True, parameters=setting.parameters
            )

    def _own_parameters(self, variant: str) -> Parameters:
        """Return the plan's values of the tuned settings that a variant's loss has."""
        loss = self.plan.comparison.variants[variant]
        names = self.plan.comparison.tuned_parameters
        return tuple((name, float(getattr(loss, name))) for name in names if name in type(loss).model_fields)

    def _best(self, cell: Cell) -> Setting:
        assert self.metric is not None
        return _best(self.tried[cell], self.metric)

    def _at(self, cell: Cell, rate: float) -> Setting:
        return self._best(cell)._replace(rate=rate)

    def _values(self, cell: Cell, name: str) -> Iterator[Setting]:
        """Yield the best setting with each other value of a setting of the loss."""
        best = self._best(cell)
        for value in self.plan.comparison.values_to_try(name):
            one = Setting(best.rate, _with(best.parameters, name, value))
            if one not in self.tried[cell]:
                yield one

    def _curve(self, cell: Cell) -> Curve:
        """Return the scores by rate with the best settings of the loss, and those by each of these settings."""
        assert self.metric is not None
        tried, parameters = self.tried[cell], self._best(cell).parameters
        by_rate = {one.rate: scores for one, scores in tried.items() if one.parameters == parameters}
        over = []
        for name, chosen in parameters:
            if (rate := self.rate_before.get((cell, name))) is None:
                continue
            found = {
                dict(one.parameters)[name]: scores
                for one, scores in tried.items()
                if one.rate == rate and one.parameters == _with(parameters, name, dict(one.parameters)[name])
            }
            values = sorted(found)
            scores = [found[value] for value in values]
            over.append(Sensitivity(name=name, rate=rate, values=values, scores=scores, chosen=chosen))
        runs = sum(map(len, tried.values()))
        return _curve(*cell, by_rate, self.metric, parameters=parameters, runs=runs, over=over)


def _with(parameters: Parameters, name: str, value: float) -> Parameters:
    return tuple((key, value if key == name else own) for key, own in parameters)


def _best(found: Mapping[T, Sequence[float]], metric: Metric) -> T:
    """Return what has the best mean score; of equally good ones, the one in the middle."""
    means = {one: fmean(scores) for one, scores in found.items()}
    best = (max if metric.better == "more" else min)(means.values())
    return median_low(sorted(one for one, mean in means.items() if mean == best))


def _curve(
    variant: str, noise: float, found: Mapping[float, Sequence[float]], metric: Metric, *,
    parameters: Parameters = (), runs: int = 0, over: Sequence[Sensitivity] = (),
) -> Curve:  # fmt: skip
    """Return the scores by rate, and the best rate."""
    rates = sorted(found)
    return Curve(
        variant=variant, label_noise=noise, rates=rates, scores=[found[rate] for rate in rates],
        chosen=_best(found, metric), parameters=parameters, runs=runs, over=over,
    )  # fmt: skip


def _beyond(curve: Curve) -> float:
    """Return the rate after the chosen one, which is an end of the grid: the next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(curve.chosen))
    near = [float(f"{step * power:.6g}") for step in SERIES]
    if curve.chosen == curve.rates[-1]:
        return min(rate for rate in near if rate > curve.chosen)
    return max(rate for rate in near if rate < curve.chosen)


def _near(curve: Curve) -> float:
    """Return a rate near the chosen one: past the end, or in the middle of the wider gap beside it (of logarithms)."""
    if curve.at_the_edge:
        return _beyond(curve)
    place = curve.rates.index(curve.chosen)
    beside = max(curve.rates[place - 1], curve.rates[place + 1], key=lambda rate: abs(math.log(rate / curve.chosen)))
    middle = math.sqrt(beside * curve.chosen)
    short = float(f"{middle:.3g}")
    return middle if short in curve.rates else short


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
