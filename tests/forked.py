"""The command `tudui` in a process of its own, forked from one that has imported torch: 0.3 s instead of 3."""

import contextlib
import multiprocessing
import os
import re
import sys
import time
from pathlib import Path
from typing import NamedTuple

MEGABYTES = 1200  # that a process may take, of which torch with CUDA takes 650
PATIENCE = 60  # seconds, after which it counts as hanging

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["pytest", "torch", "torchvision", "tudui.run", "tudui.inference.predict", "tudui.inference.scores",
     "tudui.report", __name__]
)  # fmt: skip


class Ended(NamedTuple):
    """A process that came to its end, with the most memory it held."""

    code: int
    out: str
    err: str
    megabytes: float


def command(*arguments: object, patience: float = PATIENCE, **environment: str) -> Ended:
    """Run the command in this folder; one that hangs or takes too much memory is killed."""
    process = FORKS.Process(
        target=_tudui, args=([str(argument) for argument in arguments], str(Path.cwd()), os.environ | environment)
    )
    process.start()
    deadline, kilobytes = time.monotonic() + patience, 0
    while process.exitcode is None:
        with contextlib.suppress(OSError):  # it has just ended
            status = Path(f"/proc/{process.pid}/status").read_text()  # rusage would count the parent's memory too
            kilobytes = max(kilobytes, *map(int, re.findall(r"VmHWM:\s+(\d+)", status)), 0)
        if time.monotonic() > deadline or kilobytes > 4 * 1024 * MEGABYTES:
            process.kill()
        time.sleep(0.01)
    return Ended(process.exitcode, Path("out").read_text(), Path("err").read_text(), kilobytes / 1024)


def _tudui(arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["tudui", *arguments]
    from tudui.__main__ import main

    main()
