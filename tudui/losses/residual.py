"""Regression losses (L1, MSE, Huber, smooth L1), and their form for classifiers, on one-hot targets."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, model_validator

from tudui.config.loss_spec import Loss, LossParameters, LossSpec
from tudui.errors import UsageError
from tudui.losses.of_numbers import of_residuals

if TYPE_CHECKING:
    from torch import Tensor

    from tudui.tasks import Classes, Numbers

# What torch.nn.L1Loss, MSELoss, HuberLoss and SmoothL1Loss do on one-hot targets.
PLAIN: dict[str, Any] = {
    "input": "logits",
    "classes": "mean",
    "true_class_weight": 1.0,
    "target_scale": 1.0,
    "scale": 1.0,
}


class ResidualParameters(LossParameters):
    """How a residual loss compares the outputs of a classifier with one-hot targets."""

    input: Literal["logits", "probabilities"] = Field("logits", description="what is compared with the one-hot target")
    classes: Literal["sum", "mean"] = Field("sum", description="how the terms of the K classes are combined")
    true_class_weight: PositiveFloat | Literal["balanced"] = Field(
        1.0, description="factor of the true class's term; balanced: K - 1"
    )
    target_scale: PositiveFloat = Field(1.0, description="value M of the true class in the target")
    scale: PositiveFloat = Field(1.0, description="factor of the whole loss")

    @model_validator(mode="before")
    @classmethod
    def _plain_fixes_the_rest(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("form") != "plain":
            return values
        for name, plain in PLAIN.items():
            if values.get(name, plain) != plain:
                raise ValueError(f"form and {name}: plain sets {name} to {plain}; remove one of them")
        return values | PLAIN

    @property
    def variant(self) -> str:
        """The name in the recipe table; probabilities need other rates than logits."""
        return "probabilities" if self.input == "probabilities" else self.form


class L1Parameters(ResidualParameters):
    """Parameters of `l1`."""

    name: Literal["l1"] = "l1"
    true_class_weight: PositiveFloat | Literal["balanced"] = Field(
        "balanced", description="factor of the true class's term; balanced: K - 1; without it every output tends to 0"
    )


class MseParameters(ResidualParameters):
    """Parameters of `mse`."""

    name: Literal["mse"] = "mse"


class HuberParameters(ResidualParameters):
    """Parameters of `huber`."""

    in_scaled_units: ClassVar[tuple[str, ...]] = ("delta",)

    name: Literal["huber"] = "huber"
    delta: PositiveFloat = Field(1.0, description="residual at which the parabola becomes a line")

    def warnings(self) -> tuple[str, ...]:
        """Warn if no residual can reach the linear part."""
        largest = max(self.target_scale, 1.0)
        if self.input == "logits" or self.delta < largest:
            return ()
        problem = (
            f"huber with delta {self.delta:g} on probabilities is exactly MSE/2: no residual is larger than {largest:g}"
        )
        return (f"{problem}; set a smaller delta, or use mse",)


class SmoothL1Parameters(ResidualParameters):
    """Parameters of `smooth_l1`."""

    in_scaled_units: ClassVar[tuple[str, ...]] = ("beta",)

    name: Literal["smooth_l1"] = "smooth_l1"
    beta: PositiveFloat = Field(1.0, description="residual at which the parabola becomes a line of slope 1")


def _spec(name: str, parameters: type[ResidualParameters], **about: Any) -> LossSpec:
    """Return the spec of a loss of torch.nn.functional, which takes the parameters that others do not have."""
    own = parameters.model_fields.keys() - ResidualParameters.model_fields.keys()

    def elementwise(parameters: ResidualParameters, prediction: "Tensor", target: "Tensor") -> "Tensor":
        from torch.nn import functional

        values = {one: getattr(parameters, one) for one in own}
        terms: Tensor = getattr(functional, f"{name}_loss")(prediction, target, reduction="none", **values)
        return terms

    def build(parameters: ResidualParameters, task: "Classes | Numbers") -> Loss:
        from torch.nn import functional

        from tudui.tasks import Classes

        if not isinstance(task, Classes):
            _refuse_settings_for_classes(parameters)
            return of_residuals(elementwise)(parameters, task)

        weight = parameters.true_class_weight
        true_class_weight = task.outputs - 1 if weight == "balanced" else weight
        factor = parameters.scale / (task.outputs if parameters.classes == "mean" else 1)

        def residual_loss(logits: "Tensor", labels: "Tensor") -> "Tensor":
            onehot = functional.one_hot(labels, task.outputs).to(logits.dtype)  # [B, K]
            prediction = logits.softmax(1) if parameters.input == "probabilities" else logits
            terms = elementwise(parameters, prediction, onehot * parameters.target_scale)
            if true_class_weight != 1:
                terms = terms * (1 + (true_class_weight - 1) * onehot)
            return terms.sum(1) * factor

        return residual_loss

    return LossSpec(
        name=name, parameters=parameters, build=build, elementwise=elementwise, tasks=("classes", "numbers"), **about
    )


def _refuse_settings_for_classes(parameters: ResidualParameters) -> None:
    """Raise UsageError for a setting that only means something with one-hot targets."""
    defaults = {name: type(parameters).model_fields[name].default for name in ("form", *PLAIN)}
    if changed := [name for name, default in defaults.items() if getattr(parameters, name) != default]:
        raise UsageError(f"loss.{changed[0]}: is for classes, and the targets are numbers; leave it out")


L1 = _spec(
    "l1",
    L1Parameters,
    title="absolute error (L1, MAE)",
    formula="|r|, r = output - target",
    robust_to="large residuals: every gradient has the same size; not to unusual inputs (leverage)",
    source="torch.nn.functional.l1_loss; on probabilities: Ghosh, Kumar, Sastry 2017",
)

MSE = _spec(
    "mse",
    MseParameters,
    title="squared error (MSE, L2, Brier score on probabilities)",
    formula="r², r = output - target",
    robust_to="nothing: the gradient grows with the residual, unless it is clipped (train.clip)",
    source="torch.nn.functional.mse_loss; on logits: Hui, Belkin 2020",
)

HUBER = _spec(
    "huber",
    HuberParameters,
    title="Huber",
    formula="r²/2 if |r| <= delta, else delta (|r| - delta/2), r = output - target",
    robust_to="residuals beyond delta, whose gradient stays at delta; below delta it is MSE/2",
    source="torch.nn.functional.huber_loss; Huber 1964",
)

SMOOTH_L1 = _spec(
    "smooth_l1",
    SmoothL1Parameters,
    title="smooth L1",
    formula="r²/(2 beta) if |r| < beta, else |r| - beta/2, r = output - target",
    robust_to="residuals beyond beta; it is Huber / beta, so its slope stays 1 as beta goes to 0",
    source="torch.nn.functional.smooth_l1_loss; Girshick 2015, Fast R-CNN",
)
