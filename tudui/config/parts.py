"""Common code of the parts found by name: a section, a spec, where specs are."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tudui.config.own_code import OWN, is_own
from tudui.config.plug_ins import load, place, plug_ins, room_modules
from tudui.errors import ConfigError, closest

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]
LARGEST = float.fromhex("0x1.fffffep127")


class Section(BaseModel):
    """A part of the config: frozen, and unknown keys are errors."""

    # built on first use: completion reads the names of models only
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    @field_validator("*", mode="after")
    @classmethod
    def _fits_32_bits(cls, value: Any) -> Any:
        if isinstance(value, float) and abs(value) > LARGEST:
            raise ValueError(f"must be at most {LARGEST:.3g}, the largest number of 32 bits")
        return value


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The description of a part, without torch."""

    name: str  # in configs, and of the entry point if another package has it
    family: bool = False  # a section names one of its members, for example torchvision:resnet18
    title: str = ""  # what it is, in a few words


S = TypeVar("S", bound=Spec)


def room_specs(room: str, kind: type[S]) -> dict[str, S]:
    """Return the specs in the modules of a room of Tudui, for example `tudui.losses`, by name."""
    modules = (import_module(f"{room}.{name}") for name in room_modules(room))
    found = [value for module in modules for value in vars(module).values() if isinstance(value, kind)]
    return {spec.name: spec for spec in found}


def all_specs(room: str, kind: type[S]) -> dict[str, S]:
    """Return the specs of a room and those of the entry points of its name, which other packages have, by name."""
    own = room_specs(room, kind)
    others = {name: read_spec(point, kind) for name, point in plug_ins(room, taken=own).items()}
    return dict(sorted({**own, **others}.items()))


def names_of(room: str, kind: type[S]) -> set[str]:
    """Return the names that a section of this room can begin with; the modules of other packages are not loaded."""
    specs = {f"{name}:" if spec.family else name for name, spec in room_specs(room, kind).items() if name != OWN}
    return specs | plug_ins(room).keys()


def read_spec(point: EntryPoint, kind: type[S]) -> S:
    """Return the spec of an entry point; ConfigError if it fails to load or is of another kind."""
    spec = load(point)
    if not isinstance(spec, kind):
        raise ConfigError([f"{place(point)}: must be a {point.group}.{kind.__name__} (got {type(spec).__name__})"])
    if spec.name != point.name:
        raise ConfigError([f"{place(point)}: its {kind.__name__} has the name '{spec.name}'; both must be the same"])
    return spec


def find_spec(
    name: str, specs: Mapping[str, S], what: str, *, aliases: Iterable[str] = (), others: Iterable[str] = ()
) -> S:
    """Return the spec of this name; ConfigError with the closest name, and what that is, if there is none.

    No name is close to one of `others`: these are other things with similar names.
    """
    if is_own(name):
        return replace(specs[OWN], name=name)
    family, colon, member = name.partition(":")
    if family in specs and specs[family].family != bool(member):
        form = f"{family}:NAME, for example {family}:resnet18" if specs[family].family else family
        raise ConfigError([f"{what} '{name}': must be {form}"])
    if colon and family in specs:
        return replace(specs[family], name=name)
    if name not in specs:
        known = {_simple(one): one for one in (*aliases, *specs)}
        near = None if _simple(name) in others else closest(known.get(_simple(name), name), known.values())
        what_it_is = f" ({specs[near].title})" if near and near in specs else ""
        hint = f"; did you mean '{near}'{what_it_is}?" if near else ""
        listed = sorted({*specs, *aliases}, key=lambda one: (one == OWN, one))
        shown = [f"{one}:NAME" if one in specs and specs[one].family and one != OWN else one for one in listed]
        raise ConfigError([f"unknown {what} '{name}'{hint}; known: {', '.join(shown)}"])
    return specs[name]


def _simple(name: str) -> str:
    """Return a name without differences of spelling: CrossEntropyLoss is cross_entropy."""
    return re.sub(r"[-_ ]", "", name.lower()).removesuffix("loss")
