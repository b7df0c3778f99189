"""Output that outlasts its reader: a pipe, a terminal or a disk that is gone ends no run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any


class Lasting:
    """A text file that continues as /dev/null when it can no longer be written."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file
        self.error: OSError | None = None  # the first one

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        with self._replaced_on_error():
            self.file.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what was written, or drop it."""
        with self._replaced_on_error():
            self.file.flush()

    @contextmanager
    def _replaced_on_error(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = self.error or error
            with suppress(OSError), Path(os.devnull).open("w") as nowhere:  # what is buffered goes there too
                os.dup2(nowhere.fileno(), self.file.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)
