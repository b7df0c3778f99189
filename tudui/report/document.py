"""The blocks of a report, whatever its format: headings, sentences, tables and pictures, in order."""

from collections.abc import Sequence
from typing import NamedTuple


class Heading(NamedTuple):
    """A heading; the report's title has level 1."""

    text: str
    level: int = 2


class Paragraph(NamedTuple):
    """Sentences."""

    text: str


class Lead(NamedTuple):
    """The sentences that a reader should see first."""

    text: str


class Notice(NamedTuple):
    """The warnings, in one box."""

    title: str
    items: Sequence[str]


class Bullets(NamedTuple):
    """A list of sentences."""

    items: Sequence[str]


class Code(NamedTuple):
    """Text to copy."""

    text: str


class Short(str):
    """A long value, for example a hash, of which 8 characters are shown."""

    __slots__ = ()


class Best(str):
    """The best value of a column."""

    __slots__ = ()


class Near(str):
    """A value that is not shown to be worse than the best of its column."""

    __slots__ = ()


class Judged(str):
    """A difference with its verdict in words and the kind that gives its colour, as in `Claim`."""

    verdict: str
    kind: str

    def __new__(cls, difference: str, verdict: str, kind: str) -> "Judged":
        """Return the difference with its verdict."""
        judged = super().__new__(cls, difference)
        judged.verdict, judged.kind = verdict, kind
        return judged


class Link(str):
    """A text that leads to a file beside the report."""

    to: str

    def __new__(cls, text: str, to: str) -> "Link":
        """Return the text with the path of the file."""
        link = super().__new__(cls, text)
        link.to = to
        return link


class Table(NamedTuple):
    """Rows below a head; the first column names the row. Columns in `words` are text, all others numbers."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[str] = ()


class Picture(NamedTuple):
    """A PNG with its file name (without suffix), alternative text and caption."""

    name: str
    alt: str
    caption: str
    png: bytes


class Gallery(NamedTuple):
    """Pictures side by side if there is room."""

    pictures: Sequence[Picture]


class Axis(NamedTuple):
    """The common axis of differences."""

    low: float
    high: float
    margin: float  # differences nearer to 0 do not matter
    ticks: Sequence[tuple[float, str]]
    title: str

    def place(self, value: float) -> float:
        """Return where a value is, in percent of the axis; a value beyond it is at its end."""
        return 100 * (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)


class Claim(NamedTuple):
    """One variant's verdict and numbers."""

    name: str
    verdict: str  # in words
    kind: str  # `baseline` or the value of the verdict, for the colour
    difference: str
    mean: str
    notes: Sequence[str] = ()
    ends: tuple[float, float, float] | None = None  # on the axis: lower end, difference, upper end


class Forest(NamedTuple):
    """The verdicts of one noise level, each with its interval on the common axis."""

    caption: str
    head: tuple[str, str, str, str]  # of verdict, name, difference and mean
    claims: Sequence[Claim]
    axis: Axis | None  # None: nothing can be compared


class Folded(NamedTuple):
    """Blocks that are shown on request."""

    summary: str
    blocks: Sequence["Block"]


Block = Heading | Lead | Notice | Paragraph | Bullets | Code | Table | Forest | Gallery | Folded
Document = Sequence[Block]


def gallery(pictures: Sequence[Picture | None], *, otherwise: str) -> Block:
    """Return the pictures side by side; a sentence if there is none."""
    known = [picture for picture in pictures if picture]
    return Gallery(known) if known else Paragraph(otherwise)


def pictures_of(blocks: Document) -> list[Picture]:
    """Return every picture of a document."""
    found: list[Picture] = []
    for block in blocks:
        if isinstance(block, Gallery):
            found += block.pictures
        elif isinstance(block, Folded):
            found += pictures_of(block.blocks)
    return found
