"""`python -m tudui` is the command `tudui`."""

import contextlib
import io
import os
import signal
import sys
from pathlib import Path

# NVIDIA's cuSPARSELt makes the system look for this library in the working directory, and in such folders of it
CUDA, FOLDERS = "libcuda.so.1", ("glibc-hwcaps", "tls", "haswell", "avx512_1", "x86_64", "aarch64", "atomics")


def main() -> None:
    """Run the command; Ctrl-C during its import ends the process without a traceback."""
    python_raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not if it is ignored, as with nohup
    if python_raises:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a pipe may not accept UTF-8, for example on Windows
            stream.reconfigure(errors="replace")
    _run_nothing_of_this_folder()
    from tudui.cli import main as command

    if python_raises:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command()


def _run_nothing_of_this_folder() -> None:
    """Keep this process, and those that it starts, from code and settings in the working directory."""
    os.environ["PYTHONSAFEPATH"] = "1"
    if os.path.lexists("matplotlibrc"):  # read when matplotlib is imported
        with contextlib.chdir(sys.prefix):
            import matplotlib  # noqa: F401
    patterns = [CUDA, *(f"{top}/{deeper}{CUDA}" for top in FOLDERS for deeper in ("", "*/", "*/*/", "*/*/*/"))]
    for found in (path for pattern in patterns for path in Path().glob(pattern)):
        sys.stderr.write(f"error: {found}: torch would run this library; remove it, or work in another folder\n")
        raise SystemExit(2)


if __name__ == "__main__":
    main()
