"""Make text from files and libraries safe for a terminal, one line, Markdown, LaTeX or CSV."""

import re
import unicodedata

# control characters but tab and line feed, other line ends, marks of the writing direction, halves of surrogate pairs
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
AS_UTF_8 = "save it as UTF-8 in your editor"
LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
}  # fmt: skip
FORMULA = ("=", "+", "-", "@")  # the first character of a spreadsheet formula


def printable(text: str) -> str:
    """Replace control characters, so that untrusted names cannot control the terminal."""
    return STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def shown_as_it_is(name: str) -> bool:
    """Return whether a name has no line break, control character or change of the writing direction."""
    joiners = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # needed by some languages and emoji
    return all(unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") or c in joiners for c in name)


def encoding_of(data: bytes) -> str | None:
    """Return the likely encoding of text that is not UTF-8: UTF-16 or GBK; None if it is another.

    In GBK, most Chinese text is GB2312. Of another encoding, for example of `München` in Windows-1252, little is.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    if len(data) > 1 and data[:2].count(0) == 1:  # UTF-16 without its mark: a zero beside each ASCII character
        return "UTF-16-LE" if data[1] == 0 else "UTF-16-BE"
    try:
        text = data.decode("gbk")
    except UnicodeDecodeError:
        return None
    others = [character for character in text if character > "\x7f"]
    common = sum("一" <= one <= "鿿" and one.encode("gb2312", errors="ignore") != b"" for one in others)
    return "GBK" if 2 * common > len(others) else None


def one_line(text: str) -> str:
    """Replace line breaks, so that an untrusted name forges no line."""
    return " ".join(text.splitlines())


def in_a_line(error: object) -> str:
    """Shorten a library's message to one line; it may quote a file."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{text[:160].rpartition(' ')[0] or text[:160]} ..."


def markdown_text(text: str) -> str:
    """Return printable text with Markdown escaped; underscores within words need no escape."""
    return re.sub(r"([\\`*|<>\[\]&~$]|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(printable(text).split()))


def latex_text(text: str) -> str:
    """Return printable text in one line with LaTeX's special characters escaped."""
    return "".join(LATEX.get(character, character) for character in " ".join(printable(text).split()))


def csv_name(name: str) -> str:
    """Return a name that no spreadsheet reads as a formula: quoted, unless it is a number."""
    name = printable(name)
    try:
        float(name)
    except ValueError:
        return f"'{name}" if name.startswith((*FORMULA, "\t")) else name
    return name


def csv_path(path: object) -> str:
    """Return a path that no spreadsheet reads as a formula, and that still names the file."""
    text = printable(str(path))
    return f"./{text}" if text.startswith((*FORMULA, "\t")) else text
