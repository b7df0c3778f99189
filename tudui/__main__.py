"""`python -m tudui` is the command `tudui`."""

import io
import signal
import sys


def main() -> None:
    """Run the command; Ctrl-C during its import ends the process without a traceback."""
    python_raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not if it is ignored, as with nohup
    if python_raises:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a pipe may not accept UTF-8, for example on Windows
            stream.reconfigure(errors="replace")
    from tudui.cli import main as command

    if python_raises:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command()


if __name__ == "__main__":
    main()
