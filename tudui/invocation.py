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
