"""`tudui.compare`, the report of a comparison, and how long one takes."""

import math
from contextlib import ExitStack
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tudui.api.configs import NOTHING, Named, PlanSource, Settings, one_of
from tudui.api.configs import plan as load_plan
from tudui.api.console import console_on, note
from tudui.comparison import compare as comparisons
from tudui.comparison.compare import read_comparison as read_comparison
from tudui.comparison.dashboards import write_dashboards
from tudui.comparison.executors import Executor, Listener, check_jobs, choose_executor, default_jobs
from tudui.comparison.looks import looks_of as looks_of
from tudui.comparison.outcome import Comparison
from tudui.comparison.progress import duration as duration
from tudui.comparison.progress import progress_display
from tudui.comparison.runs import given_rates, reported_runs
from tudui.comparison.tuning import Search
from tudui.config.plan import Plan
from tudui.errors import UsageError
from tudui.files import locked
from tudui.losses import registered_here
from tudui.report import Report, write_report
from tudui.run.disk import beside_free, check_space
from tudui.run.estimate import START_UP, estimate
from tudui.run_folder import COMPARISON_LOCK
from tudui.sinks.printable import lasting

if TYPE_CHECKING:
    from rich.console import Console

ExecutorName = Literal["auto", "local", "stacked", "ray"]


class Forecast(NamedTuple):
    """What the runs of a comparison take."""

    seconds: float
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
            rates = {name: (given[name, comparison.label_noise[0]],) for name in comparison.variants}
        first = runs[: self.jobs] if self.executor == "stacked" else runs[:1]
        found = estimate([run.config for run in first])
        if not self.folder.exists():
            check_space(found.disk, self.folder, len(runs))
        seconds = found.whole * math.ceil(self.runs / self.jobs) + START_UP
        size = found.disk.of_all(self.runs)
        return Forecast(seconds, rates, size, beside_free(found.disk, self.folder, self.runs))


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
    return Arrangement(place, chosen, jobs or default_jobs(plan.base, chosen), runs, looks)


def compare(
    plan: PlanSource = "compare",
    overrides: Settings = NOTHING,
    *,
    folder: Named | None = None,
    executor: ExecutorName = "auto",
    jobs: int | None = None,
    ray_address: str | None = None,
    progress: "bool | Console" = True,
    command: str | None = None,
) -> Report:
    """Compare losses: `compare(overrides={"comparison.variants": ["ce", "huber"], "comparison.seeds": 3})`.

    `plan` is a shipped plan's name, a YAML file, a mapping or a Plan; the config of a run is a plan too. Finished runs
    in the folder, by default one below runs/ for the plan, are not repeated. The report is written into the folder.
    `command` is the command that the user is shown for resuming.

    `values` of the result is the content of comparison.json; accuracies are fractions. UsageError and DataError say
    what is wrong; Interrupted, after Ctrl-C, means that everything is saved: the same call resumes.
    """
    loaded = load_plan(plan, overrides)
    way = arrange(loaded, folder=folder, executor=executor, jobs=jobs)
    if command is None:
        shown = fspath(plan) if isinstance(plan, PathLike) else plan
        command = f"tudui.compare({shown!r}, {overrides!r}, folder={str(way.folder)!r})"
    with ExitStack() as stack:
        listener: Listener = _ignore
        if progress:
            console = console_on(stderr=True) if progress is True else progress
            stack.enter_context(lasting(console))
            console.print(f"{way}, in {way.folder}", markup=False, soft_wrap=True)
            listener = stack.enter_context(progress_display(console, way.runs))
        found = comparisons.compare(
            loaded, way.folder, executor=way.executor, jobs=way.jobs, listener=listener, command=command,
            ray_address=ray_address,
        )  # fmt: skip
    return _reported(found)


def _ignore(_: object) -> None:
    """Take progress that nobody sees."""


def report(
    folder: Named,
    *,
    metric: str | None = None,
    margin: float | None = None,
    family: Literal["report", "level"] | None = None,
) -> Report:
    """Write a comparison's report again, without training, and return it; UsageError if runs are missing.

    The verdicts use these instead of the plan's metric, margin and family.
    """
    comparisons.refuse_links_in(Path(folder))
    return _reported(read_comparison(Path(folder), metric=metric, margin=margin, family=family))


def _reported(found: Comparison) -> Report:
    """Write the report and the dashboards of a comparison, and name the runs that are left out."""
    with locked(found.folder / COMPARISON_LOCK, what="a comparison is"):
        write_report(found)
        write_dashboards(found)
    if others := comparisons.left_out(found):
        note(
            f"not in this report: {len(others)} of the runs in {found.folder}, from earlier calls, for example "
            f"{others[0]}; name their losses and seeds too to include them"
        )
    return Report(**vars(found))
