"""The report as one HTML file that needs nothing else."""

import re
from base64 import b64encode
from html import escape
from pathlib import Path
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
    Picture,
    Short,
    Table,
)

STYLE = Path(__file__).with_name("style.css")


def html(document: Document, *, title: str) -> str:
    """Return the text of report.html."""
    chapters = [block.text for block in document if isinstance(block, Heading) and block.level == 2]
    links = "\n".join(f'<li><a href="#{_anchor(text)}">{escape(text)}</a></li>' for text in chapters)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>
{STYLE.read_text()}</style>
</head>
<body>
<nav aria-label="Contents"><ul>
{links}
</ul></nav>
<main>
{fragment(document)}
</main>
</body>
</html>
"""


def fragment(blocks: Document) -> str:
    """Return blocks as a part of a page."""
    return "\n".join(_block(block) for block in blocks)


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f'<h{level} id="{_anchor(text)}">{escape(text)}</h{level}>'
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Bullets(items):
            return "<ul>\n" + "\n".join(f"<li>{escape(item)}</li>" for item in items) + "\n</ul>"
        case Code(text):
            return f"<pre><code>{escape(text)}</code></pre>"
        case Table():
            return _table(block)
        case Gallery(pictures):
            return '<div class="gallery">\n' + "\n".join(_picture(picture) for picture in pictures) + "\n</div>"
        case Folded(summary, blocks):
            return f"<details>\n<summary>{escape(summary)}</summary>\n{fragment(blocks)}\n</details>"
        case _:
            assert_never(block)


def _table(table: Table) -> str:
    of_words = [name in table.words for name in table.head]
    lines = [
        f'<th scope="col"{_kind(words)}>{escape(name)}</th>' for name, words in zip(table.head, of_words, strict=True)
    ]
    head = "".join(lines)
    body = "\n".join(
        "<tr>" + _row_head(row[0]) + "".join(_cell(c, w) for c, w in zip(row[1:], of_words[1:], strict=True)) + "</tr>"
        for row in table.rows
    )
    # a region that takes the keyboard's focus can be scrolled without a mouse
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(table.caption)}">\n<table>\n'
        f"<caption><span>{escape(table.caption)}</span></caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n"
        f"</table>\n</div>"
    )


def _row_head(cell: str | Short) -> str:
    return f'<th scope="row">{_content(cell)}</th>'


def _cell(cell: str | Short, words: bool) -> str:
    return f"<td{_kind(words)}>{_content(cell)}</td>"


def _kind(words: bool) -> str:
    return ' class="words"' if words else ""


def _content(cell: str | Short) -> str:
    if isinstance(cell, Short):
        return f'<code title="{escape(cell.whole)}">{escape(cell.text)}</code>'
    return escape(cell)


def _picture(picture: Picture) -> str:
    width, height = (int.from_bytes(picture.png[start : start + 4]) for start in (16, 20))  # as every PNG begins
    data = b64encode(picture.png).decode()
    return (
        f'<figure><img src="data:image/png;base64,{data}" width="{width}" height="{height}" '
        f'alt="{escape(picture.alt)}"><figcaption>{escape(picture.caption)}</figcaption></figure>'
    )


def _anchor(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower()).strip("-")
