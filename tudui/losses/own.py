"""A loss in a file of the user: `FILE.py:NAME`."""

import inspect
from typing import TYPE_CHECKING, Any

from tudui.config.loss_spec import LossParameters, LossSpec
from tudui.config.own_code import OWN, OwnCode, call_own, own_errors, own_object, path_of
from tudui.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from tudui.config.loss_spec import Loss


class OwnLoss(LossParameters, OwnCode):
    """The section of a loss of the user; its other keys are arguments."""


def build(parameters: OwnLoss, task: Any) -> "Loss":
    """Return the user's function (outputs [B, K], targets [B, ...], ...), or what the user's nn.Module class makes.

    A loss that returns one number, its mean over the batch, gives that number to each sample. Numbers as targets are on
    the scale of the outputs.
    """
    import torch
    from torch import nn

    found, given = own_object(parameters.name, parameters.code, "--loss"), dict(parameters.model_extra or {})
    if inspect.isclass(found):
        function, given = call_own(found, parameters.name, given, "loss"), {}
        if isinstance(function, nn.Module) and any(True for _ in function.parameters()):
            raise UsageError(f"{parameters.name}: has parameters, which Tudui does not train; use a loss without any")
    else:
        function = found
    if not callable(function):
        raise UsageError(f"{parameters.name}: must be a function or a class (got {type(function).__name__})")

    def loss(outputs: "Tensor", targets: "Tensor") -> "Tensor":
        with own_errors(path_of(parameters.name)):
            values = function(outputs, targets, **given)
        return _checked(values, parameters.name, len(targets), trains=outputs.requires_grad)

    # before training
    targets = torch.zeros(2, task.outputs) if task.kind == "numbers" else torch.zeros(2, dtype=torch.int64)
    loss(torch.zeros(2, task.outputs, requires_grad=True), targets)
    return loss


def _checked(values: object, name: str, images: int, *, trains: bool) -> "Tensor":
    """Return a loss per image [B]; UsageError if it is something else, or has no gradient to train with."""
    import torch

    expected = "expected one number, or a tensor [B], a loss per image"
    if not isinstance(values, torch.Tensor):
        raise UsageError(f"{name}: returns a {type(values).__name__}, {expected}")
    if values.ndim == 0:
        values = values.expand(images)
    if values.shape != (images,):
        got = ", ".join(["B" if values.shape[:1] == (images,) else "?", *map(str, values.shape[1:])])
        raise UsageError(f"{name}: returns [{got}], {expected}")
    if trains and not values.requires_grad:
        raise UsageError(f"{name}: returns values without a gradient; compute them from outputs in torch")
    return values


SPEC = LossSpec(
    name=OWN, title="a function or class in a file of yours", formula="yours", build=build, parameters=OwnLoss,
    family=True, tasks=("classes", "numbers"),
)  # fmt: skip
