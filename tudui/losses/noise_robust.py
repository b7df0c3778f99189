"""Losses that tolerate wrong labels: each bounds or flattens cross entropy if the true class is improbable."""

from math import log
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, NonNegativeFloat

from tudui.config.loss_spec import Loss, LossParameters, LossSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from tudui.tasks import Classes


class GceParameters(LossParameters):
    """Parameters of `gce`."""

    name: Literal["gce"] = "gce"
    q: float = Field(0.7, gt=0, le=1, description="towards 0: cross entropy; 1: 1 - p_y, half the absolute error")


class SceParameters(LossParameters):
    """Parameters of `sce`."""

    name: Literal["sce"] = "sce"
    alpha: NonNegativeFloat = Field(0.1, description="factor of cross entropy")
    beta: NonNegativeFloat = Field(1.0, description="factor of reverse cross entropy")
    log_zero: float = Field(
        -4.0, lt=0, description="replaces log 0 in the reverse term: -4 in the paper, log(1e-4) = -9.2 in public code"
    )


class NceMaeParameters(LossParameters):
    """Parameters of `nce+mae`."""

    name: Literal["nce+mae"] = "nce+mae"
    alpha: NonNegativeFloat = Field(1.0, description="factor of normalised cross entropy")
    beta: NonNegativeFloat = Field(1.0, description="factor of 1 - p_y")


class PhuberCeParameters(LossParameters):
    """Parameters of `phuber_ce`."""

    name: Literal["phuber_ce"] = "phuber_ce"
    tau: float = Field(2.0, gt=1, description="the loss is linear if p_y < 1 / tau")


def of_log_probability(formula: "Callable[[Any, Tensor], Tensor]") -> "Callable[[Any, Classes], Loss]":
    """Return the builder of a loss (parameters, log p_y [B]) -> [B], which depends on nothing else of the logits."""

    def build(parameters: LossParameters, task: "Classes") -> Loss:
        def loss(logits: "Tensor", labels: "Tensor") -> "Tensor":
            return formula(parameters, logits.log_softmax(1).gather(1, labels[:, None])[:, 0])

        return loss

    return build


def gce(parameters: GceParameters, log_p: "Tensor") -> "Tensor":
    """Return (1 - p_y^q) / q."""
    return -(parameters.q * log_p).expm1() / parameters.q


def sce(parameters: SceParameters, log_p: "Tensor") -> "Tensor":
    """Return alpha CE + beta RCE; with one-hot targets RCE is -log_zero (1 - p_y)."""
    return parameters.beta * parameters.log_zero * log_p.expm1() - parameters.alpha * log_p


def phuber_ce(parameters: PhuberCeParameters, log_p: "Tensor") -> "Tensor":
    """Return -log p_y, continued as its tangent if p_y < 1 / tau."""
    tangent = log(parameters.tau) + 1 - parameters.tau * log_p.exp()
    return tangent.where(log_p < -log(parameters.tau), -log_p)


def build_nce_mae(parameters: NceMaeParameters, task: "Classes") -> Loss:
    """Return alpha NCE + beta (1 - p_y); NCE is cross entropy over its sum for every possible label."""

    def normalised_cross_entropy_and_mae(logits: "Tensor", labels: "Tensor") -> "Tensor":
        log_p = logits.log_softmax(1)
        log_p_y = log_p.gather(1, labels[:, None])[:, 0]
        return parameters.alpha * log_p_y / log_p.sum(1) + parameters.beta * (1 - log_p_y.exp())

    return normalised_cross_entropy_and_mae


GCE = LossSpec(
    name="gce",
    title="generalised cross entropy",
    formula="(1 - p_y^q) / q",
    robust_to="wrong labels: bounded by 1/q; a confidently wrong image has a small gradient",
    source="Zhang, Sabuncu 2018, Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels",
    parameters=GceParameters,
    build=of_log_probability(gce),
)

SCE = LossSpec(
    name="sce",
    title="symmetric cross entropy",
    formula="alpha (-log p_y) + beta (-log_zero) (1 - p_y)",
    robust_to="wrong labels: mostly a multiple of 1 - p_y; a little cross entropy lets it learn",
    source="Wang, Ma, Chen, Luo, Yi, Bailey 2019, Symmetric Cross Entropy for Robust Learning with Noisy Labels",
    parameters=SceParameters,
    build=of_log_probability(sce),
)

NCE_MAE = LossSpec(
    name="nce+mae",
    title="normalised cross entropy + MAE",
    formula="alpha log p_y / sum_k log p_k + beta (1 - p_y)",
    robust_to="wrong labels: the sum of each term over all labels is the same for every output",
    source="Ma, Huang, Wang, Romano et al. 2020, Normalized Loss Functions for Deep Learning with Noisy Labels",
    parameters=NceMaeParameters,
    build=build_nce_mae,
)

PHUBER_CE = LossSpec(
    name="phuber_ce",
    title="partially Huberised cross entropy",
    formula="-log p_y if p_y >= 1 / tau, else log tau + 1 - tau p_y",
    robust_to="wrong labels: below p_y = 1 / tau the loss is linear and bounded by log tau + 1",
    source="Menon, Rawat, Reddi, Kumar 2020, Can gradient clipping mitigate label noise?",
    parameters=PhuberCeParameters,
    build=of_log_probability(phuber_ce),
)
