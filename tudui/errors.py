"""Errors shown to users; each class has its exit code."""

import difflib
import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from tudui.text import one_line

HALF = 2000  # characters; longer problems lose their middle


class TuduiError(Exception):
    """The message says what is wrong, where, and what to do next."""

    exit_code = 1

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(_short(one_line(problem)) for problem in problems)
        super().__init__("\n".join(self.problems))


class UsageError(TuduiError):
    """Invalid flags or arguments."""

    exit_code = 2


class ConfigError(UsageError):
    """An invalid config file or override; one line per problem."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(*problems)


class DataError(TuduiError):
    """A data set, image or record that cannot be found, read or used."""

    exit_code = 3


class Diverged(TuduiError):
    """A loss or gradient is not finite."""

    exit_code = 4


class WeightsError(TuduiError):
    """A checkpoint or weights file cannot be loaded."""

    exit_code = 5


class DiskError(TuduiError):
    """A folder or file cannot be written, or is in use."""

    exit_code = 6


class WorkerError(TuduiError):
    """Another process of the same job died."""

    exit_code = 7


class StopTraining(Exception):  # no error: a sink's request
    """Raised by a sink to end its run here, as early stopping does: it is saved, scored and reported."""


class Interrupted(TuduiError):
    """Ctrl-C (exit code 130), SIGTERM (143) or a closed terminal (129) ended the run after its state was saved."""

    def __init__(self, message: str, *, signal_number: int, lost: str = "") -> None:
        super().__init__(message)
        self.lost = lost  # what was not saved, if anything
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number


@contextmanager
def as_tudui_errors() -> Iterator[None]:
    """Turn what the system says of a path, a codec of a text, and Python of what is nested, into one of these.

    No code of ours can foresee it.
    """
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename not in (None, "") else ""
        kind = UsageError if error.errno == errno.ENAMETOOLONG else DiskError
        raise kind(f"{where}{error.strerror or error}; choose another path, or check its permissions") from None
    except RecursionError:
        why = "a path or a file is nested too deeply; choose another path, or one with fewer levels"
        raise UsageError(why) from None
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        around = error.object[max(error.start - 40, 0) : error.start + 40]
        text = f"{around!r}: not valid in {error.encoding}; rename or rewrite it"
        raise (DataError if isinstance(error, UnicodeDecodeError) else UsageError)(text) from None


def _short(problem: str) -> str:
    return problem if len(problem) <= 2 * HALF else f"{problem[:HALF]} ... {problem[-HALF:]}"


def closest(word: str, known: Iterable[str], *, like: float = 0.6) -> str | None:
    """Return the known word that is most similar, if one is similar enough; `like` is 1 for the same word."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=like)), None)


def did_you_mean(word: str, known: Iterable[str], *, like: float = 0.6) -> str:
    """Return `; did you mean 'x'?` with the closest known word, or an empty text."""
    near = closest(word, known, like=like)
    return f"; did you mean '{near}'?" if near else ""
