"""How this process was started: the command to type again, and its number among the processes of a job."""

import os
import shutil
import sys
from pathlib import Path


def tudui_command() -> str:
    """Return `tudui`, or its path if it is not on the PATH."""
    if shutil.which("tudui"):
        return "tudui"
    called = Path(sys.argv[0])
    if called.stem == "tudui" and called.exists():
        return os.path.relpath(called)
    return f"{os.path.relpath(sys.executable)} {'-P ' if sys.flags.safe_path else ''}-m tudui"


def training_command() -> str:
    """Return the command for training, also with several processes."""
    return "torchrun ... -m tudui train" if number_of_processes() > 1 else f"{tudui_command()} train"


def number_of_processes() -> int:
    """Return how many processes torchrun started for this job; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Return whether this is the process of its job that writes and reports."""
    return number_of_processes() == 1 or os.environ.get("RANK") == "0"


def speaks_for_its_machine() -> bool:
    """Return whether this is the process of its machine that reports what concerns the whole job."""
    return number_of_processes() == 1 or os.environ.get("LOCAL_RANK") == "0"
