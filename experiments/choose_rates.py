r"""Measure the validation score over learning rates, to choose the recipe rate of a loss. The test split is not read.

    python experiments/choose_rates.py --data digits --data cifar10 --data-dir DIR --loss ce --loss mse/plain \
        --rate 0.01 --rate 0.02 --out rates.json

Prints a row per loss, form and optimizer, a column per rate: the mean over the seeds of the validation score by the
data set's first metric, for classes in percent. All rates of numbers (about 40 minutes on 2 cores):

    for network in auto mlp linear; do for optimizer in sgd adam; do
        python experiments/choose_rates.py --numbers --network $network --optimizer $optimizer
    done; done
"""

import json
import math
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tudui.config import Override, load_config
from tudui.config.loss_spec import loss_section
from tudui.data import load_data
from tudui.losses import build_loss
from tudui.training.device import resolve_machine
from tudui.training.engine import fit, predict
from tudui.training.state import new_state

SIZES = {
    "digits": {"train.epochs": 10, "train.batch_size": 64},
    "cifar10": {"train.epochs": 4, "train.batch_size": 128},
}
OF_NUMBERS = ("mse", "l1", "huber", "smooth_l1", "log_cosh", "quantile", "cauchy")
RATES = {"sgd": (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5), "adam": (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02)}
SHARED = {"cifar10": {"precision": "auto", "data.augment": {"flip": True, "shift": 2}}}


def measure(settings: dict[str, object]) -> float:
    """Return the validation score after the last epoch, accuracy in percent; the worst for a run that diverged."""
    config = load_config(None, [Override(key, value, "choose_rates") for key, value in settings.items()]).config
    config, _ = resolve_machine(config)
    data = load_data(config.data, config.seed)
    state = new_state(config, data)
    loss = build_loss(config.loss, data.task)
    for event in fit(state, data, loss, config):
        if event.diverged:
            return math.inf if data.task.metrics[0].better == "less" else 0.0
    metric = data.task.metrics[0]
    return metric.unit.scale * metric.score(predict(state.network, data.validation), data.validation.targets)


def main(
    data: Annotated[list[str], typer.Option()] = (),
    loss: Annotated[list[str], typer.Option(help="NAME or NAME/plain.")] = (),
    rate: Annotated[list[float], typer.Option()] = (),
    network: str = "auto",
    numbers: Annotated[
        bool, typer.Option("--numbers", help="Data, losses and rates for numbers, unless given.")
    ] = False,
    data_dir: Annotated[str | None, typer.Option(help="Copy of CIFAR-10.")] = None,
    optimizer: str = "sgd",
    clip: float = 1.0,
    seeds: int = 2,
    out: Path | None = None,
) -> None:
    """Measure every combination, one after another."""
    if numbers:
        data, loss = data or ["rotated-digits", "diabetes"], loss or list(OF_NUMBERS)
        rate = rate or RATES[optimizer]
    results = []
    for name in data:
        table = Table(
            "loss",
            *(f"{value:g}" for value in rate),
            title=f"{name}, {network}, {optimizer}: validation score, {seeds} seeds",
        )
        for text in loss:
            loss_name, _, form = text.partition("/")
            section = loss_section(loss_name) | ({"form": form} if form else {})
            row = []
            for value in rate:
                settings = {
                    "loss": section, "data.name": name, "network.name": network, "optimizer.name": optimizer,
                    "optimizer.lr": value, "train.clip": clip, **SIZES.get(name, {}), **SHARED.get(name, {}),
                }  # fmt: skip
                if name == "cifar10":
                    settings["data.dir"] = data_dir
                scores = [measure({**settings, "seed": 1000 + seed}) for seed in range(seeds)]
                row.append(sum(scores) / seeds)
                results.append(
                    {"data": name, "loss": text, "optimizer": optimizer, "clip": clip, "rate": value, "scores": scores}
                )
                if out:
                    out.write_text(json.dumps(results, indent=1))
            table.add_row(text, *(f"{score:.4g}" for score in row))
        Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
