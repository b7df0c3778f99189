"""The description of a network, without torch, and the networks of the entry points `tudui.networks`."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field

from tudui.config.loss_spec import LossParameters, loss_spec
from tudui.config.own_code import is_own, own_errors, own_object
from tudui.config.parts import Section, Spec, find_spec, read_spec
from tudui.config.plug_ins import plug_ins
from tudui.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from torch import nn

ENTRY_POINTS = "tudui.networks"


class NetworkParameters(Section):
    """The `network` section of a config; each network adds its own parameters."""

    name: str


_Side = Annotated[int, Field(ge=1, le=4096)]  # bounded, because files can ask for any size
ImageSize = tuple[Annotated[int, Field(ge=3, le=3)], _Side, _Side]  # channels, height, width


@dataclass(frozen=True)
class Shape:
    """The size of a network's input, and its number of outputs."""

    input: tuple[int, ...]  # (3, 32, 32): channels, height, width of an image
    outputs: int  # K


@dataclass(frozen=True, kw_only=True)
class NetworkSpec(Spec):
    """One network: its name, its parameters, its rates, and the function that builds it, which imports torch."""

    # returns float32 [B, *input] -> [B, outputs]; UsageError for an unsupported shape
    build: "Callable[[Any, Shape], nn.Module]"
    title: str = "a network of another package"
    parameters: type[NetworkParameters] = NetworkParameters
    # (loss, form, optimizer) -> learning rate that trains well; without one, the user sets it
    rates: Mapping[tuple[str, str, str], float] = field(default_factory=dict)
    family: bool = False  # a section names one of its members, for example torchvision:resnet18


class OwnNetwork(NetworkParameters):
    """The section of a network in a file of the user; other keys are arguments of its class or function."""

    model_config = ConfigDict(extra="allow")

    code: str = Field(description="sha256 of the file")


OUTPUTS = ("num_classes", "classes", "outputs", "num_outputs")  # parameters that get the number of outputs


def _build_own(parameters: OwnNetwork, shape: Shape) -> "nn.Module":
    """Return what the user's class or function builds.

    The number of outputs is passed as a parameter of one of the names in OUTPUTS, or as the only parameter without a
    default; otherwise the width of the last layer is the user's.
    """
    from torch import nn

    make = own_object(parameters.name, parameters.code, "--network")
    path = inspect.getfile(make) if callable(make) else parameters.name
    if isinstance(make, nn.Module) or not callable(make):
        raise UsageError(f"{parameters.name}: must be a class or a function that returns a network")
    given = dict(parameters.model_extra or {})
    known = inspect.signature(make).parameters
    needed = [one.name for one in known.values() if one.default is one.empty and one.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)]
    wanted = next((name for name in OUTPUTS if name in known), None) or (needed[0] if len(needed) == 1 else None)
    if wanted is not None:
        given.setdefault(wanted, shape.outputs)
    if missing := [name for name in needed if name not in given]:
        raise UsageError(
            f"{path}: {parameters.name.rpartition(':')[2]} needs {', '.join(missing)}; "
            f"set {'it' if len(missing) == 1 else 'them'} with --set network.{missing[0]}=VALUE, or give defaults"
        )
    with own_errors(path):
        network = make(**given)
    if not isinstance(network, nn.Module):
        raise UsageError(f"{path}: {parameters.name.rpartition(':')[2]} must return an nn.Module (got {type(network).__name__})")
    return network


@cache
def network_specs() -> dict[str, NetworkSpec]:
    """Return every registered network by name, of Tudui and of other packages."""
    return {name: read_spec(point, NetworkSpec) for name, point in plug_ins(ENTRY_POINTS).items()}


def network_spec(name: str) -> NetworkSpec:
    """Return the network of this name; ConfigError with the closest name if there is none."""
    if is_own(name):
        return NetworkSpec(name=name, build=_build_own, title="in a file of yours", parameters=OwnNetwork)
    family, colon, member = name.partition(":")
    spec = find_spec(family, network_specs(), "network")
    if spec.family != bool(member):
        meant = f"{family}:NAME, for example {family}:resnet18" if spec.family else family
        raise ConfigError([f"network '{name}': must be {meant}"])
    return replace(spec, name=name) if colon else spec


def recipe_rate(network: NetworkParameters, loss: LossParameters, optimizer: str) -> float | None:
    """Return the learning rate measured for this network, loss and optimizer, or None."""
    measured = network_spec(network.name).rates.get((loss.name, loss.variant, optimizer))
    return measured or loss_spec(loss.name).rates.get((network.name, loss.variant, optimizer))
