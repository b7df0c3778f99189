"""The record of a run: one event per line. Everything else that Tudui shows is computed from it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOENT
from pathlib import Path

from tudui.events import Event, to_json
from tudui.files import appended, disk_errors, json_text
from tudui.sinks import Sink


@contextmanager
def jsonl_sink(path: Path) -> Iterator[Sink]:
    """Append events to the record; DiskError if that fails or the record was moved."""
    with appended(path) as file:

        def emit(event: Event) -> None:
            with disk_errors(path):
                file.write(json_text(to_json(event)).encode() + b"\n")
                file.flush()
                if not os.path.samestat(path.stat(), os.fstat(file.fileno())):
                    raise FileNotFoundError(ENOENT, "the folder was moved or removed during the run")

        yield emit
