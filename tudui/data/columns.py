"""The columns of a table: numbers as they are, each different text as a column of 0 and 1, and what to leave out."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tudui.config.schema import DataConfig
from tudui.csv_file import MAX_NAME, Chunk, CsvFile, Kind, quoted
from tudui.errors import DataError
from tudui.text import in_a_line, shown_as_it_is

MOST_TEXTS = 100  # different texts of a feature; a column with more is left out
SHOWN = 12  # names in a message
LARGEST = 1e30  # squares of larger numbers are infinite in the arithmetic of networks


@dataclass(eq=False)
class Column:
    """A column while its cells are read."""

    name: str
    place: int  # in the file
    kind: Kind
    most: int = MOST_TEXTS
    texts: dict[str, int] = field(default_factory=dict)  # the number of each different text
    empty: str = ""  # what an empty cell says; if nothing, the value is missing
    known: bool = False  # `texts` are those that a network was trained on, and there are no others
    missing: int = 0
    first_missing: int = 0  # its line
    unknown: dict[str, int] = field(default_factory=dict)  # texts that are not known -> line
    has_long: bool = False  # a text that is no name
    numbers_rows: bool = True  # each number is one more than that before
    _last: float | None = None
    _cells: dict[str, int] = field(default_factory=dict)  # texts as they are in the file

    @property
    def has_too_many(self) -> bool:
        """Whether there are too many different texts, or long ones, so that they are no longer read."""
        return self.has_long or len(self.texts) > self.most

    @property
    def order(self) -> list[str]:
        """The texts in the order of their columns; numbers by their size."""
        return list(self.texts) if self.known else sorted(self.texts, key=_by_number)

    def read(self, chunk: Chunk, file: CsvFile) -> np.ndarray:
        """Return float64 [N]: numbers, or the numbers of texts; NaN for missing cells, -1 for unknown texts."""
        cells = chunk.columns[self.place]
        if self.kind == "numbers":
            values = self._numbers(cells, chunk, file)
        elif self.kind == "texts":
            values = self._texts(cells, chunk, file)
        else:
            values = np.full(len(cells), np.nan)
        absent = np.isnan(values)
        if count := int(absent.sum()):
            self.first_missing = self.first_missing or chunk.lines[int(absent.argmax())]
            self.missing += count
        return values

    def _numbers(self, cells: Sequence[str], chunk: Chunk, file: CsvFile) -> np.ndarray:
        values = np.array(file.numbers(cells))
        if not (np.abs(values, out=np.zeros_like(values), where=~np.isnan(values)) <= LARGEST).all():
            wrong = int((np.abs(values) > LARGEST).argmax())
            raise DataError(f"{file.path}:{chunk.lines[wrong]}: {self.name}: {_why(cells[wrong], self.name, file)}")
        before = values[:1] - 1 if self._last is None else np.array([self._last])
        self.numbers_rows = self.numbers_rows and bool((np.diff(values, prepend=before) == 1).all())
        self._last = float(values[-1])
        return values

    def _texts(self, cells: Sequence[str], chunk: Chunk, file: CsvFile) -> np.ndarray:
        if self.has_too_many:
            return np.zeros(len(cells))
        for cell in dict.fromkeys(cells):
            if cell not in self._cells:
                line = chunk.lines[cells.index(cell)]
                self._cells[cell] = self._number_of(cell, f"{file.path}:{line}: {self.name}", line)
                if self.has_too_many:
                    self._cells.clear()
                    return np.zeros(len(cells))
        values = np.fromiter(map(self._cells.__getitem__, cells), np.float64, len(cells))
        values[values == -2] = np.nan
        if self.known and len(self._cells) > 100 * self.most:  # unknown texts without end
            self._cells.clear()
        return values

    def _number_of(self, cell: str, where: str, line: int) -> int:
        """Return the number of a text, a new one for a new text; -1: not known, -2: missing."""
        text = unicodedata.normalize("NFC", cell.strip()) or self.empty
        if not text:
            return -2
        if self.known and text not in self.texts:
            if len(self.unknown) < self.most:
                self.unknown.setdefault(text, line)
            return -1
        if not shown_as_it_is(text):
            raise DataError(f"{where}: has control characters ({in_a_line(ascii(text[:40]))}); remove them")
        self.has_long = self.has_long or len(text) > MAX_NAME
        return self.texts.setdefault(text, len(self.texts))


def left_out_by(name: str) -> str:
    """Return how to leave a column out."""
    return f"leave the column out with --set 'data.ignore=[{name}]'"


def listed(names: Sequence[str]) -> str:
    """Return the first names, and the number of others."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")


class MissingValues(DataError):
    """A table that has missing values, and `data.on_missing` refuses them."""


def about_missing(columns: Sequence[Column], rows: int, file: CsvFile, config: DataConfig) -> list[str]:
    """Return a note on the missing values of these columns; MissingValues if they are refused."""
    lacking = [column for column in columns if column.missing]
    counts = listed([f"{column.name} {column.missing:,}" for column in lacking])
    where = f"{file.path}: missing values, of {rows:,} rows: {counts}"
    if config.on_missing == "refuse":
        line = min(column.first_missing for column in lacking)
        ways = "use --on-missing drop to leave these rows out, or --on-missing median"
        raise MissingValues(f"{where} (the first on line {line}); fill them in, or {ways}")
    if config.on_missing == "drop":
        return [f"{where}; these rows are left out"]
    return [
        f"{where}; a missing number becomes the median of the training rows; for a missing text all features of its "
        "column are 0; rows without a target are left out"
    ]


def _by_number(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return float("inf"), text


def _why(cell: str, name: str, file: CsvFile) -> str:
    if not file.is_number(cell):
        way = f"fix it, or empty the cell and add --on-missing median; if all are texts: --set 'data.text=[{name}]'"
        return f"{quoted(cell)} is not a number, but most cells of this column are; {way}"
    return f"{quoted(cell)} is infinite or above {LARGEST:g}; fix it or leave the cell empty"


@dataclass(frozen=True)
class Layout:
    """The features of a table in order: numbers first, then a column of 0 and 1 for each text."""

    numbers: tuple[Column, ...]
    texts: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the features: COLUMN, and COLUMN=TEXT."""
        named = [f"{column.name}={text}" for column in self.texts for text in column.order]
        return (*(column.name for column in self.numbers), *named)

    def features(self, values: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
        """Return float32 [N, F] of the values [N] of each column; of a text that is missing or not known, all are 0."""
        found = np.zeros((rows, len(self.names)), dtype=np.float32)
        place = 0
        for column in self.numbers:
            found[:, place] = values[column.name]
            place += 1
        for column in self.texts:
            order = column.order
            for text in order:
                found[:, place] = values[column.name] == column.texts[text]
                place += 1
        return found

    def read(self, chunk: Chunk, file: CsvFile, *, filled: bool) -> np.ndarray:
        """Return the features of some rows; DataError for a missing value, unless the network fills it."""
        columns = (*self.numbers, *self.texts)
        values = {column.name: column.read(chunk, file) for column in columns}
        if not filled and (lacking := next((column for column in columns if column.missing), None)):
            why = "and the network was trained on complete rows; fill it in"
            raise DataError(f"{file.path}:{lacking.first_missing}: {lacking.name} is missing, {why}")
        return self.features(values, len(chunk.lines))


def layout_of(features: Sequence[str], file: CsvFile) -> Layout:
    """Return the columns of a file in which the features of a trained network are; DataError names those it lacks."""
    numbers: list[Column] = []
    texts: dict[str, Column] = {}
    places = {name: place for place, name in enumerate(file.names)}
    lacking: dict[str, None] = {}
    for feature in features:
        if feature in places:
            numbers.append(Column(feature, places[feature], "numbers"))
            continue
        cuts = [feature[:at] for at, letter in enumerate(feature) if letter == "="]
        name = next((cut for cut in cuts if cut in places), None)
        if name is None:
            lacking[cuts[0] if cuts else feature] = None
            continue
        column = texts.setdefault(name, Column(name, places[name], "texts", known=True))
        column.texts[feature.removeprefix(f"{name}=")] = len(column.texts)
    if lacking:
        raise DataError(
            f"{file.path}: has no column {', '.join(lacking)}, which the network was trained on; it has "
            f"{', '.join(file.names[:20])}"
        )
    return Layout(tuple(numbers), tuple(texts.values()))
