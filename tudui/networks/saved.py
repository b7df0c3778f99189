"""Turns the tensors of a file into the state_dict of a network, and reports those that do not fit."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tudui.errors import TuduiError, WeightsError
from tudui.networks import NetworkParameters, Shape, build_network, network_spec
from tudui.networks.course import IMAGE_SHAPE

if TYPE_CHECKING:
    from torch import Tensor

MAX_CLASSES = 100_000  # rows of the last layer; a tensor may claim any number of them
COURSE = NetworkParameters(name="tudui")  # a file of a script does not name its network: it must be this one


def network_from(section: Any, path: Path) -> NetworkParameters:
    """Return the network that a file names; WeightsError if it is not known here."""
    try:
        return network_spec(str(section["name"])).parameters.model_validate(section)
    except (LookupError, TypeError, ValidationError):
        raise WeightsError(f"{path}: its description of the network is damaged; use another copy") from None
    except TuduiError as error:
        raise WeightsError(f"{path}: {error}; install the package of this network") from None


def shape_of_course(tensors: Mapping[str, Any], path: Path) -> Shape:
    """Return the shape of the course's network from its last tensor, a bias for each class."""
    *_, last = _named(tensors, list(_expected(COURSE, Shape(IMAGE_SHAPE, 2), path)), path).values()
    outputs = len(last) if last.dim() else 0
    if not 2 <= outputs <= MAX_CLASSES:
        raise WeightsError(f"{path}: its last layer has {outputs:,} classes; 2 to {MAX_CLASSES:,} can be read")
    return Shape(IMAGE_SHAPE, outputs)


def state_dict_of(
    tensors: Mapping[str, Any], network: NetworkParameters, shape: Shape, path: Path
) -> "dict[str, Tensor]":
    """Return the state_dict of a network from a file's tensors; WeightsError names one that does not fit."""
    import torch

    expected = _expected(network, shape, path)
    numbers = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    read: dict[str, Tensor] = {}
    for name, tensor in _named(tensors, list(expected), path).items():
        kinds = numbers if expected[name].is_floating_point() else (expected[name].dtype,)
        if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.dtype not in kinds:
            raise WeightsError(f"{path}: {name} is not a plain tensor of numbers ({tensor.dtype}, {tensor.layout})")
        if tensor.shape != expected[name].shape:
            wanted = f"{list(expected[name].shape)} for {shape.outputs} classes"
            raise WeightsError(f"{path}: {name} is {list(tensor.shape)}, expected {wanted}: another network")
        read[name] = tensor.detach().to(expected[name].dtype).contiguous()
    if broken := [name for name, tensor in read.items() if not tensor.isfinite().all()]:
        problem = f"values that are not finite (NaN or infinity) in {', '.join(broken)}"
        raise WeightsError(f"{path}: {problem}; take weights from before the training diverged")
    return read


def _expected(network: NetworkParameters, shape: Shape, path: Path) -> "dict[str, Tensor]":
    """Return the network's tensors without their values; WeightsError if it cannot be built for this shape."""
    import torch

    try:
        with torch.device("meta"):
            return build_network(network, shape, seed=0).state_dict()
    except TuduiError as error:
        raise WeightsError(f"{path}: {error}") from None


def _named(tensors: Mapping[str, Any], expected: Sequence[str], path: Path) -> "dict[str, Tensor]":
    """Return the tensors by their expected names; in the file they may have a prefix, or numbers."""
    from torch import Tensor

    found = {name: value for name, value in tensors.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if not set(expected) <= set(found):
        ends = {".".join(name.split(".")[-2:]): name for name in found}
        layers = list(dict.fromkeys(name.rpartition(".")[0] for name in expected))
        numbers = sorted({int(end.split(".")[0]) for end in ends if re.fullmatch(r"\d{1,9}\.\w+", end)})
        numbered = dict(zip(layers, numbers, strict=False)) if len(numbers) == len(layers) else {}
        for name in expected:
            layer, _, kind = name.rpartition(".")
            if old := ends.get(name) or ends.get(f"{numbered.get(layer)}.{kind}"):
                found[name] = found.pop(old)
    if not set(expected) <= set(found):
        wanted = f"{len(expected)} tensors ({', '.join(expected[:2])}, ...; or numbered as in a Sequential)"
        got = ", ".join(list(found)[:4]) or "none"
        raise WeightsError(f"{path}: another network: expected {wanted}, got {got}")
    if len(found) != len(expected):
        raise WeightsError(f"{path}: another network: {len(found)} tensors, expected {len(expected)}")
    return {name: found[name] for name in expected}
