"""What a network consists of: its layers, their outputs, parameters and operations."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tudui.config.network_spec import NetworkParameters, Shape
from tudui.networks import build_network
from tudui.networks.modules.check import naming


@dataclass(frozen=True)
class Layer:
    """A layer without layers inside it."""

    name: str
    kind: str  # the class, for example Conv2d
    outputs: tuple[int, ...]  # shape of its output for one image
    parameters: int


@dataclass(frozen=True)
class Description:
    """A network for inputs of one shape."""

    name: str
    shape: Shape
    layers: tuple[Layer, ...]  # in the order in which they are called
    parameters: int
    trained: int  # those of them that are not frozen
    operations: int  # multiplications with an addition, for one image forward


def describe_network(parameters: NetworkParameters, shape: Shape) -> Description:
    """Return the layers of a network in the order of their calls; UsageError if it cannot be built or called."""
    model = build_network(parameters, shape, seed=0).eval()
    layers: list[Layer] = []

    def note(name: str, module: nn.Module, outputs: object) -> None:
        if isinstance(outputs, Tensor):
            number = sum(parameter.numel() for parameter in module.parameters())
            layers.append(Layer(name, type(module).__name__, tuple(outputs.shape[1:]), number))

    hooks = [
        module.register_forward_hook(lambda module, _, outputs, name=name: note(name, module, outputs))
        for name, module in model.named_modules()
        if not list(module.children())
    ]
    with torch.no_grad(), FlopCounterMode(display=False) as counter, naming(model, parameters.name):
        model(torch.zeros(1, *shape.input))
    for hook in hooks:
        hook.remove()
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return Description(
        name=parameters.name,
        shape=shape,
        layers=tuple(layers),
        parameters=sum(size for size, _ in sizes),
        trained=sum(size for size, is_trained in sizes if is_trained),
        operations=counter.get_total_flops() // 2,
    )
