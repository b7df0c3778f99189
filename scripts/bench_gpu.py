"""What a GPU gains: the captured step against the eager one, whole runs, and a comparison in lockstep against one run.

On a CPU the same code runs without capture, which shows no more than that it works.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from bench_paths import bench_config, data_set
from cifar_archive import read_images

from tudui.config import Config
from tudui.config.shipped import find_config
from tudui.losses import build_loss
from tudui.training.device import set_up
from tudui.training.engine import fit_together
from tudui.training.state import new_state
from tudui.training.step import Lockstep, Training

KINDS = {"eager": False, "captured": True}
LOSSES, SEEDS = ("ce", "mse", "l1", "huber"), 5


def gpu(*, quick: bool) -> dict[str, list[dict[str, Any]]]:
    """Return seconds in the loop, medians of alternating runs, and their quotients."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rounds, images = (1, 256) if quick else (5, 50_000)
    set_up(bench_config("auto", 64, device=device))
    data = data_set(*read_images(images)).to(torch.device(device))

    def training(config: Config) -> Training:
        loss = build_loss(config.loss, data.task)
        return Training(new_state(config, data), data, loss, config)

    def epoch(batch: int, *, captured: bool) -> float:
        """Return the seconds of one epoch, after another that captures."""
        run = training(bench_config("auto", batch, **{"device": device, "log.every": 100, "train.epochs": 2}))
        lockstep = Lockstep([run])
        lockstep.captured = lockstep.captured and captured
        started = 0.0
        for (event,) in fit_together([run], lockstep):
            if event.epoch_done and event.epoch == 1:
                started = time.perf_counter()
        return time.perf_counter() - started

    def runs(losses: Sequence[str], seeds: int) -> float:
        settings = {"device": device, "log.every": 100, "train.epochs": 1 if quick else 6}
        together = [
            training(bench_config("auto", 128, loss=loss, seed=seed, **settings))
            for loss in losses
            for seed in range(seeds)
        ]
        return _seconds(together, Lockstep(together))

    def whole(name: str) -> float:
        settings = {"train.epochs": 1} if quick else {}
        run = training(bench_config("auto", 128, file=find_config(name), device=device, **settings))
        return _seconds([run], Lockstep([run]))

    def eager_and_captured(batch: int) -> list[dict[str, Any]]:
        measures = {name: lambda c=captured: epoch(batch, captured=c) for name, captured in KINDS.items()}
        return _rows(measures, rounds)

    return {
        **{f"an epoch at batch size {batch}, the data on the device": eager_and_captured(batch) for batch in (64, 128)},
        "the loop of a whole run of cifar10, its capture included": _rows(
            {"cifar10": lambda: whole("cifar10")}, rounds
        ),
        "the same of cifar10-long": _rows({"cifar10-long": lambda: whole("cifar10-long")}, rounds),
        "runs in lockstep, their capture included": _rows(
            {"one run": lambda: runs(LOSSES[:1], 1), "4 losses x 5 seeds": lambda: runs(LOSSES, 1 if quick else SEEDS)},
            rounds,
        ),
    }


def _seconds(runs: Sequence[Training], lockstep: Lockstep) -> float:
    started = time.perf_counter()
    for _ in fit_together(runs, lockstep):  # at each event the device has been waited for
        pass
    return time.perf_counter() - started


def _rows(measures: dict[str, Callable[[], float]], rounds: int) -> list[dict[str, Any]]:
    times: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            times[name].append(measure())
    medians = {name: statistics.median(found) for name, found in times.items()}
    first = next(iter(medians.values()))
    return [{"what": name, "seconds": median, "quotient": median / first} for name, median in medians.items()]
