"""Focal loss: cross entropy with less weight on images that are already right."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tudui.config.loss_spec import LossParameters, LossSpec
from tudui.losses.noise_robust import of_log_probability

if TYPE_CHECKING:
    from torch import Tensor


class FocalParameters(LossParameters):
    """Parameters of `focal`."""

    name: Literal["focal"] = "focal"
    gamma: float = Field(2.0, ge=0, description="0: cross entropy; more: less weight on images that are right")


def focal(parameters: FocalParameters, log_p: "Tensor") -> "Tensor":
    """Return (1 - p_y)^gamma (-log p_y)."""
    import torch

    # a p_y that rounds to 1 has no gradient, rather than 0 times infinity
    doubt = -log_p.expm1().clamp(max=-torch.finfo(log_p.dtype).tiny)
    return -(doubt**parameters.gamma) * log_p


FOCAL = LossSpec(
    name="focal",
    title="focal loss",
    formula="(1 - p_y)^gamma (-log p_y)",
    robust_to="many easy images; wrong labels have more influence than with cross entropy",
    source="Lin, Goyal, Girshick, He, Dollar 2017, Focal Loss for Dense Object Detection",
    parameters=FocalParameters,
    build=of_log_probability(focal),
)
