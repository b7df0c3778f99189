"""Ctrl-C and SIGTERM, honoured at the next yield of the loop."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tudui.invocation import is_first_process


class StopRequest:
    """The signal that asked the run to stop, if one did."""

    signal_number: int | None = None


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Note the first Ctrl-C or SIGTERM instead of dying; a second Ctrl-C, or one after the other, stops at once."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield request
        return

    def note(number: int, frame: FrameType | None) -> None:
        repeated = number == request.signal_number == signal.SIGTERM  # as systems send it to every process of a job
        if request.signal_number is not None and not repeated:
            raise KeyboardInterrupt
        request.signal_number = number
        if number == signal.SIGINT and is_first_process():
            below = b"\n" if os.isatty(2) else b""  # a terminal has written ^C behind the bar
            os.write(2, below + b"stopping; everything is saved at the next log point, Ctrl-C again ends at once\n")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
