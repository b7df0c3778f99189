"""The description of a loss, without torch, and all losses by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from tudui.config.parts import Section, Spec, all_specs, find_spec
from tudui.config.yaml_file import read_value
from tudui.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

ROOM = "tudui.losses"
Loss = Callable[["Tensor", "Tensor"], "Tensor"]  # (outputs [B, K] float, targets [B, ...]) -> loss per sample [B]
# other names of losses, from textbooks and papers, with their sections
ALIASES: Mapping[str, Mapping[str, Any]] = {
    "cross_entropy": {"name": "ce"},
    "l2": {"name": "mse"},
    "mae": {"name": "l1"},
    # 2 (1 - p_y), which Ghosh et al. 2017 call MAE
    "probability_mae": {"name": "l1", "input": "probabilities", "true_class_weight": 1.0},
}

# other well-known losses, whose names are similar to those of some here
OTHERS = {"bce", "bcewithlogits", "binarycrossentropy", "kl", "kldiv", "mape", "msle", "nll", "rmse", "rmsle", "smape"}


class LossParameters(Section):
    """The `loss` section of a config; each loss adds its own parameters."""

    in_scaled_units: ClassVar[tuple[str, ...]] = ()  # residuals; with numbers as targets, on the scale of the outputs

    name: str
    form: Literal["recipe", "plain"] = Field(
        "recipe", description="recipe: defaults that train well; plain: torch.nn's formula on one-hot targets"
    )

    @property
    def variant(self) -> str:
        """The form's name in the recipe table."""
        return self.form

    def warnings(self) -> tuple[str, ...]:
        """Return warnings about these values, for example about one without effect."""
        return ()


@dataclass(frozen=True, kw_only=True)
class LossSpec(Spec):
    """One loss: its name, its parameters, and the function that builds it, which imports torch."""

    formula: str
    build: Callable[[Any, Any], Loss]  # (parameters, task) -> loss; a task has names, outputs, counts
    title: str = "a loss of another package"
    robust_to: str = "not stated"
    source: str = "not stated"
    parameters: type[LossParameters] = LossParameters
    # (network, variant, optimizer) -> learning rate from experiments/choose_rates.py; without one, --lr is needed
    rates: Mapping[tuple[str, str, str], float] = field(default_factory=dict)
    elementwise: "Callable[[Any, Tensor, Tensor], Tensor] | None" = None  # residual losses: of plain numbers
    tasks: tuple[str, ...] = ("classes",)  # kinds of task that `build` accepts, and `numbers`

    def fits(self, task: str) -> bool:
        """Return whether targets may be of this kind, `classes` or `numbers`."""
        return task in self.tasks


def does_not_fit(spec: LossSpec, task: str) -> str:
    """Return the message for a loss that is made for other targets, with those that fit."""
    others = ", ".join(name for name, other in loss_specs().items() if other.fits(task))
    return f"{spec.name} is a loss for {' and '.join(spec.tasks)}, and the targets are {task}; these fit: {others}"


@cache
def loss_specs() -> dict[str, LossSpec]:
    """Return every registered loss by name, of Tudui and of other packages."""
    return {name: spec for name, spec in _all().items() if not spec.family}


@cache
def _all() -> dict[str, LossSpec]:
    return all_specs(ROOM, LossSpec)


def loss_spec(name: str) -> LossSpec:
    """Return the loss of this name or alias; ConfigError with the closest name if there is none."""
    specs = {**_all(), **loss_specs()}
    return find_spec(loss_section(name)["name"], specs, "loss", aliases=ALIASES, others=OTHERS)


def loss_section(text: str) -> dict[str, Any]:
    """Return the `loss` section of a name or alias, or of a name with parameters: `huber:delta=0.5`, `sce:a=1;b=2`.

    The name of the user's own loss has a colon itself: `FILE.py:NAME:a=1`.
    """
    name, colon, given = text.rpartition(":")
    if not colon or "=" not in given:
        return dict(ALIASES.get(text, {"name": text}))
    parameters: dict[str, Any] = {}
    for one in given.split(";"):
        key, equals, value = (part.strip() for part in one.partition("="))
        if not (key and equals and value) or key in parameters:
            raise ConfigError([f"{text}: parameters are NAME:a=1;b=2, each once, for example huber:delta=0.5"])
        parameters[key] = read_value(value, text)
    return loss_section(name) | parameters
