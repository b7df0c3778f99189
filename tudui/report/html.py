"""The report as one HTML file that needs nothing else."""

import re
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import assert_never
from urllib.parse import quote

from tudui.report import document as doc

HERE = Path(__file__).parent


def html(blocks: doc.Document, *, title: str) -> str:
    """Return the text of report.html."""
    chapters = [block.text for block in blocks if isinstance(block, doc.Heading) and block.level == 2]
    links = "\n".join(f'<li><a href="#{_anchor(text)}">{escape(text)}</a></li>' for text in chapters)
    page = Template((HERE / "page.html").read_text())
    style = (HERE / "style.css").read_text()
    return page.substitute(title=escape(title), style=style, links=links, blocks=fragment(blocks))


def fragment(blocks: doc.Document) -> str:
    """Return blocks as part of a page."""
    return "\n".join(_block(block) for block in blocks)


def _block(block: doc.Block) -> str:
    match block:
        case doc.Heading(text, level):
            return f'<h{level} id="{_anchor(text)}">{escape(text)}</h{level}>'
        case doc.Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case doc.Bullets(items):
            return "<ul>\n" + "\n".join(f"<li>{escape(item)}</li>" for item in items) + "\n</ul>"
        case doc.Code(text):
            return f"<pre><code>{escape(text)}</code></pre>"
        case doc.Table():
            return _table(block)
        case doc.Gallery(pictures):
            return '<div class="gallery">\n' + "\n".join(_picture(picture) for picture in pictures) + "\n</div>"
        case doc.Folded(summary, blocks):
            return f"<details>\n<summary>{escape(summary)}</summary>\n{fragment(blocks)}\n</details>"
        case _:
            assert_never(block)


def _table(table: doc.Table) -> str:
    kinds = [' class="words"' if name in table.words else "" for name in table.head]
    head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for name, kind in zip(table.head, kinds, strict=True))
    body = "\n".join(f"<tr>{_row(row, kinds)}</tr>" for row in table.rows)
    # a region that takes the keyboard's focus can be scrolled without a mouse
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(table.caption)}">\n<table>\n'
        f"<caption><span>{escape(table.caption)}</span></caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n"
        f"</table>\n</div>"
    )


def _row(cells: Sequence[str], kinds: Sequence[str]) -> str:
    first, *others = map(_cell, cells)
    numbers = (f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds[1:], others, strict=True))
    return f'<th scope="row">{first}</th>{"".join(numbers)}'


def _cell(text: str) -> str:
    if isinstance(text, doc.Link):
        return f'<a href="{escape(quote(text.to))}">{escape(text)}</a>'
    return f'<code title="{escape(text)}">{escape(text[:8])}</code>' if isinstance(text, doc.Short) else escape(text)


def _picture(picture: doc.Picture) -> str:
    width, height = (int.from_bytes(picture.png[start : start + 4]) for start in (16, 20))  # of a PNG's header
    data = b64encode(picture.png).decode()
    return (
        f'<figure><img src="data:image/png;base64,{data}" width="{width}" height="{height}" '
        f'alt="{escape(picture.alt)}"><figcaption>{escape(picture.caption)}</figcaption></figure>'
    )


def _anchor(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower()).strip("-")
