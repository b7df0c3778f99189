"""The command line: parse, call one function, print, exit code. Commands import slow modules when they run."""

import sys
import traceback
from typing import Annotated

import typer

from tudui import __version__
from tudui.cli import (
    after,
    backward,
    compare,
    config,
    data,
    doctor,
    line_fit,
    loss,
    network,
    predict,
    tensorboard,
    train,
)  # fmt: skip
from tudui.cli.commands import LOOK, LOSSES, MACHINE, PREPARE, TRAIN, Commands, Group
from tudui.cli.start import print_start

app = Commands(
    help="Understand and compare loss functions, on networks for classes or numbers.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tudui {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        assert isinstance(context.command, Group)
        print_start(context.command.panels())


def main() -> None:
    """Run the command `tudui`; what is no user's mistake ends with its traceback and a request for a report."""
    try:
        app(prog_name="tudui")
    except Exception:
        traceback.print_exc()
        typer.echo("error: this is a bug in Tudui; please report it with the lines above and the command", err=True)
        sys.exit(1)


app.command("train", rich_help_panel=TRAIN)(train.train_command)
app.command("compare-losses", rich_help_panel=TRAIN)(compare.compare_losses_command)
app.command("report", rich_help_panel=LOOK)(compare.report_command)
app.command("runs", rich_help_panel=LOOK)(after.runs_command)
app.command("tensorboard", rich_help_panel=LOOK)(tensorboard.tensorboard_command)
app.command("evaluate", rich_help_panel=LOOK)(after.evaluate_command)
app.command("predict", rich_help_panel=LOOK)(predict.predict_command)
app.command("export", rich_help_panel=LOOK)(after.export_command)
app.add_typer(loss.app, name="loss", rich_help_panel=LOSSES)
app.add_typer(backward.app, name="backward", rich_help_panel=LOSSES)
app.command("line-fit", rich_help_panel=LOSSES)(line_fit.line_fit_command)
app.add_typer(network.app, name="network", rich_help_panel=PREPARE)
app.add_typer(config.app, name="config", rich_help_panel=PREPARE)
app.add_typer(data.app, name="data", rich_help_panel=PREPARE)
app.command("doctor", rich_help_panel=MACHINE)(doctor.doctor_command)
