"""`tudui compare-losses`."""

import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tudui.api.console import note, output
from tudui.cli.flags import HOW, SHOW, Asked, JsonOption, configured
from tudui.cli.report import show
from tudui.errors import UsageError
from tudui.files import json_text
from tudui.invocation import number_of_processes

if TYPE_CHECKING:
    from rich.console import Console

    from tudui.api.comparing import Estimate
    from tudui.config.plan import Plan


@configured(
    "comparison.variants", "data.name", "data.dir", "comparison.seeds", "comparison.label_noise", "comparison.lr",
    "comparison.forms", "comparison.baseline", "comparison.metric", "train.epochs",
)  # fmt: skip
def compare_losses_command(
    asked: Asked,
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

    Without --config, the plan is `compare`: four losses on digits.

    Examples:
      tudui compare-losses
      tudui compare-losses --losses ce,probability_mae,gce --label-noise 0,0.4 --seeds 3
    """
    if number_of_processes() > 1:
        raise UsageError("compare-losses has processes of its own (--jobs); start it without torchrun")
    if executor != "ray" and ray_address is not None:
        raise UsageError(f"--ray-address {ray_address}: only with --executor ray")
    from tudui.api.comparing import compare, estimate
    from tudui.api.configs import plan as load_plan

    plan = load_plan(asked.config or "compare", asked.overrides)
    for text in plan.notes:
        note(text)
    console = output(json=json)
    if dry_run:
        _show_estimate(plan, estimate(plan, folder=out, executor=executor, jobs=jobs), console, json=json)
        return
    command = shlex.join(["tudui", *sys.argv[1:]])
    found = compare(
        plan, folder=out, executor=executor, jobs=jobs, ray_address=ray_address, progress=console, command=command
    )
    show(found, console, json=json)


def _show_estimate(plan: "Plan", found: "Estimate", console: "Console", *, json: bool) -> None:
    """Print what would be done and about how long it takes."""
    from rich.markup import escape

    comparison, base, way = plan.comparison, plan.base, found.way
    for variant, parameters in comparison.variants.items():
        tuned = "tuned over " if comparison.lr == "tuned" else ""
        settings = parameters.model_dump(exclude_defaults=True, exclude={"form", "name"})
        shown = ", ".join(f"{name} {value}" for name, value in settings.items())
        console.print(
            f"{escape(variant)}: {parameters.name}, {parameters.form} form{f' ({shown})' if shown else ''}, "
            f"learning rate {tuned}{', '.join(f'{rate:g}' for rate in found.rates[variant])}",
        )
    seeds = f"seeds {base.seed} to {base.seed + comparison.seeds - 1}"
    noise = ", ".join(f"{100 * level:g} %" for level in comparison.label_noise)
    console.print(f"{escape(base.data.name)}, {base.train.epochs} epochs, {seeds}, wrong labels {noise}")
    one_by_one = ", one after another" if way.executor == "ray" else ""
    console.print(f"{way}, in {escape(str(way.folder))}: about {found.duration}{one_by_one}")
    console.print("dry run: nothing was written")
    if json:
        typer.echo(json_text({**asdict(way), "folder": str(way.folder), "seconds": found.seconds}))
