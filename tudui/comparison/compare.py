"""`compare`: do the runs of a plan, or those that its folder does not contain yet, and compare them."""

import hashlib
import math
import signal
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import rmtree
from statistics import fmean

from tudui.comparison.collect import collect
from tudui.comparison.done import check_test_images, read_runs, read_task
from tudui.comparison.executors import Executor, Listener, done_before, execute
from tudui.comparison.outcome import Comparison, Curve
from tudui.comparison.runs import PlannedRun, given_rates, reported_runs, tuning_runs
from tudui.config.plan import Plan, load_plan, plan_yaml
from tudui.data import load_data
from tudui.errors import Interrupted, TuduiError, UsageError
from tudui.files import check_writable, disk_errors, locked, refuse_links, remove_left, write_text
from tudui.record import read_result
from tudui.run_folder import COMPARISON_LOCK, PLAN, RunFolder, comparing, default_name, is_comparison
from tudui.tasks import Metric, metric_named

RUNS, TUNING, TENSORBOARD = "runs", "tuning", "tensorboard"


def compare(
    plan: Plan,
    folder: Path,
    *,
    executor: Executor,
    jobs: int,
    listener: Listener,
    command: str,
    ray_address: str | None = None,
) -> Comparison:
    """Do every run of the plan that is not done, and return their comparison.

    Nothing in the folder changes if it contains something else, or runs of another config.
    """
    tuned = plan.comparison.lr == "tuned"
    first = tuning_runs(plan) if tuned else reported_runs(plan, given_rates(plan))
    place = folder / (TUNING if tuned else RUNS)
    check_folder(folder)
    waiting = _waiting(first, place)
    if tuned and not waiting:
        waiting = _waiting(reported_runs(plan, chosen_rates(plan, folder)[0]), folder / RUNS)
    if waiting or plan.comparison.metric is not None:
        check_data(plan)
    is_new = not folder.exists()
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / COMPARISON_LOCK, what="a comparison is"):
        with disk_errors(folder):
            (folder / RUNS).mkdir(exist_ok=True)
        remove_left(folder, folder / RUNS, folder / TUNING, folder / "pictures")
        write_text(folder / PLAN, plan_yaml(plan))
        run_all = partial(execute, executor=executor, jobs=jobs, listener=listener, ray_address=ray_address)
        try:
            run_all(first, place)
            if tuned:
                runs = reported_runs(plan, chosen_rates(plan, folder)[0])
                _waiting(runs, folder / RUNS)
                run_all(runs, folder / RUNS)
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


def check_data(plan: Plan) -> None:
    """Raise UsageError if runs on the plan's data could not be compared; DataError if it cannot be read."""
    data = load_data(plan.base.data, plan.base.seed)
    metric_named(data.task.metrics, plan.comparison.metric, figures=data.task.figures)
    check_test_images(len(data.test), data.name)
    if plan.comparison.lr == "tuned" and data.validation is None:
        raise UsageError(f"{data.name}: too few images for a validation split, which --lr tuned needs")


def _waiting(runs: Sequence[PlannedRun], folder: Path) -> list[PlannedRun]:
    """Return the runs that are not finished; TuduiError if those that are could not be compared."""
    waiting = [run for run in runs if not done_before(run, folder)]
    read_runs([run for run in runs if run not in waiting], folder)
    return waiting


def default_folder(plan: Plan) -> Path:
    """Return the plan's own folder, so that no plan replaces another one's report; more seeds are the same plan."""
    asked = (plan.base.model_dump_json(exclude={"loss"}), plan.comparison.model_dump_json(exclude={"seeds"}))
    digest = hashlib.sha256("\n".join(asked).encode()).hexdigest()[:6]
    return Path("runs") / f"compare-{default_name(plan.base.data.name)}-{plan.comparison.lr}-{digest}"


def left_out(comparison: Comparison) -> list[str]:
    """Return the names of an earlier call's runs in the folder that are not part of the comparison."""
    asked = {run.planned.name for row in comparison.rows for run in row.runs}
    return sorted(path.name for path in (comparison.folder / RUNS).iterdir() if path.name not in asked)


def number_of_runs(plan: Plan) -> int:
    """Return the number of runs of a plan, including tuning runs."""
    comparison = plan.comparison
    tuning = len(comparison.rates) * comparison.tuning_seeds if comparison.lr == "tuned" else 0
    return len(comparison.variants) * len(comparison.label_noise) * (comparison.seeds + tuning)


def read_comparison(folder: Path, *, metric: str | None = None) -> Comparison:
    """Return the comparison in a folder, from its runs; UsageError if it is not one, or not finished.

    `metric` replaces the plan's metric of the verdicts.
    """
    if not (folder / PLAN).is_file():
        raise UsageError(f"{folder}: not a comparison ({PLAN} is missing); create one with: tudui compare-losses")
    plan = load_plan(folder / PLAN)
    if metric is not None:
        plan = replace(plan, comparison=plan.comparison.model_copy(update={"metric": metric}))
    rates, tuning = chosen_rates(plan, folder)
    runs = reported_runs(plan, rates)
    _check_done(runs, folder / RUNS)
    return collect(plan, read_runs(runs, folder / RUNS), folder=folder, command=comparing(folder), tuning=tuning)


def _check_done(runs: Sequence[PlannedRun], place: Path) -> None:
    missing = [run.name for run in runs if not done_before(run, place)]
    if missing:
        raise UsageError(
            f"{place.parent}: {len(missing)} of {len(runs)} runs are not done (for example {missing[0]}); "
            f"resume with: {comparing(place.parent)}"
        )


def chosen_rates(plan: Plan, folder: Path) -> tuple[dict[tuple[str, float], float], list[Curve]]:
    """Return the rate of each variant and noise level and, if they were tuned, their curves."""
    if plan.comparison.lr != "tuned":
        return given_rates(plan), []
    runs, place = tuning_runs(plan), folder / TUNING
    _check_done(runs, place)
    first = read_task(place / runs[0].name).metrics[0]
    sign = 1 if first.better == "more" else -1
    scores: dict[tuple[str, float], dict[float, list[float]]] = {}
    for run in runs:
        curve = scores.setdefault((run.variant, run.label_noise), {})
        curve.setdefault(run.rate, []).append(_validation_score(place / run.name, first))
    curves = []
    for (variant, noise), curve in scores.items():
        rates = sorted(curve)
        means = [sign * fmean(curve[rate]) for rate in rates]
        best = rates[means.index(max(means))]
        seen = [curve[rate] for rate in rates]
        curves.append(Curve(variant=variant, label_noise=noise, rates=rates, scores=seen, chosen=best))
    return {(curve.variant, curve.label_noise): curve.chosen for curve in curves}, curves


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
