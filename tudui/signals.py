"""Ctrl-C, SIGTERM, and a terminal that is closed, stop the loop at its next yield."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from tudui.invocation import is_first_process

SIGHUP = getattr(signal, "SIGHUP", signal.SIGTERM)  # Windows has none


class StopRequest:
    """The signal that asks the run to stop, if there is one."""

    signal_number: int | None = None


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Note the first signal instead of dying; a second Ctrl-C, or one before or after SIGTERM, stops immediately."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield request
        return

    def note(number: int, frame: FrameType | None) -> None:
        # the system, the shell and torchrun may all send SIGTERM or SIGHUP
        if request.signal_number is not None and number != SIGHUP and signal.SIGINT in (number, request.signal_number):
            raise KeyboardInterrupt
        request.signal_number = request.signal_number or number
        if number == signal.SIGINT and is_first_process():
            below = b"\n" if os.isatty(2) else b""  # the terminal has written ^C after the progress bar
            with suppress(OSError):  # its reader may be gone, for example `tee` after the same Ctrl-C
                os.write(
                    2, below + b"Stopping: saving at the next log point. Press Ctrl-C again to quit immediately.\n"
                )

    numbers = {signal.SIGINT, signal.SIGTERM}
    if signal.getsignal(SIGHUP) is signal.SIG_DFL:  # not under nohup
        numbers.add(SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
