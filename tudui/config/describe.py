"""Describe the problems of a config, one line per key: place, key, problem, and the value found."""

import re
import reprlib
import types
import typing
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from tudui.config.yaml_file import Key
from tudui.errors import did_you_mean

SWITCHES = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}  # of YAML 1.1
MOST_ELSEWHERE = 2  # keys of other sections with the same last part, for example optimizer.lr for train.lr


def describe(error: ValidationError, model: type[BaseModel], above: Key, place: Callable[..., str]) -> list[str]:
    """Return pydantic's errors as lines `place: key: what (got ...)`, one per key.

    What a section says of its keys begins with their names, `one and other: what`; the one that was typed is blamed.
    """
    lines: dict[tuple[Key, ...], tuple[list[str], str]] = {}
    details = error.errors()
    for detail in details:
        if detail["type"] == "too_short" and any(len(other["loc"]) > len(detail["loc"]) for other in details):
            continue  # pydantic does not count the invalid items
        here, fields = _walk(model, detail["loc"])
        key = (*above, *here)
        what, got = _what(detail, key, fields, model)
        keys, (names, _, rule) = [key], what.partition(": ")
        if detail["type"] == "value_error" and isinstance(detail["input"], dict) and rule:
            keys, what, got = [(*key, name) for name in names.split(" and ")], rule, ""
        lines.setdefault(tuple(keys), ([], got))[0].append(what)
    return [
        f"{place(*keys)}: {' and '.join('.'.join(key) for key in keys) or 'config'}: {', or '.join(what)}{got}"
        for keys, (what, got) in lines.items()
    ]


def known_keys(model: type[BaseModel], above: str = "") -> list[str]:
    """Return the dotted key of every setting of a model."""
    keys = []
    for name, field in model.model_fields.items():
        inside = [key for one in _models(field.annotation) for key in known_keys(one, f"{above}{name}.")]
        keys += inside or [f"{above}{name}"]
    return list(dict.fromkeys(keys))


def field_of(model: type[BaseModel], key: str) -> FieldInfo:
    """Return the field of a dotted key; of sections chosen by name, the first with that key."""
    name, _, inside = key.partition(".")
    field = model.model_fields[name]
    if not inside:
        return field
    first = inside.partition(".")[0]
    return field_of(next(one for one in _models(field.annotation) if first in one.model_fields), inside)


def _what(detail: ErrorDetails, key: Key, fields: list[str], model: type[BaseModel]) -> tuple[str, str]:
    """Return the problem, and the value found, of one error."""
    kind, got = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        elsewhere = [other for other in known_keys(model) if other.split(".")[-1] == key[-1]]
        if 0 < len(elsewhere) <= MOST_ELSEWHERE:
            return f"unknown key; did you mean {' or '.join(repr(other) for other in elsewhere)}?", ""
        known = f"; {'.'.join(key[:-1]) or 'a config'} has: {', '.join(fields)}"
        return f"unknown key{did_you_mean(key[-1], fields) or known}", ""
    if kind == "union_tag_invalid":
        tags = str(detail["ctx"]["expected_tags"]).replace("'", "").split(", ")
        chosen = str(detail["ctx"]["tag"])
        return f"name must be one of {', '.join(tags)}", f" (got '{chosen}'){did_you_mean(chosen, tags)}"
    if kind in ("model_type", "model_attributes_type"):
        own = [name for one in _models(_annotation(key, model)) for name in one.model_fields]
        word = re.split("[:：]", str(got))[0]
        hint = f"; to choose one, set {'.'.join(key)}.name" if "name" in own else ""
        if word in own:
            hint = f"; write a colon and a space: '{word}: '"
        return "must be a section with keys and values", f" (got {shorten(got)}){hint}"
    if kind == "too_short":
        return f"must contain at least {detail['ctx']['min_length']}", f" (got {shorten(got)})"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    hint = _remedy(got, kind, key, model)
    if kind == "literal_error" and isinstance(got, str) and not hint:
        known_words = str(detail["ctx"]["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        hint = did_you_mean(got, known_words)
    limit = detail.get("ctx", {}).get("le", detail.get("ctx", {}).get("lt"))
    if limit == 1 and 1 < got <= 100:
        hint = f"; for {got:g} % give {got / 100:g}"
    return f"{message[0].lower()}{message[1:]}", f" (got {shorten(got)}){hint}"


def _remedy(got: Any, kind: str, key: Key, model: type[BaseModel]) -> str:
    """Return what to write instead of a value that other tools and other versions of YAML accept; or an empty text."""
    if kind == "int_type" and isinstance(got, float) and got.is_integer():
        return f"; write {got:.0f}"
    if not isinstance(got, str):
        return ""
    word = got.strip().lower()
    if kind.startswith("bool") and (right := SWITCHES.get(word)):
        return f"; write {right}"
    if word in ("none", "nil", "null") and type(None) in typing.get_args(_annotation(key, model)):
        return "; write null"
    if kind in ("tuple_type", "list_type") and "," in got:
        return f"; write [{', '.join(part.strip() for part in got.strip('()[] ').split(','))}]"
    if kind.startswith(("float", "int")) and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", word):
        return f"; write {word} without quotes"
    return ""


def _annotation(key: Key, model: type[BaseModel]) -> Any:
    for name in (".".join(key), key[-1]):  # the model of a loss has only its own keys
        with suppress(KeyError, StopIteration):
            return field_of(model, name).annotation
    return None


def _walk(model: type[BaseModel], location: tuple[str | int, ...]) -> tuple[Key, list[str]]:
    """Return a location without pydantic's parts for unions, and the known fields at its last level."""
    key: list[str] = []
    fields = list(model.model_fields)
    here = [model]  # none inside a value, several inside a union
    for part in location:
        name = str(part)
        if len(here) > 1:  # the part is the tag of the union, for example `sgd`
            here = [one for one in here if name in typing.get_args(one.model_fields["name"].annotation)]
        elif here:
            key.append(name)
            fields = list(here[0].model_fields)
            here = _models(here[0].model_fields[name].annotation) if name in fields else []
        elif isinstance(part, int):
            key.append(name)
    return tuple(key), fields


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [model for part in typing.get_args(annotation) for model in _models(part)]
    return []


class _Short(reprlib.Repr):
    """Short text of values of any size: endlessly nested lists, integers too long for Python to print."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxlist, self.maxtuple, self.maxdict = 4, 10, 10, 10
        self.maxstring = self.maxother = 200

    def repr_int(self, value: int, level: int) -> str:
        return repr(value) if value.bit_length() < 1000 else f"a whole number of {value.bit_length()} bits"


_SHORT = _Short()


def shorten(value: Any) -> str:
    """Return a value as at most 60 characters, without converting large values in full."""
    text = _SHORT.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
