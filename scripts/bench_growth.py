"""How Tudui's time per image grows with the data, the classes, the log points and the number of image files."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bench_paths import bench_config, data_set
from cifar_archive import write_folder

from tudui.data import Dataset, draw_epoch, load_data
from tudui.losses import build_loss
from tudui.run_folder import RunFolder
from tudui.sinks.jsonl import jsonl_sink
from tudui.training.device import keep_memory
from tudui.training.engine import fit
from tudui.training.state import new_state

BATCH = 128


def growth(*, quick: bool) -> dict[str, list[dict[str, Any]]]:
    """Return microseconds per image over each of the four."""
    keep_memory()
    rounds, steps = (1, 4) if quick else (3, 60)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {
            "time per image over the number of images, in a mapped file that the system holds in memory": _over_sizes(
                folder, (500, 1_000) if quick else (10_000, 1_000, 100_000, 500_000), rounds, steps
            ),
            "time per image over the number of classes": _over_classes((10, 100, 1_000), rounds, steps),
            "time per image over steps between log points, with the record": _over_log_every(
                folder, (1, 2, 4) if quick else (1, 10, 100), rounds, steps
            ),
            "time per file to read a folder of images": _over_files(
                folder, (20, 40) if quick else (1_000, 10_000, 50_000), 1 if quick else 3
            ),
        }


def _rows(head: str, measures: dict[int, Callable[[], float]], rounds: int) -> list[dict[str, Any]]:
    """Measure alternately; return the median of each, and its quotient to the first."""
    times: dict[int, list[float]] = {key: [] for key in measures}
    for _ in range(rounds):
        for key, measure in measures.items():
            times[key].append(measure())
    medians = {key: 1e6 * statistics.median(found) for key, found in times.items()}
    first = next(iter(medians.values()))
    return [{head: key, "µs per image": median, "quotient": median / first} for key, median in medians.items()]


def _stepping(data: Dataset, steps: int, *, every: int, record: Path | None = None) -> Callable[[], float]:
    """Return a function that does so many steps and returns seconds per image, the epoch's draw included."""
    config = bench_config(
        "auto", BATCH, **{"log.every": every, "log.details_every": 1_000_000, "train.epochs": 1_000_000}
    )
    loss = build_loss(config.loss, data.task)
    events = fit(new_state(config, data), data, loss, config)

    def measure() -> float:
        first = next(events)
        started, last = time.perf_counter(), first
        if record is None:
            while last.step < first.step + steps:
                last = next(events)
        else:
            with jsonl_sink(record) as sink:
                while last.step < first.step + steps:
                    last = next(events)
                    sink(last)
        seconds = (time.perf_counter() - started) / ((last.step - first.step) * BATCH)
        if last.epoch == first.epoch:  # its share of a draw that lay outside
            started = time.perf_counter()
            draw_epoch(len(data.train), seed=0, epoch=0, data=config.data)
            seconds += (time.perf_counter() - started) / len(data.train)
        return seconds

    return measure


def _over_sizes(folder: Path, sizes: tuple[int, ...], rounds: int, steps: int) -> list[dict[str, Any]]:
    generator, measures = np.random.default_rng(0), {}
    for size in sizes:
        path = folder / f"{size}.npy"
        images = np.lib.format.open_memmap(path, "w+", np.uint8, (size, 3, 32, 32))
        for start in range(0, size, 10_000):
            part = images[start : start + 10_000]
            part[:] = generator.integers(256, size=part.shape, dtype=np.uint8)
        images.flush()
        mapped = np.load(path, mmap_mode="c")
        measures[size] = _stepping(data_set(mapped, generator.integers(10, size=size)), steps, every=10)
    return _rows("images", measures, rounds)


def _over_classes(numbers: tuple[int, ...], rounds: int, steps: int) -> list[dict[str, Any]]:
    generator = np.random.default_rng(0)
    images = generator.integers(256, size=(4_000, 3, 32, 32), dtype=np.uint8)
    measures = {
        number: _stepping(data_set(images, generator.integers(number, size=4_000), number), steps, every=10)
        for number in numbers
    }
    return _rows("classes", measures, rounds)


def _over_log_every(folder: Path, everys: tuple[int, ...], rounds: int, steps: int) -> list[dict[str, Any]]:
    generator = np.random.default_rng(0)
    data = data_set(
        generator.integers(256, size=(40_000, 3, 32, 32), dtype=np.uint8), generator.integers(10, size=40_000)
    )
    run = RunFolder(folder)
    measures = {every: _stepping(data, max(steps, every), every=every, record=run.record) for every in everys}
    return _rows("steps", measures, rounds)


def _over_files(folder: Path, numbers: tuple[int, ...], rounds: int) -> list[dict[str, Any]]:
    rows = []
    os.environ["TUDUI_CACHE"] = str(folder / "cache")
    for number in numbers:
        root = folder / f"files{number}"
        write_folder(root, number)
        times: dict[bool, list[float]] = {False: [], True: []}
        for cached in (False, True):
            config = bench_config("fp32", 1, **{"data.name": f"folder:{root}", "data.cache": cached}).data
            if cached:
                load_data(config, 0)  # fills the cache
            for _ in range(rounds):
                started = time.perf_counter()
                load_data(config, 0)
                times[cached].append(1e6 * (time.perf_counter() - started) / number)
        rows.append(
            {
                "files": number,
                "µs per file, decoded": statistics.median(times[False]),
                "µs per file, from the cache": statistics.median(times[True]),
            }
        )
    return rows
