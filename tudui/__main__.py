"""`python -m tudui` is the command `tudui`."""

import signal


def main() -> None:
    """Run the command; Ctrl-C while it is still being imported ends it at once."""
    python_raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # and is not ignored, as by nohup
    if python_raises:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tudui.cli import main as command

    if python_raises:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command()


if __name__ == "__main__":
    main()
