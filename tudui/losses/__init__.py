"""The losses: one module per family, each a torch-free spec and the function that computes it."""

from typing import TYPE_CHECKING

from tudui.config.loss_spec import ClassInfo, LossParameters, LossSpec, loss_spec, loss_specs

if TYPE_CHECKING:
    from tudui.config.loss_spec import Loss

__all__ = ["ClassInfo", "LossParameters", "LossSpec", "build_loss", "loss_spec", "loss_specs"]


def build_loss(parameters: LossParameters, classes: ClassInfo) -> "Loss":
    """Return the loss (logits [B, K] float, labels [B] int64) -> loss per sample [B]; wrong shapes raise ValueError."""
    from tudui.losses.checks import checked

    return checked(loss_spec(parameters.name).build(parameters, classes), parameters.name, classes.number)
