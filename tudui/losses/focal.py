"""Focal loss: cross entropy that turns away from images which are already right."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tudui.config.loss_spec import LossParameters, LossSpec

if TYPE_CHECKING:
    from torch import Tensor

    from tudui.config.loss_spec import Loss
    from tudui.tasks import Classes


class FocalParameters(LossParameters):
    """Parameters of `focal`."""

    name: Literal["focal"] = "focal"
    gamma: float = Field(2.0, ge=0, description="0: cross entropy; more: less weight on images that are right")


def build(parameters: FocalParameters, task: "Classes") -> "Loss":
    """Return (1 - p_y)^gamma (-log p_y)."""
    import torch

    from tudui.losses.noise_robust import log_probability

    def focal_loss(logits: "Tensor", labels: "Tensor") -> "Tensor":
        log_p = log_probability(logits, labels)
        # a p_y that rounds to 1 has no gradient, rather than 0 times infinity
        doubt = -torch.expm1(log_p).clamp(max=-torch.finfo(log_p.dtype).tiny)
        return -(doubt**parameters.gamma) * log_p

    return focal_loss


FOCAL = LossSpec(
    name="focal",
    title="focal loss",
    formula="(1 - p_y)^gamma (-log p_y)",
    robust_to="many easy images; wrong labels look hard and pull harder than under cross entropy",
    source="Lin, Goyal, Girshick, He, Dollar 2017, Focal Loss for Dense Object Detection",
    parameters=FocalParameters,
    build=build,
)
