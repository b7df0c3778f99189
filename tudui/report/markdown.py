"""The report as Markdown, with its pictures in a folder beside it."""

from typing import assert_never
from urllib.parse import quote

from tudui.language import say
from tudui.report import document as doc
from tudui.text import markdown_text, printable

PICTURES = "pictures"


def markdown(blocks: doc.Document) -> str:
    """Return the text of report.md."""
    return "\n\n".join(_block(block) for block in blocks) + "\n"


def _block(block: doc.Block) -> str:
    match block:
        case doc.Heading(text, level):
            return f"{'#' * level} {markdown_text(text)}"
        case doc.Paragraph(text):
            return markdown_text(text)
        case doc.Lead(text):
            return f"**{markdown_text(text)}**"
        case doc.Notice(title, items):
            lines = (f"> - {markdown_text(item)}" for item in items)
            return "\n".join((f"> **{markdown_text(title)}**", ">", *lines))
        case doc.Forest(caption, head, claims):
            rows = [[one.verdict, one.name, one.difference, one.mean, say("; ").join(one.notes)] for one in claims]
            return _block(doc.Table(caption, [*head, say("notes")], rows, words=(*head[:2], say("notes"))))
        case doc.Bullets(items):
            return "\n".join(f"- {markdown_text(item)}" for item in items)
        case doc.Code(text):
            return "\n".join(f"    {printable(line)}" for line in text.splitlines())
        case doc.Table(caption, head, rows, words):
            cells = [[_cell(cell) for cell in row] for row in (head, *rows)]
            cells.insert(1, [":---" if name in words else "---:" for name in head])
            return "\n".join((f"{markdown_text(caption)}{say(':')}\n", *(f"| {' | '.join(row)} |" for row in cells)))
        case doc.Gallery(pictures):
            return "\n\n".join(
                f"![{markdown_text(picture.alt)}]({PICTURES}/{picture.name}.png)\n\n*{markdown_text(picture.caption)}*"
                for picture in pictures
            )
        case doc.Folded(summary, blocks):
            return f"<details><summary>{markdown_text(summary)}</summary>\n\n{markdown(blocks)}\n</details>"
        case _:
            assert_never(block)


def _cell(cell: str) -> str:
    if isinstance(cell, doc.Short):
        return f"`{cell[:8]}`"
    if isinstance(cell, doc.Link):
        return f"[{markdown_text(cell)}]({quote(cell.to)})"
    if isinstance(cell, doc.Judged):
        return markdown_text(f"{cell.verdict} {cell}")
    text = markdown_text(cell)
    return f"**{text}**" if isinstance(cell, doc.Best) else f"<u>{text}</u>" if isinstance(cell, doc.Near) else text
