"""Read what a run wrote, as events; every value is checked."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError, model_validator

from tudui.config.again import resuming
from tudui.config.describe import shorten
from tudui.errors import DataError
from tudui.events import FORMAT, Count, Evaluated, Event, RunEnded, RunStarted, StepEnd, Warned
from tudui.files import opened

NotNegative = Annotated[float, Field(ge=0)]
Scores = dict[str, float | None]
TAIL_BYTES = 256 * 1024
MAX_RESULT = 16 * 2**20  # 100,000 classes have 2 MB
MAX_LINE = 16 * 2**20  # 10,000 classes and 10,000 images have 0.5 MB
MAX_RECORD = 256 * 2**20  # 200,000 log points
# Values take 24 times their text, and a damaged line is kept once for each of its mistakes.
MAX_VALUES = 500_000  # of a result or a line: 125,000 cells of a confusion matrix
MAX_RECORD_VALUES = 10_000_000  # 200,000 log points, 3,000 of them with details


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


class Learned(_Read):
    """Scores on correct training targets, and on those made wrong."""

    clean: Scores
    flipped: Scores


class Hardware(_Read):
    """What the run was computed with."""

    device: str
    gpu: str | None
    cpu: str
    threads: int
    precision: str


class Timing(_Read):
    """Seconds in the loop."""

    seconds: NotNegative


class Result(_Read):
    """`result.json`."""

    status: Literal["finished", "diverged"]
    task: dict[str, Any] = Field(default_factory=dict)
    epochs: Count
    train: Learned | None
    validation: Scores | None
    test: Scores | None
    best: Scores | None
    versions: dict[str, str]
    hardware: Hardware
    timing: Timing

    @model_validator(mode="after")
    def _whole(self) -> "Result":
        if self.status == "finished" and (self.test is None or self.best is None):
            raise ValueError("a finished run has test scores")
        return self


def _kind(values: Any) -> Any:
    return values.get("event") if isinstance(values, dict) else None


_EVENTS = (RunStarted, StepEnd, Evaluated, Warned, RunEnded)
_ANY_EVENT: Any = Union[*(Annotated[kind, Tag(kind.__name__)] for kind in _EVENTS)]
_LINE: TypeAdapter[Event] = TypeAdapter(Annotated[_ANY_EVENT, Discriminator(_kind)], config=ConfigDict(strict=True))


def read_result(path: Path) -> Result:
    """Read a `result.json`; DataError if it is damaged."""
    try:
        return Result.model_validate_json(b"".join(_lines(path, MAX_RESULT, MAX_VALUES)))
    except ValidationError as error:
        again = f"delete it and finish the run again: {resuming(path.parent)}"
        raise DataError(f"{path}: damaged: {_first(error)}; {again}") from None


def read_record(path: Path) -> list[Event]:
    """Read the whole record of a finished run; DataError names the damaged line."""
    read: list[Event] = []
    for number, line in enumerate(_lines(path, MAX_RECORD, MAX_RECORD_VALUES), start=1):
        try:
            read.append(_LINE.validate_json(line))
        except ValidationError as error:
            if number == 1:
                _refuse_another_format(line, path)
            raise DataError(f"{path}:{number}: damaged: {_first(error)}") from None
    return read


def _lines(path: Path, most: int, most_values: int) -> Iterator[bytes]:
    """Yield the lines of a file; DataError if one, or all of them, have more bytes or values than a run writes."""
    values = 0
    try:
        if path.stat().st_size > most:
            raise DataError(f"{path}: {path.stat().st_size:,} bytes are too many; {most:,} are allowed")
        with opened(path) as file:
            while line := file.readline(MAX_LINE + 1):
                if len(line) > MAX_LINE:
                    raise DataError(f"{path}: damaged: a line has more than {MAX_LINE:,} bytes")
                inside = sum(map(line.count, (b",", b"[", b"{")))
                values += inside
                if inside > MAX_VALUES or values > most_values:
                    raise DataError(f"{path}: {values:,} values are too many")
                yield line
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _refuse_another_format(line: bytes, path: Path) -> None:
    try:
        started = json.loads(line)
    except (ValueError, RecursionError):
        return
    if _kind(started) == RunStarted.__name__ and (written := started.get("format", 1)) != FORMAT:
        raise DataError(
            f"{path}: record format {shorten(written)}, but this version of Tudui reads {FORMAT}; "
            f"use the version that wrote it (format 1: 0.1), or train again"
        )


def last_lines(path: Path) -> Iterator[Event]:
    """Yield the readable last events of a record that may be growing, newest first."""
    try:
        with opened(path) as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return
    for line in reversed(lines):
        try:
            yield _LINE.validate_json(line)
        except ValidationError:  # the first line may be cut by the seek, the last by a kill
            continue


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    what = " ".join(detail["msg"].removeprefix("Value error, ").split())[:160]
    what = what[0].lower() + what[1:]
    key = ".".join(str(part)[:40] for part in detail["loc"])
    return f"{key}: {what}" if key else what
