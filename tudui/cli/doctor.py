"""`tudui doctor`."""

from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tudui.api.console import console_on
from tudui.cli.flags import JsonOption, choice
from tudui.cli.printing import print_json
from tudui.errors import UsageError

if TYPE_CHECKING:
    from tudui.diagnosis import Finding

STYLES = {"ok": "green", "note": "magenta", "wrong": "bold red"}


def doctor_command(
    data_dir: Annotated[Path | None, choice("DIR", "Look for data sets here.  [default: the user's cache]")] = None,
    json: JsonOption = False,
) -> None:
    """Check this machine: versions, devices, data sets, folders; exit code 2 if something is wrong.

    Nothing is downloaded and nothing is changed.

    Examples:
      tudui doctor
      tudui doctor --json
    """
    from tudui.diagnosis import diagnose

    findings = list(diagnose(data_dir))
    wrong = [finding.name for finding in findings if finding.state == "wrong"]
    if json:
        print_json({"well": not wrong, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings)
    if wrong:
        raise UsageError(f"wrong on this machine: {', '.join(wrong)}; the table says what to do")
    if not json:
        typer.echo("\nnothing is wrong")


def _print(findings: "list[Finding]") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for group, of_group in groupby(findings, key=lambda finding: finding.group):
        table.add_row(Text(group, "bold"))
        for one in of_group:
            after = f" -> {one.next}" if one.next else ""
            table.add_row(f"  {one.name}", Text(one.state, STYLES[one.state]), Text(one.text + after))
    console_on().print(table)
