"""`python -m tudui` is the command `tudui`."""

import contextlib
import errno
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tudui.output import Lasting

# NVIDIA's cuSPARSELt makes the system look for this library in the working directory, and in such folders of it
CUDA, FOLDERS = "libcuda.so.1", ("glibc-hwcaps", "tls", "haswell", "avx512_1", "x86_64", "aarch64", "atomics")


class _OfMatplotlib(logging.Handler):
    """Prints matplotlib's warnings; all about its cache, which it does without, as one note."""

    said = False

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if "cache" not in text and "mkdir -p" not in text and "writable" not in text:
            sys.stderr.write(f"{text}\n")
        elif not self.said:
            self.said = True
            sys.stderr.write("note: matplotlib has no cache, so plots take longer; set MPLCONFIGDIR to a folder\n")


def _lasting(name: str, number: int) -> Lasting:
    """Put such a file in the place of sys.stdout or sys.stderr, which is None if it was closed."""
    text: Any = getattr(sys, name) or open(number, "w", closefd=False)  # noqa: SIM115  # open as long as the process
    text.reconfigure(errors="replace")  # a pipe may not accept UTF-8, as on Windows
    file = Lasting(text)
    setattr(sys, name, file)
    return file


def main() -> None:
    """Run the command; Ctrl-C during its import ends the process without a traceback."""
    python_raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not if it is ignored, as with nohup
    if python_raises:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file would get its number, and what is printed
            os.open(os.devnull, os.O_RDWR)
    out = _lasting("stdout", 1)
    _lasting("stderr", 2)
    logging.getLogger("matplotlib").addHandler(_OfMatplotlib())
    try:
        Path.cwd()
    except FileNotFoundError:
        sys.stderr.write("error: the working directory was deleted; go to another folder\n")
        raise SystemExit(2) from None
    _run_nothing_of_this_folder()
    from tudui.cli import main as command

    if python_raises:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        command()
    except SystemExit as ended:
        sys.stdout.flush()
        if ended.code or out.error is None or out.error.errno == errno.EPIPE:  # the last as in `tudui runs | head`
            raise
        print(f"error: stdout: cannot be written: {out.error.strerror}; write to another place", file=sys.stderr)
        sys.exit(6)


def _run_nothing_of_this_folder() -> None:
    """Keep this process, and those that it starts, from code and settings in the working directory."""
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ["MPLBACKEND"] = "agg"  # pictures are files; an unknown name here would end matplotlib's import
    if os.path.lexists("matplotlibrc"):  # read when matplotlib is imported
        with contextlib.chdir(sys.prefix):
            import matplotlib  # noqa: F401  # it reads its settings once, here
    patterns = [CUDA, *(f"{top}/{deeper}{CUDA}" for top in FOLDERS for deeper in ("", "*/", "*/*/", "*/*/*/"))]
    for found in (path for pattern in patterns for path in Path().glob(pattern)):
        sys.stderr.write(f"error: {found}: torch would run this library; remove it, or work in another folder\n")
        raise SystemExit(2)


if __name__ == "__main__":
    main()
