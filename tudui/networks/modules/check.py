"""One forward pass before training, and errors of a network's code at any time: which layer, which line."""

import random
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from tudui.config.network_spec import Shape
from tudui.errors import TuduiError, UsageError
from tudui.text import in_a_line

LIBRARIES = (Path(__file__).parents[2], Path(sysconfig.get_path("stdlib")))  # besides those in site-packages
FOR_TABLES = "; this data set is a table, for example for --network mlp or linear"
SIDES = (32, 64, 96, 128, 224, 256, 299, 384)  # for which networks are usually made


def check_network(model: nn.Module, name: str, shape: Shape, device: torch.device, images: int = 2) -> bool:
    """Return whether the network draws random numbers in a forward pass, for example for dropout.

    UsageError if it cannot be trained on batches of so few images: it raises, returns something else than [B, outputs],
    has nothing to train, or makes tensors of its state only now, so that a checkpoint could not restore them.
    """
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UsageError(f"network {name}: has no parameters to train; use another network, or less in train.freeze")
    training, before = model.training, {key: value.clone() for key, value in model.state_dict().items()}
    buffers = {key: value.clone() for key, value in model.named_buffers()}
    with torch.no_grad(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        drawn = _generators(device)
        inputs = torch.zeros(images, *shape.input, device=device)
        try:
            with naming(model, name):
                outputs = model.train()(inputs)
        except UsageError as error:
            hint = _other_size(model, inputs, shape.outputs) if inputs.dim() == 4 else FOR_TABLES
            raise UsageError(f"{error}{hint}") from None
        is_random = drawn != _generators(device)
    if added := sorted(model.state_dict().keys() ^ before.keys()):
        raise UsageError(f"network {name}: creates {added[0]} in its forward pass; create it in __init__")
    changed = (key for key, value in model.named_buffers() if key not in before and not value.equal(buffers[key]))
    if (lost := next(changed, None)) is not None:
        raise UsageError(
            f"network {name}: changes {lost}, which no checkpoint contains; register it with persistent=True"
        )
    model.load_state_dict(before)
    model.train(training)
    check_outputs(outputs, name, (images, shape.outputs), device)
    return is_random


def _other_size(model: nn.Module, inputs: Tensor, outputs: int) -> str:
    """Return `; --size N fits` with the first usual size that the network accepts; an empty text if there is none."""
    for side in SIDES:
        try:
            found = model(inputs.new_zeros(*inputs.shape[:2], side, side))
        except Exception:  # as at the size that was asked for
            continue
        if isinstance(found, Tensor) and found.shape == (len(inputs), outputs):
            return f"; --size {side} fits"
    return ""


def check_outputs(outputs: object, name: str, expected: tuple[int, int], device: torch.device) -> Tensor:
    """Return what a network returned; UsageError if it is not [B, outputs] on the device."""
    wanted = f"[B, {expected[1]}]"
    if not isinstance(outputs, Tensor):
        size = f" of {len(outputs)}" if isinstance(outputs, tuple | list | dict) else ""
        raise UsageError(f"network {name}: returns a {type(outputs).__name__}{size}, expected one tensor {wanted}")
    if outputs.shape != expected:
        got = ", ".join(["B" if outputs.shape[:1] == expected[:1] else "?", *map(str, outputs.shape[1:])])
        raise UsageError(
            f"network {name}: returns [{got}], expected {wanted}, an output per class or number; change its last layer"
        )
    if outputs.device.type != device.type:
        raise UsageError(
            f"network {name}: returns a tensor on {outputs.device}, expected {device}; do not move tensors to another "
            "device in forward"
        )
    return outputs


def give_shapes(model: nn.Module, name: str, shape: Shape) -> nn.Module:
    """Give the parameters of lazy layers their shapes and first values; UsageError names one that is not used."""

    def lazy() -> list[str]:
        return [key for key, tensor in model.state_dict(keep_vars=True).items() if is_lazy(tensor)]

    if lazy():
        with torch.no_grad(), naming(model, name):
            model.eval()(torch.zeros(2, *shape.input))
        model.train()
    if still := lazy():
        raise UsageError(f"network {name}: {still[0]} has no shape, because no forward pass uses it; remove it")
    return model


@contextmanager
def naming(model: nn.Module, name: str) -> Iterator[None]:
    """Turn an exception in a network's code into a UsageError that names the user's line, or the layer, or both."""
    try:
        yield
    except (TuduiError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the user's code may raise anything
        one = "more than 1 value per channel" in str(error)  # of BatchNorm
        hint = "; a batch has one image: set train.drop_last=true, or another --batch-size" if one else ""
        raise UsageError(f"network {name}: {_place(model, error)}: {in_a_line(error)}{hint}") from None


def _place(model: nn.Module, error: Exception) -> str:
    """Return the last line outside of libraries, if there is one, and the layer that was running."""
    names = {id(module): name for name, module in model.named_modules()}
    line, layer = "", ""
    for frame, number in traceback.walk_tb(error.__traceback__):
        layer = names.get(id(frame.f_locals.get("self"))) or layer
        path = Path(frame.f_code.co_filename)
        installed = {"site-packages", "dist-packages"} & set(path.parts) or any(map(path.is_relative_to, LIBRARIES))
        line = line if installed or path.suffix != ".py" else f"{path}:{number}, "
    return f"{line}{f'layer {layer}' if layer else 'forward'}"


def _generators(device: torch.device) -> tuple[object, ...]:
    """Return the state of every generator that layers use."""
    state = torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
    return state.numpy().tobytes(), random.getstate(), str(np.random.get_state())
