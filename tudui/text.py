"""Text from files and other libraries, made safe for where it is shown: terminal, one line, Markdown, CSV."""

import re

# Control characters other than tab and line feed, those that turn the direction of writing, halves of surrogate pairs
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
FORMULA = ("=", "+", "-", "@")  # a spreadsheet computes a cell that begins with one of these


def printable(text: str) -> str:
    """Return text in which nothing steers a terminal, or cannot be written to one: names may come from others."""
    return STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def in_a_line(error: object) -> str:
    """Return what another library says of a file as a few words in one line; it may quote the file."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{text[:160].rpartition(' ')[0] or text[:160]} ..."


def markdown_text(text: str) -> str:
    """Return printable text in which nothing is Markdown; underscores within words are not, and stay readable."""
    return re.sub(r"([\\`*|<>\[\]&~$]|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(printable(text).split()))


def csv_name(name: str) -> str:
    """Return a name that no spreadsheet takes for a formula: behind a quotation mark, unless it is a number."""
    name = printable(name)
    try:
        float(name)
    except ValueError:
        return f"'{name}" if name.startswith((*FORMULA, "\t")) else name
    return name


def csv_path(path: object) -> str:
    """Return a path that no spreadsheet takes for a formula, and that still names the file."""
    text = printable(str(path))
    return f"./{text}" if text.startswith(FORMULA) else text
