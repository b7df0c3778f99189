"""The console that commands and functions write to."""

import os
import sys
from typing import IO, TYPE_CHECKING, cast

from tudui.language import say
from tudui.output import Lasting

if TYPE_CHECKING:
    from rich.console import Console

NARROWEST = 20  # columns that can show a table
WIDE = 1000  # columns of a file or pipe, so that no name is broken


def console_on(*, stderr: bool = False) -> "Console":
    """Return the console for stdout, or for stderr: messages, or everything if stdout belongs to one JSON object."""
    from tudui.sinks.printable import printable_console

    file = cast("IO[str]", Lasting(sys.stderr)) if stderr else sys.stdout
    columns = os.environ.get("COLUMNS", "").strip()
    if columns.isdecimal() and int(columns) < NARROWEST:  # 0, as some systems set it: Rich would print nothing
        del os.environ["COLUMNS"]
    return printable_console(file, width=None if file.isatty() or "COLUMNS" in os.environ else WIDE)


def note(*texts: str) -> None:
    """Print each text as a note on stderr."""
    for text in texts:
        from rich.markup import escape

        console_on(stderr=True).print(f"[yellow]{say('note: ')}[/]{escape(' '.join(text.splitlines()))}")
