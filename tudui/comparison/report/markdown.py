"""The report as Markdown, with its pictures beside it."""

import re
from typing import assert_never

from tudui.comparison.report.document import (
    Block,
    Bullets,
    Code,
    Document,
    Folded,
    Gallery,
    Heading,
    Paragraph,
    Short,
    Table,
)

PICTURES = "pictures"


def markdown(document: Document) -> str:
    """Return the text of report.md."""
    return "\n\n".join(_block(block) for block in document) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_escaped(text)}"
        case Paragraph(text):
            return _escaped(text)
        case Bullets(items):
            return "\n".join(f"- {_escaped(item)}" for item in items)
        case Code(text):
            return "\n".join(f"    {line}" for line in text.splitlines())
        case Table():
            return _table(block)
        case Gallery(pictures):
            return "\n\n".join(
                f"![{_escaped(picture.alt)}]({PICTURES}/{picture.name}.png)\n\n*{_escaped(picture.caption)}*"
                for picture in pictures
            )
        case Folded(summary, blocks):
            return f"<details><summary>{_escaped(summary)}</summary>\n\n{markdown(blocks)}\n</details>"
        case _:
            assert_never(block)


def _table(table: Table) -> str:
    rules = [":---" if name in table.words else "---:" for name in table.head]
    rows = [[_escaped(name) for name in table.head], rules, *([_cell(cell) for cell in row] for row in table.rows)]
    return f"{_escaped(table.caption)}:\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(cell: str | Short) -> str:
    return f"`{cell.text}`" if isinstance(cell, Short) else _escaped(cell)


def _escaped(text: str) -> str:
    """Return text in which nothing is markup; underscores within words are not, and stay readable."""
    return re.sub(r"([\\`*|<>\[\]&~$]|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(text.split()))
