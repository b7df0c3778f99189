"""Losses of a residual (L1, MSE, Huber, smooth L1), made losses of a classifier by a one-hot target."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from tudui.config.loss_spec import LossParameters, LossSpec

if TYPE_CHECKING:
    from torch import Tensor

    from tudui.config.loss_spec import Loss
    from tudui.tasks import Classes

PositiveNumber = Annotated[float, Field(gt=0)]

# What torch.nn.L1Loss, MSELoss, HuberLoss and SmoothL1Loss do on one-hot targets.
PLAIN: dict[str, Any] = {
    "input": "logits",
    "classes": "mean",
    "true_class_weight": 1.0,
    "target_scale": 1.0,
    "scale": 1.0,
}


class ResidualParameters(LossParameters):
    """What makes a residual loss one of a classifier."""

    input: Literal["logits", "probabilities"] = Field("logits", description="what is compared with the one-hot target")
    classes: Literal["sum", "mean"] = Field("sum", description="how the terms of the K classes become one")
    true_class_weight: PositiveNumber | Literal["balanced"] = Field(
        1.0, description="factor of the true class's term; balanced: K - 1"
    )
    target_scale: PositiveNumber = Field(1.0, description="the one-hot target's height M")
    scale: PositiveNumber = Field(1.0, description="factor of the whole loss")

    @model_validator(mode="before")
    @classmethod
    def _plain_fixes_the_rest(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("form") != "plain":
            return values
        for name, plain in PLAIN.items():
            if values.get(name, plain) != plain:
                raise ValueError(f"form: plain fixes {name} to {plain}; leave one of the two out")
        return values | PLAIN

    @property
    def variant(self) -> str:
        """Probabilities need other rates than logits."""
        return "probabilities" if self.input == "probabilities" else self.form


class L1Parameters(ResidualParameters):
    """Parameters of `l1`."""

    name: Literal["l1"] = "l1"
    true_class_weight: PositiveNumber | Literal["balanced"] = Field(
        "balanced",
        description="factor of the true class's term; balanced: K - 1, without which every output tends to 0",
    )


class MseParameters(ResidualParameters):
    """Parameters of `mse`."""

    name: Literal["mse"] = "mse"


class HuberParameters(ResidualParameters):
    """Parameters of `huber`."""

    name: Literal["huber"] = "huber"
    delta: PositiveNumber = Field(1.0, description="residual at which the parabola becomes a straight line")

    def warnings(self) -> tuple[str, ...]:
        """Say when no residual can reach the straight part."""
        largest = max(self.target_scale, 1.0)
        if self.input == "logits" or self.delta < largest:
            return ()
        return (
            f"huber with delta {self.delta:g} on probabilities is exactly MSE/2: no residual exceeds {largest:g}; "
            f"take a smaller delta, or mse",
        )


class SmoothL1Parameters(ResidualParameters):
    """Parameters of `smooth_l1`."""

    name: Literal["smooth_l1"] = "smooth_l1"
    beta: PositiveNumber = Field(1.0, description="residual at which the parabola becomes a straight line of slope 1")


def l1(parameters: L1Parameters, prediction: "Tensor", target: "Tensor") -> "Tensor":
    """Return |prediction - target|, elementwise."""
    from torch.nn import functional

    return functional.l1_loss(prediction, target, reduction="none")


def mse(parameters: MseParameters, prediction: "Tensor", target: "Tensor") -> "Tensor":
    """Return (prediction - target)², elementwise."""
    from torch.nn import functional

    return functional.mse_loss(prediction, target, reduction="none")


def huber(parameters: HuberParameters, prediction: "Tensor", target: "Tensor") -> "Tensor":
    """Return r²/2 where |r| <= delta, else delta (|r| - delta/2), elementwise."""
    from torch.nn import functional

    return functional.huber_loss(prediction, target, reduction="none", delta=parameters.delta)


def smooth_l1(parameters: SmoothL1Parameters, prediction: "Tensor", target: "Tensor") -> "Tensor":
    """Return r²/(2 beta) where |r| < beta, else |r| - beta/2, elementwise."""
    from torch.nn import functional

    return functional.smooth_l1_loss(prediction, target, reduction="none", beta=parameters.beta)


def build_with(elementwise: "Callable[[Any, Tensor, Tensor], Tensor]") -> "Callable[[Any, Classes], Loss]":
    """Return the builder that puts an elementwise loss between outputs and one-hot targets."""

    def build(parameters: ResidualParameters, task: "Classes") -> "Loss":
        from torch.nn import functional

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

    return build


L1 = LossSpec(
    name="l1",
    title="absolute error (L1, MAE)",
    formula="|r|, r = output - target",
    robust_to="wild residuals: every gradient has the same size; not to leverage",
    source="torch.nn.functional.l1_loss; on probabilities: Ghosh, Kumar, Sastry 2017",
    parameters=L1Parameters,
    build=build_with(l1),
    elementwise=l1,
)

MSE = LossSpec(
    name="mse",
    title="squared error (MSE, L2, Brier score on probabilities)",
    formula="r², r = output - target",
    robust_to="nothing: the gradient grows with the residual; with one-hot targets residuals stay small",
    source="torch.nn.functional.mse_loss; on logits: Hui, Belkin 2020",
    parameters=MseParameters,
    build=build_with(mse),
    elementwise=mse,
)

HUBER = LossSpec(
    name="huber",
    title="Huber",
    formula="r²/2 where |r| <= delta, else delta (|r| - delta/2), r = output - target",
    robust_to="residuals beyond delta, whose gradient is held at delta; below it is MSE/2",
    source="torch.nn.functional.huber_loss; Huber 1964",
    parameters=HuberParameters,
    build=build_with(huber),
    elementwise=huber,
)

SMOOTH_L1 = LossSpec(
    name="smooth_l1",
    title="smooth L1",
    formula="r²/(2 beta) where |r| < beta, else |r| - beta/2, r = output - target",
    robust_to="residuals beyond beta; it is Huber / beta, so its slope stays 1 where Huber's goes to 0 with delta",
    source="torch.nn.functional.smooth_l1_loss; Girshick 2015, Fast R-CNN",
    parameters=SmoothL1Parameters,
    build=build_with(smooth_l1),
    elementwise=smooth_l1,
)
