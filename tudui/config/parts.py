"""Common code of the parts found by name: a section, a spec, an entry point."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, field_validator

from tudui.config.own_code import OWN, is_own
from tudui.config.plug_ins import place
from tudui.errors import ConfigError, did_you_mean

LARGEST = float.fromhex("0x1.fffffep127")


class Section(BaseModel):
    """A part of the config: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="after")
    @classmethod
    def _fits_32_bits(cls, value: Any) -> Any:
        if isinstance(value, float) and abs(value) > LARGEST:
            raise ValueError(f"must be at most {LARGEST:.3g}, the largest number of 32 bits")
        return value


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The description of a part, without torch."""

    name: str  # in configs and of the entry point
    family: bool = False  # a section names one of its members, for example torchvision:resnet18


S = TypeVar("S", bound=Spec)


def read_spec(point: EntryPoint, kind: type[S]) -> S:
    """Return the spec of an entry point; ConfigError if it fails to load or is of another kind."""
    try:
        spec = point.load()
    except Exception as error:  # another package's import may fail in any way
        raise ConfigError([f"{place(point)}: failed to load: {error}; fix or uninstall the package"]) from error
    if not isinstance(spec, kind):
        raise ConfigError([f"{place(point)}: must be a {point.group}.{kind.__name__} (got {type(spec).__name__})"])
    if spec.name != point.name:
        raise ConfigError([f"{place(point)}: its {kind.__name__} has the name '{spec.name}'; both must be the same"])
    return spec


def find_spec(name: str, specs: Mapping[str, S], what: str, *, aliases: Iterable[str] = ()) -> S:
    """Return the spec of this name; ConfigError with the closest name if there is none."""
    if is_own(name):
        return replace(specs[OWN], name=name)
    family, colon, member = name.partition(":")
    if family in specs and specs[family].family != bool(member):
        meant = f"{family}:NAME, for example {family}:resnet18" if specs[family].family else family
        raise ConfigError([f"{what} '{name}': must be {meant}"])
    if colon and family in specs:
        return replace(specs[family], name=name)
    if name not in specs:
        known = {_simple(one): one for one in (*aliases, *specs)}
        hint = did_you_mean(known.get(_simple(name), name), known.values())
        raise ConfigError([f"unknown {what} '{name}'{hint}; known: {', '.join(sorted(specs))}"])
    return specs[name]


def _simple(name: str) -> str:
    """Return a name without differences of spelling: CrossEntropyLoss is cross_entropy."""
    return re.sub(r"[-_ ]", "", name.lower()).removesuffix("loss")
