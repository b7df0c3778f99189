"""Train for long, see that memory, open files and threads stay as they are, and count what event files take.

    python fuzz/soak.py --minutes 30
    python fuzz/soak.py --epochs 2000 -- --data folder:DIR -b 8

A run on digits that logs at every step, in a process of its own, is looked at once a second. What follows `--` goes to
`tudui train`. Exit code 1 where the second half of the time needs more than the first did, by more than 2 %.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from tudui.files import json_text


def look(process: int) -> dict[str, float]:
    """Return resident memory in MB, open files and threads of a process."""
    place = Path(f"/proc/{process}")
    status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
    return {
        "memory": int(status["VmRSS"].split()[0]) / 1024,
        "files": len(list((place / "fd").iterdir())),
        "threads": int(status["Threads"]),
    }


def counts(folder: Path) -> dict[str, float]:
    """Return the number of log points and evaluations in the record, and the bytes of event files."""
    events = [json.loads(line)["event"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    size = sum(path.stat().st_size for path in (folder / "tensorboard").iterdir())
    return {"log points": events.count("StepEnd"), "evaluations": events.count("Evaluated"), "event bytes": size}


def main(
    arguments: Annotated[list[str] | None, typer.Argument()] = None,
    minutes: float = 30.0,
    epochs: int = 1_000_000,
    json_file: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Train until the time or the epochs are over."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        command = [sys.executable, "-m", "tudui", "train", "--config", "digits", "-o", str(folder), "-q"]
        command += ["--set", "log.every=1", "-e", str(epochs), *(arguments or [])]
        process = subprocess.Popen(command)
        began, seen = time.monotonic(), []
        while process.poll() is None and time.monotonic() - began < 60 * minutes:
            time.sleep(1)
            begun, over = (folder / "checkpoints" / "last.pt").exists(), (folder / "result.json").exists()
            if begun and not over and process.poll() is None:  # Python taking a process down touches memory anew
                seen.append(look(process.pid))
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait()
        assert len(seen) > 1, "it ended before it could be looked at twice"
        half = len(seen) // 2
        peaks = {what: [max(entry[what] for entry in part) for part in (seen[:half], seen[half:])] for what in seen[0]}
        found = {"seconds": time.monotonic() - began, **counts(folder), "peaks of both halves": peaks}
    print(json_text(found, indent=2))
    if json_file:
        json_file.write_text(json_text(found, indent=2) + "\n")
    raise typer.Exit(any(second > 1.02 * first for first, second in peaks.values()))


if __name__ == "__main__":
    typer.run(main)
