"""Wall seconds in the loop until a test accuracy is reached: Tudui's config against the tutorial's loop.

    python experiments/time_to_accuracy.py [--config NAME] [--epochs 20] [--course-epochs 10] [--json FILE]

The contenders train alternately in one process, a part of an epoch each at a time; scores are taken between, with the
clock stopped. Tudui's keeping of freed memory serves all of them. The tutorial's loops compute in fp32. (i) is the
course's recipe: not shuffled, pixels in [0, 1]. (ii) is the same, shuffled and standardised. All learn from the same
images; Tudui holds its config's share of them out for validation.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table
from tutorial_loop import TutorialLoop

from scripts.cifar_archive import ARCHIVE, read_images
from tudui.config import Override, load_config
from tudui.config.shipped import find_config
from tudui.data import Dataset, Preparation, Source, Split, dataset_of
from tudui.losses import build_loss
from tudui.tasks import Classes
from tudui.training.device import hardware, resolve_machine, set_up, versions
from tudui.training.engine import fit, predict
from tudui.training.network import Network
from tudui.training.state import new_state

TARGETS = (0.55, 0.60, 0.65, 0.68, 0.70)
LOOKS = 4  # per epoch


def accuracy(network: Network, split: Split) -> float:
    """Return the share of the split that is predicted right."""
    return float((predict(network, split).argmax(1) == split.targets).float().mean())


class Contender:
    """A way to train, run on for a part of an epoch at a time; the clock counts that alone."""

    def __init__(self, network: Network, parts: Iterator[Any], test: Split) -> None:
        self.network, self.parts, self.test = network, parts, test
        self.seconds, self.over = 0.0, False
        self.curve: list[tuple[float, float]] = []  # seconds in the loop, test accuracy

    def go_on(self) -> None:
        """Train for another part, then look."""
        self.network.model.train()
        started = time.perf_counter()
        self.over = next(self.parts, None) is None
        self.seconds += time.perf_counter() - started
        if not self.over:
            self.network.model.eval()
            self.curve.append((self.seconds, accuracy(self.network, self.test)))

    def reached(self, target: float) -> float | None:
        """Return the seconds after which the accuracy was first that high."""
        return next((seconds for seconds, reached in self.curve if reached >= target), None)


def tuduis(name: str, source: Source, seed: int, settings: dict[str, Any]) -> Contender:
    """Return Tudui's loop by a shipped config."""
    overrides = [Override(key, value, "time_to_accuracy") for key, value in {"seed": seed, **settings}.items()]
    config, _ = resolve_machine(load_config(find_config(name), overrides).config)
    set_up(config)
    data = dataset_of(source, config.data, seed)
    every = max(1, len(data.train) // config.train.batch_size // LOOKS)
    config = config.model_copy(update={"log": config.log.model_copy(update={"every": every})})
    state = new_state(config, data)
    loss = build_loss(config.loss, data.task)
    looks = (event for event in fit(state, data, loss, config) if event.step % every == 0)
    return Contender(state.network, looks, data.test)


def tutorials(data: Dataset, seed: int, epochs: int, *, better: bool) -> Contender:
    """Return the tutorial's loop, as it stands or shuffled and standardised."""
    preparation = data.preparation if better else Preparation()
    loop = TutorialLoop(
        data.train.images.numpy(), data.train.targets.numpy(), batch_size=64, seed=seed, shuffle=better,
        normalize=(preparation.mean, preparation.std) if better else None,
    )  # fmt: skip
    part = len(loop.loader) // LOOKS

    def parts() -> Iterator[int]:
        for _ in range(epochs):
            for number, _ in enumerate(loop.epoch(), start=1):
                if number % part == 0:
                    yield number

    network = Network(loop.model, preparation, torch.device("cpu"), "tudui", 10, channels_last=False)
    return Contender(network, parts(), data.test)


def source_of(train: int, test: int) -> Source:
    """Return CIFAR-10 as a source, its training images in a mixed order."""
    images, labels = zip(read_images(train), read_images(test, "test"), strict=True)
    store, numbers = (torch.cat([torch.from_numpy(part) for part in parts]) for parts in (images, labels))
    rows = torch.arange(len(store))
    first = len(images[0])
    return Source(store, numbers, Classes(names=tuple("0123456789")), {"train": rows[:first], "test": rows[first:]})


def main(
    config: Annotated[list[str] | None, typer.Option(help="Shipped config; may be repeated.")] = None,
    epochs: Annotated[int, typer.Option(help="Passes of the tutorial's loop (ii).")] = 20,
    course_epochs: Annotated[int, typer.Option(help="Passes of the course's recipe (i).")] = 10,
    seed: Annotated[int, typer.Option(help="Of every contender.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Few images, to see that it works.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the curves here.")] = None,
) -> None:
    """Train all contenders side by side and print when each target was reached."""
    if not ARCHIVE.exists():
        raise SystemExit(f"{ARCHIVE}: CIFAR-10 is not here, and random bytes cannot be learnt")
    source = source_of(2_000, 500) if quick else source_of(50_000, 10_000)
    settings = {"data.name": "cifar10"}
    cifar = load_config(None, [Override("data.name", "cifar10", "time_to_accuracy")]).config.data
    whole = dataset_of(source, cifar.model_copy(update={"validation": 0.0}), seed)
    contenders = {f"tudui, {name}": tuduis(name, source, seed, settings) for name in config or ("cifar10",)}
    contenders["(i) the course's recipe"] = tutorials(whole, seed, course_epochs, better=False)
    contenders["(ii) shuffled and standardised"] = tutorials(whole, seed, epochs, better=True)
    while not all(contender.over for contender in contenders.values()):
        for contender in contenders.values():
            if not contender.over:
                contender.go_on()
    table = Table(
        "contender (-: not reached)",
        *(f"{100 * target:.0f} %" for target in TARGETS),
        "last accuracy",
        "seconds in all",
    )
    for name, contender in contenders.items():
        times = [contender.reached(target) for target in TARGETS]
        shown = ["-" if seconds is None else f"{seconds:.1f} s" for seconds in times]
        table.add_row(name, *shown, f"{100 * contender.curve[-1][1]:.1f} %", f"{contender.seconds:.0f}")
    Console().print(table)
    if json_file:
        decided, _ = resolve_machine(load_config().config)
        curves = {name: contender.curve for name, contender in contenders.items()}
        json_file.write_text(json.dumps({"hardware": hardware(decided), "versions": versions(), "curves": curves}))


if __name__ == "__main__":
    typer.run(main)
