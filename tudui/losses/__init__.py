"""The losses: one module per family, each a torch-free spec and the function that computes it."""

from typing import TYPE_CHECKING

from pydantic import ValidationError

from tudui.config.loss_spec import ClassInfo, LossParameters, LossSpec, loss_spec, loss_specs

if TYPE_CHECKING:
    from tudui.config.loss_spec import Loss

__all__ = ["ClassInfo", "LossParameters", "LossSpec", "build_every_loss", "build_loss", "loss_spec", "loss_specs"]


def build_loss(parameters: LossParameters, classes: ClassInfo) -> "Loss":
    """Return the loss (logits [B, K] float, labels [B] int64) -> loss per sample [B]; wrong shapes raise ValueError."""
    from tudui.losses.checks import checked

    return checked(loss_spec(parameters.name).build(parameters, classes), parameters.name, classes.number)


def build_every_loss(classes: ClassInfo) -> "dict[str, Loss]":
    """Return each registered loss at its defaults, by name; one that has parameters without a default is left out."""
    losses = {}
    for name, spec in loss_specs().items():
        try:
            losses[name] = build_loss(spec.parameters(name=name), classes)
        except ValidationError:  # of another package's parameter model
            continue
    return losses
