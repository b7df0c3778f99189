"""`tudui compare-losses` and `tudui report`."""

import shlex
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tudui.api.console import console_on
from tudui.cli import completion
from tudui.cli.flags import FLAGS, Asked, JsonOption, LanguageOption, argument, configured, how, names_in, show
from tudui.cli.printing import print_json
from tudui.cli.train import show_tensorboard
from tudui.errors import UsageError
from tudui.invocation import check_environment, number_of_processes
from tudui.language import speaking

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from tudui.api.comparing import Arrangement, GridArrangement
    from tudui.config import Override
    from tudui.config.comparison import ComparisonConfig
    from tudui.config.plan import Plan
    from tudui.config.problems import Grid
    from tudui.report import ProblemsReport, Report

JOBS = "Runs at the same time; not with ray.  [default: one per CPU core; stacked: 24]"
EXECUTOR = (
    "local: each run in its own process; stacked: in lockstep in one process; ray: on a cluster; "
    "auto: stacked on a GPU, else local."
)
RAY = "Ray cluster, for example 10.0.0.1:6379.  [default: $RAY_ADDRESS, else one on this machine]"
LATEX = "Print the table of losses and noise levels in LaTeX (booktabs), and write nothing."
CSV = "Print the table as CSV, and write nothing; wide: a row per loss; long: a row per loss and noise level."
OUT = "Folder for runs and report.  [default: below runs/, the same for the same plan]"


@configured(
    "comparison.variants", "network", "data.name", "data.target", "data.labels", "data.dir", "data.size", "data.folds",
    "comparison.seeds", "comparison.until_decided", "comparison.max_seeds", "comparison.label_noise",
    "comparison.outliers", "comparison.lr", "comparison.tune", "comparison.forms", "comparison.baseline",
    "comparison.metric", "comparison.margin", "comparison.family", "comparison.explain_variance", "train.epochs",
    "data.on_bad_image", "data.on_missing", "log.sinks",
)  # fmt: skip
def compare_losses_command(
    asked: Asked,
    jobs: Annotated[int | None, how("N", JOBS, "--jobs", "-j", min=1)] = None,
    executor: Annotated[Literal["auto", "local", "stacked", "ray"], how("NAME", EXECUTOR)] = "auto",
    ray_address: Annotated[str | None, how("ADDRESS", RAY)] = None,
    out: Annotated[Path | None, show("DIR", OUT, "--out", "-o")] = None,
    dry_run: Annotated[
        bool, show(None, "Print the plan and how long it would take; train nothing.", "--dry-run", "-n")
    ] = False,
    language: LanguageOption = "en",
    json: JsonOption = False,
) -> None:
    """Compare losses: train the same network with each loss over several seeds and report which is better.

    Run the same command again to resume. Without --config, the plan is `compare`: four losses on digits. With
    several names after --network or --data, separated by commas, each combination is a problem with its own comparison,
    and a summary shows them together.

    Examples:
      tudui compare-losses --network mlp,linear --data diabetes
      tudui compare-losses --losses ce,probability_mae,gce --label-noise 0,0.4 --seeds 3
    """
    check_environment()
    if number_of_processes() > 1:
        raise UsageError("compare-losses starts its own processes (--jobs); run it without torchrun")
    if executor != "ray" and ray_address is not None:
        raise UsageError(f"--ray-address {ray_address}: only with --executor ray")
    began = time.perf_counter()
    from tudui.api.configs import plan as load_plan

    plan = load_plan(asked.config or "compare", list(map(_several, asked.overrides)))
    from tudui.api.comparing import arrange, arrange_grid, compare
    from tudui.config.plan import Plan

    console = console_on(stderr=json)
    if dry_run:
        loading = time.perf_counter() - began  # of torch above all, as in every process that trains
        if isinstance(plan, Plan):
            way = arrange(plan, folder=out, executor=executor, jobs=jobs)
            _show_estimate(plan, way, console, loading=loading, json=json)
        else:
            ways = arrange_grid(plan, folder=out, executor=executor, jobs=jobs)
            _show_estimates(plan, ways, console, loading=loading, json=json)
        return
    found = compare(
        plan, folder=out, executor=executor, jobs=jobs, ray_address=ray_address, progress=console,
        command=shlex.join(["tudui", *sys.argv[1:]]), language=language,
    )  # fmt: skip
    _show_report(found, console, json=json)


def _several(override: "Override") -> "Override":
    """Return what --network or --data sets, with a list for names between commas."""
    flag = FLAGS[override.key].name if override.key in ("network", "data.name") else None
    if flag is None or not override.origin.startswith(f"{flag} ") or "," not in override.value:
        return override
    return replace(override, value=names_in(override.value, flag))


def _numbers(values: "Iterable[float]") -> str:
    return ", ".join(f"{value:g}" for value in values)


def _tuned(comparison: "ComparisonConfig") -> list[str]:
    """Return how settings of losses are tuned, if there are any."""
    if not (names := comparison.tuned_parameters):
        return []
    values = [f"{name} tuned over {_numbers(comparison.values_to_try(name))}" for name in names]
    runs = comparison.settings_to_try * comparison.tuning_seeds
    return [f"{', '.join(values)}; {runs} tuning runs for each loss and noise level"]


def _settings(plan: "Plan") -> str:
    """Return the epochs, seeds, folds and wrong targets of a plan."""
    from tudui.api.comparing import looks_of
    from tudui.report.words import listed

    base, comparison = plan.base, plan.comparison
    looks = looks_of(comparison)
    seeds = f"seeds {base.seed} to {base.seed + looks[-1] - 1}"
    if base.data.folds:
        seeds += f", {base.data.folds} folds each"
    if len(looks) > 1:
        seeds += f", verdicts after {listed(list(map(str, looks)))} seeds until each comparison is decided"
    noise = ", ".join(f"{100 * level:g} %" for level in comparison.levels)
    if (kind := base.data.noise_source) != "symmetric":
        noise = kind if kind == "manifest" else f"{kind}, level {_numbers(comparison.levels)}"
    wrong = "outliers" if any(comparison.outliers) or base.kind.task == "numbers" else "wrong labels"
    return f"{base.train.epochs} epochs, {seeds}, {wrong} {noise}"


def _more(comparison: "ComparisonConfig") -> str:
    """Return when there are more runs than were counted, if they may be."""
    if comparison.lr != "tuned" or comparison.tuned_parameters:  # all runs are then known
        return ""
    return "; more if the best rate of a loss is the lowest or the highest that was tried"


def _show_estimates(grid: "Grid", way: "GridArrangement", console: "Console", *, loading: float, json: bool) -> None:
    """Print what would be done for each problem of a grid, and about how long it takes."""
    from tudui.api.comparing import duration

    estimates, comparison = way.estimate(grid), grid.first.comparison
    tuned = comparison.lr == "tuned"
    for name, found in estimates.items():
        each = ", ".join(f"{variant} {rate:g}" for variant, (rate, *_) in found.rates.items())
        shown = "" if tuned else f"; learning rates {each}"
        console.print(
            f"{name}: {way.ways[name].runs} runs, about {duration(found.seconds + loading * found.starts)}{shown}",
            markup=False,
        )
    equal = [
        _settings(grid.first),
        *([f"rates tuned over {_numbers(comparison.rates)}"] if tuned else []),
        *_tuned(comparison),
    ]
    console.print(f"equal for each problem and loss: {', '.join(equal)}", markup=False)
    whole = loading + sum(found.seconds + loading * found.starts for found in estimates.values())
    console.print(f"{way}, in {way.folder}: about {duration(whole)}{_more(comparison)}", markup=False)
    console.print("dry run: nothing was written", markup=False)
    if json:
        of_problem = {
            name: {
                "runs": way.ways[name].runs,
                "seconds": found.seconds + loading * found.starts,
                "rates": found.rates,
                "bytes": found.bytes,
            }
            for name, found in estimates.items()
        }
        print_json({"folder": str(way.folder), "runs": way.runs, "seconds": whole, "problems": of_problem})


def _show_estimate(plan: "Plan", way: "Arrangement", console: "Console", *, loading: float, json: bool) -> None:
    """Print what would be done and about how long it takes."""
    from tudui.api.comparing import duration

    found = way.estimate(plan)
    comparison, whole = plan.comparison, found.seconds + loading * (1 + found.starts)
    lines = []
    for variant, parameters in comparison.variants.items():
        tuned = "tuned over " if comparison.lr == "tuned" else ""
        settings = parameters.model_dump(exclude_defaults=True, exclude={"form", "name"})
        shown = ", ".join(f"{name} {value}" for name, value in settings.items())
        lines.append(
            f"{variant}: {parameters.name}, {parameters.form} form{f' ({shown})' if shown else ''}, "
            f"learning rate {tuned}{_numbers(found.rates[variant])}"
        )
    lines += _tuned(comparison)
    one_by_one = ", one after another" if way.executor == "ray" else ""
    most = "at most " if way.looks > 1 else ""
    lines += [
        f"{plan.base.data.name}, {_settings(plan)}",
        f"{way}, in {way.folder}: {most}about {duration(whole)}{one_by_one}{_more(comparison)}",
        f"disk: {found.disk}",
        "dry run: nothing was written",
    ]
    for line in lines:
        console.print(line, markup=False)
    if json:
        print_json({**asdict(way), "folder": str(way.folder), "seconds": whole, "bytes": found.bytes})


@configured("comparison.metric", "comparison.margin", "comparison.family", file=False)
def report_command(
    asked: Asked,
    folder: Annotated[Path, argument("COMPARISON", "Folder of a comparison.", completion.comparisons)],
    other: Annotated[
        Path | None, argument("OTHER", "A second comparison, to show beside the first.", completion.comparisons)
    ] = None,
    latex: Annotated[bool, show(None, LATEX, "--latex")] = False,
    csv: Annotated[Literal["wide", "long"] | None, show(None, CSV, "--csv")] = None,
    language: LanguageOption = "en",
    json: JsonOption = False,
) -> None:
    """Write a comparison's report again, without training; or show two comparisons side by side and write nothing.

    Examples:
      tudui report COMPARISON
      tudui report COMPARISON OTHER
    """
    from tudui.api.comparing import read_comparison, report
    from tudui.report import FORMS, side_by_side

    form = "latex" if latex else csv
    if latex + bool(csv) + json > 1:
        raise UsageError("--latex, --csv, --json: choose one")
    if form and other:
        raise UsageError(f"{'--latex' if latex else '--csv'}: prints the table of one comparison; leave {other} out")

    console = console_on(stderr=json)
    changed = {name: asked.value(f"comparison.{name}") for name in ("metric", "margin", "family")}
    if form:
        with speaking(language):
            typer.echo(FORMS[form](read_comparison(folder, **changed)), nl=False)
        return
    if other is None:
        _show_report(report(folder, **changed, language=language), console, json=json)
        return
    first, second = (read_comparison(one, **changed) for one in (folder, other))
    if json:
        print_json({str(folder): first.values, str(other): second.values})
    else:
        with speaking(language):
            side_by_side(first, second, console)


def _show_report(found: "Report | ProblemsReport", console: "Console", *, json: bool) -> None:
    """Print the result of a comparison or a grid of them, and the path of its report."""
    from tudui.report import terminal, where

    if json:
        print_json({"folder": str(found.folder), **found.values})
        return
    with speaking(found.language):
        terminal(found, console)
        console.print(where(found), markup=False, soft_wrap=True)
        if (found.folder / "tensorboard").is_dir():
            show_tensorboard(found.folder, console)
