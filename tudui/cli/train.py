"""`tudui train`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tudui.api.console import note, output
from tudui.cli import completion
from tudui.cli.flags import SHOW, Asked, JsonOption, configured
from tudui.cli.outcome import say_what_next, what_diverged
from tudui.cli.rehearsal import print_first_batches, show_dry_run
from tudui.errors import Diverged, UsageError
from tudui.files import json_text
from tudui.invocation import is_first_process

if TYPE_CHECKING:
    from tudui.config import Override


@configured(
    "loss", "data.name", "data.dir", "train.init_from", "train.epochs", "train.batch_size", "optimizer.lr", "seed",
    "device", "precision", "data.cache",
)  # fmt: skip
def train_command(
    asked: Asked,
    run_dir: Annotated[
        Path | None,
        typer.Option(
            "--run-dir", "-o", metavar="DIR", help="Run folder.  [default: a new one below runs/]", rich_help_panel=SHOW
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Go on with a run that was cut, exactly as if it had not been.",
            rich_help_panel=SHOW,
            autocompletion=completion.runs,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", "-n", help="Check config, data, shapes and one step; write nothing.", rich_help_panel=SHOW
        ),
    ] = False,
    print_batches: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            help="First print outputs, targets and loss of so many batches.",
            rich_help_panel=SHOW,
        ),
    ] = 0,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show no progress and no result.", rich_help_panel=SHOW)
    ] = False,
    json: JsonOption = False,
) -> None:
    """Train the Tudui network with a loss, and leave a run folder.

    Examples:
      tudui train --loss ce
      tudui train --config cifar10 --data-dir DIR --loss huber
    """
    from tudui.api.configs import load
    from tudui.api.training import train

    console = output(json=json)
    quiet = quiet or not is_first_process()
    restarted = resume is None and _is_restarted(run_dir)
    if resume is not None:
        loaded = load(None, _on_resume(asked, run_dir), resume=resume)
    else:
        loaded = load(asked.config, asked.overrides)
    for text in loaded.notes:
        note(text)
    if dry_run and not is_first_process():
        return
    if print_batches and is_first_process():
        print_first_batches(loaded.config, print_batches, console)
    if dry_run:
        show_dry_run(loaded.config, console, json=json)
        return
    place: dict[str, Any] = {"resume": resume or run_dir} if resume or restarted else {"run_dir": run_dir}
    result = train(loaded, **place, progress=False if quiet else console)
    if json and is_first_process():
        typer.echo(json_text({"run": str(result.run_dir), **result.values}))
    if result.status == "diverged":
        raise Diverged(what_diverged(loaded.config, result))
    if not quiet:
        say_what_next(loaded.config, result, console)


def _is_restarted(run_dir: Path | None) -> bool:
    """Return whether torchrun has started the job once more; UsageError where a restart could not find its run."""
    if os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") == "0":
        return False
    if run_dir is None:
        raise UsageError("torchrun --max-restarts: name the run's folder with --run-dir, so that a restart finds it")
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0" and (run_dir / "config.yaml").exists()


def _on_resume(asked: Asked, run_dir: Path | None) -> "list[Override]":
    """Return everything that was asked for besides a run to resume, of which little is allowed."""
    from tudui.config import Override

    others = {"--config": asked.config, "--run-dir": run_dir}
    return [*asked.overrides, *(Override(flag, value, flag) for flag, value in others.items() if value)]
