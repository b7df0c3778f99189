"""The report as one HTML file that needs nothing else."""

import re
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from tudui.language import say, tag
from tudui.report import document as doc

HERE = Path(__file__).parent


def html(blocks: doc.Document) -> str:
    """Return the text of report.html, whose title is the heading of level 1."""
    headings = [block for block in blocks if isinstance(block, doc.Heading)]
    title = next((block.text for block in headings if block.level == 1), "")
    chapters = [block.text for block in headings if block.level == 2]
    style = Markup((HERE / "style.css").read_text())  # our own file
    return _template("page.html").render(title=title, style=style, chapters=chapters, blocks=blocks)


def fragment(blocks: doc.Document) -> str:
    """Return blocks as part of a page."""
    return _template("blocks.html").render(blocks=blocks)


def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters: dict[str, Any] = {"anchor": _anchor, "base64": lambda data: b64encode(data).decode(), "size": _size}
    environment.filters |= filters | {"path": quote, "together": _together}
    environment.globals |= {"kind": lambda block: type(block).__name__, "say": say, "language": tag()}
    return environment.get_template(name)


def _together(text: str) -> str:
    """Return a text in which a number and its percent sign stay on one line."""
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text)


def _size(picture: bytes) -> tuple[int, int]:
    """Return width and height in pixels from a PNG's header."""
    return int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])


def _anchor(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower()).strip("-")
