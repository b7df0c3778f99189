"""`tudui.compare`, the report of a comparison, and what one would take."""

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tudui.api.configs import NOTHING, Named, Settings, one_of
from tudui.api.configs import plan as load_plan
from tudui.api.console import messages, note
from tudui.config.plan import Plan
from tudui.errors import UsageError
from tudui.losses import registered_here

if TYPE_CHECKING:
    from rich.console import Console

    from tudui.comparison.executors import Executor
    from tudui.comparison.outcome import Comparison
    from tudui.report import Report

Asked = Literal["auto", "local", "stacked", "ray"]


def compare(
    plan: Plan | Mapping[str, Any] | Named = "compare",
    overrides: Settings = NOTHING,
    *,
    folder: Named | None = None,
    executor: Asked = "auto",
    jobs: int | None = None,
    ray_address: str | None = None,
    progress: "bool | Console" = True,
    command: str | None = None,
) -> "Report":
    """Compare losses: `compare(overrides={"comparison.variants": ["ce", "huber"], "comparison.seeds": 3})`.

    `plan` is a shipped plan's name, a YAML file or a mapping; any config of a run is one. A checked Plan is taken as it
    is, and its notes are not told again. Runs that are done in the folder, by default one below runs/ for the plan, are
    not done again. The report is written beside them. `command` is what a user is told to type to resume.

    `values` of what is returned is the content of comparison.json; accuracies are fractions. UsageError and DataError
    say what is wrong; Interrupted, after Ctrl-C, that everything is saved: the same call goes on.
    """
    loaded = load_plan(plan, overrides)
    way = _arranged(loaded, folder, executor, jobs)
    from tudui.comparison import compare as comparison
    from tudui.comparison.executors import Listener
    from tudui.comparison.progress import progress_display

    if command is None:
        shown = fspath(plan) if isinstance(plan, PathLike) else plan
        command = f"tudui.compare({shown!r}, {overrides!r}, folder={str(way.folder)!r})"
    with ExitStack() as stack:
        listener: Listener = _nothing
        if progress:
            for text in () if loaded is plan else loaded.notes:
                note(text)
            console = messages() if progress is True else progress
            console.print(f"{way}, in {way.folder}", markup=False, soft_wrap=True)
            listener = stack.enter_context(progress_display(console, way.runs))
        found = comparison.compare(
            loaded, way.folder, executor=way.executor, jobs=way.jobs, listener=listener, command=command,
            ray_address=ray_address,
        )  # fmt: skip
    return _reported(found)


def report(folder: Named, *, metric: str | None = None) -> "Report":
    """Write a comparison's report again, without training, and return it; UsageError where runs are missing.

    `metric` gives the verdicts, instead of the one that the plan names.
    """
    return _reported(read_comparison(folder, metric=metric))


def read_comparison(folder: Named, *, metric: str | None = None) -> "Comparison":
    """Return the comparison in a folder, from its runs; nothing is written."""
    from tudui.comparison.compare import read_comparison as read

    return read(Path(folder), metric=metric)


@dataclass(frozen=True)
class Arrangement:
    """How the runs of a comparison are done."""

    folder: Path
    executor: "Executor"
    jobs: int
    runs: int

    def __str__(self) -> str:
        """Return it in words."""
        if self.executor == "ray":
            return f"{self.runs} runs, on Ray"
        together = "in lockstep" if self.executor == "stacked" else "at a time"
        return f"{self.runs} runs, {min(self.jobs, self.runs)} {together}"


@dataclass(frozen=True)
class Estimate:
    """What a comparison would take."""

    way: Arrangement
    seconds: float
    rates: Mapping[str, tuple[float, ...]]  # learning rates of each variant at the first noise level; several: tuned

    @property
    def duration(self) -> str:
        """The seconds as people say them."""
        from tudui.comparison.progress import duration

        return duration(self.seconds)


def estimate(
    plan: Plan | Mapping[str, Any] | Named = "compare",
    overrides: Settings = NOTHING,
    *,
    folder: Named | None = None,
    executor: Asked = "auto",
    jobs: int | None = None,
) -> Estimate:
    """Return how a comparison would be done, and about how many seconds it takes; nothing is written."""
    loaded = load_plan(plan, overrides)
    way = _arranged(loaded, folder, executor, jobs)
    from tudui.comparison.compare import check_metric
    from tudui.comparison.estimate import START_UP, seconds_of
    from tudui.comparison.runs import given_rates, reported_runs, tuning_runs

    check_metric(loaded)
    comparison = loaded.comparison
    if comparison.lr == "tuned":
        runs, rates = tuning_runs(loaded), dict.fromkeys(comparison.variants, comparison.rates)
    else:
        given = given_rates(loaded)
        runs = reported_runs(loaded, given)
        rates = {name: (given[name, comparison.label_noise[0]],) for name in comparison.variants}
    first = runs[: way.jobs] if way.executor == "stacked" else runs[:1]
    return Estimate(way, seconds_of(first) * math.ceil(way.runs / way.jobs) + START_UP, rates)


def _arranged(plan: Plan, folder: Named | None, executor: Asked, jobs: int | None) -> Arrangement:
    one_of("executor", executor, ("auto", "local", "stacked", "ray"))
    from tudui.comparison.compare import check_folder, default_folder, number_of_runs
    from tudui.comparison.executors import check_jobs, choose_executor, default_jobs

    check_jobs(executor, jobs)
    place = default_folder(plan) if folder is None else Path(folder)
    check_folder(place)
    chosen = choose_executor(plan.base) if executor == "auto" else executor
    if own := registered_here(variant.name for variant in plan.comparison.variants.values()):
        if executor not in ("auto", "stacked"):
            raise UsageError(
                f"executor={executor!r}: the loss {own[0]} is known to this process alone; "
                f"take executor='stacked', or make it a package of its own"
            )
        chosen = "stacked"
    return Arrangement(place, chosen, jobs or default_jobs(plan.base, chosen), number_of_runs(plan))


def _reported(found: "Comparison") -> "Report":
    """Write the report and the dashboards of a comparison beside its runs, and say which runs are in neither."""
    from tudui.comparison.compare import left_out
    from tudui.comparison.dashboards import write_dashboards
    from tudui.report import Report, write_report

    write_report(found)
    write_dashboards(found)
    if others := left_out(found):
        note(
            f"{len(others)} runs of earlier calls in {found.folder} are left out of this report, such as {others[0]}; "
            f"ask for their losses and seeds as well to see all in one"
        )
    return Report(**vars(found))


def _nothing(_: object) -> None:
    """Listen to nothing."""
