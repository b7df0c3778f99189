"""The paths that `bench.py` compares, each in a process of its own that trains when it is asked to.

Processes, because one of the things that Tudui changes, how freed memory is kept, belongs to a whole process.
"""

import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from experiments.tutorial_loop import TutorialLoop
from tudui.config import Config, Override, load_config
from tudui.data import Dataset, Preparation, Split
from tudui.losses import build_loss
from tudui.run_folder import RunFolder
from tudui.sinks import RunInfo, open_sink
from tudui.sinks.jsonl import jsonl_sink
from tudui.tasks import Classes
from tudui.training.device import keep_memory, resolve_machine
from tudui.training.engine import fit
from tudui.training.gradients import fill_gradients
from tudui.training.state import TrainState, new_state

AT_IMPORT = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
PATHS = {
    "bare": "(a) the bare step on one fixed batch",
    "step": "the bare step with Tudui's update and memory",
    "loop": "(b) Tudui's loop without sinks",
    "logged": "(c) Tudui's loop with the record and TensorBoard",
    "tutorial": "(d) the tutorial's loop, fp32",
    "histograms": "(e) the same, a scalar and a histogram per layer and step, fp32",
}
SHARE = {"tutorial": 0.5, "histograms": 0.125}  # of the images of a measurement, for paths that take their time


def data_set(images: np.ndarray, labels: np.ndarray, classes: int = 10) -> Dataset:
    """Return images uint8 [N, 3, 32, 32] as a data set; all of them train."""
    store, rows = torch.from_numpy(images), torch.arange(len(images))
    split = Split(store, rows, torch.from_numpy(labels), rows)
    few = Split(store, rows[:1000], split.targets[:1000], rows[:1000])
    task = Classes(names=tuple(str(number) for number in range(classes)))
    return Dataset("bench", task, split, None, few, Preparation((0.5,) * 3, (0.25,) * 3))


def bench_config(precision: str, batch: int, *, file: Path | None = None, **settings: Any) -> Config:
    """Return the settings that are compared: by default, augmentation as on CIFAR-10, all else as it comes."""
    usual = {
        "data.augment": {"flip": True, "shift": 2},
        "train.epochs": 1,
        "schedule": "constant",
        "optimizer.lr": 0.01,
    }
    chosen = {
        **({} if file else usual), "train.batch_size": batch, "precision": precision, "device": "cpu", **settings
    }  # fmt: skip
    config, _ = resolve_machine(load_config(file, [Override(key, chosen[key], "bench") for key in chosen]).config)
    torch.set_num_threads(int(config.train.threads))
    return config


class Paths:
    """Every path on the same images, precision and batch size; other settings as in a config."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, precision: str, batch: int, **settings: Any) -> None:
        self.images, self.labels, self.batch = images, labels, batch
        self.config = bench_config(precision, batch, **settings)
        self.data = data_set(images, labels).to(torch.device(self.config.device))
        self.loss = build_loss(self.config.loss, self.data.task)

    def losses(self, path: str) -> Iterator[float]:
        """Yield the loss of each step, for ever; `loop` and `logged` that of each log point."""
        if path in ("loop", "logged"):
            yield from self._loop(logged=path == "logged")
        elif path == "bare":
            yield from self._bare(new_state(self.config, self.data))
        elif path == "step":
            keep_memory()
            step = self.step(new_state(self.config, self.data))
            while True:
                yield step().item()
        else:
            yield from self._tutorial(histograms=path == "histograms")

    def _fixed_batch(self, state: TrainState) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = state.network.preparation(self.data.train.store[: self.batch])
        return inputs.contiguous(memory_format=torch.channels_last), self.data.train.targets[: self.batch]

    def _bare(self, state: TrainState) -> Iterator[float]:
        network = state.network
        optimizer = torch.optim.SGD(network.model.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
        inputs, labels = self._fixed_batch(state)
        while True:
            with network.arithmetic():
                logits = network.model(inputs)
            loss = torch.nn.functional.cross_entropy(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss.item()

    def step(self, state: TrainState) -> Callable[[], torch.Tensor]:
        """Return the step on one fixed batch, with Tudui's update; it returns the loss, float32 []."""
        inputs, labels = self._fixed_batch(state)

        def step() -> torch.Tensor:
            with state.network.arithmetic():
                logits = state.network.model(inputs)
            loss = self.loss(logits.float(), labels).mean()
            fill_gradients(loss, state.optimizer.parameters)
            state.optimizer.step()
            return loss.detach()

        return step

    def _loop(self, *, logged: bool) -> Iterator[float]:
        keep_memory()
        while True:  # run after run, so that what an epoch's end costs is paid too
            state = new_state(self.config, self.data)
            with ExitStack() as stack:
                sinks = []
                if logged:
                    folder = RunFolder(Path(stack.enter_context(tempfile.TemporaryDirectory())))
                    model, place = state.network.model, folder.root / "tensorboard"
                    run = RunInfo(folder=place, config=self.config, data=self.data, model=model, last_step=0)
                    board = open_sink("tensorboard", run)
                    sinks = [stack.enter_context(jsonl_sink(folder.record)), stack.enter_context(board)]
                for event in fit(state, self.data, self.loss, self.config):
                    for sink in sinks:
                        sink(event)
                    yield event.loss

    def _tutorial(self, *, histograms: bool) -> Iterator[float]:
        with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
            loop = TutorialLoop(self.images, self.labels, batch_size=self.batch, writer=writer if histograms else None)
            while True:
                yield from loop.epoch()

    def steps_per_yield(self, path: str) -> int:
        """Return how many steps lie between two losses."""
        return self.config.log.every if path in ("loop", "logged") else 1


def serve(path: str, folder: Path, precision: str, batch: int) -> None:
    """Train for so many images whenever a line of standard input says so; answer with seconds and megabytes."""
    paths = Paths(np.load(folder / "images.npy"), np.load(folder / "labels.npy"), precision, batch)
    losses, every = paths.losses(path), paths.steps_per_yield(path)
    for line in sys.stdin:
        yields = max(1, int(int(line) * SHARE.get(path, 1)) // (batch * every))
        started = time.perf_counter()
        for _ in itertools.islice(losses, yields):
            pass
        seconds = time.perf_counter() - started
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - AT_IMPORT) / 1024
        print(json.dumps({"images_per_second": yields * every * batch / seconds, "peak": peak}), flush=True)


def measure(folder: Path, precision: str, batch: int, *, rounds: int, images: int) -> dict[str, dict[str, Any]]:
    """Return images per second of every round, and the peak memory, of every path; one works while the others wait."""
    command = [sys.executable, __file__, str(folder), precision, str(batch)]
    with ExitStack() as stack:
        asked: dict[str, Callable[[int], dict[str, float]]] = {}
        for path in PATHS:
            process = subprocess.Popen([*command, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.callback(process.wait)
            stack.callback(process.kill)

            def ask(wanted: int, process: subprocess.Popen[str] = process) -> dict[str, float]:
                process.stdin.write(f"{wanted}\n")
                process.stdin.flush()
                return json.loads(process.stdout.readline())

            asked[path] = ask
            ask(max(images // 10, 1))  # the first steps are slower
        answers = {path: [] for path in PATHS}
        for _ in range(rounds):
            for path, ask in asked.items():
                answers[path].append(ask(images))
    return {
        path: {
            "images_per_second": [answer["images_per_second"] for answer in found],
            "peak": max(answer["peak"] for answer in found),
        }
        for path, found in answers.items()
    }


if __name__ == "__main__":
    serve(sys.argv[4], Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
