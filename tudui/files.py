"""Files that must survive: written aside, flushed to the disk, then renamed into place."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tudui.errors import DiskError

ASIDE = ".part"


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into a one-line DiskError."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise DiskError(f"{path}: cannot be written: {why}; free some space or choose another folder") from None


@contextmanager
def appended(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that grows; DiskError if it cannot be opened, or if its buffer cannot be flushed."""
    with disk_errors(path):
        file = path.open("ab")
    try:
        yield file
    finally:
        with disk_errors(path):
            file.close()


@contextmanager
def written_aside(path: Path, *, keep: Path | None = None) -> Iterator[IO[bytes]]:
    """Open a file that replaces `path` if the block succeeds; DiskError if it cannot be written.

    An existing `path` is renamed to `keep`.
    """
    aside = path.with_name(f"{path.name}{ASIDE}")
    try:
        with disk_errors(path):
            aside.unlink(missing_ok=True)  # left by a killed process, or a link that leads out of the folder
            with aside.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if keep and path.exists():
                path.replace(keep)
            aside.replace(path)
    except BaseException:  # also a second Ctrl-C
        with suppress(OSError):  # the folder may be deleted or read-only
            aside.unlink()
        raise


def refuse_links(*paths: Path) -> None:
    """Raise DiskError if a path to write is a symbolic link: in somebody else's folder, it may lead out of it."""
    for path in paths:
        if path.is_symlink():
            raise DiskError(f"{path}: is a symbolic link, and Tudui does not write through links; delete it")


@contextmanager
def locked(path: Path, *, what: str, mode: str = "a+") -> Iterator[None]:
    """Lock a file until the block or the process ends; DiskError if another process has locked it."""
    import socket

    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    refuse_links(path)
    with disk_errors(path):
        file = path.open(mode)
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise DiskError(
                f"{path.parent}: {what} in use by another process ({file.read().strip() or 'unknown'}); "
                f"wait for it, stop it, or choose another folder"
            ) from None
        except OSError:
            pass  # a file system without locks
        if file.writable():
            with disk_errors(path):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()}")
                file.flush()
        yield


def write_text(path: Path, text: str) -> None:
    """Write a whole text file aside and rename it into place."""
    with written_aside(path) as file:
        file.write(text.encode())


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Return strict JSON; NaN and infinity become null."""
    from pydantic_core import to_jsonable_python

    finite = to_jsonable_python(value, inf_nan_mode="null")
    return json.dumps(finite, indent=indent, ensure_ascii=False, allow_nan=False)
