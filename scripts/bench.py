"""Tudui's speed, side by side with what it is compared with; every figure a median of alternating measurements.

    python scripts/bench.py [--quick] [--json FILE] [--part paths|growth|start]

paths: images per second of the bare step, Tudui's loop and the tutorial's, at each precision and batch size.
growth: how the time per image grows with data, classes, log points and image files. start: from typing the command to
the first step. The images are CIFAR-10's where ../shared/data has them, else random bytes; what is learnt does not
matter here. What a GPU gains is measured by `gpu_check.py`.
"""

import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from bench_growth import growth
from bench_paths import PATHS, measure
from bench_start import start
from cifar_archive import read_images
from rich.console import Console
from rich.table import Table

from tudui.config import load_config
from tudui.training.device import hardware, native_bf16, resolve_machine, versions

PARTS = {"growth": growth, "start": start}
QUOTIENTS = (
    ("step", "bare"), ("loop", "bare"), ("loop", "step"), ("logged", "bare"), ("logged", "loop"),
    ("logged", "tutorial"), ("logged", "histograms"),
)  # fmt: skip


def paths(*, quick: bool) -> list[dict[str, Any]]:
    """Return what every path reached at every precision and batch size."""
    rounds, images = (2, 1_280) if quick else (5, 5_120)
    precisions = ["fp32", *(["bf16"] if native_bf16("cpu") and not quick else [])]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        pixels, labels = read_images(images)
        np.save(Path(folder) / "images.npy", pixels)
        np.save(Path(folder) / "labels.npy", labels)
        for precision in precisions:
            for batch in (64,) if quick else (64, 128, 512):
                measured = measure(Path(folder), precision, batch, rounds=rounds, images=images)
                found.append({"precision": precision, "batch": batch, "paths": measured})
    return found


def paths_tables(found: Sequence[dict[str, Any]]) -> list[Table]:
    """Return images per second and peak memory of every path, and the quotients that matter."""
    speed = Table("path", *(f"{row['precision']}, {row['batch']}" for row in found), title="images/s: median (range)")
    memory = Table("path", *(f"{row['precision']}, {row['batch']}" for row in found), title="peak MB above the imports")
    ratio = Table("quotient", *(f"{row['precision']}, {row['batch']}" for row in found), title="median / median")
    for path, words in PATHS.items():
        rates = [row["paths"][path]["images_per_second"] for row in found]
        speed.add_row(words, *(f"{statistics.median(r):,.0f} ({min(r):,.0f}-{max(r):,.0f})" for r in rates))
        memory.add_row(words, *(f"{row['paths'][path]['peak']:,.0f}" for row in found))
    for above, below in QUOTIENTS:
        both = [
            [statistics.median(row["paths"][path]["images_per_second"]) for path in (above, below)] for row in found
        ]
        ratio.add_row(f"{above} / {below}", *(f"{a / b:.2f}" for a, b in both))
    return [speed, ratio, memory]


def plain_table(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    """Return rows of one shape as a table."""
    table = Table(*rows[0], title=title)
    for row in rows:
        table.add_row(*(f"{value:,.3g}" if isinstance(value, float) else f"{value}" for value in row.values()))
    return table


def main(
    quick: Annotated[bool, typer.Option("--quick", help="A few steps, to see that it works.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
    part: Annotated[
        Literal["paths", "growth", "start"] | None, typer.Option(help="Only this part.  [default: all]")
    ] = None,
) -> None:
    """Measure, print, and write the figures down."""
    config, _ = resolve_machine(load_config().config)
    figures: dict[str, Any] = {"hardware": hardware(config), "versions": versions()}
    console = Console(width=150)  # tables have long names
    console.print(figures)
    if not native_bf16("cpu"):
        console.print("bf16 is left out: this processor does not compute it natively")
    for name in (part,) if part else ("paths", "growth", "start"):
        if name == "paths":
            figures[name] = paths(quick=quick)
            tables = paths_tables(figures[name])
        else:
            figures[name] = PARTS[name](quick=quick)
            tables = [plain_table(title, rows) for title, rows in figures[name].items()]
        for table in tables:
            console.print(table)
        if json_file:
            json_file.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    typer.run(main)
