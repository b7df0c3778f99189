"""`python -m tudui` is the command `tudui`."""

import io
import signal
import sys


def main() -> None:
    """Run the command; Ctrl-C while it is still being imported ends it at once."""
    python_raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # and is not ignored, as by nohup
    if python_raises:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a pipe may know less than UTF-8, as on Windows
            stream.reconfigure(errors="replace")
    from tudui.cli import main as command

    if python_raises:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command()


if __name__ == "__main__":
    main()
