"""The command line: parse, call one function, print, exit code. What is heavy is imported inside the commands."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tudui import __version__
from tudui.cli import after, backward, compare, config, data, export, line_fit, loss, predict, tensorboard, train
from tudui.errors import Interrupted, TuduiError, WorkerError, printable
from tudui.invocation import speaks_for_its_machine

MAX_PROBLEMS = 20  # shown of a config in which everything is wrong


class _Commands(TyperGroup):
    """Turns what can go wrong for a user into one message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TuduiError as error:
            prefix = "" if isinstance(error, Interrupted) else "error: "
            lines = str(error).splitlines() if speaks_for_its_machine() or isinstance(error, WorkerError) else []
            for line in lines[:MAX_PROBLEMS]:
                typer.echo(f"{prefix}{printable(line)}", err=True)
            if len(lines) > MAX_PROBLEMS:
                typer.echo(f"{prefix}and {len(lines) - MAX_PROBLEMS} more", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=_Commands,
    help="Understand and compare loss functions on an image classifier.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tudui {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command `tudui`."""
    app(prog_name="tudui")


app.add_typer(config.app, name="config")
app.add_typer(data.app, name="data")
app.add_typer(loss.app, name="loss")
app.add_typer(backward.app, name="backward")
app.command("train")(train.train_command)
app.command("compare-losses")(compare.compare_losses_command)
app.command("report")(compare.report_command)
app.command("evaluate")(after.evaluate_command)
app.command("predict")(predict.predict_command)
app.command("export")(export.export_command)
app.command("runs")(after.runs_command)
app.command("tensorboard")(tensorboard.tensorboard_command)
app.command("line-fit")(line_fit.line_fit_command)
