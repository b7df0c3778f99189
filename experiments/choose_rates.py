r"""Measure validation accuracy over learning rates, to choose the recipe rate of a loss. The test split is not read.

    python experiments/choose_rates.py --data digits --data cifar10 --data-dir DIR --loss ce --loss mse/plain \
        --rate 0.01 --rate 0.02 --out rates.json

Prints a row per loss, form and optimizer, a column per rate: mean validation accuracy over the seeds, in percent.
`choose_rates_of_networks.sh` types the command for the networks without rates.
"""

import json
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
SHARED = {"cifar10": {"precision": "auto", "data.augment": {"flip": True, "shift": 2}}}


def measure(settings: dict[str, object]) -> float:
    """Return the validation accuracy after the last epoch; 0 for a run that diverged."""
    config = load_config(None, [Override(key, value, "choose_rates") for key, value in settings.items()]).config
    config, _ = resolve_machine(config)
    data = load_data(config.data, config.seed)
    state = new_state(config, data)
    loss = build_loss(config.loss, data.task)
    for event in fit(state, data, loss, config):
        if event.diverged:
            return 0.0
    logits = predict(state.network, data.validation)
    return float((logits.argmax(1) == data.validation.targets).float().mean())


def main(
    data: Annotated[list[str], typer.Option()],
    loss: Annotated[list[str], typer.Option(help="NAME or NAME/plain.")],
    rate: Annotated[list[float], typer.Option()],
    network: Annotated[str, typer.Option()] = "tudui",
    data_dir: Annotated[str | None, typer.Option(help="Copy of CIFAR-10.")] = None,
    optimizer: str = "sgd",
    clip: float = 1.0,
    seeds: int = 2,
    out: Path | None = None,
) -> None:
    """Measure every combination, one after another."""
    results = []
    for name in data:
        table = Table(
            "loss", *(f"{value:g}" for value in rate), title=f"{network}, {name}: validation accuracy %, {seeds} seeds"
        )
        for text in loss:
            loss_name, _, form = text.partition("/")
            section = loss_section(loss_name) | ({"form": form} if form else {})
            row = []
            for value in rate:
                settings = {
                    "loss": section, "network": network, "data.name": name, "train.clip": clip,
                    "optimizer.name": optimizer, "optimizer.lr": value, **SIZES[name], **SHARED.get(name, {}),
                }  # fmt: skip
                if name != "digits":
                    settings["data.dir"] = data_dir
                scores = [measure({**settings, "seed": 1000 + seed}) for seed in range(seeds)]
                row.append(100 * sum(scores) / seeds)
                results.append(
                    {
                        "network": network,
                        "data": name,
                        "loss": text,
                        "optimizer": optimizer,
                        "clip": clip,
                        "rate": value,
                        "scores": scores,
                    }
                )
                if out:
                    out.write_text(json.dumps(results, indent=1))
            table.add_row(text, *(f"{score:.1f}" for score in row))
        Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
