"""`tudui doctor`."""

from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tudui.api.console import output
from tudui.cli.flags import CHOICE, JsonOption
from tudui.errors import UsageError
from tudui.files import json_text

if TYPE_CHECKING:
    from tudui.api.machine import Finding

SIGNS = {"ok": "[green]ok[/]", "note": "[magenta]note[/]", "wrong": "[bold red]wrong[/]"}


def doctor_command(
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Look for data sets here.  [default: the user's cache]", rich_help_panel=CHOICE
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say what this machine has for Tudui and what is wrong with it; exit code 2 where something is.

    Nothing is fetched and nothing is changed.

    Examples:
      tudui doctor
      tudui doctor --json
    """
    from tudui.api.machine import diagnose

    findings = list(diagnose(data_dir))
    wrong = [finding for finding in findings if finding.state == "wrong"]
    if json:
        typer.echo(json_text({"well": not wrong, "findings": [asdict(finding) for finding in findings]}))
    else:
        _print(findings)
    if wrong:
        raise typer.Exit(UsageError.exit_code)
    if not json:
        typer.echo("\nnothing is wrong")


def _print(findings: "list[Finding]") -> None:
    from rich.markup import escape
    from rich.table import Table

    console = output(json=False)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for group, of_group in groupby(findings, key=lambda finding: finding.group):
        table.add_row(f"[bold]{group}[/]")
        for finding in of_group:
            after = f" -> {finding.next}" if finding.next else ""
            table.add_row(f"  {finding.name}", SIGNS[finding.state], escape(finding.text + after))
    console.print(table)
