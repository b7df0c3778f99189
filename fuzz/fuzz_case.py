"""One case of fuzzing: what is to be read, and when it passes."""

import faulthandler
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import fuzz_damage as damage

from tudui.errors import TuduiError

SECONDS = 10  # a case that takes longer hangs


class Hang(BaseException):
    """A case that did not end in time; no `except Exception` keeps it."""


class Target(NamedTuple):
    """One reader."""

    seeds: list[bytes]
    damage: damage.Damage
    read: Callable[[bytes], None]  # a TuduiError refuses; an assertion fails where the result is wrong


def passes(target: Target, content: bytes) -> bool:
    """Return whether the content was accepted; raise where it was neither read rightly nor refused clearly."""
    try:
        with _time_limit():
            target.read(content)
    except TuduiError as error:
        lines = str(error).splitlines()
    else:
        return True
    assert lines, "an error without a word"
    assert all(line.strip() for line in lines), f"an error with an empty line: {lines}"
    return False


@contextmanager
def _time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    faulthandler.dump_traceback_later(3 * SECONDS, exit=True)  # where it hangs outside of Python
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
