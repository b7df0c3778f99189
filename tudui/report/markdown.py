"""The report as Markdown, with its pictures beside it."""

from typing import assert_never

from tudui.report.document import (
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
from tudui.text import markdown_text, printable

PICTURES = "pictures"


def markdown(document: Document) -> str:
    """Return the text of report.md."""
    return "\n\n".join(_block(block) for block in document) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {markdown_text(text)}"
        case Paragraph(text):
            return markdown_text(text)
        case Bullets(items):
            return "\n".join(f"- {markdown_text(item)}" for item in items)
        case Code(text):
            return "\n".join(f"    {printable(line)}" for line in text.splitlines())
        case Table():
            return _table(block)
        case Gallery(pictures):
            return "\n\n".join(
                f"![{markdown_text(picture.alt)}]({PICTURES}/{picture.name}.png)\n\n*{markdown_text(picture.caption)}*"
                for picture in pictures
            )
        case Folded(summary, blocks):
            return f"<details><summary>{markdown_text(summary)}</summary>\n\n{markdown(blocks)}\n</details>"
        case _:
            assert_never(block)


def _table(table: Table) -> str:
    rules = [":---" if name in table.words else "---:" for name in table.head]
    rows = [[markdown_text(name) for name in table.head], rules, *([_cell(cell) for cell in row] for row in table.rows)]
    return f"{markdown_text(table.caption)}:\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(cell: str | Short) -> str:
    return f"`{cell.text}`" if isinstance(cell, Short) else markdown_text(cell)
