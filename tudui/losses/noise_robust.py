"""Losses that wrong labels pull at less: each bounds, or flattens, cross entropy where the true class is improbable."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from tudui.config.loss_spec import LossParameters, LossSpec

if TYPE_CHECKING:
    from torch import Tensor

    from tudui.config.loss_spec import Loss
    from tudui.tasks import Classes

NotNegativeNumber = Annotated[float, Field(ge=0)]


class GceParameters(LossParameters):
    """Parameters of `gce`."""

    name: Literal["gce"] = "gce"
    q: float = Field(0.7, gt=0, le=1, description="towards 0: cross entropy; 1: 1 - p_y, half the absolute error")


class SceParameters(LossParameters):
    """Parameters of `sce`."""

    name: Literal["sce"] = "sce"
    alpha: NotNegativeNumber = Field(0.1, description="factor of cross entropy")
    beta: NotNegativeNumber = Field(1.0, description="factor of reverse cross entropy")
    log_zero: float = Field(
        -4.0, lt=0, description="stands for log 0 in the reverse term: -4 in the paper, log(1e-4) = -9.2 in public code"
    )


class NceMaeParameters(LossParameters):
    """Parameters of `nce+mae`."""

    name: Literal["nce+mae"] = "nce+mae"
    alpha: NotNegativeNumber = Field(1.0, description="factor of normalised cross entropy")
    beta: NotNegativeNumber = Field(1.0, description="factor of 1 - p_y")


class PhuberCeParameters(LossParameters):
    """Parameters of `phuber_ce`."""

    name: Literal["phuber_ce"] = "phuber_ce"
    tau: float = Field(2.0, gt=1, description="the loss is a straight line where p_y < 1 / tau")


def log_probability(logits: "Tensor", labels: "Tensor") -> "Tensor":
    """Return log p_y [B] of logits [B, K] and labels [B]."""
    return logits.log_softmax(1).gather(1, labels[:, None])[:, 0]


def build_gce(parameters: GceParameters, task: "Classes") -> "Loss":
    """Return (1 - p_y^q) / q."""
    import torch

    def generalised_cross_entropy(logits: "Tensor", labels: "Tensor") -> "Tensor":
        return -torch.expm1(parameters.q * log_probability(logits, labels)) / parameters.q

    return generalised_cross_entropy


def build_sce(parameters: SceParameters, task: "Classes") -> "Loss":
    """Return alpha CE + beta RCE; with one-hot targets RCE is -log_zero (1 - p_y)."""
    import torch

    def symmetric_cross_entropy(logits: "Tensor", labels: "Tensor") -> "Tensor":
        log_p = log_probability(logits, labels)
        return parameters.beta * parameters.log_zero * torch.expm1(log_p) - parameters.alpha * log_p

    return symmetric_cross_entropy


def build_nce_mae(parameters: NceMaeParameters, task: "Classes") -> "Loss":
    """Return alpha NCE + beta (1 - p_y); NCE is cross entropy over its sum for every label that might be given."""

    def normalised_cross_entropy_and_mae(logits: "Tensor", labels: "Tensor") -> "Tensor":
        log_p = logits.log_softmax(1)
        log_p_y = log_p.gather(1, labels[:, None])[:, 0]
        return parameters.alpha * log_p_y / log_p.sum(1) + parameters.beta * (1 - log_p_y.exp())

    return normalised_cross_entropy_and_mae


def build_phuber_ce(parameters: PhuberCeParameters, task: "Classes") -> "Loss":
    """Return -log p_y, continued as its tangent where p_y < 1 / tau."""
    import math

    import torch

    def partially_huberised_cross_entropy(logits: "Tensor", labels: "Tensor") -> "Tensor":
        log_p = log_probability(logits, labels)
        tangent = math.log(parameters.tau) + 1 - parameters.tau * log_p.exp()
        return torch.where(log_p < -math.log(parameters.tau), tangent, -log_p)

    return partially_huberised_cross_entropy


GCE = LossSpec(
    name="gce",
    title="generalised cross entropy",
    formula="(1 - p_y^q) / q",
    robust_to="wrong labels: bounded by 1/q; a confidently wrong image pulls little",
    source="Zhang, Sabuncu 2018, Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels",
    parameters=GceParameters,
    build=build_gce,
)

SCE = LossSpec(
    name="sce",
    title="symmetric cross entropy",
    formula="alpha (-log p_y) + beta (-log_zero) (1 - p_y)",
    robust_to="wrong labels: mostly a multiple of 1 - p_y, with a little cross entropy so that it learns",
    source="Wang, Ma, Chen, Luo, Yi, Bailey 2019, Symmetric Cross Entropy for Robust Learning with Noisy Labels",
    parameters=SceParameters,
    build=build_sce,
)

NCE_MAE = LossSpec(
    name="nce+mae",
    title="normalised cross entropy + MAE",
    formula="alpha log p_y / sum_k log p_k + beta (1 - p_y)",
    robust_to="wrong labels: both terms have the same sum over all labels whatever the output is",
    source="Ma, Huang, Wang, Romano et al. 2020, Normalized Loss Functions for Deep Learning with Noisy Labels",
    parameters=NceMaeParameters,
    build=build_nce_mae,
)

PHUBER_CE = LossSpec(
    name="phuber_ce",
    title="partially Huberised cross entropy",
    formula="-log p_y where p_y >= 1 / tau, else log tau + 1 - tau p_y",
    robust_to="wrong labels: below p_y = 1 / tau the loss is linear and bounded by log tau + 1",
    source="Menon, Rawat, Reddi, Kumar 2020, Can gradient clipping mitigate label noise?",
    parameters=PhuberCeParameters,
    build=build_phuber_ce,
)
