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
    plain = [one for one in tensors.values() if isinstance(one, torch.Tensor) and one.layout is torch.strided]
    _check_claims(plain, path)
    numbers = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    read: dict[str, Tensor] = {}
    if tensors.keys() != expected.keys() or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise WeightsError(f"{path}: another network: {len(tensors)} tensors, not the {len(expected)} expected")
    for name, tensor in tensors.items():
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


def _check_claims(tensors: "list[Tensor]", path: Path) -> None:
    """Refuse tensors that claim much more numbers than the file holds; a layer used twice has two names for its own."""
    held = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    if claimed > max(AMPLE, 4 * sum(held.values())):
        raise WeightsError(f"{path}: tensors of {claimed:,} bytes in a file of fewer; use another copy")


def _expected(network: NetworkParameters, shape: Shape, path: Path) -> "dict[str, Tensor]":
    """Return the network's tensors without their values; WeightsError if it cannot be built for this shape."""
    import torch

    try:
        with torch.device("meta"):
            return build_network(network, shape, seed=0).state_dict()
    except TuduiError as error:
        raise WeightsError(f"{path}: {error}") from None
