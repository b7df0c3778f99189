"""Losses for numbers that torch.nn does not have: log-cosh, quantile and Cauchy. Each is a function of the residual."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat

from tudui.config.loss_spec import Loss, LossParameters, LossSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from tudui.tasks import Numbers


class LogCoshParameters(LossParameters):
    """Parameters of `log_cosh`."""

    name: Literal["log_cosh"] = "log_cosh"


class QuantileParameters(LossParameters):
    """Parameters of `quantile`."""

    name: Literal["quantile"] = "quantile"
    tau: float = Field(0.5, gt=0, lt=1, description="the quantile that is predicted; 0.5: the median, half of l1")


class CauchyParameters(LossParameters):
    """Parameters of `cauchy`."""

    in_scaled_units: ClassVar[tuple[str, ...]] = ("c",)

    name: Literal["cauchy"] = "cauchy"
    c: PositiveFloat = Field(1.0, description="residual with the largest gradient; those of larger ones fall to 0")


def of_residuals(elementwise: "Callable[[Any, Tensor, Tensor], Tensor]") -> "Callable[[Any, Numbers], Loss]":
    """Return the builder of the loss of numbers: the mean over the K columns of an elementwise loss."""

    def build(parameters: LossParameters, task: "Numbers") -> Loss:
        def loss(outputs: "Tensor", targets: "Tensor") -> "Tensor":
            return elementwise(parameters, outputs, targets).mean(1)

        return loss

    return build


def log_cosh(parameters: LogCoshParameters, prediction: "Tensor", target: "Tensor") -> "Tensor":
    """Return log cosh r, in a form that does not overflow."""
    from torch.nn import functional

    size = (prediction - target).abs()
    return size + functional.softplus(-2 * size) - functional.softplus(size.new_zeros(()))


def quantile(parameters: QuantileParameters, prediction: "Tensor", target: "Tensor") -> "Tensor":
    """Return tau |r| if the prediction is too low, (1 - tau) |r| if it is too high."""
    residual = prediction - target
    return (residual * (1 - parameters.tau)).maximum(-residual * parameters.tau)


def cauchy(parameters: CauchyParameters, prediction: "Tensor", target: "Tensor") -> "Tensor":
    """Return c² / 2 log(1 + (r / c)²)."""
    return parameters.c**2 / 2 * ((prediction - target) / parameters.c).square().log1p()


def _spec(
    parameters: type[LossParameters], elementwise: "Callable[[Any, Tensor, Tensor], Tensor]", **about: Any
) -> LossSpec:
    return LossSpec(
        parameters=parameters, build=of_residuals(elementwise), elementwise=elementwise, tasks=("numbers",), **about
    )


LOG_COSH = _spec(
    LogCoshParameters,
    log_cosh,
    name="log_cosh",
    title="log-cosh",
    formula="log cosh r, r = output - target",
    robust_to="large residuals: its gradient is tanh r; near 0 it is r²/2, further away |r| - log 2",
    source="Saleh, Saleh 2022, Statistical Properties of the log-cosh Loss Function Used in Machine Learning",
)

QUANTILE = _spec(
    QuantileParameters,
    quantile,
    name="quantile",
    title="quantile (pinball)",
    formula="tau |r| if r < 0, else (1 - tau) |r|, r = output - target",
    robust_to="large residuals, as l1; a tau that is not 0.5 predicts a high or low value on purpose",
    source="Koenker, Bassett 1978, Regression Quantiles",
)

CAUCHY = _spec(
    CauchyParameters,
    cauchy,
    name="cauchy",
    title="Cauchy (Lorentzian)",
    formula="c²/2 log(1 + (r/c)²), r = output - target",
    robust_to="outliers more than l1: the gradient of a residual far beyond c is nearly 0; it is not convex",
    source="Holland, Welsch 1977, Robust Regression Using Iteratively Reweighted Least-Squares; Barron 2019, alpha = 0",
)
