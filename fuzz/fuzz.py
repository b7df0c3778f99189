r"""Fuzz what reads a user's files: damaged ones must be refused in a line or read rightly, no traceback, no hang.

    python fuzz/fuzz.py all --runs 10000
    python fuzz/fuzz.py weights --runs 10000

atheris (`pip install 'tudui[fuzz]'`) guides the cases by the lines of Tudui's readers that they reach. Half of them are
damaged as `fuzz_damage.py` does it, half as atheris does. Each target runs in a process of its own, so that a crash of
a decoder is seen. What fails is kept in the folder of `--out`, the case that was read last as `TARGET.case`. Exit code
1 where anything failed.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import Annotated, Any

import atheris
import typer
from rich.console import Console
from rich.table import Table

READERS = [
    "tudui.config", "tudui.weights", "tudui.training.checkpoint", "tudui.record", "tudui.comparison.done", "tudui.data",
    "tudui.inference.runs", "tudui.lab.reading", "tudui.csv_file", "tudui.lab.line_fit.data",
]  # fmt: skip

with atheris.instrument_imports(include=READERS):
    from fuzz_case import Hang, Target, passes
    from fuzz_targets import TARGETS

INSIDE = "--inside"  # of the process that runs one target


def fuzz(name: str, target: Target, runs: int, out: Path) -> None:
    """Run one target's cases in this process, which ends with the last of them."""
    counts: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    began = time.monotonic()

    def case(content: bytes) -> None:
        (out / f"{name}.case").write_bytes(content)
        try:
            counts["accepted" if passes(target, content) else "refused"] += 1
        except (Exception, Hang) as error:
            counts["failed"] += 1
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}"
            failures[kind] += 1
            if failures[kind] == 1:
                path = out / f"{name}-{len(failures)}.case"
                path.write_bytes(content)
                path.with_suffix(".txt").write_text("".join(traceback.format_exception(error)))
        if sum(counts.values()) >= runs:
            summary = {"cases": runs, "seconds": time.monotonic() - began, **counts, "failures": failures}
            (out / f"{name}.json").write_text(json.dumps(summary))
            (out / f"{name}.case").unlink()
            os._exit(0)  # libFuzzer would go on

    def mutate(content: bytes, longest: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.5:
            return bytes(atheris.Mutate(content, longest))
        begin = random.choice(target.seeds) if random.random() < 0.7 else content
        return target.damage(begin, random)[:longest]

    corpus = Path(tempfile.mkdtemp())
    for number, content in enumerate(target.seeds):
        assert passes(target, content), f"{name}: seed {number} is refused"
        (corpus / str(number)).write_bytes(content)
    longest = 2 * max(map(len, target.seeds)) + 10_000
    flags = [
        f"-max_len={longest}",
        "-rss_limit_mb=0",
        "-timeout=60",
        "-verbosity=0",
        "-len_control=0",
        f"-artifact_prefix={out}/",
    ]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], case, custom_mutator=mutate)
    atheris.Fuzz()


def report(found: dict[str, dict[str, Any]], crashed: dict[str, int]) -> None:
    """Print a row per target, and what failed."""
    table = Table("target", *(f"[right]{word}" for word in ("cases", "seconds", "accepted", "refused", "failed")))
    for name, counts in found.items():
        numbers = (f"{counts.get(word, 0):.0f}" for word in ("cases", "seconds", "accepted", "refused", "failed"))
        table.add_row(name, *numbers)
    Console(width=100).print(table)
    for name, counts in found.items():
        for kind, times in counts["failures"].items():
            print(f"{name}: {kind}, {times} times")
    for name, code in crashed.items():
        print(f"{name}: the process ended with {code}; its last case is kept")


def main(
    target: Annotated[str, typer.Argument(help=f"all, or one of {', '.join(TARGETS)}.")],
    runs: Annotated[int, typer.Option(help="Cases per target.")] = 10_000,
    out: Annotated[Path, typer.Option(help="Folder for figures and what failed.")] = Path("fuzz"),
    inside: Annotated[bool, typer.Option(INSIDE, hidden=True)] = False,
) -> None:
    """Fuzz one target or all."""
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if inside:
        logging.disable()  # Pillow's, of what it meets
        folder = Path(tempfile.mkdtemp())
        os.environ["TUDUI_CACHE"] = str(folder / "cache")
        fuzz(target, TARGETS[target](folder), runs, out)
    names = list(TARGETS) if target == "all" else [target]
    if unknown := set(names) - set(TARGETS):
        raise typer.BadParameter(f"{unknown.pop()}: there are all, {', '.join(TARGETS)}")
    found, crashed = {}, {}
    for name in names:
        (out / f"{name}.json").unlink(missing_ok=True)
        with (out / f"{name}.log").open("wb") as log:
            command = [sys.executable, __file__, name, "--runs", str(runs), "--out", str(out), INSIDE]
            code = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
        if (out / f"{name}.json").exists():
            found[name] = json.loads((out / f"{name}.json").read_text())
            print(f"{name}: {found[name]}", flush=True)
        else:
            crashed[name] = code
            print(f"{name}: ended with {code}", flush=True)
    report(found, crashed)
    raise typer.Exit(1 if crashed or any(counts["failures"] for counts in found.values()) else 0)


if __name__ == "__main__":
    typer.run(main)
