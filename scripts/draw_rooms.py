"""The picture of the rooms, an SVG drawn from the table of docs/architecture.md; the table is held by a test."""

import re
import textwrap
from html import escape
from itertools import groupby

ROW = re.compile(r"^\| (\d) \| `([^`]+)` \| (.+) \|$", re.MULTILINE)
CELL, GAP, LEFT, TOP = 196, 10, 52, 62
LINE, HEAD, LETTERS = 18, 34, 24  # height of a line, of a room's name; letters in a line
COLOURS = ("#dbe7f5", "#dff0e4", "#f8ecd2", "#f4dfdc", "#e8e0f3", "#d9eef0", "#f1e6dc", "#e3e6ea")
TITLE = "Floors and rooms: a room imports from lower floors, and from its own floor without a circle"
STYLE = (
    "text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1c2430 } "
    ".name { font: bold 16px ui-monospace, 'DejaVu Sans Mono', monospace } .owns { font-size: 14px } "
    ".floor { font-size: 20px; fill: #7a8594; text-anchor: middle } .title { font-size: 18px }"
)


def rooms_picture(page: str) -> str:
    """Return the floors as rows, the highest on top, with a box per room."""
    rooms = ROW.findall(page)
    floors = [(int(floor), list(group)) for floor, group in groupby(rooms, key=lambda room: room[0])][::-1]
    width = LEFT + max(len(group) for _, group in floors) * (CELL + GAP) + GAP
    parts, top = [], TOP
    for floor, group in floors:
        texts = [textwrap.wrap(re.sub(r"[`*]", "", owns), LETTERS) for _, _, owns in group]
        height = HEAD + LINE * max(map(len, texts)) + 12
        parts.append(f'<text class="floor" x="{LEFT / 2:g}" y="{top + height / 2 + 7:g}">{floor}</text>')
        for number, ((_, name, _), lines) in enumerate(zip(group, texts, strict=True)):
            left = LEFT + number * (CELL + GAP)
            parts.append(
                f'<rect x="{left}" y="{top}" width="{CELL}" height="{height}" rx="6" '
                f'fill="{COLOURS[floor % len(COLOURS)]}" stroke="#9aa5b4"/>'
                f'<text class="name" x="{left + 10}" y="{top + 24}">{escape(name)}</text>'
            )
            parts += [
                f'<text class="owns" x="{left + 10}" y="{top + HEAD + 11 + LINE * line}">{escape(text)}</text>'
                for line, text in enumerate(lines)
            ]
        top += height + GAP
    arrow = (
        f'<path d="M{LEFT - 12} {TOP + 8}V{top - 30}m-5 -8l5 10l5 -10" fill="none" stroke="#7a8594" stroke-width="2"/>'
    )
    size = f'width="{width}" height="{top + GAP}" viewBox="0 0 {width} {top + GAP}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n'
        f"<style>{STYLE}</style>\n"
        f'<rect width="100%" height="100%" rx="10" fill="#ffffff"/>\n'
        f'<text class="title" x="{LEFT}" y="36">{TITLE}</text>\n'
    )
    return "\n".join([head + arrow, *parts, "</svg>\n"])
