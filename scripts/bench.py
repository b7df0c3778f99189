"""Tudui's loop against the bare step, side by side in one process, alternating; medians of images per second.

    python scripts/bench.py [--quick] [--json FILE]

bare: forward, loss, backward, SGD on one fixed batch, channels_last. loop: `fit` without sinks. logged: `fit` with the
record and TensorBoard at their defaults. Random bytes in CIFAR-10's shape; nothing is learnt.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from tudui.config import Config, Override, load_config
from tudui.config.load import flatten
from tudui.data import Dataset, Preparation, Split
from tudui.losses import ClassInfo, build_loss
from tudui.run_folder import RunFolder
from tudui.sinks.jsonl import jsonl_sink
from tudui.sinks.tensorboard import tensorboard_sink
from tudui.training.device import native_bf16, resolve_machine
from tudui.training.engine import fit
from tudui.training.state import new_state


def random_data(images: int) -> Dataset:
    """Return a data set of random bytes."""
    generator = torch.Generator().manual_seed(0)
    store = torch.randint(256, (images, 3, 32, 32), generator=generator, dtype=torch.uint8)
    labels = torch.randint(10, (images,), generator=generator)
    rows = torch.arange(images)
    split = Split(store, rows, labels, rows)
    preparation = Preparation((0.5,) * 3, (0.25,) * 3)
    return Dataset("random", tuple("0123456789"), split, None, split, preparation)


def bare(config: Config, data: Dataset, steps: int) -> Callable[[], float]:
    """Return a function that gives the images per second of the bare step."""
    state, batch = new_state(config, data), config.train.batch_size
    network, optimizer = state.network, state.optimizer
    inputs = data.preparation(data.train.store[:batch]).contiguous(memory_format=torch.channels_last)
    labels = data.train.labels[:batch]

    def measure() -> float:
        started = time.perf_counter()
        for _ in range(steps):
            with network.arithmetic():
                logits = network.model(inputs)
            loss = torch.nn.functional.cross_entropy(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return steps * batch / (time.perf_counter() - started)

    return measure


def loop(config: Config, data: Dataset, folder: Path | None) -> Callable[[], float]:
    """Return a function that gives the images per second of one epoch of `fit`, with sinks where there is a folder."""
    loss = build_loss(config.loss, ClassInfo(names=data.classes, counts=data.class_counts))

    def measure() -> float:
        state = new_state(config, data)
        with ExitStack() as stack:
            sinks = []
            if folder:
                run = RunFolder(folder)
                run.create()
                board = tensorboard_sink(
                    run.tensorboard,
                    model=state.network.model,
                    data=data,
                    config=flatten(config),
                    config_text="",
                    last_step=0,
                )
                sinks = [stack.enter_context(jsonl_sink(run.record)), stack.enter_context(board)]
            started = time.perf_counter()
            for event in fit(state, data, loss, config):
                for sink in sinks:
                    sink(event)
            return state.progress.step * config.train.batch_size / (time.perf_counter() - started)

    return measure


def main(
    quick: Annotated[bool, typer.Option(help="A few steps, to see that it works.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    """Measure every precision and batch size."""
    rounds, images = (2, 1024) if quick else (7, 10_240)
    precisions = ["fp32", *(["bf16"] if native_bf16("cpu") else [])]
    table = Table("precision", "batch", "bare images/s", "loop / bare", "logged / bare")
    figures = []
    data = random_data(images)
    for precision in precisions:
        for batch in (64, 128, 512):
            settings = {"train.batch_size": batch, "train.epochs": 1, "precision": precision, "schedule": "constant"}
            overrides = [Override(key, value, "bench") for key, value in settings.items()]
            config, _ = resolve_machine(load_config(None, overrides).config)
            with tempfile.TemporaryDirectory() as folder:
                measures = {
                    "bare": bare(config, data, images // batch),
                    "loop": loop(config, data, None),
                    "logged": loop(config, data, Path(folder)),
                }
                for measure in measures.values():
                    measure()
                rates = {name: [] for name in measures}
                for _ in range(rounds):
                    for name, measure in measures.items():
                        rates[name].append(measure())
            medians = {name: statistics.median(values) for name, values in rates.items()}
            ratios = [medians[name] / medians["bare"] for name in ("loop", "logged")]
            table.add_row(precision, str(batch), f"{medians['bare']:,.0f}", *(f"{ratio:.2f}" for ratio in ratios))
            figures.append({"precision": precision, "batch": batch, "images_per_second": rates})
    Console().print(table)
    if json_file:
        json_file.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    typer.run(main)
