"""TensorBoard's event file, written without a thread, so that a full disk is an error of the run."""

import os
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from tudui.files import appended, disk_errors
from tudui.run_folder import OURS

PREFIX = "events.out.tfevents"


class EventFile:
    """Appends to one event file, which is empty until its first event; DiskError if that fails."""

    def __init__(self, path: Path, file: IO[bytes], *, heading: Sequence[Event]) -> None:
        self.path, self.file, self.heading = path, file, heading
        self.records = RecordWriter(file)

    def add(self, summaries: Summary | Iterable[Summary], step: int | None = None) -> None:
        """Write summaries as one event of a step."""
        together = Summary()
        for summary in [summaries] if isinstance(summaries, Summary) else summaries:
            together.MergeFrom(summary)
        self.write(Event(summary=together, step=step))

    def write(self, event: Event) -> None:
        """Write an event with the current time."""
        events, self.heading = (*self.heading, event), ()
        with disk_errors(self.path):
            for each in events:
                each.wall_time = time.time()
                self.records.write(each.SerializeToString())
            self.file.flush()


@contextmanager
def event_file(folder: Path, *, purge_step: int | None = None) -> Iterator[EventFile]:
    """Open a new event file in the folder; TensorBoard discards earlier events from `purge_step` on."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads files by name; the number grows even if the clock was set back
        stamps = (path.name.split(".")[3] for path in folder.glob(f"{PREFIX}.*"))
        number = max([int(time.time()), *(int(stamp) + 1 for stamp in stamps if stamp.isdigit())])
    path = folder / f"{PREFIX}.{number:010d}.{socket.gethostname()}.{os.getpid()}{OURS}"
    heading = [Event(file_version="brain.Event:2")]
    if purge_step is not None:
        heading.append(Event(step=purge_step, session_log=SessionLog(status=SessionLog.START)))
    with appended(path) as file:
        yield EventFile(path, file, heading=heading)
