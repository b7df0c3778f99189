"""A network in a file of the user: `FILE.py:NAME`."""

from typing import TYPE_CHECKING, Any

from tudui.config.network_spec import NetworkParameters, NetworkSpec, Shape
from tudui.config.own_code import OWN, OwnCode, call_own, own_object, parameters_of
from tudui.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

OUTPUTS = ("num_classes", "classes", "outputs", "num_outputs")  # parameters that get the number of outputs


class OwnNetwork(NetworkParameters, OwnCode):
    """The section of a network of the user; its other keys are arguments of the class or function."""


def arguments(parameters: OwnNetwork, shape: Shape) -> dict[str, Any]:
    """Return the arguments that the user's class or function gets.

    The number of outputs is passed as a parameter with one of the names in OUTPUTS, or as the only parameter without a
    default; otherwise the user's last layer decides.
    """
    make, given = own_object(parameters.name, parameters.code, "--network"), dict(parameters.model_extra or {})
    if not callable(make):
        return given
    known, needed, _ = parameters_of(make)
    wanted = [name for name in OUTPUTS if name in known] or (needed if len(needed) == 1 else [])
    return dict.fromkeys(wanted[:1], shape.outputs) | given


def build(parameters: OwnNetwork, shape: Shape) -> "nn.Module":
    """Return what the user's class or function returns."""
    from torch import nn

    make = own_object(parameters.name, parameters.code, "--network")
    if isinstance(make, nn.Module):
        raise UsageError(f"{parameters.name}: is one network; name its class, or a function that returns a new one")
    network = call_own(make, parameters.name, arguments(parameters, shape), "network")
    if not isinstance(network, nn.Module):
        raise UsageError(f"{parameters.name}: must return an nn.Module (got {type(network).__name__})")
    return network


SPEC = NetworkSpec(
    name=OWN, title="a class or function in a file of yours", build=build, parameters=OwnNetwork, family=True
)
