"""Everything that is claimed of a GPU, measured in one run of at most 8 minutes: `scripts/gpu_check.sh` calls it.

    python scripts/gpu_check.py [--quick] [--out DIR] [--budget SECONDS] [PART ...]
    python scripts/gpu_check.py --table FILE    # the tables of docs/performance.md

The parts, most important first, each in a process of its own with a time limit. `gpu-check.json` in DIR is written
anew after every figure, so that it has what was measured if the run is cut. Exit code 1 if a part fails, takes too long
or finds something wrong. Without a GPU the same code runs on the CPU, which shows that it works; `--quick` is for that.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from gpu_table import tables

# seconds that each may take; on one H200 the first ten took 370 together, and the last 120 to 150
LIMITS = {
    "machine": 60, "tests": 120, "data": 60, "speed": 100, "target": 60, "lockstep": 120, "exact": 80, "rounding": 60,
    "full_memory": 50, "profile": 60, "whole": 180,
}  # fmt: skip
LATEST = 3600  # with --quick, which may share a busy machine


class Report:
    """What is known so far, in a file."""

    def __init__(self, path: Path, *, quick: bool) -> None:
        self.path = path
        self.parts: dict[str, dict[str, Any]] = {}
        self.content = {"began": datetime.now(UTC).isoformat(timespec="seconds"), "quick": quick, "parts": self.parts}

    def take_in(self, part: str, line: str) -> bool:
        """Keep a line of figures; return whether it is one."""
        try:
            figures = json.loads(line)
        except ValueError:
            return False
        if not isinstance(figures, dict):
            return False
        found = self.parts[part]
        if "skipped" in figures:
            found["skipped"] = figures["skipped"]
        found["checks"].update(figures.pop("checks", {}))
        found["figures"].update(figures)
        self.save()
        return True

    def save(self) -> None:
        """Write the file aside and rename it, so that it is whole at any time."""
        aside = self.path.with_suffix(".part")
        aside.write_text(json.dumps(self.content, indent=1) + "\n")
        aside.replace(self.path)

    def is_good(self, part: str) -> bool:
        """Return whether a part ended well and found nothing wrong."""
        return self.parts[part]["status"] in ("done", "skipped") and all(self.parts[part]["checks"].values())


def run_part(report: Report, part: str, limit: float, command: list[str], log: Path) -> None:
    """Run one part, and keep its figures as they come."""
    found = report.parts[part] = {"status": "running", "seconds": 0.0, "checks": {}, "figures": {}}
    report.save()
    if limit < 1:
        found["status"] = "no time left"
        report.save()
        return
    began, late = time.monotonic(), threading.Event()
    with log.open("a") as errors:
        errors.write(f"\n== {part}\n")
        errors.flush()
        # a group of its own, so that what it started ends with it
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, process_group=0)

        def end() -> None:
            late.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(limit, end)
        timer.start()
        try:
            with process.stdout as lines:
                for line in lines:
                    if not report.take_in(part, line):
                        errors.write(line)
            code = process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    found["seconds"] = round(time.monotonic() - began, 1)
    found["status"] = "took too long" if late.is_set() else "failed" if code else "done"
    if "skipped" in found and found["status"] == "done":
        found["status"] = "skipped"
    if found["status"] == "failed":
        found["exit_code"] = code
        found["last_lines"] = log.read_text(errors="replace").splitlines()[-5:]
    report.save()


def say(report: Report, part: str) -> None:
    """Print how a part ended."""
    found = report.parts[part]
    wrong = [name for name, right in found["checks"].items() if not right]
    said = found.get("skipped") or (f"wrong: {', '.join(wrong)}" if wrong else "")
    print(f"{part:<12}{found['status']:<14}{found['seconds']:6.1f} s  {said}", flush=True)
    for line in found.get("last_lines", []):
        print(f"    {line}", flush=True)


def main(
    parts: Annotated[list[str] | None, typer.Argument(help=f"Only these of: {', '.join(LIMITS)}.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few steps of everything, to see that it works.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("runs/gpu-check"),
    budget: Annotated[float, typer.Option(help="Seconds for all parts.")] = 480,
    table_file: Annotated[Path | None, typer.Option("--table", help="Print this file's figures as a table.")] = None,
) -> None:
    """Measure, or print what was measured."""
    if table_file:
        print(tables(json.loads(table_file.read_text())))
        return
    chosen = parts or list(LIMITS)
    if unknown := set(chosen) - set(LIMITS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: no such part; there are {', '.join(LIMITS)}")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin slow a busy machine several times
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a part does not go on alone
    out.mkdir(parents=True, exist_ok=True)
    report, until = Report(out / "gpu-check.json", quick=quick), time.monotonic() + budget
    (out / "log.txt").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as work:
        for part in chosen:
            command = [sys.executable, str(Path(__file__).with_name("gpu_parts.py")), part, work, str(out.resolve())]
            limit = LATEST if quick else min(LIMITS[part], until - time.monotonic())
            run_part(report, part, limit, [*command, *(["--quick"] if quick else [])], out / "log.txt")
            say(report, part)
    print(f"{out / 'gpu-check.json'}: {sum(map(report.is_good, chosen))} of {len(chosen)} parts are good")
    raise typer.Exit(0 if all(map(report.is_good, chosen)) else 1)


if __name__ == "__main__":
    typer.run(main)
