r"""Kill a comparison with SIGKILL at random moments, call it again each time; compare with one never killed.

    python scripts/crash_test.py --kills 10 --out crash -- --losses ce,mse --seeds 3 -e 3 --label-noise 0,0.4

What follows `--` goes to `tudui compare-losses`. Exit code 1 where `comparison.json` differs apart from `timing`, or a
temporary file is left.
"""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

COMMAND = [sys.executable, "-m", "tudui", "compare-losses", "--out", "comparison"]


def start(folder: Path, arguments: list[str]) -> subprocess.Popen[bytes]:
    """Start the comparison in a folder of its own, so that both have the same command."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "output.txt").open("ab") as output:
        return subprocess.Popen([*COMMAND, *arguments], cwd=folder, stdout=output, stderr=output)


def outcome(folder: Path) -> dict[str, Any]:
    """Return comparison.json apart from times."""
    values: dict[str, Any] = json.loads((folder / "comparison" / "comparison.json").read_text())
    values.pop("timing")
    return values


def main(
    arguments: Annotated[list[str] | None, typer.Argument()] = None,
    kills: int = 10,
    seed: int = 0,
    out: Path = Path("crash"),
) -> None:
    """Run both comparisons and say whether they are the same."""
    chance = random.Random(seed)
    given = arguments or []
    began = time.monotonic()
    assert start(out / "uncut", given).wait() == 0, "the comparison that is not killed fails; see output.txt"
    seconds = time.monotonic() - began
    print(f"not killed: {seconds:.1f} s", flush=True)
    killed = 0
    while killed < kills:
        process = start(out / "cut", given)
        delay = chance.uniform(0, 2 * seconds / kills + 4)  # 4: starting takes a part of each life
        try:
            code = process.wait(delay)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
            print(f"kill {killed} after {delay:.1f} s", flush=True)
            continue
        assert code == 0, f"exit code {code} after {killed} kills; see output.txt"
        print(f"done after {killed} kills", flush=True)
        break
    assert start(out / "cut", given).wait() == 0, "it does not go on after the last kill; see output.txt"
    same = outcome(out / "uncut") == outcome(out / "cut")
    left = [path.name for path in (out / "cut").rglob("*.part")]
    print(
        f"{killed} kills; comparison.json is {'the same' if same else 'NOT the same'}; left over: {left or 'nothing'}"
    )
    raise typer.Exit(0 if same and not left else 1)


if __name__ == "__main__":
    typer.run(main)
