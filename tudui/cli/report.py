"""`tudui report`, and what a comparison shows when it is done."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tudui.cli import completion
from tudui.cli.settings import JsonOption, note, output
from tudui.files import json_text
from tudui.invocation import tudui_command

if TYPE_CHECKING:
    from rich.console import Console

    from tudui.comparison.collect import Comparison


def report_command(
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
    from tudui.comparison.compare import read_comparison
    from tudui.report import side_by_side

    console = output(json=json)
    comparison = read_comparison(folder)
    if other is None:
        show(comparison, console, json=json)
        return
    beside = read_comparison(other)
    if json:
        typer.echo(json_text({str(folder): comparison.values, str(other): beside.values}))
    else:
        side_by_side(comparison.values, beside.values, console)


def show(comparison: "Comparison", console: "Console", *, json: bool) -> None:
    """Write the report beside the runs, and print the table."""
    from rich.markup import escape

    from tudui.comparison.compare import left_out
    from tudui.comparison.dashboards import write_dashboards
    from tudui.report import terminal, where, write_report

    folder = comparison.folder
    write_report(comparison)
    tensorboard = write_dashboards(comparison)
    if others := left_out(comparison):
        note(
            f"{len(others)} runs of earlier calls in {folder} are left out of this report, such as {others[0]}; "
            f"ask for their losses and seeds as well to see all in one"
        )
    if json:
        typer.echo(json_text({"folder": str(folder), **comparison.values}))
        return
    terminal(comparison, console)
    console.print(escape(where(comparison)), soft_wrap=True)
    if tensorboard:
        shown = escape(shlex.quote(str(folder)))
        console.print(f"open TensorBoard on it: {tudui_command()} tensorboard {shown}", soft_wrap=True)
