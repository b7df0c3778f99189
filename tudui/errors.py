"""What can go wrong for a user, each with the exit code of the command that meets it.

TuduiError
├── UsageError          2   flags and arguments
│   └── ConfigError     2   a config file or an override; one line per problem
├── DataError           3   a data set, image or record that cannot be read
├── Diverged            4   a loss or gradient that is not finite
├── WeightsError        5   a checkpoint or weights file that cannot be used
├── DiskError           6   a folder or file that cannot be written, or is in use
├── WorkerError         7   another process of the same job that died
└── Interrupted   130, 143   Ctrl-C, SIGTERM
"""

import difflib
from collections.abc import Iterable, Sequence


class TuduiError(Exception):
    """A mistake that is not ours: its text says what, where and what to do next."""

    exit_code = 1


class UsageError(TuduiError):
    """Flags or arguments that do not fit."""

    exit_code = 2


class ConfigError(UsageError):
    """Everything that is wrong with a config, a line per problem."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(" ".join(problem.splitlines()) for problem in problems)
        super().__init__("\n".join(self.problems))


class DataError(TuduiError):
    """Data that cannot be found, read or used."""

    exit_code = 3


class Diverged(TuduiError):
    """Training met a loss or gradient that is not finite."""

    exit_code = 4


class WeightsError(TuduiError):
    """A checkpoint or weights file that cannot be loaded."""

    exit_code = 5


class DiskError(TuduiError):
    """A run folder that cannot be written."""

    exit_code = 6


class WorkerError(TuduiError):
    """A process that worked for this one died."""

    exit_code = 7


class Interrupted(TuduiError):
    """A signal ended the run after its state was saved."""

    def __init__(self, message: str, *, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the known word nearest to this one, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""
