"""Which loss a lab command means, with its parameters checked as those of a config are. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tudui.config import Override
from tudui.config.load import load_loss
from tudui.config.loss_spec import LossParameters, LossSpec, loss_spec, loss_specs
from tudui.errors import UsageError
from tudui.losses.residual import ResidualParameters

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ChosenLoss:
    """A loss under the name it was asked for."""

    label: str
    spec: LossSpec
    parameters: LossParameters

    @property
    def on_numbers(self) -> bool:
        """Whether it compares number with number, rather than logits with a class."""
        return self.spec.elementwise is not None

    def elementwise(self, prediction: "Tensor", target: "Tensor") -> "Tensor":
        """Return the loss of every element, of one shape with both arguments."""
        assert self.spec.elementwise is not None, f"{self.label} is a loss of classes"
        return self.spec.elementwise(self.parameters, prediction, target)

    def own_parameters(self) -> dict[str, Any]:
        """Return the parameters that change this loss on plain numbers or on logits, by name."""
        left_out = set(ResidualParameters.model_fields) if self.on_numbers else {"name", "form"}
        return {name: value for name, value in self.parameters.model_dump().items() if name not in left_out}


def has_parameter(name: str, parameter: str) -> bool:
    """Return whether the loss of this name has a parameter; ConfigError for an unknown loss."""
    return parameter in loss_spec(name).parameters.model_fields


def choose_loss(name: str, *, overrides: Sequence[Override] = ()) -> ChosenLoss:
    """Return a loss with the parameters that are set, by keys such as loss.delta.

    UsageError for an unknown loss, a parameter that it does not have, and a value out of its range.
    """
    spec = loss_spec(name)
    for override in overrides:
        section, _, parameter = override.key.partition(".")
        if section != "loss" or not parameter:
            raise UsageError(f"{override.origin}: only parameters of the loss can be set here, such as loss.delta=2")
        _check_parameter(name, spec, parameter, override.origin)
    parameters = load_loss([Override("loss", name, name), *overrides])
    return ChosenLoss(label=name, spec=spec, parameters=parameters)


def _check_parameter(name: str, spec: LossSpec, parameter: str, origin: str) -> None:
    known = spec.parameters.model_fields
    if parameter not in known:
        having = [
            other for other, others_spec in loss_specs().items() if parameter in others_spec.parameters.model_fields
        ]
        where = f"; losses that have one: {', '.join(having)}" if having else ""
        raise UsageError(f"{origin}: {name} has no parameter {parameter}{where}")
    if spec.elementwise is not None and parameter in ResidualParameters.model_fields:
        raise UsageError(f"{origin}: {parameter} has no effect on plain numbers; it shapes the loss of a classifier")


def describe_losses() -> list[dict[str, Any]]:
    """Return every registered loss as plain values: formula, form, parameters with defaults, source."""
    return [
        {
            "name": spec.name,
            "title": spec.title,
            "formula": spec.formula,
            "compares": "numbers, or outputs with one-hot targets" if spec.elementwise else "logits with a class",
            "form": spec.parameters.model_fields["form"].default,
            "forms": ["recipe", "plain"],
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
