"""The networks: one module each, with a torch-free spec and the function that builds it."""

from typing import TYPE_CHECKING

from tudui.config.network_spec import NetworkParameters, NetworkSpec, Shape, network_spec, network_specs
from tudui.seeding import derive_seed

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NetworkParameters", "NetworkSpec", "Shape", "build_network", "network_spec", "network_specs"]


def build_network(parameters: NetworkParameters, shape: Shape, *, seed: int) -> "nn.Module":
    """Return the network with PyTorch's default initialisation, drawn from the seed alone."""
    import torch

    from tudui.networks.modules.check import give_shapes

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "weights"))
        return give_shapes(network_spec(parameters.name).build(parameters, shape), parameters.name, shape)
