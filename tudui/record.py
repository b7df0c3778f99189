"""What a run wrote about itself, read back: every value that is used is checked, and what is damaged is named.

Only what a reader needs is looked at, so that a file may hold more than is listed here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from tudui.errors import DataError
from tudui.invocation import tudui_command

Count = Annotated[int, Field(ge=0, lt=2**53)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
TAIL_BYTES = 256 * 1024


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


class Accuracy(_Read):
    """The scores of a split, of which only this one is read back."""

    accuracy: Share


class Best(_Read):
    """The weights that were selected on validation."""

    test_accuracy: Share


class Learned(_Read):
    """What was learned of right labels and of those made wrong."""

    clean: dict[str, float | None]
    flipped: dict[str, float | None]


class Hardware(_Read):
    """What the run was computed on."""

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
    epochs: Count
    train: Learned | None
    validation: Accuracy | None
    test: Accuracy | None
    best: Best | None
    versions: dict[str, str]
    hardware: Hardware
    timing: Timing

    @model_validator(mode="after")
    def _whole(self) -> "Result":
        if self.status == "finished" and (self.test is None or self.best is None):
            raise ValueError("a finished run has test scores")
        return self


class RunStartedLine(_Read):
    """The first line of `metrics.jsonl`."""

    event: Literal["RunStarted"]
    images: dict[str, Count]
    hashes: dict[str, str]


class StepEndLine(_Read):
    """The steps since the last such line; null: a value was not finite."""

    event: Literal["StepEnd"]
    epoch: Count
    step: Annotated[int, Field(ge=1, lt=2**53)]
    epochs_planned: Annotated[int, Field(ge=1, lt=2**53)]
    steps_planned: Annotated[int, Field(ge=1, lt=2**53)]
    loss: float | None
    gradient_norm: dict[str, NotNegative | None]
    epoch_done: bool
    timing: Timing


class EvaluatedLine(_Read):
    """Scores on a split."""

    event: Literal["Evaluated"]
    split: str
    weights: str
    epoch: Count
    images: Count
    accuracy: Share
    nll: float
    ece: float
    losses: dict[str, float | None]
    per_class_accuracy: dict[str, Share | None]
    confusion: list[list[Count]]

    @model_validator(mode="after")
    def _square(self) -> "EvaluatedLine":
        classes = len(self.per_class_accuracy)
        if len(self.confusion) != classes or any(len(row) != classes for row in self.confusion):
            raise ValueError("the confusion matrix has not a row and a column per class")
        return self


class WarnedLine(_Read):
    """What the user was told."""

    event: Literal["Warned"]
    message: str


class RunEndedLine(_Read):
    """The last line; the rest of it stands in `result.json`."""

    event: Literal["RunEnded"]


Line = RunStartedLine | StepEndLine | EvaluatedLine | WarnedLine | RunEndedLine
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="event")])


def read_result(path: Path) -> Result:
    """Read a `result.json`; DataError where it is damaged."""
    try:
        return Result.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        again = f"remove it and have the run ended again: {tudui_command()} train --resume {path.parent}"
        raise DataError(f"{path}: damaged: {_first(error)}; {again}") from None


def read_record(path: Path) -> list[Line]:
    """Read the whole record of a run that is over; DataError names the line that is damaged."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    read: list[Line] = []
    for number, line in enumerate(lines, start=1):
        try:
            read.append(_LINE.validate_json(line))
        except ValidationError as error:
            raise DataError(f"{path}:{number}: damaged: {_first(error)}") from None
    return read


def last_lines(path: Path) -> Iterator[Line]:
    """Return the last lines of a record that may be growing, newest first, without those that cannot be read."""
    try:
        with path.open("rb") as file:
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
    """Return the first problem in one line."""
    detail: Any = error.errors(include_url=False)[0]
    key = ".".join(str(part)[:40] for part in detail["loc"])
    what = " ".join(detail["msg"].removeprefix("Value error, ").split())[:160]
    return f"{key}: {what[0].lower()}{what[1:]}" if key else f"{what[0].lower()}{what[1:]}"
