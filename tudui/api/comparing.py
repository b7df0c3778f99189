"""`tudui.compare`, the report of a comparison, and how long one takes."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tudui.api.arranging import Arrangement as Arrangement
from tudui.api.arranging import ExecutorName
from tudui.api.arranging import GridArrangement as GridArrangement
from tudui.api.arranging import arrange as arrange
from tudui.api.arranging import arrange_grid as arrange_grid
from tudui.api.arranging import looks_of as looks_of
from tudui.api.configs import NOTHING, Named, PlanSource, Settings
from tudui.api.configs import plan as load_plan
from tudui.api.console import console_on, note
from tudui.comparison import compare as comparisons
from tudui.comparison import problems
from tudui.comparison.compare import read_comparison as read_comparison
from tudui.comparison.dashboards import write_dashboards
from tudui.comparison.executors import Listener, Progress
from tudui.comparison.outcome import Comparison
from tudui.comparison.progress import duration as duration
from tudui.comparison.progress import progress_display
from tudui.config.plan import Plan
from tudui.config.problems import Grid
from tudui.errors import UsageError
from tudui.events import Event
from tudui.files import locked
from tudui.language import Language
from tudui.report import ProblemsReport, Report, write_report
from tudui.run_folder import COMPARISON_LOCK, PROBLEMS_LOCK
from tudui.sinks import Sink
from tudui.sinks.printable import lasting
from tudui.sinks.several import Sinks

if TYPE_CHECKING:
    from rich.console import Console


def compare(
    plan: PlanSource = "compare",
    overrides: Settings = NOTHING,
    *,
    folder: Named | None = None,
    executor: ExecutorName = "auto",
    jobs: int | None = None,
    ray_address: str | None = None,
    sinks: Iterable[Sink] | Callable[[str], Iterable[Sink]] = (),
    progress: "bool | Console" = True,
    command: str | None = None,
    language: Language = "en",
) -> Report | ProblemsReport:
    """Compare losses: `compare(overrides={"comparison.variants": ["ce", "huber"], "comparison.seeds": 3})`.

    `plan` is a shipped plan's name, a YAML file, a mapping, a Plan or a Grid; the config of a run is a plan too.
    Finished runs in the folder, by default one below runs/ for the plan, are not repeated. The report is written into
    the folder, in English (`language`: `en`) or in Chinese (`zh`). Each of `sinks` is called in this process with every
    event of the runs that are done now, whose events are mixed if several are done at a time; a function of a run's
    name gives each run its own sinks. They cannot stop a run. `command` is the command that the user is shown for
    resuming.

    `values` of the result is the content of comparison.json; accuracies are fractions. If `network` or `data.name` is a
    list, the result is that of a grid of problems, and `values` that of problems.json. UsageError and DataError say
    what is wrong; Interrupted, after Ctrl-C, means that everything is saved: the same call resumes.
    """
    loaded = load_plan(plan, overrides)
    sinks = sinks if callable(sinks) else list(sinks)
    how: dict[str, Any] = {"ray_address": ray_address, "events": bool(sinks)}
    if executor == "ray" and sinks:
        raise UsageError("sinks: on Ray, events stay on their machine; name a sink in log.sinks, as FILE.py:NAME")
    if not isinstance(loaded, Grid):
        way = arrange(loaded, folder=folder, executor=executor, jobs=jobs)
        how["command"] = command or _call(plan, overrides, way.folder)
        with _shown(way, progress) as listener:
            found = _done(loaded, way, _Audience(listener, sinks), **how)
        return _reported(found, language)
    ways = arrange_grid(loaded, folder=folder, executor=executor, jobs=jobs)
    how["command"] = command or _call(plan, overrides, ways.folder)
    with _shown(ways, progress) as shown, problems.claimed(loaded, ways.folder):
        listener = _Audience(shown, sinks)
        for name, one in loaded.plans.items():
            with problems.naming(name):
                _reported(_done(one, ways.ways[name], _inside(name, listener), **how), language)
        return _reported_problems(problems.read_problems(ways.folder), language)


def _call(plan: PlanSource, overrides: Settings, folder: Path) -> str:
    """Return the call that resumes a comparison from Python."""
    shown = fspath(plan) if isinstance(plan, PathLike) else plan
    return f"tudui.compare({shown!r}, {overrides!r}, folder={str(folder)!r})"


@contextmanager
def _shown(way: Arrangement | GridArrangement, progress: "bool | Console") -> Iterator[Listener]:
    """Print what will be done, and show the progress of the runs until the block ends, if that is wanted."""
    if not progress:
        yield _ignore
        return
    console = console_on(stderr=True) if progress is True else progress
    with lasting(console):
        console.print(f"{way}, in {way.folder}", markup=False, soft_wrap=True)
        with progress_display(console, way.runs) as listener:
            yield listener


def _ignore(_: object) -> None:
    """Take progress that nobody sees."""


def _inside(problem: str, listener: Listener) -> Listener:
    """Return a listener that puts the problem before the names of its runs."""

    def listen(progress: Progress) -> None:
        listener(replace(progress, run=f"{problem}/{progress.run}"))

    return listen


class _Audience:
    """A listener that sends the events of each run to its sinks, too."""

    def __init__(self, listener: Listener, sinks: Iterable[Sink] | Callable[[str], Iterable[Sink]]) -> None:
        self.listener, self.sinks_of = listener, sinks if callable(sinks) else lambda _: sinks
        self.of_run: dict[str, Sinks] = {}

    def __call__(self, progress: Progress) -> None:
        if progress.event is not None:
            self._tell(progress.run, progress.event)
        self.listener(progress)

    def _tell(self, run: str, event: Event) -> None:
        """Send an event to the sinks of its run; one that raises is dropped with a note."""
        if run not in self.of_run:
            self.of_run[run] = Sinks(listeners=self.sinks_of(run))
        sinks = self.of_run[run]
        before = len(sinks.dropped)
        sinks(event)
        if sinks.stopped:
            raise UsageError("sinks: the runs of a comparison are equally long, so a sink cannot stop one")
        note(*(f"{run}: {what}" for what in sinks.dropped[before:]))


def _done(plan: Plan, way: Arrangement, listener: Listener, **how: Any) -> Comparison:
    return comparisons.compare(plan, way.folder, executor=way.executor, jobs=way.jobs, listener=listener, **how)


def report(
    folder: Named,
    *,
    metric: str | None = None,
    margin: float | None = None,
    family: Literal["report", "level"] | None = None,
    language: Language = "en",
) -> Report | ProblemsReport:
    """Write a comparison's report again, or those of a grid, without training; UsageError if runs are missing.

    The verdicts use these instead of the plan's metric, margin and family. The language is not kept in the folder: the
    next report is in English again, unless it is asked for in Chinese (`zh`).
    """
    changed = {"metric": metric, "margin": margin, "family": family}
    if not (Path(folder) / PROBLEMS_LOCK).exists():
        comparisons.refuse_links_in(Path(folder))
        return _reported(read_comparison(Path(folder), **changed), language)
    problems.refuse_links_in_grid(Path(folder))
    found = problems.read_problems(Path(folder), **changed)
    with locked(found.folder / PROBLEMS_LOCK, what="a comparison is"):
        for name in found.comparisons:
            _reported(read_comparison(found.folder / name, **changed), language)
        return _reported_problems(found, language)


def _reported(found: Comparison, language: Language) -> Report:
    """Write the report and the dashboards of a comparison, and name the runs that are left out."""
    with locked(found.folder / COMPARISON_LOCK, what="a comparison is"):
        write_report(found, language)
        write_dashboards(found)
    if others := comparisons.left_out(found):
        note(
            f"not in this report: {len(others)} of the runs in {found.folder}, from earlier calls, for example "
            f"{others[0]}; name their losses and seeds too to include them"
        )
    return Report(**vars(found), language=language)


def _reported_problems(found: problems.Problems, language: Language) -> ProblemsReport:
    """Write the report of a grid that this process has locked, and name the problems that are left out."""
    write_report(found, language)
    if others := problems.left_out(found):
        note(f"not in this report: {', '.join(others)}, from earlier calls; name their networks and data sets too")
    return ProblemsReport(folder=found.folder, command=found.command, comparisons=found.comparisons, language=language)
