"""A network in a file of the user: `FILE.py:NAME`."""

from typing import TYPE_CHECKING

from tudui.config.network_spec import NetworkParameters, NetworkSpec, Shape
from tudui.config.own_code import OWN, OwnCode, call_own, own_object, parameters_of
from tudui.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

OUTPUTS = ("num_classes", "classes", "outputs", "num_outputs")  # parameters that get the number of outputs


class OwnNetwork(NetworkParameters, OwnCode):
    """The section of a network of the user; its other keys are arguments of the class or function."""


def build(parameters: OwnNetwork, shape: Shape) -> "nn.Module":
    """Return what the user's class or function returns.

    The number of outputs is passed as a parameter with one of the names in OUTPUTS, or as the only parameter without a
    default; otherwise the user's last layer decides.
    """
    from torch import nn

    make, given = own_object(parameters.name, parameters.code, "--network"), dict(parameters.model_extra or {})
    if isinstance(make, nn.Module):
        raise UsageError(f"{parameters.name}: is one network; name its class, or a function that returns a new one")
    if callable(make):
        known, needed, _ = parameters_of(make)
        wanted = [name for name in OUTPUTS if name in known] or (needed if len(needed) == 1 else [])
        given = dict.fromkeys(wanted[:1], shape.outputs) | given
    network = call_own(make, parameters.name, given, "network")
    if not isinstance(network, nn.Module):
        raise UsageError(f"{parameters.name}: must return an nn.Module (got {type(network).__name__})")
    return network


SPEC = NetworkSpec(
    name=OWN, title="a class or function in a file of yours", build=build, parameters=OwnNetwork, family=True
)
