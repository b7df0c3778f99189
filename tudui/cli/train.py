"""`tudui train`."""

import os
import shlex
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tudui.cli import completion
from tudui.cli.outcome import say_what_next, what_diverged
from tudui.cli.rehearsal import print_first_batches, show_dry_run
from tudui.cli.settings import (
    CHOICE,
    HOW,
    SHOW,
    BatchSizeOption,
    ConfigOption,
    DataDirOption,
    DataOption,
    EpochsOption,
    JsonOption,
    LossOption,
    SetOption,
    load_from_flags,
    note,
    output,
)
from tudui.errors import Diverged, Interrupted, UsageError, WorkerError
from tudui.files import json_text
from tudui.invocation import is_first_process, training_command

if TYPE_CHECKING:
    from rich.console import Console

    from tudui.config import Loaded
    from tudui.run_folder import RunResult


def train_command(
    config: ConfigOption = None,
    loss: LossOption = None,
    data: DataOption = None,
    data_dir: DataDirOption = None,
    init_from: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|FILE",
            help="Start from the weights of a run or file.  [default: drawn from the seed]",
            rich_help_panel=CHOICE,
            autocompletion=completion.runs,
        ),
    ] = None,
    settings: SetOption = None,
    epochs: EpochsOption = None,
    batch_size: BatchSizeOption = None,
    lr: Annotated[
        str | None,
        typer.Option(
            "--lr",
            metavar="RATE|auto",
            help="Highest learning rate of the schedule; auto: the one measured for the loss.  [default: auto]",
            rich_help_panel=HOW,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Decides split, initial weights, order and augmentation.  [default: 0]",
            rich_help_panel=HOW,
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="auto, cpu, cuda, cuda:N or mps; auto: a GPU where there is one.  [default: auto]",
            rich_help_panel=HOW,
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="auto, fp32, bf16 or fp16; auto: bf16 where the device computes it natively.  [default: fp32]",
            rich_help_panel=HOW,
        ),
    ] = None,
    no_cache: Annotated[
        bool,
        typer.Option(
            "--no-cache", help="Decode an image folder anew, and keep nothing in the cache.", rich_help_panel=HOW
        ),
    ] = False,
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
    from contextlib import ExitStack

    from tudui.config.yaml_file import read_value
    from tudui.run_folder import new_run_folder

    flags: dict[str, tuple[str, Any]] = {
        "loss": ("--loss", loss),
        "data.name": ("--data", data),
        "data.dir": ("--data-dir", data_dir),
        "data.cache": ("--no-cache", False if no_cache else None),
        "train.init_from": ("--init-from", init_from),
        "train.epochs": ("--epochs", epochs),
        "train.batch_size": ("--batch-size", batch_size),
        "optimizer.lr": ("--lr", None if lr is None else read_value(lr, f"--lr {lr}")),
        "seed": ("--seed", seed),
        "device": ("--device", device),
        "precision": ("--precision", precision),
    }
    console = output(json=json)
    again = resume is not None or _is_restarted(run_dir)
    quiet = quiet or not is_first_process()
    if resume is not None:
        loaded = _loaded_for_resume(resume, config, flags, settings, run_dir)
    else:
        loaded = load_from_flags(config, flags, settings)
    for text in loaded.notes:
        note(text)
    if dry_run and not is_first_process():
        return
    if print_batches and is_first_process():
        print_first_batches(loaded.config, print_batches, console)
    if dry_run:
        show_dry_run(loaded.config, console, json=json)
        return
    with ExitStack() as stack:
        folder = resume or run_dir or stack.enter_context(new_run_folder(loaded.config))
        result = _train(loaded, folder, console, resume=again, quiet=quiet)
    if json and is_first_process():
        typer.echo(json_text({"run": str(folder), **result.values}))
    if result.status == "diverged":
        raise Diverged(what_diverged(loaded.config, result))
    if not quiet:
        say_what_next(loaded.config, result, console)


def _train(loaded: "Loaded", folder: Path, console: "Console", *, resume: bool, quiet: bool) -> "RunResult":
    from contextlib import ExitStack

    from tudui.config.dump import worth_a_comment
    from tudui.run import train
    from tudui.sinks.console import console_sink

    with ExitStack() as stack:
        sinks = [] if quiet else [stack.enter_context(console_sink(console))]
        provenance = worth_a_comment(loaded.provenance)
        try:
            return train(loaded.config, folder, resume=resume, sinks=sinks, provenance=provenance)
        except WorkerError as error:
            raise WorkerError(f"{error}; {_way_on(folder)}") from None
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted; {_way_on(folder)}", signal_number=SIGINT) from None


def _way_on(folder: Path) -> str:
    """Return what comes next for a run that ended without saving."""
    if int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) < int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")):
        return "torchrun starts the job again"
    if is_first_process() and not any((folder / "checkpoints").glob("*.pt")):
        return "it had saved nothing yet"
    return (
        f"go on from its last checkpoint with: {training_command()} --resume "
        f"{shlex.quote(str(folder)) if is_first_process() else 'RUN'}"
    )


def _is_restarted(run_dir: Path | None) -> bool:
    """Return whether torchrun has started the job once more; UsageError where a restart could not find its run."""
    if os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") == "0":
        return False
    if run_dir is None:
        raise UsageError("torchrun --max-restarts: name the run's folder with --run-dir, so that a restart finds it")
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0" and (run_dir / "config.yaml").exists()


def _loaded_for_resume(
    resume: Path,
    config: str | None,
    flags: dict[str, tuple[str, Any]],
    settings: list[str] | None,
    run_dir: Path | None,
) -> "Loaded":
    """Return a run's own config, with the few settings that leave its trajectory alone."""
    from tudui.config import Override
    from tudui.run_folder import config_of_run

    others = {flag: (flag, value or None) for flag, value in
              (("--config", config), ("--set", settings), ("--run-dir", run_dir))}  # fmt: skip
    given = {**flags, **others}.items()
    return config_of_run(resume, [Override(key, value, flag) for key, (flag, value) in given if value is not None])
