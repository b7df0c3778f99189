"""A console that replaces control characters in names from files, which Rich does not; and plain tables."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from tudui.output import Lasting
from tudui.text import one_line, printable

BLANK_ENDS = re.compile(" +$", re.MULTILINE)


def printable_console(file: IO[str], **options: Any) -> Console:
    """Return a console that writes to the file, or to a notebook's cell; lines are not wrapped in a file or pipe."""
    whole = not file.isatty()
    file = cast("IO[str]", _WithoutBlankEnds(file)) if whole else file
    return _PrintableConsole(file=file, highlight=False, emoji=False, **{"soft_wrap": whole, **options})


@contextmanager
def lasting(console: Console) -> Iterator[None]:
    """Let a console outlast its pipe, terminal or disk until the block ends, so that no run ends with it."""
    file = console.file
    console.file = cast("IO[str]", Lasting(file))
    try:
        yield
    finally:
        console.file = file


def plain_table(*columns: str, left: int = 1, title: str | None = None, gap: int = 2) -> Table:
    """Return a table without rules; its first `left` columns are left-aligned, with `gap` spaces between columns."""
    table = _PlainTable(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, gap, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < left else "right")
    return table


class _PlainTable(Table):
    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row of one line; a name that holds line breaks would forge others."""
        for cell in cells:
            if isinstance(cell, Text):
                cell.plain = one_line(cell.plain)
        super().add_row(*(one_line(cell) if isinstance(cell, str) else cell for cell in cells), **options)


class _WithoutBlankEnds:
    """A file that removes the blanks after a table's last column."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file

    def write(self, text: str) -> int:
        return self.file.write(BLANK_ENDS.sub("", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


class _PrintableConsole(Console):
    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))
