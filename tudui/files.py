"""Files that must survive: written aside, flushed to the disk, then renamed into place."""

import errno
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import IO, Any

from tudui.errors import DiskError, UsageError

LEFT = re.compile(r"\.tudui-[0-9a-f]{16}\.part")  # a name that `aside` returned


def opened(path: Path, mode: str = "rb", *, most: int | None = None, **how: Any) -> IO[Any]:
    """Open a regular file; OSError for a FIFO, a device or a socket, which could block or never end.

    OSError also for a file of more than `most` bytes.
    """
    file = open(path, mode, opener=_regular, **how)  # noqa: SIM115  # the caller closes it
    if most is not None and os.fstat(file.fileno()).st_size > most:
        file.close()
        raise OSError(errno.EFBIG, f"more than {most:,} bytes", str(path))
    return file


def _regular(path: str, flags: int) -> int:
    file = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)  # which a FIFO alone needs
    if stat.S_ISREG(kind := os.fstat(file).st_mode) or stat.S_ISDIR(kind):  # Python refuses the latter
        return file
    os.close(file)
    raise OSError(errno.EINVAL, "not a regular file", path)


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
        file = opened(path, "ab")
    try:
        yield file
    finally:
        with disk_errors(path):
            file.close()


def aside(path: Path) -> Path:
    """Return a new, unpredictable name beside a path, for what is going to replace it."""
    return path.with_name(f".tudui-{secrets.token_hex(8)}.part")


def remove_left(*folders: Path) -> None:
    """Delete what killed processes left half written in these folders; only names that `aside` returned."""
    for folder in folders:
        with disk_errors(folder):
            for path in folder.glob(".tudui-*"):
                if LEFT.fullmatch(path.name):
                    if path.is_dir():
                        rmtree(path)
                    else:
                        path.unlink()


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder at any depth; folders deleted meanwhile are left out, where rglob raises."""
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)


@contextmanager
def written_aside(path: Path, *, keep: Path | None = None) -> Iterator[IO[bytes]]:
    """Open a file that replaces `path` if the block succeeds; DiskError if it cannot be written.

    An existing `path` is renamed to `keep`.
    """
    begun = aside(path)
    try:
        with disk_errors(path):
            with begun.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if keep and path.exists():
                path.replace(keep)
            begun.replace(path)
    except BaseException:  # also a second Ctrl-C
        with suppress(OSError):  # the folder may be deleted or read-only
            begun.unlink()
        raise


def refuse_links(folder: Path, *, but: Callable[[Path], bool] = lambda link: False) -> None:
    """Raise DiskError if anything below a folder is a symbolic link: in somebody else's folder, it may lead out of it.

    The folder itself may be a link.
    """
    for place, folders, files in os.walk(folder):
        for path in (Path(place, name) for name in (*folders, *files)):
            if path.is_symlink() and not but(path):
                raise DiskError(f"{path}: is a symbolic link, and Tudui does not write through links; delete it")


def check_writable(folder: Path) -> None:
    """Raise DiskError if a folder, which need not exist, cannot be created or written."""
    above = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise DiskError(f"{folder}: cannot be written in {above}; choose another folder")


def refuse_overwriting(*paths: Path, overwrite: bool) -> None:
    """Raise UsageError for a folder, or for an existing file unless it may be overwritten."""
    for path in paths:
        if path.is_dir():
            raise UsageError(f"{path}: is a folder; give the name of a file")
        if not overwrite and (path.exists() or path.is_symlink()):
            raise UsageError(f"{path}: already exists; give another name, or add --overwrite")


@contextmanager
def locked(path: Path, *, what: str, mode: str = "a+") -> Iterator[None]:
    """Lock a file until the block or the process ends; DiskError if another process has locked it."""
    import socket

    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with disk_errors(path):
        file = opened(path, mode)
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise DiskError(
                f"{path.parent}: {what} in use by another process ({file.read(200).strip() or 'unknown'}); "
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
