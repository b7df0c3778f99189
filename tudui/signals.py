"""Ctrl-C and SIGTERM stop the loop at its next yield."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tudui.invocation import is_first_process


class StopRequest:
    """The signal that asks the run to stop, if there is one."""

    signal_number: int | None = None


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Note the first Ctrl-C or SIGTERM instead of dying; a second signal stops immediately, except SIGTERM twice."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield request
        return

    def note(number: int, frame: FrameType | None) -> None:
        repeated = number == request.signal_number == signal.SIGTERM  # torchrun and the system may both send it
        if request.signal_number is not None and not repeated:
            raise KeyboardInterrupt
        request.signal_number = number
        if number == signal.SIGINT and is_first_process():
            below = b"\n" if os.isatty(2) else b""  # the terminal has written ^C after the progress bar
            os.write(2, below + b"Stopping: saving at the next log point. Press Ctrl-C again to quit immediately.\n")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
