"""How the runs of a comparison are done, and how long that takes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from tudui.api.configs import Named, one_of
from tudui.comparison import compare as comparisons
from tudui.comparison import problems
from tudui.comparison.executors import Executor, check_jobs, choose_executor, default_jobs
from tudui.comparison.looks import looks_of as looks_of
from tudui.comparison.runs import given_rates, reported_runs
from tudui.comparison.tuning import Search
from tudui.config.plan import Plan
from tudui.config.problems import Grid
from tudui.errors import UsageError
from tudui.losses import registered_here
from tudui.run.disk import beside_free, check_space
from tudui.run.estimate import estimate

ExecutorName = Literal["auto", "local", "stacked", "ray"]


class Forecast(NamedTuple):
    """What the runs of a comparison take."""

    seconds: float  # without loading the package
    starts: int  # how often processes load the package for it
    rates: dict[str, tuple[float, ...]]  # of each variant
    bytes: int
    disk: str  # the same in words, and what is free


@dataclass(frozen=True)
class Arrangement:
    """How the runs of a comparison are done."""

    folder: Path
    executor: Executor
    jobs: int
    runs: int  # at most, if seeds are added until comparisons are decided
    looks: int

    def __str__(self) -> str:
        runs = f"{'at most ' if self.looks > 1 else ''}{self.runs} run{'s' if self.runs > 1 else ''}"
        if self.executor == "ray":
            return f"{runs}, on Ray"
        return f"{runs}, {min(self.jobs, self.runs)} {'in lockstep' if self.executor == 'stacked' else 'at a time'}"

    def estimate(self, plan: Plan) -> Forecast:
        """Return about how long it takes and what it writes; DiskError if the disk is certainly too small for it.

        Worker processes load the package in every stage of the runs; the report takes about as long as one more.
        The rates are those of the first noise level, or all candidates if they are tuned.
        """
        comparisons.check_data(plan)
        comparison = plan.comparison
        if comparison.lr == "tuned":
            runs = next(iter(Search(plan, self.folder)))
            rates = dict.fromkeys(comparison.variants, comparison.rates)
        else:
            given = given_rates(plan)
            runs = list(reported_runs(plan, given))
            rates = {name: (given[name, comparison.levels[0]],) for name in comparison.variants}
        of_first_fold = [run for run in runs if run.config.data.fold == 1]
        first = of_first_fold[: self.jobs] if self.executor == "stacked" else runs[:1]
        found = estimate([run.config for run in first])
        if not self.folder.exists():
            check_space(found.disk, self.folder, len(runs))
        starts = 1 + (0 if self.executor == "stacked" else comparisons.number_of_stages(plan))
        seconds, size = found.whole * math.ceil(self.runs / self.jobs), found.disk.of_all(self.runs)
        return Forecast(seconds, starts, rates, size, beside_free(found.disk, self.folder, self.runs))


def arrange(
    plan: Plan, *, folder: Named | None = None, executor: ExecutorName = "auto", jobs: int | None = None
) -> Arrangement:
    """Return how `compare` would do the runs of a plan; UsageError for an executor or a number of jobs it refuses."""
    one_of("executor", executor, ("auto", "local", "stacked", "ray"))
    check_jobs(executor, jobs)
    place = comparisons.default_folder(plan) if folder is None else Path(folder)
    comparisons.check_folder(place)
    if own := registered_here(variant.name for variant in plan.comparison.variants.values()):
        if executor not in ("auto", "stacked"):
            raise UsageError(
                f"executor={executor!r}: only this process knows the loss {own[0]}; "
                f"use executor='stacked', or put the loss in a package"
            )
        executor = "stacked"
    chosen = choose_executor(plan.base) if executor == "auto" else executor
    runs, looks = comparisons.number_of_runs(plan), len(looks_of(plan.comparison))
    jobs = jobs or default_jobs(plan.base, chosen)
    if chosen == "stacked":  # folds have their own numbers of steps
        jobs = min(jobs, runs // (plan.base.data.folds or 1))
    return Arrangement(place, chosen, jobs, runs, looks)


@dataclass(frozen=True)
class GridArrangement:
    """How the comparisons of a grid are done: one after another."""

    folder: Path
    ways: Mapping[str, Arrangement]  # by problem

    @property
    def runs(self) -> int:
        """The number of runs of all problems."""
        return sum(way.runs for way in self.ways.values())

    def estimate(self, grid: Grid) -> dict[str, Forecast]:
        """Return for each problem what `Arrangement.estimate` does."""
        found = {}
        for name, plan in grid.plans.items():
            with problems.naming(name):
                found[name] = self.ways[name].estimate(plan)
        return found

    def __str__(self) -> str:
        first = next(iter(self.ways.values()))
        all_runs = replace(first, runs=self.runs, jobs=min(first.jobs, first.runs))
        return f"{len(self.ways)} problems, {all_runs}"


def arrange_grid(
    grid: Grid, *, folder: Named | None = None, executor: ExecutorName = "auto", jobs: int | None = None
) -> GridArrangement:
    """Return how `compare` would do the runs of a grid; UsageError as `arrange`."""
    place = problems.default_folder(grid) if folder is None else Path(folder)
    problems.check_grid_folder(place)
    ways = {name: arrange(plan, folder=place / name, executor=executor, jobs=jobs) for name, plan in grid.plans.items()}
    return GridArrangement(place, ways)
