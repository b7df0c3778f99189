"""How this process was started: the command to type again, and its number among the processes of a job."""

import os
import shutil
import sys
from pathlib import Path

from tudui.errors import UsageError


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
    """Return how many processes torchrun started for this job; 1 without it, or if its environment is not whole."""
    return 1 if _missing_of_torchrun() else int(os.environ.get("WORLD_SIZE", "1"))


def check_environment() -> None:
    """Raise UsageError if WORLD_SIZE is set without the rest of what torchrun sets."""
    if missing := _missing_of_torchrun():
        raise UsageError(
            f"WORLD_SIZE is set, but not as torchrun sets it: {', '.join(missing)} missing or wrong; "
            f"start the job with torchrun, or alone: unset WORLD_SIZE"
        )


def _missing_of_torchrun() -> list[str]:
    found = {name: os.environ.get(name, "") for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_PORT")}
    if found["WORLD_SIZE"] in ("", "1"):
        return []
    missing = [name for name, value in found.items() if not (value.isdecimal() and len(value) < 6)]
    if not missing:
        missing = ["RANK"] if int(found["RANK"]) >= int(found["WORLD_SIZE"]) else []
        missing += ["MASTER_PORT"] if not 0 < int(found["MASTER_PORT"]) < 65536 else []
    return missing + [name for name in ("MASTER_ADDR",) if not os.environ.get(name)]


def is_first_process() -> bool:
    """Return whether this is the process of its job that writes and reports."""
    return number_of_processes() == 1 or os.environ.get("RANK") == "0"


def speaks_for_its_machine() -> bool:
    """Return whether this is the process of its machine that reports what concerns the whole job."""
    return number_of_processes() == 1 or os.environ.get("LOCAL_RANK") == "0"
