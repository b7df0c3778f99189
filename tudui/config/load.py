"""Defaults < file < flags, checked as a whole: all problems at once, each with its place."""

import copy
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tudui.config.loss_spec import LossParameters, LossSpec, loss_spec
from tudui.config.overrides import Override
from tudui.config.schema import Config
from tudui.config.yaml_file import Key, read_yaml
from tudui.errors import ConfigError, did_you_mean

DEFAULT = "default"
CHOSEN_BY_NAME = ("loss", "optimizer", "schedule")  # naming another one starts the section afresh
INSIDE_THE_BAND = ("seed", "device", "data.dir", "data.cache", "log.", "checkpoint.")  # leave a measured band as it is


@dataclass(frozen=True)
class Loaded:
    """A config, where each of its values came from, and what the user should hear."""

    config: Config
    provenance: Mapping[str, str]  # "optimizer.lr" -> "cifar10.yaml:9:3"
    notes: tuple[str, ...] = ()


class _Merge:
    """The raw values of file and overrides, and the origin of each."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[Key, str] = {}
        self.notes: list[str] = []
        self.problems: list[str] = []

    def add_file(self, path: Path) -> None:
        document = read_yaml(path)
        for section in CHOSEN_BY_NAME:
            if isinstance(name := document.values.get(section), str):
                document.values[section] = {"name": name}
                document.positions[(section, "name")] = document.positions[(section,)]
        self.values = document.values
        self.origins = {key: f"{path}:{position}" for key, position in document.positions.items()}

    def add_overrides(self, overrides: Sequence[Override]) -> None:
        seen: dict[str, str] = {}
        for override in overrides:
            key = override.key.removesuffix(".name") if self._chooses(override) else override.key
            if key in seen:
                self.problems.append(f"{override.origin}: {override.key}: set twice, also by {seen[key]}")
            else:
                seen[key] = override.origin
        # the name of a section first, so that what is set beside it belongs to it
        for override in sorted(overrides, key=lambda override: not self._chooses(override)):
            if self._chooses(override) and isinstance(override.value, str | dict):
                self._choose(override)
            else:
                self._set(override)
        if not all(override.key.startswith(INSIDE_THE_BAND) for override in overrides):
            self.values.pop("expect", None)

    @staticmethod
    def _chooses(override: Override) -> bool:
        section, _, rest = override.key.partition(".")
        return section in CHOSEN_BY_NAME and rest in ("", "name")

    def _choose(self, override: Override) -> None:
        section = override.key.partition(".")[0]
        old = self.values.get(section)
        dropped = [name for name in old if name != "name"] if isinstance(old, dict) else []
        if dropped:
            self.notes.append(
                f"{override.origin} replaces the whole section '{section}' of the file "
                f"({', '.join(f'{section}.{name}' for name in dropped)} no longer hold)"
            )
        value = override.value
        self._write((section,), value if isinstance(value, dict) else {"name": value}, override.origin)

    def _set(self, override: Override) -> None:
        key = tuple(override.key.split("."))
        target = self.values
        for depth, name in enumerate(key[:-1], start=1):
            target = target.setdefault(name, {})
            if not isinstance(target, dict):
                here = ".".join(key[:depth])
                self.problems.append(f"{override.origin}: {override.key}: {here} is a value and has no keys")
                return
        self._write(key, override.value, override.origin)

    def _write(self, key: Key, value: Any, origin: str) -> None:
        """Set a value, and forget where anything below its key came from."""
        target = self.values
        for name in key[:-1]:
            target = target[name]
        target[key[-1]] = value
        self.origins = {other: place for other, place in self.origins.items() if other[: len(key)] != key}
        self.origins |= dict.fromkeys(_keys(value, key), origin)

    def origin(self, key: Key) -> str | None:
        """Return where a key, or the nearest section above it, was written."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.origins:
                return self.origins[key[:length]]
        return next((origin for other, origin in self.origins.items() if other[: len(key)] == key), None)


def _keys(value: Any, above: Key) -> Iterator[Key]:
    """Return the key of a value and those of all values inside it."""
    yield above
    if isinstance(value, dict):
        for name, inside in value.items():
            yield from _keys(inside, (*above, str(name)))


def load_config(path: Path | None = None, overrides: Sequence[Override] = ()) -> Loaded:
    """Return the checked config of a file and overrides; ConfigError lists everything that is wrong."""
    merge = _Merge()
    if path is not None:
        merge.add_file(path)
    merge.add_overrides(overrides)
    source = str(path) if path else "the command line"
    config = _validate(merge, source)
    provenance = {key: merge.origins.get(tuple(key.split(".")), DEFAULT) for key in flatten(config)}
    config, provenance = _resolve_rate(config, provenance, merge)
    return Loaded(config, provenance, tuple(merge.notes))


def config_from(values: Mapping[str, Any], source: str, overrides: Sequence[Override] = ()) -> Config:
    """Check values that were a config before, such as those in a checkpoint, under overrides."""
    merge = _Merge()
    merge.values = copy.deepcopy(dict(values))
    merge.add_overrides(overrides)
    return _validate(merge, source)


def flatten(config: Config) -> dict[str, Any]:
    """Return every setting by its dotted key."""

    def walk(values: dict[str, Any], above: str) -> Iterator[tuple[str, Any]]:
        for name, value in values.items():
            if isinstance(value, dict):
                yield from walk(value, f"{above}{name}.")
            else:
                yield f"{above}{name}", value

    return dict(walk(config.model_dump(mode="json"), ""))


def _validate(merge: _Merge, source: str) -> Config:
    problems = list(merge.problems)
    values = dict(merge.values)
    loss = values.get("loss")
    if isinstance(loss, dict):
        values["loss"] = _validate_loss(loss, merge, source, problems)
    for section in CHOSEN_BY_NAME[1:]:  # a section without a name is that of the default
        if isinstance(chosen := values.get(section), dict) and "name" not in chosen:
            values[section] = {"name": Config.model_fields[section].get_default().name} | chosen
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        problems += _describe(error, Config, (), merge, source)
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return config


def _validate_loss(loss: dict[str, Any], merge: _Merge, source: str, problems: list[str]) -> LossParameters:
    where = merge.origin(("loss", "name")) or source
    fallback = loss_spec("ce").parameters(name="ce")
    try:
        spec: LossSpec = loss_spec(str(loss.get("name", "ce")))
    except ConfigError as error:
        problems.append(f"{where}: loss.name: {error}")
        return fallback
    try:
        return spec.parameters.model_validate({"name": spec.name} | loss)
    except ValidationError as error:
        problems += _describe(error, spec.parameters, ("loss",), merge, source)
        return fallback


def _describe(error: ValidationError, model: type[BaseModel], above: Key, merge: _Merge, source: str) -> list[str]:
    """Turn pydantic's errors into lines `place: key: what (got ...)`, one per key."""
    lines: dict[Key, tuple[list[str], str]] = {}
    for detail in error.errors():
        here, fields = _walk(model, detail["loc"])
        key = (*above, *here)
        what, got = _what(detail, key, fields)
        lines.setdefault(key, ([], got))[0].append(what)
    return [
        f"{merge.origin(key) or source}: {'.'.join(key) or 'config'}: {', or '.join(what)}{got}"
        for key, (what, got) in lines.items()
    ]


def _what(detail: ErrorDetails, key: Key, fields: list[str]) -> tuple[str, str]:
    """Return what one error says, and what was got instead."""
    kind, got = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        known = f"; {'.'.join(key[:-1]) or 'a config'} has: {', '.join(fields)}"
        return f"unknown key{did_you_mean(key[-1], fields) or known}", ""
    if kind == "union_tag_invalid":
        tags = str(detail["ctx"]["expected_tags"]).replace("'", "").split(", ")
        chosen = str(detail["ctx"]["tag"])
        return f"name must be one of {', '.join(tags)}", f" (got '{chosen}'){did_you_mean(chosen, tags)}"
    if kind in ("model_type", "model_attributes_type"):
        return "must be a section, keys with values", f" (got {shorten(got)})"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    hint = ""
    if kind == "literal_error" and isinstance(got, str):
        known_words = str(detail["ctx"]["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        hint = did_you_mean(got, known_words)
    return f"{message[0].lower()}{message[1:]}", f" (got {shorten(got)}){hint}"


def _walk(model: type[BaseModel], location: tuple[str | int, ...]) -> tuple[Key, list[str]]:
    """Leave out of a location what pydantic adds for unions; return it and the fields known at its last level."""
    key: list[str] = []
    here: type[BaseModel] | None = model
    fields = list(model.model_fields)
    variants: list[type[BaseModel]] = []
    for part in location:
        name = str(part)
        chosen = [variant for variant in variants if name in typing.get_args(variant.model_fields["name"].annotation)]
        if chosen:  # the tag of a union, such as `sgd`
            here, fields, variants = chosen[0], list(chosen[0].model_fields), []
        elif here is None:
            if isinstance(part, int):
                key.append(name)
        else:
            key.append(name)
            fields = list(here.model_fields)
            models = _models(here.model_fields[name].annotation) if name in here.model_fields else []
            here, variants = (models[0], []) if len(models) == 1 else (None, models)
    return tuple(key), fields


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [model for part in typing.get_args(annotation) for model in _models(part)]
    return []


def shorten(value: Any) -> str:
    """Return a value as text that fits into one line of an error."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _resolve_rate(config: Config, provenance: Mapping[str, str], merge: _Merge) -> tuple[Config, dict[str, str]]:
    if config.optimizer.lr != "auto":
        return config, dict(provenance)
    spec = loss_spec(config.loss.name)
    rate = spec.rate(config.loss, config.optimizer.name)
    what = f"{config.loss.name}, form {config.loss.variant}, {config.optimizer.name}"
    if rate is None:
        keys = (("optimizer", "lr"), ("loss", "name"))
        place = next((found for key in keys if (found := merge.origin(key))), DEFAULT)
        raise ConfigError([f"{place}: optimizer.lr: there is no recipe for {what}; set a number"])
    optimizer = config.optimizer.model_copy(update={"lr": rate})
    return config.model_copy(update={"optimizer": optimizer}), {**provenance, "optimizer.lr": f"recipe of {what}"}
