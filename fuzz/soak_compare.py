"""Do comparisons one after the other in one process, and see that it needs no more as time passes.

    python fuzz/soak_compare.py --minutes 30

Each comparison has a hundred runs of one epoch on digits, and is deleted when its report is written. Once a second the
script looks at this process and at its workers, which are new ones in each comparison: their peaks vary by 3 % from one
to the next. So it takes the median of the peaks of comparisons. Exit code 1 if that of the second half is more than 2 %
above that of the first.
"""

import os
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
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
    began, over = time.monotonic(), threading.Event()
    seen: list[dict[str, float]] = []

    def watch() -> None:
        while not over.wait(1):
            seen.append(look_at_all())

    watcher = threading.Thread(target=watch)
    watcher.start()
    peaks: list[dict[str, float]] = []
    runs = 0
    try:
        while len(peaks) < 2 or time.monotonic() - began < 60 * minutes:
            with tempfile.TemporaryDirectory() as place:
                plan = {**PLAN, "comparison.seeds": seeds}
                start = len(seen)
                report = tudui.compare(overrides=plan, folder=Path(place) / "c", executor=executor, progress=False)
            runs += sum(len(row.runs) for row in report.rows)
            peaks.append({what: max(entry[what] for entry in seen[start:]) for what in seen[0]})
            print(len(peaks), "; ".join(f"{what} {peak:.5g}" for what, peak in peaks[-1].items()), flush=True)
    finally:
        over.set()
        watcher.join()
    half = len(peaks) // 2
    found = {what: [median(one[what] for one in part) for part in (peaks[:half], peaks[half:])] for what in seen[0]}
    figures = "; ".join(f"{what} {first:.5g}, {second:.5g}" for what, (first, second) in found.items())
    print(f"{time.monotonic() - began:.0f} s, {len(peaks)} comparisons, {runs} runs; medians of both halves: {figures}")
    raise typer.Exit(any(second > 1.02 * first for first, second in found.values()))


if __name__ == "__main__":
    typer.run(main)
