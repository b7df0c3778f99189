"""Chooses the loss of a lab command and checks its parameters, as for a config. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tudui.config import Override
from tudui.config.load import load_loss
from tudui.config.loss_spec import LossParameters, LossSpec, loss_section, loss_spec, loss_specs
from tudui.config.own_code import is_own
from tudui.errors import UsageError
from tudui.losses.residual import ResidualParameters

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ChosenLoss:
    """A loss, its checked parameters, and the name that the user gave."""

    label: str
    spec: LossSpec
    parameters: LossParameters

    @property
    def on_numbers(self) -> bool:
        """True for a loss of numbers, False for a loss of logits and a class."""
        return self.spec.elementwise is not None

    def elementwise(self, prediction: "Tensor", target: "Tensor") -> "Tensor":
        """Return the loss of every element; both arguments and the result have the same shape."""
        assert self.spec.elementwise is not None, f"{self.label} is a loss of classes"
        return self.spec.elementwise(self.parameters, prediction, target)

    def own_parameters(self) -> dict[str, Any]:
        """Return by name the parameters that have an effect on this loss in the lab."""
        left_out = set(ResidualParameters.model_fields) if self.on_numbers else {"name", "form", "code"}
        return {name: value for name, value in self.parameters.model_dump().items() if name not in left_out}


def has_parameter(name: str, parameter: str) -> bool:
    """Return whether a loss has a parameter that its name leaves open; ConfigError for an unknown loss."""
    return parameter in loss_spec(name).parameters.model_fields and parameter not in loss_section(name)


def choose_loss(name: str, *, overrides: Sequence[Override] = ()) -> ChosenLoss:
    """Return a loss with parameters from overrides, for example of the key loss.delta.

    UsageError for an unknown loss, an unknown parameter, or a value out of range.
    """
    spec = loss_spec(name)
    for override in overrides:
        section, _, parameter = override.key.partition(".")
        if section != "loss" or not parameter:
            raise UsageError(
                f"{override.origin}: only parameters of the loss can be set here, for example loss.delta=2"
            )
        if parameter not in spec.parameters.model_fields and not is_own(spec.name):
            having = [other for other in loss_specs() if has_parameter(other, parameter)]
            hint = f"; losses that have it: {', '.join(having)}" if having else ""
            raise UsageError(f"{override.origin}: {name} has no parameter {parameter}{hint}")
        if spec.elementwise is not None and parameter in ResidualParameters.model_fields:
            raise UsageError(f"{override.origin}: {parameter} has no effect on plain numbers; leave it out")
    parameters = load_loss([Override("loss", name, name), *overrides])
    return ChosenLoss(label=name, spec=spec, parameters=parameters)


def describe_losses() -> list[dict[str, Any]]:
    """Return every registered loss as plain values: formula, form, parameters with defaults, source."""
    return [
        {
            "name": spec.name,
            "title": spec.title,
            "formula": spec.formula,
            "compares": _compares(spec),
            "form": spec.parameters.model_fields["form"].default,
            "forms": ["recipe", "plain"] if spec.fits("classes") else [],
            "tasks": list(spec.tasks),
            "parameters": [
                {"name": name, "default": field.get_default(), "description": field.description}
                for name, field in spec.parameters.model_fields.items()
                if name not in ("name", "form")
            ],
            "robust_to": spec.robust_to,
            "source": spec.source,
        }
        for spec in loss_specs().values()
    ]


def _compares(spec: LossSpec) -> str:
    """Return what a loss compares, in words."""
    if spec.elementwise is None:
        return "logits with a class"
    return "numbers, or outputs with one-hot targets" if spec.fits("classes") else "numbers"
