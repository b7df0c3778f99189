"""How this process was called, so that a command shown to the user can be typed as it stands."""

import os
import shutil
import sys
from pathlib import Path


def tudui_command() -> str:
    """Return `tudui`, or the way to it where it is not on the PATH."""
    if shutil.which("tudui"):
        return "tudui"
    called = Path(sys.argv[0])
    if called.stem == "tudui" and called.exists():
        return os.path.relpath(called)
    return f"{os.path.relpath(sys.executable)} -m tudui"


def is_first_process() -> bool:
    """Return whether this is the one process of a job of torchrun's that writes and reports, or alone."""
    return os.environ.get("RANK", "0") == "0"


def speaks_for_its_machine() -> bool:
    """Return whether this is the one process of its machine that says what all of a job would say."""
    return os.environ.get("LOCAL_RANK", "0") == "0"
