"""`tudui report`, and what a comparison shows when it is done."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tudui.api.console import output
from tudui.cli import completion
from tudui.cli.flags import Asked, JsonOption, configured
from tudui.files import json_text
from tudui.invocation import tudui_command

if TYPE_CHECKING:
    from rich.console import Console

    from tudui.report import Report


@configured("comparison.metric", file=False)
def report_command(
    asked: Asked,
    folder: Annotated[
        Path,
        typer.Argument(metavar="COMPARISON", help="Folder of a comparison.", autocompletion=completion.comparisons),
    ],
    other: Annotated[
        Path | None,
        typer.Argument(
            metavar="OTHER",
            help="Another one, to set beside it; nothing is written.",
            autocompletion=completion.comparisons,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Draw a comparison's report again, without training; or set two comparisons side by side.

    Examples:
      tudui report COMPARISON
      tudui report COMPARISON OTHER
    """
    from tudui.api.comparing import read_comparison, report
    from tudui.report import side_by_side

    console, metric = output(json=json), asked.value("comparison.metric")
    if other is None:
        show(report(folder, metric=metric), console, json=json)
        return
    comparison, beside = (read_comparison(one, metric=metric) for one in (folder, other))
    if json:
        typer.echo(json_text({str(folder): comparison.values, str(other): beside.values}))
    else:
        side_by_side(comparison, beside, console)


def show(comparison: "Report", console: "Console", *, json: bool) -> None:
    """Print what a comparison found, and where its report is."""
    from rich.markup import escape

    from tudui.report import terminal, where

    folder = comparison.folder
    if json:
        typer.echo(json_text({"folder": str(folder), **comparison.values}))
        return
    terminal(comparison, console)
    console.print(escape(where(comparison)), soft_wrap=True)
    if (folder / "tensorboard").is_dir():
        shown = escape(shlex.quote(str(folder)))
        console.print(f"open TensorBoard on it: {tudui_command()} tensorboard {shown}", soft_wrap=True)
