"""The description of a network, without torch, and all networks by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from tudui.config.loss_spec import LossParameters, loss_spec
from tudui.config.parts import Section, Spec, all_specs, find_spec

if TYPE_CHECKING:
    from torch import nn


ROOM = "tudui.networks"


class NetworkParameters(Section):
    """The `network` section of a config; each network adds its own parameters."""

    name: str


MAX_SIDE, MAX_FEATURES = 4096, 10_000  # bounded, because files can ask for any size


def _image_or_row(size: tuple[int, ...]) -> tuple[int, ...]:
    if len(size) == 1 or (len(size) == 3 and size[0] == 3 and max(size) <= MAX_SIDE):
        return size
    raise ValueError(f"must be [3, height, width], at most {MAX_SIDE} each, or [features]")


# channels, height and width of an image, or the features of a row
InputSize = Annotated[
    tuple[Annotated[int, Field(ge=1, le=MAX_FEATURES)], ...], Field(max_length=3), AfterValidator(_image_or_row)
]


@dataclass(frozen=True)
class Shape:
    """The size of a network's input, and its number of outputs."""

    input: tuple[int, ...]  # (3, 32, 32): channels, height, width of an image; (10,): features of a row
    outputs: int  # K

    @property
    def samples(self) -> str:
        """What its inputs are called: images, or rows of a table."""
        return "images" if len(self.input) == 3 else "rows"

    @property
    def words(self) -> str:
        """The size of an input in words."""
        size = " x ".join(map(str, self.input))
        return f"images of {size}" if self.samples == "images" else f"rows of {size} features"


@dataclass(frozen=True, kw_only=True)
class NetworkSpec(Spec):
    """One network: its name, its parameters, its rates, and the function that builds it, which imports torch."""

    # returns float32 [B, *input] -> [B, outputs]; UsageError for an unsupported shape
    build: "Callable[[Any, Shape], nn.Module]"
    title: str = "a network of another package"
    parameters: type[NetworkParameters] = NetworkParameters
    # (loss, form, optimizer) -> learning rate of the losses that were there first; a new loss has its own `rates`.
    # The form of every loss of numbers is `numbers`
    rates: Mapping[tuple[str, str, str], float] = field(default_factory=dict)


LOSSES_OF_NUMBERS = ("cauchy", "huber", "l1", "log_cosh", "mse", "quantile", "smooth_l1")


def rates_of_numbers(*, sgd: float, adam: float) -> dict[tuple[str, str, str], float]:
    """Return `rates` of a network that are the same for every loss of numbers; AdamW has Adam's."""
    by_optimizer = {"sgd": sgd, "adam": adam, "adamw": adam}
    return {(loss, "numbers", name): rate for loss in LOSSES_OF_NUMBERS for name, rate in by_optimizer.items()}


@cache
def network_specs() -> dict[str, NetworkSpec]:
    """Return every registered network by name, of Tudui and of other packages."""
    return all_specs(ROOM, NetworkSpec)


def network_spec(name: str) -> NetworkSpec:
    """Return the network of this name; ConfigError with the closest name if there is none."""
    return find_spec(name, network_specs(), "network")


def recipe_rate(network: NetworkParameters, loss: LossParameters, optimizer: str, task: str) -> float | None:
    """Return the learning rate measured for this network, loss, optimizer and kind of task, or None."""
    form = task if task == "numbers" else loss.variant
    measured = network_spec(network.name).rates.get((loss.name, form, optimizer))
    return measured or loss_spec(loss.name).rates.get((network.name, form, optimizer))


def recipe_name(network: NetworkParameters, loss: LossParameters, optimizer: str, task: str) -> str:
    """Return what a recipe rate belongs to, in words."""
    form = "on numbers" if task == "numbers" else f"form {loss.variant}"
    return f"{loss.name}, {form}, {optimizer}, network {network.name}"
