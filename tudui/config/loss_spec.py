"""What a loss tells about itself without torch, and where losses are found: the entry points `tudui.losses`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tudui.config.plug_ins import place, plug_ins
from tudui.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    Loss = Callable[[Tensor, Tensor], Tensor]  # (outputs [B, K] float, targets [B, ...]) -> loss per sample [B]

ENTRY_POINTS = "tudui.losses"
OTHER_NAMES = {
    "mae": "l1",
    "l2": "mse",
    "crossentropy": "ce",
    "crossentropyloss": "ce",
    "l1loss": "l1",
    "mseloss": "mse",
}
# Names of the literature for a loss of Tudui's with certain parameters.
SECTIONS: dict[str, dict[str, Any]] = {
    "mae": {"name": "l1", "input": "probabilities", "true_class_weight": 1.0},  # 2 (1 - p_y), Ghosh et al. 2017
}


class LossParameters(BaseModel):
    """The `loss` section of a config; each loss extends it by parameters of its own."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    name: str
    form: Literal["recipe", "plain"] = Field(
        "recipe", description="recipe: the defaults that train; plain: what torch.nn does on one-hot targets"
    )

    @property
    def variant(self) -> str:
        """The first half of the key of the recipe table."""
        return self.form

    def warnings(self) -> tuple[str, ...]:
        """Return what a user should know about these values, such as one that has no effect."""
        return ()


@dataclass(frozen=True, kw_only=True)
class LossSpec:
    """One loss: its name, its parameters, and the function that makes it, which alone imports torch."""

    name: str
    formula: str
    build: "Callable[[Any, Any], Loss]"  # (parameters, task) -> loss; a task has names, outputs, counts
    title: str = "a loss of another package"
    robust_to: str = "not told"
    source: str = "not told"
    parameters: type[LossParameters] = LossParameters
    # (variant, optimizer) -> learning rate that trains digits and CIFAR-10; where it is missing, the user gives one
    rates: Mapping[tuple[str, str], float] = field(default_factory=dict)
    elementwise: "Callable[[Any, Tensor, Tensor], Tensor] | None" = None  # residual losses: on plain numbers

    def rate(self, parameters: LossParameters, optimizer: str) -> float | None:
        """Return the recipe's learning rate, or None where none was measured."""
        return self.rates.get((parameters.variant, optimizer))


def rates(*, sgd: float, adam: float) -> dict[tuple[str, str], float]:
    """Return the rates of a loss whose two forms take the same, AdamW that of Adam."""
    by_optimizer = {"sgd": sgd, "adam": adam, "adamw": adam}
    return {(form, name): rate for form in ("recipe", "plain") for name, rate in by_optimizer.items()}


@cache
def loss_specs() -> dict[str, LossSpec]:
    """Return every registered loss by name, Tudui's own and those of other packages."""
    return {name: read_loss_spec(point) for name, point in plug_ins(ENTRY_POINTS).items()}


def read_loss_spec(point: EntryPoint) -> LossSpec:
    """Return the loss that an entry point names; ConfigError where it is none."""
    try:
        spec = point.load()
    except Exception as error:  # another package's import may fail in any way
        raise ConfigError([f"{place(point)}: cannot be loaded: {error}; mend or uninstall that package"]) from error
    if not isinstance(spec, LossSpec):
        raise ConfigError([f"{place(point)}: must be a tudui.losses.LossSpec (got {type(spec).__name__})"])
    if spec.name != point.name:
        raise ConfigError([f"{place(point)}: names its loss '{spec.name}'; both names must be the same"])
    return spec


def loss_spec(name: str) -> LossSpec:
    """Return the loss of this name; ConfigError, with the nearest name, where there is none."""
    specs = loss_specs()
    if name not in specs:
        plain = name.lower().replace("-", "").replace("_", "").replace(" ", "")
        hint = did_you_mean(OTHER_NAMES.get(plain, plain), specs)
        raise ConfigError([f"unknown loss '{name}'{hint}; known: {', '.join(sorted(specs))}"])
    return specs[name]


def loss_section(name: str) -> dict[str, Any]:
    """Return the `loss` section that a name stands for where losses are compared."""
    return dict(SECTIONS.get(name, {"name": name}))
