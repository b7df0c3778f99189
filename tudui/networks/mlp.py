"""Networks without convolutions: linear layers on the flattened input."""

from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tudui.config.network_spec import NetworkParameters, NetworkSpec, Shape, rates_of_numbers

if TYPE_CHECKING:
    from torch import nn

Width = Annotated[int, Field(ge=1, le=16_384)]


class MlpParameters(NetworkParameters):
    """The section of `mlp`."""

    hidden: Annotated[tuple[Width, ...], Field(strict=False, min_length=1, max_length=64)] = Field(
        (64, 64), description="widths of the hidden layers"
    )


def build(parameters: NetworkParameters, shape: Shape) -> "nn.Sequential":
    """Return linear layers, with ReLU after each but the last: outputs [B, K] of inputs [B, ...]."""
    from torch import nn

    hidden = parameters.hidden if isinstance(parameters, MlpParameters) else ()
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise((prod(shape.input), *hidden, shape.outputs)):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


# numbers: chosen on validation rows of diabetes and rotated-digits. ce: from 0.01 to 0.2 on those of iris, wine, breast
# cancer and digits, 10 epochs
CLASSES = {("ce", "recipe", "sgd"): 0.1}
MLP = NetworkSpec(
    name="mlp",
    title="linear layers with ReLU between them",
    build=build,
    parameters=MlpParameters,
    rates=rates_of_numbers(sgd=0.05, adam=0.005) | CLASSES,
)
LINEAR = NetworkSpec(
    name="linear", title="one linear layer", build=build, rates=rates_of_numbers(sgd=0.02, adam=0.01) | CLASSES
)
