"""Do comparisons one after the other in one process, and see that it needs no more as time passes.

    python fuzz/soak_compare.py --minutes 30

Each comparison has a hundred runs of one epoch on digits, and is deleted when its report is written. Once a second the
script looks at this process and at its workers. Exit code 1 if the second half of the time needs more than the first,
by more than 2 %.
"""

import os
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from soak import look

import tudui

PLAN = {
    "comparison.variants": ["ce", "mse"],
    "train.epochs": 1,
    "train.batch_size": 512,
    "log.images": 0,
}


def look_at_all() -> dict[str, float]:
    """Return what this process has and how many children, and the most that one of these has."""
    own = os.getpid()
    children = [
        int(child) for path in Path(f"/proc/{own}/task").glob("*/children") for child in path.read_text().split()
    ]
    found, worker = look(own), {"worker memory": 0.0, "worker files": 0.0}
    for child in children:
        with suppress(OSError, KeyError):  # it has just ended
            seen = look(child)
            worker = {what: max(most, seen[what.removeprefix("worker ")]) for what, most in worker.items()}
    return {**found, "children": len(children), **worker}


def main(
    minutes: float = 30.0, seeds: int = 50, executor: Annotated[str, typer.Option(help="local, stacked")] = "local"
) -> None:
    """Compare until the time is over."""
    began, seen, over = time.monotonic(), [], threading.Event()

    def watch() -> None:
        while not over.wait(1):
            seen.append((time.monotonic() - began, look_at_all()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    comparisons = runs = 0
    try:
        while time.monotonic() - began < 60 * minutes:
            with tempfile.TemporaryDirectory() as place:
                plan = {**PLAN, "comparison.seeds": seeds}
                start = len(seen)
                report = tudui.compare(overrides=plan, folder=Path(place) / "c", executor=executor, progress=False)
            comparisons, runs = comparisons + 1, runs + sum(len(row.runs) for row in report.rows)
            latest = [entry for _, entry in seen[start:]]
            peaks = {what: max(entry[what] for entry in latest) for what in latest[0]}
            print(comparisons, "; ".join(f"{what} {peak:.5g}" for what, peak in peaks.items()), flush=True)
    finally:
        over.set()
        watcher.join()
    half = (time.monotonic() - began) / 2
    parts = [[entry for at, entry in seen if (at < half) == first] for first in (True, False)]
    peaks = {what: [max(entry[what] for entry in part) for part in parts] for what in seen[0][1]}
    figures = "; ".join(f"{what} {first:.5g}, {second:.5g}" for what, (first, second) in peaks.items())
    print(f"{2 * half:.0f} s, {comparisons} comparisons, {runs} runs; peaks of both halves: {figures}")
    raise typer.Exit(any(second > 1.02 * first for first, second in peaks.values()))


if __name__ == "__main__":
    typer.run(main)
