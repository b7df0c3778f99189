"""One forward pass before training: does a network accept the data, and what does it return?"""

import inspect
import traceback
from pathlib import Path

import torch
from torch import Tensor, nn

from tudui.config.network_spec import Shape
from tudui.errors import UsageError
from tudui.text import in_a_line

LIBRARY = Path(torch.__file__).parent
SIDES = (32, 64, 96, 128, 224, 256, 299, 384)  # for which networks are usually made


def check_network(model: nn.Module, name: str, shape: Shape, device: torch.device) -> bool:
    """Return whether the network draws random numbers in a forward pass, for example for dropout.

    UsageError if it cannot be trained on these inputs: it raises, returns something else than [B, outputs], has nothing
    to train, or makes tensors of its state only now, so that a checkpoint could not restore them.
    """
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UsageError(f"network {name}: has no parameters to train; use another network, or less in train.freeze")
    training, before = model.training, {key: value.clone() for key, value in model.state_dict().items()}
    buffers = {key: value.clone() for key, value in model.named_buffers()}
    with torch.no_grad(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        drawn = _generator_state(device)
        try:
            outputs = forward(model.train(), torch.zeros(2, *shape.input, device=device), name)
        except UsageError as error:
            raise UsageError(f"{error}{_other_size(model, shape, device)}") from None
        is_random = not torch.equal(drawn, _generator_state(device))
    if added := sorted(model.state_dict().keys() ^ before.keys()):
        raise UsageError(f"network {name}: creates {added[0]} in its forward pass; create it in __init__")
    changed = (key for key, value in model.named_buffers() if key not in before and not value.equal(buffers[key]))
    if (lost := next(changed, None)) is not None:
        raise UsageError(
            f"network {name}: changes {lost}, which no checkpoint contains; register it with persistent=True"
        )
    model.load_state_dict(before)
    model.train(training)
    expected = f"[B, {shape.outputs}]"
    if not isinstance(outputs, Tensor):
        raise UsageError(f"network {name}: returns {_kind(outputs)}, expected one tensor {expected}")
    if outputs.shape != (2, shape.outputs):
        got = ", ".join(["B" if outputs.shape[:1] == (2,) else "?", *map(str, outputs.shape[1:])])
        raise UsageError(
            f"network {name}: returns [{got}], expected {expected}, an output per class; change its last layer"
        )
    if outputs.device.type != device.type:
        raise UsageError(f"network {name}: returns a tensor on {outputs.device}, expected {device}; do not move data")
    return is_random


def _other_size(model: nn.Module, shape: Shape, device: torch.device) -> str:
    """Return `; --size N fits` with the first usual size that the network accepts; an empty text if there is none."""
    for side in SIDES:
        try:
            outputs = model(torch.zeros(2, shape.input[0], side, side, device=device))
        except Exception:  # as at the size that was asked for
            continue
        if isinstance(outputs, Tensor) and outputs.shape == (2, shape.outputs):
            return f"; --size {side} fits"
    return ""


def forward(model: nn.Module, inputs: Tensor, name: str) -> Tensor:
    """Return the outputs of one batch; UsageError names the line of the user's code, or the layer, that raised."""
    running: list[str] = []

    def leave(*_: object) -> None:  # what a hook returns would replace the outputs
        running.pop()

    hooks = [
        hook
        for layer, module in model.named_modules()
        for hook in (
            module.register_forward_pre_hook(lambda *_, layer=layer: running.append(layer)),
            module.register_forward_hook(leave),
        )
    ]
    try:
        outputs: Tensor = model(inputs)
        return outputs
    except Exception as error:  # the user's code may raise anything
        raise UsageError(f"network {name}: {_place(model, error, running)}: {in_a_line(error)}") from None
    finally:
        for hook in hooks:
            hook.remove()


def _place(model: nn.Module, error: Exception, running: list[str]) -> str:
    """Return the last line outside torch, if it is in the file of the network, and the layer that was running."""
    layer = f"layer {running[-1]}" if running and running[-1] else "forward"
    try:
        own = inspect.getfile(type(model))
    except (OSError, TypeError):
        own = ""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own]
    outside = own and not Path(own).is_relative_to(LIBRARY.parent)
    return f"{own}:{lines[-1]}, {layer}" if outside and lines else layer


def _generator_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _kind(outputs: object) -> str:
    size = f" of {len(outputs)}" if isinstance(outputs, tuple | list | dict) else ""
    return f"a {type(outputs).__name__}{size}"
