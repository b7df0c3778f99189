"""Defaults < file < flags, checked as a whole: all problems at once, each with its place."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tudui.config.describe import describe
from tudui.config.loss_spec import LossParameters, LossSpec, loss_section, loss_spec
from tudui.config.network_spec import NetworkSpec, network_spec, recipe_rate
from tudui.config.overrides import Override
from tudui.config.schema import AUTO, Config
from tudui.config.yaml_file import Key, read_yaml
from tudui.errors import ConfigError

DEFAULT = "default"
# how the parts that packages may add are found
PARTS: dict[str, Callable[[str], LossSpec | NetworkSpec]] = {"loss": loss_spec, "network": network_spec}
CHOSEN_BY_NAME = ("loss", "network", "optimizer", "schedule")  # naming another one starts the section afresh
INSIDE_THE_BAND = ("seed", "device", "data.dir", "data.cache", "log.", "checkpoint.")  # leave a measured band as it is


@dataclass(frozen=True)
class Loaded:
    """A config, where each of its values came from, and what the user should hear."""

    config: Config
    provenance: Mapping[str, str]  # "optimizer.lr" -> "cifar10.yaml:9:3"
    notes: tuple[str, ...] = ()


class Merge:
    """The raw values of file and overrides, and the origin of each."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[Key, str] = {}
        self.notes: list[str] = []
        self.problems: list[str] = []

    def add_file(self, path: Path) -> None:
        """Take every value of a YAML file."""
        document = read_yaml(path)
        for section in CHOSEN_BY_NAME:
            if isinstance(name := document.values.get(section), str):
                document.values[section] = {"name": name}
                document.positions[(section, "name")] = document.positions[(section,)]
        self.values = document.values
        self.origins = {key: f"{path}:{position}" for key, position in document.positions.items()}

    def add_overrides(self, overrides: Sequence[Override]) -> None:
        """Put overrides above what is there."""
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
                f"{override.origin} replaces the whole section '{section}' of the file, "
                f"without its {', '.join(f'{section}.{name}' for name in dropped)}"
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
    merge = Merge()
    if path is not None:
        merge.add_file(path)
    merge.add_overrides(overrides)
    source = str(path) if path else "the command line"
    if "comparison" in merge.values:
        where = merge.origin(("comparison",))
        raise ConfigError([f"{where}: comparison: this is the plan of a comparison; run it with: tudui compare-losses"])
    config = validate(merge, source)
    provenance = {key: merge.origins.get(tuple(key.split(".")), DEFAULT) for key in flatten(config)}
    for part in PARTS:
        if merge.values.get(part, {}).get("name") == "auto":
            provenance[f"{part}.name"] = "auto, for images in classes"
    if config.optimizer.lr == "auto":
        keys = (("optimizer", "lr"), ("loss", "name"))
        place = next((found for key in keys if (found := merge.origin(key))), DEFAULT)
        config, provenance["optimizer.lr"] = _with_recipe_rate(config, place)
    return Loaded(config, provenance, tuple(merge.notes))


def load_loss(overrides: Sequence[Override]) -> LossParameters:
    """Return the checked parameters of a loss that is used without training."""
    # the rate plays no part here; naming one keeps a loss without a recipe from being refused
    return load_config(None, [*overrides, Override("optimizer.lr", 0.1, "not used")]).config.loss


def config_from(values: Mapping[str, Any], source: str, overrides: Sequence[Override] = ()) -> Config:
    """Check values that were a config before, such as those in a checkpoint, under overrides."""
    merge = Merge()
    merge.values = copy.deepcopy(dict(values))
    merge.add_overrides(overrides)
    return validate(merge, source)


def flatten(config: Config) -> dict[str, Any]:
    """Return every setting by its dotted key."""

    def walk(values: dict[str, Any], above: str) -> Iterator[tuple[str, Any]]:
        for name, value in values.items():
            if isinstance(value, dict):
                yield from walk(value, f"{above}{name}.")
            else:
                yield f"{above}{name}", value

    return dict(walk(config.model_dump(mode="json"), ""))


def validate(merge: Merge, source: str) -> Config:
    """Return the config of merged values; ConfigError lists everything that is wrong."""
    problems = list(merge.problems)
    values = dict(merge.values)
    for part in PARTS:
        if isinstance(given := values.get(part, {}), dict):
            values[part] = validate_part(part, given, (part,), merge, source, problems)
    for section in ("optimizer", "schedule"):  # a section without a name is that of the default
        if isinstance(chosen := values.get(section), dict) and "name" not in chosen:
            values[section] = {"name": Config.model_fields[section].get_default().name} | chosen
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        problems += describe(error, Config, (), merge.origin, source)
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return config


def validate_part(part: str, given: dict[str, Any], key: Key, merge: Merge, source: str, problems: list[str]) -> Any:
    """Return the parameters of the loss or network that a section names, or with problems, which are noted, any."""
    find, default = PARTS[part], AUTO[part]
    if part == "loss" and isinstance(given.get("name"), str):
        given = loss_section(given["name"]) | {name: value for name, value in given.items() if name != "name"}
    name = given.get("name", "auto")
    spec = find(default)
    try:
        spec = find(default if name == "auto" else str(name))
        return spec.parameters.model_validate({**given, "name": spec.name})
    except ConfigError as error:
        problems.append(f"{merge.origin((*key, 'name')) or source}: {'.'.join(key)}.name: {error}")
    except ValidationError as error:
        problems += describe(error, spec.parameters, key, merge.origin, source)
    return find(default).parameters(name=default)


def _with_recipe_rate(config: Config, place: str) -> tuple[Config, str]:
    """Return the config at its recipe's rate, and what that is; ConfigError, naming the place, without one."""
    rate = recipe_rate(config.network, config.loss, config.optimizer.name)
    what = f"{config.loss.name}, form {config.loss.variant}, {config.optimizer.name}"
    if rate is None:
        raise ConfigError([f"{place}: optimizer.lr: there is no recipe for {what}; set one, such as --lr 0.05"])
    optimizer = config.optimizer.model_copy(update={"lr": rate})
    return config.model_copy(update={"optimizer": optimizer}), f"recipe of {what}"
