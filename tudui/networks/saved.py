"""Turns the tensors of a file into the state_dict of a network, and reports those that do not fit."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tudui.errors import TuduiError, WeightsError
from tudui.networks import NetworkParameters, Shape, build_network, network_spec

if TYPE_CHECKING:
    from torch import Tensor

AMPLE = 64 * 2**20  # bytes of tensors that share the numbers of a small file


def network_from(section: Any, path: Path) -> NetworkParameters:
    """Return the network that a file names; WeightsError if it is not known here."""
    try:
        return network_spec(str(section["name"])).parameters.model_validate(section)
    except (LookupError, TypeError, ValidationError):
        raise WeightsError(f"{path}: its description of the network is damaged; use another copy") from None
    except TuduiError as error:
        raise WeightsError(f"{path}: {error}; install the package of this network") from None


def state_dict_of(
    tensors: Mapping[str, Any], network: NetworkParameters, shape: Shape, path: Path
) -> "dict[str, Tensor]":
    """Return the state_dict of a network from a file's tensors; WeightsError names one that does not fit."""
    import torch

    expected = _expected(network, shape, path)
    _check_claims(tensors, path)
    if tensors.keys() != expected.keys() or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise WeightsError(f"{path}: another network: {len(tensors)} tensors, not the {len(expected)} expected")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            wanted = f"{list(expected[name].shape)} for {shape.outputs} classes"
            raise WeightsError(f"{path}: {name} is {list(tensor.shape)}, expected {wanted}: another network")
    return _plain(tensors, expected, path)


def tensors_that_fit(
    tensors: Mapping[str, Any], own: "Mapping[str, Tensor]", path: Path
) -> "tuple[dict[str, Tensor], list[str]]":
    """Return a file's tensors that have the name and shape of a network's own, and in words which of them it lacks."""
    import torch

    _check_claims(tensors, path)
    same, left = {}, []
    for name, needed in own.items():
        found = tensors.get(name)
        if not isinstance(found, torch.Tensor):
            left.append(name)
        elif found.shape != needed.shape:
            left.append(f"{name} ({list(found.shape)}, not {list(needed.shape)})")
        else:
            same[name] = found
    return _plain(same, own, path), left


def fits_body(fitting: "Mapping[str, Tensor]", own: "Mapping[str, Tensor]") -> bool:
    """Return whether a weight before the last layer fits; that of the last layer, if a network has no other."""
    weights = [name for name, tensor in own.items() if tensor.dim() > 1]
    head = weights[-1].rpartition(".")[0] if weights else ""
    body = [name for name in weights if name.rpartition(".")[0] != head]
    return any(name in fitting for name in body or own)


def _plain(tensors: "Mapping[str, Tensor]", expected: "Mapping[str, Tensor]", path: Path) -> "dict[str, Tensor]":
    """Return tensors in the type of the expected ones; WeightsError if one is not plain, or not finite."""
    import torch

    numbers, read = (torch.float16, torch.bfloat16, torch.float32, torch.float64), {}
    for name, tensor in tensors.items():
        kinds = numbers if expected[name].is_floating_point() else (expected[name].dtype,)
        if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.dtype not in kinds:
            raise WeightsError(f"{path}: {name} is not a plain tensor of numbers ({tensor.dtype}, {tensor.layout})")
        read[name] = tensor.detach().to(expected[name].dtype).contiguous()
    if broken := [name for name, tensor in read.items() if not tensor.isfinite().all()]:
        problem = f"values that are not finite (NaN or infinity) in {', '.join(broken)}"
        raise WeightsError(f"{path}: {problem}; take weights from before the training diverged")
    return read


def _check_claims(tensors: Mapping[str, Any], path: Path) -> None:
    """Refuse tensors that claim much more numbers than the file holds; a layer used twice has two names for its own."""
    import torch

    plain = [one for one in tensors.values() if isinstance(one, torch.Tensor) and one.layout is torch.strided]
    held = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in plain}
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in plain)
    if claimed > max(AMPLE, 4 * sum(held.values())):
        raise WeightsError(f"{path}: tensors of {claimed:,} bytes in a file of fewer; use another copy")


def _expected(network: NetworkParameters, shape: Shape, path: Path) -> "dict[str, Tensor]":
    """Return the network's tensors without their values; WeightsError if it cannot be built for this shape."""
    import torch

    problem = ""
    for device in ("meta", "cpu"):  # a lazy layer gets its shape from a forward pass, which may need values
        try:
            with torch.device(device):
                return build_network(network, shape, seed=0).state_dict()
        except TuduiError as error:
            problem = str(error)
    raise WeightsError(f"{path}: {problem}")
