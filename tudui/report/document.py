"""What a report is made of, whatever it is written in: headings, sentences, tables and pictures, in order."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """A heading; the report's title has level 1."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Sentences."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Something to be typed as it stands."""

    text: str


@dataclass(frozen=True)
class Short:
    """A long value such as a hash, of which the beginning is shown."""

    whole: str

    @property
    def text(self) -> str:
        """The beginning."""
        return self.whole[:8]


@dataclass(frozen=True)
class Table:
    """Rows below a head; the first column names the row. Columns of words are named, all others hold numbers."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str | Short]]
    words: Sequence[str] = ()


@dataclass(frozen=True)
class Picture:
    """A picture with its file name (without suffix), a text in its place and a caption."""

    name: str
    alt: str
    caption: str
    png: bytes


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side where there is room."""

    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Folded:
    """Blocks that are shown on request."""

    summary: str
    blocks: Sequence["Block"]


Block = Heading | Paragraph | Bullets | Code | Table | Gallery | Folded
Document = Sequence[Block]


def gallery(pictures: Sequence[Picture | None], *, otherwise: str) -> Block:
    """Return the pictures that there are, side by side; else a sentence."""
    known = [picture for picture in pictures if picture]
    return Gallery(known) if known else Paragraph(otherwise)


def pictures_of(document: Document) -> list[Picture]:
    """Return every picture of a document."""
    found: list[Picture] = []
    for block in document:
        if isinstance(block, Gallery):
            found += block.pictures
        elif isinstance(block, Folded):
            found += pictures_of(block.blocks)
    return found
