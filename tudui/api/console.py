"""The consoles that commands and functions write to."""

import os
import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 1000  # columns where nobody looks: no name is broken for a width that a file or pipe does not have


def messages() -> "Console":
    """Return the console for everything that is not a result."""
    return _console(sys.stderr)


def output(*, json: bool) -> "Console":
    """Return the console for progress and tables: stdout, or stderr where stdout belongs to one JSON object."""
    return _console(sys.stderr if json else sys.stdout)


def note(text: str) -> None:
    """Tell the user something on stderr."""
    from rich.markup import escape

    messages().print(f"[yellow]note:[/] {escape(text)}")


def _console(file: IO[str]) -> "Console":
    from tudui.sinks.printable import printable_console

    wide = None if file.isatty() or "COLUMNS" in os.environ else WIDE
    return printable_console(file, width=wide)
