"""The record of a run: one event per line. Everything else that is shown is a view of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tudui.errors import DiskError
from tudui.events import Event, StepEnd, to_json
from tudui.files import json_text
from tudui.sinks import Sink


@contextmanager
def jsonl_sink(path: Path) -> Iterator[Sink]:
    """Append events to the record."""
    try:
        with path.open("ab") as file:

            def emit(event: Event) -> None:
                file.write(json_text(to_json(event)).encode() + b"\n")
                file.flush()
                if not isinstance(event, StepEnd) or event.epoch_done:  # a checkpoint may follow, which counts on it
                    os.fsync(file.fileno())

            yield emit
    except OSError as error:
        raise DiskError(f"{path}: cannot be written: {error.strerror or error}") from None
