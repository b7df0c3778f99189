"""Files that must survive: written aside, flushed to the disk, then renamed into place."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tudui.errors import DiskError

ASIDE = ".part"


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the system says of a file into one line."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"{path}: cannot be written: {error.strerror or error}; free or choose another place") from None


@contextmanager
def appended(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that grows; DiskError where it cannot be opened, or where what is left cannot be written."""
    with disk_errors(path):
        file = path.open("ab")
    try:
        yield file
    finally:
        with disk_errors(path):
            file.close()


@contextmanager
def written_aside(path: Path, *, keep: Path | None = None) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` when the block ends well; DiskError where it cannot be written.

    The file it replaces, if any, is renamed to `keep`.
    """
    aside = path.with_name(f"{path.name}{ASIDE}")
    try:
        with disk_errors(path):
            aside.unlink(
                missing_ok=True
            )  # of a process that was killed; or a link out of the folder, in one from others
            with aside.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if keep and path.exists():
                path.replace(keep)
            aside.replace(path)
    except BaseException:  # a second Ctrl-C among them
        with suppress(OSError):  # the folder may be gone, or may not be written
            aside.unlink()
        raise


def refuse_links(*paths: Path) -> None:
    """Raise DiskError where a path that is to be written is a symbolic link: in a folder from others it leads out."""
    for path in paths:
        if path.is_symlink():
            raise DiskError(f"{path}: is a symbolic link, and nothing is written through one; remove it or its folder")


@contextmanager
def locked(path: Path, *, what: str) -> Iterator[None]:
    """Hold a lock file, which vanishes with this process however it ends; DiskError where another process holds it."""
    import socket

    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return

    refuse_links(path)
    with disk_errors(path):
        file = path.open("a+")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise DiskError(
                f"{path.parent}: {what} in use by another process ({file.read().strip() or 'unknown'}); "
                f"wait for it, stop it, or choose another folder"
            ) from None
        except OSError:  # a file system without locks
            pass
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
    """Return strict JSON; what is not a number becomes null."""
    return json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inside) for inside in value]
    return value
