"""`tudui compare-losses`."""

import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tudui.cli import completion
from tudui.cli.report import show
from tudui.cli.settings import (
    CHOICE,
    HOW,
    SHOW,
    DataDirOption,
    DataOption,
    EpochsOption,
    JsonOption,
    SetOption,
    note,
    output,
    overrides_of,
)
from tudui.errors import UsageError
from tudui.files import json_text
from tudui.invocation import number_of_processes

if TYPE_CHECKING:
    from rich.console import Console

    from tudui.comparison.executors import Executor
    from tudui.config.plan import Plan


def compare_losses_command(
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            "-c",
            metavar="NAME|FILE",
            help="Plan of a comparison, or config of a run.  [default: compare, four losses on digits]",
            rich_help_panel=CHOICE,
            autocompletion=completion.shipped,
        ),
    ] = None,
    losses: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Losses, separated by commas; mae is l1 on probabilities.  [default: ce,mse,l1,huber]",
            rich_help_panel=CHOICE,
            autocompletion=completion.several_losses,
        ),
    ] = None,
    data: DataOption = None,
    data_dir: DataDirOption = None,
    seeds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Runs per loss and noise level.  [default: 5]", rich_help_panel=CHOICE),
    ] = None,
    label_noise: Annotated[
        str | None,
        typer.Option(
            metavar="SHARES",
            help="Shares of wrong labels from 0 to 1, separated by commas, such as 0,0.2,0.4.  [default: 0]",
            rich_help_panel=CHOICE,
        ),
    ] = None,
    settings: SetOption = None,
    lr: Annotated[
        str | None,
        typer.Option(
            "--lr",
            metavar="NAME",
            help="recipe: each loss at its own rate; same: all at one; tuned: each at the best on validation.  "
            "[default: recipe]",
            rich_help_panel=HOW,
        ),
    ] = None,
    forms: Annotated[
        str | None,
        typer.Option(
            metavar="FORMS",
            help="recipe, plain (as torch.nn has it), or recipe,plain side by side.  [default: recipe]",
            rich_help_panel=HOW,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The loss that the others are compared with.  [default: ce, else the first]",
            rich_help_panel=HOW,
            autocompletion=completion.losses,
        ),
    ] = None,
    epochs: EpochsOption = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            min=1,
            help="Runs at a time; not with ray.  [default: local one per CPU core, stacked 24]",
            rich_help_panel=HOW,
        ),
    ] = None,
    executor: Annotated[
        Literal["auto", "local", "stacked", "ray"],
        typer.Option(
            metavar="NAME",
            help="local: runs in processes of their own; stacked: in lockstep in one; ray: on a cluster; "
            "auto: stacked on a GPU, else local.",
            rich_help_panel=HOW,
        ),
    ] = "auto",
    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Ray cluster, such as 10.0.0.1:6379.  [default: $RAY_ADDRESS, else one on this machine]",
            rich_help_panel=HOW,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder for runs and report.  [default: below runs/, the same for the same plan]",
            rich_help_panel=SHOW,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", "-n", help="Print the plan and how long it takes.", rich_help_panel=SHOW),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Train under each loss on the same footing, several seeds each, and say which is better; call again to go on.

    Examples:
      tudui compare-losses
      tudui compare-losses --losses ce,mae,gce --label-noise 0,0.4 --seeds 3
    """
    from rich.markup import escape

    from tudui.config.plan import load_plan
    from tudui.config.shipped import find_config

    if number_of_processes() > 1:
        raise UsageError("compare-losses has processes of its own (--jobs); start it without torchrun")
    if executor != "ray" and ray_address is not None:
        raise UsageError(f"--ray-address {ray_address}: only with --executor ray")
    flags: dict[str, tuple[str, Any]] = {
        "comparison.variants": ("--losses", _names(losses, "--losses")),
        "comparison.seeds": ("--seeds", seeds),
        "comparison.label_noise": ("--label-noise", _values(label_noise, "--label-noise")),
        "comparison.lr": ("--lr", lr),
        "comparison.forms": ("--forms", _names(forms, "--forms")),
        "comparison.baseline": ("--baseline", baseline),
        "data.name": ("--data", data),
        "data.dir": ("--data-dir", data_dir),
        "train.epochs": ("--epochs", epochs),
    }
    plan = load_plan(find_config(config or "compare"), overrides_of(flags, settings))
    for text in plan.notes:
        note(text)
    console = output(json=json)
    from tudui.comparison.compare import check_folder, default_folder
    from tudui.comparison.executors import check_jobs, choose_executor, default_jobs

    check_jobs(executor, jobs)
    folder = out or default_folder(plan)
    check_folder(folder)
    chosen = choose_executor(plan.base) if executor == "auto" else executor
    jobs = jobs or default_jobs(plan.base, chosen)
    if dry_run:
        _dry_run(plan, folder, chosen, jobs, console, json=json)
        return
    from tudui.comparison.compare import compare, number_of_runs
    from tudui.comparison.progress import progress_display

    number = number_of_runs(plan)
    console.print(f"{_how(number, chosen, jobs)}, in {escape(str(folder))}", soft_wrap=True)
    with progress_display(console, number) as listener:
        comparison = compare(
            plan, folder, executor=chosen, jobs=jobs, listener=listener, command=_command(), ray_address=ray_address
        )
    show(comparison, console, json=json)


def _dry_run(plan: "Plan", folder: Path, executor: "Executor", jobs: int, console: "Console", *, json: bool) -> None:
    """Print what would be done and about how long it takes."""
    from rich.markup import escape

    from tudui.comparison.compare import number_of_runs
    from tudui.comparison.estimate import START_UP, seconds_of
    from tudui.comparison.progress import duration
    from tudui.comparison.runs import given_rates, reported_runs, tuning_runs

    comparison = plan.comparison
    tuned = comparison.lr == "tuned"
    rates = {} if tuned else given_rates(plan)
    runs = tuning_runs(plan) if tuned else reported_runs(plan, rates)
    for variant, parameters in comparison.variants.items():
        rate = "tuned over " + ", ".join(f"{rate:g}" for rate in comparison.rates)
        rate = rate if tuned else f"{rates[variant, comparison.label_noise[0]]:g}"
        settings = parameters.model_dump(exclude_defaults=True, exclude={"form", "name"})
        shown = ", ".join(f"{name} {value}" for name, value in settings.items())
        console.print(
            f"{escape(variant)}: {parameters.name}, {parameters.form} form{f' ({shown})' if shown else ''}, "
            f"learning rate {rate}",
        )
    number = number_of_runs(plan)
    base = plan.base
    seeds = f"seeds {base.seed} to {base.seed + comparison.seeds - 1}"
    noise = ", ".join(f"{100 * level:g} %" for level in comparison.label_noise)
    console.print(f"{escape(base.data.name)}, {base.train.epochs} epochs, {seeds}, wrong labels {noise}")
    first = runs[:jobs] if executor == "stacked" else runs[:1]
    seconds = seconds_of(first) * math.ceil(number / jobs) + START_UP
    one_by_one = ", one after another" if executor == "ray" else ""
    console.print(f"{_how(number, executor, jobs)}, in {escape(str(folder))}: about {duration(seconds)}{one_by_one}")
    console.print("dry run: nothing was written")
    if json:
        values = {"folder": str(folder), "executor": executor, "jobs": jobs, "runs": number, "seconds": seconds}
        typer.echo(json_text(values))


def _how(runs: int, executor: "Executor", jobs: int) -> str:
    if executor == "ray":
        return f"{runs} runs, on Ray"
    return f"{runs} runs, {min(jobs, runs)} {'in lockstep' if executor == 'stacked' else 'at a time'}"


def _names(text: str | None, flag: str) -> list[str] | None:
    """Return what stands between commas; UsageError where nothing does."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError(f"{flag} '{text}': names nothing; give values separated by commas")
    return names


def _values(text: str | None, flag: str) -> list[Any] | None:
    from tudui.config.yaml_file import read_value

    names = _names(text, flag)
    return None if names is None else [read_value(name, f"{flag} {text}") for name in names]


def _command() -> str:
    return shlex.join(["tudui", *sys.argv[1:]])
