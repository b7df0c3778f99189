"""`compare`: do the runs of a plan, or those that its folder does not contain yet, and compare them."""

import hashlib
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any

from tudui.comparison.collect import collect
from tudui.comparison.done import check_test_images, read_runs
from tudui.comparison.executors import Executor, Listener, done_before, execute
from tudui.comparison.folds import together
from tudui.comparison.looks import looks_of
from tudui.comparison.outcome import Comparison
from tudui.comparison.runs import NOTHING_ELSE, Cell, Parameters, PlannedRun, Rates, given_rates, reported_runs
from tudui.comparison.tuning import Search
from tudui.comparison.variance import Explained, explain, runs_of_sources
from tudui.comparison.verdict import OPEN
from tudui.config.again import PLAN, check_allowed, comparing
from tudui.config.comparison import MOST_BEYOND
from tudui.config.data_sets import default_name
from tudui.config.own_code import OwnCode, own_object
from tudui.config.plan import Plan, load_plan, plan_yaml
from tudui.data import Dataset, load_data
from tudui.errors import ConfigError, Interrupted, TuduiError, UsageError
from tudui.files import check_writable, disk_errors, locked, refuse_links, remove_left, write_text
from tudui.losses import build_loss
from tudui.run.disk import check_space, disk_need
from tudui.run_folder import COMPARISON_LOCK, is_comparison
from tudui.tasks import metric_named
from tudui.training.device import resolve_machine
from tudui.training.state import new_state

RUNS, TUNING, VARIANCE, TENSORBOARD = "runs", "tuning", "variance", "tensorboard"


def compare(
    plan: Plan,
    folder: Path,
    *,
    executor: Executor,
    jobs: int,
    listener: Listener,
    command: str,
    ray_address: str | None = None,
    events: bool = False,
) -> Comparison:
    """Do every run of the plan that is not done, and return their comparison.

    With `events`, the listener is called for every event of the runs, in this process; not possible on Ray.
    Nothing in the folder changes if it contains something else, or runs of another config.
    """
    search = Search(plan, folder / TUNING)
    waiting = waiting_runs(plan, folder)
    _check_same_data(*next(_stages(search, folder)))
    if waiting or plan.comparison.metric is not None or plan.comparison.margin is not None:
        data = check_data(plan)
        if waiting:
            config, _ = resolve_machine(waiting[0].config.model_copy(update={"device": "cpu"}))
            check_space(disk_need(config, new_state(config, data), data, whole=False), folder, len(waiting))
    is_new = not folder.exists()
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / COMPARISON_LOCK, what="a comparison is"):
        with disk_errors(folder):
            (folder / RUNS).mkdir(exist_ok=True)
        remove_left(folder, *(folder / name for name in (RUNS, TUNING, VARIANCE, "pictures")))
        write_text(folder / PLAN, plan_yaml(_with_earlier_reports(plan, folder)))
        run_all = partial(
            execute, executor=executor, jobs=jobs, listener=listener, ray_address=ray_address, events=events
        )
        try:
            for runs, place in _stages(search, folder):
                _waiting(runs, place)
                run_all(runs, place)
        except (Interrupted, KeyboardInterrupt) as error:
            state = "stopped at the last checkpoints"
            if isinstance(error, Interrupted):
                state = f"stopped, but {error.lost}" if error.lost else "stopped, everything saved"
            number = getattr(error, "signal_number", signal.SIGINT)
            raise Interrupted(f"{state}; to resume, type: {command}", signal_number=number) from None
        except TuduiError:
            if is_new and not any(path.is_dir() for path in folder.glob("*/*")):  # no run began
                rmtree(folder, ignore_errors=True)
            raise
    return read_comparison(folder)


def waiting_runs(plan: Plan, folder: Path) -> list[PlannedRun]:
    """Return the runs to do next; TuduiError if the folder has something else, or other runs."""
    check_folder(folder)
    stages = _stages(Search(plan, folder / TUNING), folder)
    return next(filter(None, (_waiting(runs, place) for runs, place in stages)), [])


def _stages(search: Search, folder: Path) -> Iterator[tuple[Sequence[PlannedRun], Path]]:
    """Yield runs and their folder: each round of the tuning, the reported runs, those that explain the variance.

    The runs of one stage must be done before the next stage is asked for.
    """
    plan = search.plan
    tuned = plan.comparison.lr == "tuned"
    if tuned:
        for tried in search:
            yield tried, search.folder
    rates, reported = search.rates if tuned else given_rates(plan), tuple[PlannedRun, ...]()
    while reported != (runs := runs_so_far(plan, rates, folder, search.parameters)):
        yield runs, folder / RUNS
        reported = runs
    if plan.comparison.explain_variance:
        yield [run for runs in runs_of_sources(plan, reported).values() for run in runs], folder / VARIANCE


def runs_so_far(
    plan: Plan, rates: Rates, folder: Path, parameters: Mapping[Cell, Parameters] = NOTHING_ELSE
) -> tuple[PlannedRun, ...]:
    """Return the runs to report, as far as the finished ones decide which.

    With `until_decided`, each comparison has the seeds of the first look that decides it, or of the last.
    """
    looks = looks_of(plan.comparison)
    seeds = dict.fromkeys(rates, looks[0])
    for more in looks[1:]:
        runs = reported_runs(plan, rates, seeds, parameters)
        if not all(done_before(run, folder / RUNS) for run in runs):
            return runs
        pairs = collect(plan, read_runs(runs, folder / RUNS), folder=folder, command="").pairs
        undecided = [pair for pair in pairs if pair.verdict in OPEN]
        if not undecided:
            return runs
        seeds |= {(name, pair.label_noise): more for pair in undecided for name in (pair.variant, pair.baseline)}
    return reported_runs(plan, rates, seeds, parameters)


def _with_earlier_reports(plan: Plan, folder: Path) -> Plan:
    """Return the plan with the numbers of seeds at which the folder was reported before, if they are other ones."""
    if not (folder / "comparison.json").exists() or not (folder / PLAN).exists():
        return plan
    try:
        before = load_plan(folder / PLAN).comparison
    except ConfigError:  # the file is damaged
        return plan
    after = plan.comparison
    reported = {*before.reported_at}
    if looks_of(before) != looks_of(after) and {*before.variants} & {*after.variants} - {after.baseline}:
        reported |= {*looks_of(before)}
    return replace(plan, comparison=after.model_copy(update={"reported_at": tuple(sorted(reported))}))


def check_folder(folder: Path) -> None:
    """Raise UsageError if a folder contains something other than a comparison; DiskError if it cannot be written."""
    check_writable(folder)
    if folder.is_dir() and any(folder.iterdir()) and not is_comparison(folder):
        raise UsageError(f"{folder}: not empty and not a comparison; choose another --out")
    refuse_links_in(folder)


def refuse_links_in(folder: Path) -> None:
    """Raise DiskError if a comparison contains links, except ours from its TensorBoard folder to its runs."""
    board = folder / TENSORBOARD
    refuse_links(folder, but=lambda link: link.parent == board and link.readlink() == run_events(link.name))


def run_events(name: str) -> Path:
    """Return the path from the comparison's TensorBoard folder to a run's event files."""
    return Path("..", RUNS, name, TENSORBOARD)


def check_data(plan: Plan) -> Dataset:
    """Return the data of a plan's runs; UsageError if they could not be done, DataError for the data."""
    check_allowed(plan.base, plan)
    data = load_data(plan.base.data, plan.base.seed)
    metric = metric_named(data.task.metrics, plan.comparison.metric, figures=data.task.figures)
    margin = plan.comparison.margin
    if metric.proportion and margin is not None and margin >= 1:
        raise UsageError(f"--margin {margin:g}: {metric.title} is at most 1; one point is 0.01")
    check_test_images(len(data.test), data.name)
    for loss in plan.comparison.variants.values():
        if data.task.kind == "numbers":  # some settings of a loss are for classes
            build_loss(loss, data.task)
        if isinstance(loss, OwnCode):
            own_object(loss.name, loss.code, "--losses with all losses, this one as")
        build_loss(loss, data.task)
    for name, code in plan.base.log.code.items():
        own_object(name, code, "--sink")
    if plan.comparison.lr == "tuned" and data.validation is None:
        raise UsageError(f"{data.name}: too few samples for a validation split, which --lr tuned needs")
    return data


def _check_same_data(runs: Sequence[PlannedRun], folder: Path) -> None:
    """Raise UsageError if the data has changed since the first of these runs that is done."""
    data = None
    for record in read_runs([run for run in runs if done_before(run, folder)][:1], folder):
        with suppress(TuduiError):  # it may be gone; the results are still there
            data = load_data(record.planned.config.data, record.planned.seed)
        if data and data.fingerprint() != record.hashes.get("data"):
            way = "restore it, or compare in another folder with --out"
            raise UsageError(f"{data.name} has changed since the runs in {folder}; {way}")


def _waiting(runs: Sequence[PlannedRun], folder: Path) -> list[PlannedRun]:
    """Return the runs that are not finished; TuduiError if those that are could not be compared."""
    waiting = [run for run in runs if not done_before(run, folder)]
    read_runs([run for run in runs if run not in waiting], folder)
    return waiting


def default_folder(plan: Plan) -> Path:
    """Return the plan's own folder, so that no plan replaces another one's report; more seeds are the same plan."""
    return Path("runs") / f"compare-{default_name(plan.base.data.name)}-{plan.comparison.lr}-{digest_of([plan])}"


def digest_of(plans: Iterable[Plan]) -> str:
    """Return six digits of what plans ask for, except losses of the base and seeds."""
    asked = [
        text
        for plan in plans
        for text in (plan.base.model_dump_json(exclude={"loss"}), plan.comparison.model_dump_json(exclude={"seeds"}))
    ]
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()[:6]


def left_out(comparison: Comparison) -> list[str]:
    """Return the names of an earlier call's runs in the folder that are not part of the comparison."""
    asked = {name for row in comparison.rows for run in row.runs for name in run.folders}
    return sorted(path.name for path in (comparison.folder / RUNS).iterdir() if path.name not in asked)


def number_of_runs(plan: Plan) -> int:
    """Return the number of runs of a plan, at most, with tuning runs, except those of rates past the grid alone."""
    comparison = plan.comparison
    each = looks_of(comparison)[-1]
    if comparison.lr == "tuned":
        each += comparison.settings_to_try * comparison.tuning_seeds
    number = len(comparison.variants) * len(comparison.levels) * each * (plan.base.data.folds or 1)
    if comparison.explain_variance:
        any_rate = {(variant, noise): 1.0 for variant in comparison.variants for noise in comparison.levels}
        number += sum(map(len, runs_of_sources(plan, reported_runs(plan, any_rate)).values()))
    return number


def number_of_stages(plan: Plan) -> int:
    """Return how often all runs must be done before the next ones are known, at most, as `number_of_runs` counts."""
    comparison = plan.comparison
    number = len(looks_of(comparison)) + comparison.explain_variance
    if comparison.lr == "tuned":
        number += 1
    if names := comparison.tuned_parameters:
        number += len(names) + MOST_BEYOND
    return number


def read_comparison(folder: Path, **changed: Any) -> Comparison:
    """Return the comparison in a folder, from its runs; UsageError if it is not one, or not finished.

    `changed` replaces the plan's `metric`, `margin` or `family`; a margin belongs to its metric.
    """
    if not (folder / PLAN).is_file():
        raise UsageError(f"{folder}: not a comparison ({PLAN} is missing); create one with: tudui compare-losses")
    plan = load_plan(folder / PLAN)
    search, reported = Search(plan, folder / TUNING), tuple[PlannedRun, ...]()
    for runs, place in _stages(search, folder):
        _check_done(runs, place)
        if place.name == RUNS:
            reported = tuple(runs)
    changed = {name: value for name, value in changed.items() if value is not None}
    if changed:
        changed = ({"margin": None} if "metric" in changed else {}) | changed
        plan = replace(plan, comparison=plan.comparison.model_copy(update=changed))
    records = read_runs(reported, folder / RUNS)
    found = collect(plan, records, folder=folder, command=comparing(folder), tuning=search.curves)
    return replace(found, explained=_explained(found, reported)) if plan.comparison.explain_variance else found


def _explained(comparison: Comparison, reported: Sequence[PlannedRun]) -> tuple[Explained, ...]:
    plan, place = comparison.plan, comparison.folder / VARIANCE
    of_source = {source: runs for source, runs in runs_of_sources(plan, reported).items() if runs}
    records = {run.planned.name: run for run in read_runs([run for runs in of_source.values() for run in runs], place)}
    others = {
        source: together([records[run.name] for run in runs], plan.base.data.folds)
        for source, runs in of_source.items()
    }
    first = [run for row in comparison.rows for run in row.runs if run.planned.seed == plan.base.seed]
    return tuple(explain(plan, first, others, comparison.metric))


def _check_done(runs: Sequence[PlannedRun], place: Path) -> None:
    missing = [run.name for run in runs if not done_before(run, place)]
    if missing:
        raise UsageError(
            f"{place.parent}: {len(missing)} of {len(runs)} runs are not done (for example {missing[0]}); "
            f"resume with: {comparing(place.parent)}"
        )
