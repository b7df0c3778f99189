"""The losses: one module per family, each a torch-free spec and the function that computes it."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tudui.config import Override
from tudui.config.describe import shorten
from tudui.config.load import load_loss
from tudui.config.loss_spec import Loss, does_not_fit, loss_section
from tudui.config.loss_spec import LossParameters as LossParameters
from tudui.config.loss_spec import LossSpec as LossSpec
from tudui.config.loss_spec import loss_spec as loss_spec
from tudui.config.loss_spec import loss_specs as loss_specs
from tudui.config.plug_ins import SAFE_NAME, WHAT_A_NAME_IS
from tudui.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from tudui.tasks import Classes, Numbers, Task

_REGISTERED: set[str] = set()


def register(spec: LossSpec) -> None:
    """Make a loss known to this process, for example in a notebook; a second call replaces it.

    An entry point makes a loss known to every process. UsageError for a bad name or that of an installed loss.
    """
    if not SAFE_NAME.fullmatch(spec.name):
        raise UsageError(f"{spec.name!r}: a loss's name {WHAT_A_NAME_IS}")
    if spec.name in loss_specs() and spec.name not in _REGISTERED:
        raise UsageError(f"'{spec.name}': a loss of this name is installed; take another name")
    loss_specs()[spec.name] = spec
    _REGISTERED.add(spec.name)


def registered_here(names: Iterable[str]) -> list[str]:
    """Return the names of losses that only this process knows."""
    return [name for name in names if name in _REGISTERED]


def get(name: str, *, class_counts: Sequence[int] | None = None, **parameters: Any) -> Loss:
    """Return a loss (outputs [B, K] float, targets) -> loss per sample [B]: `get("huber", delta=2)`.

    Targets are class numbers int64 [B], or numbers float [B, K]. Parameters are those of `tudui loss list`; ConfigError
    for unknown names and values out of range. `class_counts`, the training images of each class, is what
    class_weights="balanced" needs. UsageError if the loss is not made for such targets.
    """
    section = loss_section(name) | parameters
    origin = f"{name}({', '.join(f'{key}={shorten(value)}' for key, value in parameters.items())})"
    checked = load_loss([Override("loss", section, origin)])

    @cache
    def of(outputs: int, numbers: bool) -> Loss:
        from tudui.tasks import Numbers

        classes = numbered_classes(outputs, class_counts or ())
        return build_loss(checked, Numbers(names=classes.names) if numbers else classes)

    def loss(outputs: "Tensor", targets: "Tensor") -> "Tensor":
        return of(outputs.shape[-1], targets.is_floating_point())(outputs, targets)

    return loss


def numbered_classes(number: int, counts: Sequence[int] = ()) -> "Classes":
    """Return the task of classes that have numbers as names."""
    from tudui.tasks import Classes

    return Classes(names=tuple(map(str, range(number))), counts=tuple(counts))


def build_loss(parameters: LossParameters, task: "Task") -> Loss:
    """Return the loss (outputs [B, K] float, targets [B, ...]) -> loss per sample [B]; ValueError for wrong shapes.

    For numbers, the targets are in their own unit; the loss is that of targets on the scale of the outputs. UsageError
    if the loss is not made for the task.
    """
    from tudui.tasks import Numbers

    spec = loss_spec(parameters.name)
    if not spec.fits(task.kind):
        raise UsageError(does_not_fit(spec, task.kind))
    loss = spec.build(parameters, task)
    return _of_scaled(loss, task) if isinstance(task, Numbers) else _checked(loss, parameters.name, task.outputs)


def _of_scaled(loss: Loss, task: "Numbers") -> Loss:
    """Return a loss of outputs [B, K] and targets [B, K] in their own unit, whose values are checked; ValueError."""

    def call(outputs: "Tensor", targets: "Tensor") -> "Tensor":
        if outputs.ndim != 2 or outputs.shape != targets.shape or not targets.is_floating_point():
            got = f"{targets.dtype} {list(targets.shape)}"
            raise ValueError(f"targets must be float {list(outputs.shape)}, a number per output (got {got})")
        values = loss(outputs, task.scaled(targets))
        if values.shape != targets.shape[:1]:
            raise ValueError(f"must return one value per sample (got {list(values.shape)})")
        return values

    return call


def _checked(loss: Loss, name: str, classes: int) -> Loss:
    """Return the loss with checks of its arguments and of its result's shape; ValueError if one fails."""
    import torch

    def call(logits: "Tensor", labels: "Tensor") -> "Tensor":
        if logits.ndim != 2 or logits.shape[1] != classes or not logits.is_floating_point():
            got = f"{logits.dtype} {list(logits.shape)}"
            raise ValueError(f"{name}: logits must be float [batch, {classes}] (got {got})")
        if labels.dtype != torch.int64 or labels.shape != logits.shape[:1]:
            got = f"{labels.dtype} {list(labels.shape)}"
            raise ValueError(f"{name}: labels must be int64 [{len(logits)}], one per row of logits (got {got})")
        # on a GPU this check would make the CPU wait; the data set's labels were checked when it was loaded
        if labels.device.type == "cpu" and len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
            got = f"{int(labels.min())} to {int(labels.max())}"
            raise ValueError(f"{name}: labels must be from 0 to {classes - 1} (got {got})")
        values = loss(logits, labels)
        if values.shape != labels.shape:
            raise ValueError(f"{name}: must return one value per sample (got {list(values.shape)})")
        return values

    return call


def in_unit(parameters: LossParameters, task: "Task") -> dict[str, str]:
    """Return the settings of a loss that are residuals, in the target's unit; {} for classes or several columns."""
    from tudui.tasks import Numbers

    if not isinstance(task, Numbers) or task.outputs > 1 or not task.scale:
        return {}
    return {
        name: task.unit_of(0).text(getattr(parameters, name) * task.scale[0]) for name in parameters.in_scaled_units
    }


def build_every_loss(task: "Task") -> dict[str, Loss]:
    """Return each registered loss for the task with default parameters, by name; not one with a required parameter."""
    losses = {}
    for name, spec in loss_specs().items():
        if not spec.fits(task.kind):
            continue
        try:
            losses[name] = build_loss(spec.parameters(name=name), task)
        except ValidationError:  # of another package's parameter model
            continue
    return losses
