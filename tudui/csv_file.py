"""CSV files of any size: their encoding, separator and decimal comma, and their rows in chunks with line numbers."""

import codecs
import csv
import io
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Literal, NamedTuple

from tudui.errors import DataError, UsageError, closest, did_you_mean
from tudui.files import opened
from tudui.text import AS_UTF_8, encoding_of, in_a_line, printable, shown_as_it_is

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
LAST_GUESS = "Windows-1252"  # in which almost any bytes are text
MAX_LINE = 2**22  # characters
MAX_COLUMNS = 16_384  # as in spreadsheets
MAX_NAME = 200  # characters; the description in an exported file allows 255
FILES = ("file", "filename", "file_name", "image", "path")  # names of the column of files
SHOWN = 20  # columns in a message
CELLS = 400_000  # in memory at once; each takes about 60 bytes
ROWS = 10_000  # in a chunk at most; the kinds of columns follow from the first
MISSING = frozenset(("", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-", "."))  # what stands for no number
BLOCK = 2**20  # bytes that are looked at once
_WHOLE, _DECIMAL, _WITH_COMMA = re.compile(r"[+-]?\d+"), re.compile(r"[+-]?\d*\.\d+"), re.compile(r"[+-]?\d*,\d+")

_DATE = re.compile(r"\d{4}([-/.])\d\d?\1\d\d?([T ].*)?|\d\d?([-/.])\d\d?\3(\d{4}|\d\d)( .*)?")


class Chunk(NamedTuple):
    """Some rows of a file, column by column."""

    lines: list[int]  # on which each row begins
    columns: list[tuple[str, ...]]


class Target(NamedTuple):
    """A column with targets."""

    name: str
    place: int
    kind: "Kind"  # numbers or texts


Kind = Literal["numbers", "texts", "dates", "nothing"]


@dataclass(frozen=True)
class CsvFile:
    """A file that was opened once, to know how it is written."""

    path: Path
    encoding: str
    separator: str
    names: tuple[str, ...]  # of the columns
    comma: bool = False  # numbers have a decimal comma

    @property
    def remarks(self) -> list[str]:
        """What a user should know of how the file was read; nothing if it is UTF-8 with commas."""
        found = [] if self.separator == "," else [f"separated by {SEPARATORS[self.separator]}"]
        found += ["decimal commas"] if self.comma else []
        found += [] if self.encoding == "UTF-8" else [f"encoding {self.encoding}"]
        return [f"{self.path}: {', '.join(found)}"] if found else []

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows; DataError with FILE:LINE for a row that does not have the columns of the header."""
        lines: list[int] = []
        rows: list[list[str]] = []
        length = max(1, min(ROWS, CELLS // len(self.names)))
        for line, row in islice(_rows(self.path, self.encoding, self.separator), 1, None):
            if len(row) != len(self.names):
                raise DataError(
                    f"{self.path}:{line}: {_counted(len(row), 'cell')}, and the header has {len(self.names)}; "
                    f"put quotes around a cell with {SEPARATORS[self.separator]}, or complete the row"
                )
            lines.append(line)
            rows.append(row)
            if len(rows) == length:
                yield Chunk(lines, list(zip(*rows, strict=True)))
                lines, rows = [], []
        if rows:
            yield Chunk(lines, list(zip(*rows, strict=True)))

    def numbers(self, cells: Sequence[str]) -> list[float]:
        """Return the number in each cell: NaN for a missing one, infinite for a text that is none."""
        if self.comma:
            cells = [cell.replace(".", "?").replace(",", ".") for cell in cells]
        try:
            if "_" not in "".join(cells):  # which Python accepts in a number
                return list(map(float, cells))
        except ValueError:
            pass
        return list(map(_number, cells))

    def is_number(self, cell: str) -> bool:
        """Return whether a cell is a number, also an infinite one."""
        plain = cell.replace(".", "?").replace(",", ".") if self.comma else cell
        with suppress(ValueError):
            return "_" not in plain and not math.isnan(float(plain))
        return False

    def kind(self, cells: Sequence[str]) -> Kind:
        """Return what most cells of a column are; nothing if all are empty."""
        values = self.numbers(cells)
        there = [cell.strip() for cell, value in zip(cells, values, strict=True) if not math.isnan(value)]
        if not there:
            return "nothing"
        if 2 * sum(map(math.isfinite, values)) > len(there):
            return "numbers"
        return "dates" if 2 * sum(map(bool, map(_DATE.fullmatch, there))) > len(there) else "texts"

    @property
    def listing(self) -> int:
        """The place of the column with the names of files: `file`, or a name like it, else the first."""
        lower = [name.casefold() for name in self.names]
        return next((lower.index(name) for name in FILES if name in lower), 0)

    def targets(self, first: Chunk, wanted: Sequence[str], texts: Sequence[str], *, listing: bool) -> list[Target]:
        """Return the columns of the targets; if none is named, the only one besides that of files.

        DataError if there is no such column, UsageError if the user has to choose. The first rows say what are numbers.
        """
        others = [name for place, name in enumerate(self.names) if not (listing and place == self.listing)]
        wanted = wanted or (others if len(others) == 1 else ())
        columns = f"columns: {', '.join(others[:SHOWN])}{', ...' if others[SHOWN:] else ''}"
        if not wanted:
            raise UsageError(f"{self.path}: which column is the target? Name it with --target COLUMN ({columns})")
        if unknown := next((name for name in wanted if name not in others), None):
            near = did_you_mean(unknown, others)
            raise DataError(f"--target {unknown}: no such column in {self.path}{near} ({columns})")
        found = []
        for place, name in ((self.names.index(name), name) for name in wanted):
            is_number = name not in texts and self.kind(first.columns[place]) == "numbers"
            found.append(Target(name, place, "numbers" if is_number else "texts"))
        if len(found) > 1 and (text := next((one.name for one in found if one.kind == "texts"), None)):
            raise UsageError(f"--target {','.join(wanted)}: {text} is not a number; several targets must be numbers")
        return found


def open_csv(path: Path) -> CsvFile:
    """Return how a file is written, and its columns; DataError if it is no text with a header."""
    encoding = _encoding(path)
    head = next((line for line in _lines(path, encoding) if line.strip()), "")
    separator = max(SEPARATORS, key=lambda one: _width(head, one))
    rows = _rows(path, encoding, separator)
    _, first = next(rows, (0, []))
    names = [_name(text, place, path) for place, text in enumerate(first, start=1)]
    _check_names([text.strip() for text in first], names, path)
    cells = [cell.strip() for _, row in islice(rows, 100) for cell in row[: CELLS // 100]]
    comma = separator != "," and any(map(_WITH_COMMA.fullmatch, cells)) and not any(map(_DECIMAL.fullmatch, cells))
    return CsvFile(path, encoding, separator, tuple(names), comma)


def _width(head: str, separator: str) -> int:
    try:
        return len(next(csv.reader([head], delimiter=separator), []))
    except csv.Error:  # of a long cell
        return 0


def _check_names(texts: Sequence[str], names: Sequence[str], path: Path) -> None:
    if not any(texts):
        raise DataError(f"{path}: is empty; its first line must have the names of the columns")
    if len(names) > MAX_COLUMNS:
        raise DataError(f"{path}: {len(names):,} columns are too many (at most {MAX_COLUMNS:,}); leave some out")
    if any(map(_DECIMAL.fullmatch, texts)) or all(map(_WHOLE.fullmatch, filter(None, texts))):
        raise DataError(f"{path}:1: its first line has numbers; put the names of the columns there")
    if double := next((name for name, count in Counter(names).items() if count > 1), None):
        raise DataError(f"{path}:1: two columns are called {double}; rename one of them")


def _name(text: str, place: int, path: Path) -> str:
    name = unicodedata.normalize("NFC", text.strip())
    if not shown_as_it_is(name):
        raise DataError(f"{path}:1: the name of column {place} has control characters ({in_a_line(ascii(name))})")
    if len(name) > MAX_NAME:
        raise DataError(f"{path}:1: the name of column {place} is longer than {MAX_NAME} characters; shorten it")
    return name or f"column {place}"


def _rows(path: Path, encoding: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank, with the line on which it begins."""
    reader = csv.reader(_lines(path, encoding), delimiter=separator, strict=True)
    line = 1
    try:
        for row in reader:
            if row and any(row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        known = {
            "unexpected end": "a quote that begins here is never closed",
            "field larger": f"a cell of more than {csv.field_size_limit():,} characters; is a quote never closed?",
        }
        why = next((text for begin, text in known.items() if str(error).startswith(begin)), in_a_line(error))
        raise DataError(f"{path}:{line}: {why}") from None


def _lines(path: Path, encoding: str) -> Iterator[str]:
    try:
        with opened(path) as file, io.TextIOWrapper(file, encoding, newline="") as text:
            number = 0
            while line := text.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    raise DataError(f"{path}:{number}: a line of more than {MAX_LINE:,} characters; is this a table?")
                if "\0" in line:
                    raise DataError(f"{path}:{number}: contains a NUL byte, so it is not text; export it as CSV again")
                yield line.removeprefix("\ufeff") if number == 1 else line
    except UnicodeDecodeError:
        what = "a text file" if encoding == LAST_GUESS else f"valid {encoding} after line {number}"
        raise DataError(f"{path}: not {what}; {AS_UTF_8}") from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _encoding(path: Path) -> str:
    """Return the encoding of a file: UTF-8 if all of it is valid, else what the first other line looks like."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with opened(path) as file:
            if (start := file.read(4)).startswith((b"PK\3\4", b"\xd0\xcf\x11\xe0")):
                raise DataError(f"{path}: a spreadsheet or an archive, not text; save the table as CSV (UTF-8)")
            if (found := encoding_of(start)) and found.startswith("UTF-16"):
                return found
            file.seek(0)
            return _first_other(file, decoder)
    except OSError as error:
        raise _unreadable(path, error) from None


def _first_other(file: IO[bytes], decoder: codecs.IncrementalDecoder) -> str:
    """Return UTF-8, or the encoding of the first part of a file that is not."""
    rest = b""
    while block := file.read(BLOCK):
        try:
            decoder.decode(block)
        except UnicodeDecodeError:
            whole = rest + block
            lines = whole[: whole.rfind(b"\n") + 1] or whole  # a cut letter would mislead
            return encoding_of(lines) or LAST_GUESS
        rest = block[block.rfind(b"\n") + 1 :]
    return "UTF-8"


def _unreadable(path: Path, error: OSError) -> DataError:
    if isinstance(error, FileNotFoundError):
        near = closest(path.stem, sorted(one.stem for one in path.parent.glob(f"*{path.suffix}")))
        return DataError(f"{path}: no such file; {f'did you mean {near}{path.suffix}?' if near else 'check the path'}")
    return DataError(f"{path}: cannot be read: {error.strerror or error}")


def _number(cell: str) -> float:
    cell = cell.strip()
    if cell.casefold() in MISSING:
        return float("nan")
    try:
        return float("inf") if "_" in cell else float(cell)
    except ValueError:
        return float("inf")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def quoted(cell: str) -> str:
    """Return a cell for a message."""
    return f"'{printable(in_a_line(cell[:200]))[:40]}'"
