"""The record of a run: one event per line. Everything else that is shown is a view of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tudui.errors import DiskError
from tudui.events import Event, to_json
from tudui.files import json_text
from tudui.sinks import Sink


@contextmanager
def jsonl_sink(path: Path) -> Iterator[Sink]:
    """Append events to the record; DiskError where that is not possible."""
    with _named(path):
        file = path.open("ab")
    with file:

        def emit(event: Event) -> None:
            with _named(path):
                file.write(json_text(to_json(event)).encode() + b"\n")
                file.flush()

        yield emit


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(f"{path}: cannot be written: {error.strerror or error}; free or choose another place") from None
