"""How commands print results. Names from files are never read as Rich's markup."""

from collections.abc import Iterable, Sequence
from typing import Any

import typer

from tudui.api.console import console_on
from tudui.files import json_text


def print_json(values: Any) -> None:
    """Print strict JSON in one line."""
    typer.echo(json_text(values))


def print_line(text: str, style: str = "") -> None:
    """Print text that is not broken at the width of the terminal."""
    console_on().print(text, style=style, markup=False, soft_wrap=True)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, left: int = 1, title: str | None = None, total: Any = ()
) -> None:
    """Print a table whose first columns are left-aligned; None is shown as -, `total` is a last row in bold.

    Without columns there is no head.
    """
    from rich.text import Text

    from tudui.sinks.printable import plain_table

    table = plain_table(*columns, left=left, title=title)
    table.show_header = bool(columns)
    for row, style in [*((row, None) for row in rows), *([(total, "bold")] if total else [])]:
        cells = (cell if isinstance(cell, Text) else Text("-" if cell is None else str(cell)) for cell in row)
        table.add_row(*cells, style=style)
    console_on().print(table)
