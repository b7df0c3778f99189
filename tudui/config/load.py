"""Load a config: the command line overrides the file, which overrides the defaults; report all problems together."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tudui.config.data_sets import Kind, kind_of, path_in
from tudui.config.describe import describe, shorten
from tudui.config.loss_spec import LossParameters, LossSpec, does_not_fit, loss_section, loss_spec
from tudui.config.network_spec import NetworkSpec, network_spec, recipe_name, recipe_rate
from tudui.config.overrides import Override
from tudui.config.own_code import allow, is_own, only_by_flag
from tudui.config.schema import AUTO, Config
from tudui.config.yaml_file import Key, read_yaml
from tudui.errors import ConfigError

DEFAULT = "default"
PARTS: dict[str, Callable[[str], LossSpec | NetworkSpec]] = {"loss": loss_spec, "network": network_spec}  # of packages
CHOSEN_BY_NAME = ("loss", "network", "optimizer", "schedule")  # a new name replaces the whole section
INSIDE_THE_BAND = ("seed", "device", "data.dir", "data.cache", "log.", "checkpoint.")  # do not change accuracy
DATA_PATHS = ("dir", "labels", "noise_matrix", "noise_manifest", "outlier_manifest")


@dataclass(frozen=True)
class Loaded:
    """A config, the origin of each value, and notes for the user."""

    config: Config
    provenance: Mapping[str, str]  # "optimizer.lr" -> "cifar10.yaml:9:3"
    notes: tuple[str, ...] = ()


class Merge:
    """The raw values of a file and overrides, the origin of each, and the problems found."""

    def __init__(self, values: dict[str, Any], source: str) -> None:
        self.values = values
        self.source = source  # the origin of what has no other
        self.origins: dict[Key, str] = {}
        self.notes: list[str] = []
        self.problems: list[str] = []

    @classmethod
    def of_file(cls, path: Path | None) -> "Merge":
        """Read a YAML file, if there is one."""
        if path is None:
            return cls({}, "the command line")
        document = read_yaml(path)
        for section in CHOSEN_BY_NAME:
            if isinstance(name := document.values.get(section), str):
                document.values[section] = {"name": name}
                document.positions[(section, "name")] = document.positions[(section,)]
        merge = cls(document.values, str(path))
        merge.origins = {key: f"{path}:{position}" for key, position in document.positions.items()}
        return merge

    def add_overrides(self, overrides: Sequence[Override]) -> None:
        """Apply overrides to the values."""
        seen: dict[str, str] = {}
        settings = []
        for override in overrides:
            section, _, rest = override.key.partition(".")
            chooses = section in CHOSEN_BY_NAME and rest in ("", "name")
            key = section if chooses else override.key
            if key in seen:
                self.problems.append(f"{override.origin}: {override.key}: set twice, also by {seen[key]}")
            seen.setdefault(key, override.origin)
            if chooses and isinstance(override.value, str | dict):
                self._choose(section, override)
                if "=" in str(override.value):  # parameters typed with the name
                    seen |= {f"{section}.{name}": override.origin for name in self.values.get(section, ())}
            else:
                settings.append(override)
        for override in settings:  # after the names, so that they apply to the chosen sections
            for key, value in _with_codes(override).items():
                self._set(key, value, override.origin)
        if not all(override.key.startswith(INSIDE_THE_BAND) for override in overrides):
            self.values.pop("expect", None)

    def _choose(self, section: str, override: Override) -> None:
        old, value = self.values.get(section), override.value
        named = with_code({"name": value}) if is_own(value) and isinstance(old, dict) and "code" in old else {}
        if old and named and named["name"] == old["name"]:  # again, as the file of a run asks for it
            value, old = {**old, **named}, None
        if dropped := [f"{section}.{name}" for name in old if name != "name"] if isinstance(old, dict) else []:
            self.notes.append(
                f"{override.origin} replaces the whole section '{section}' of the file, without {', '.join(dropped)}"
            )
        if isinstance(value, str):
            try:
                value = loss_section(value) if section == "loss" else {"name": value}
            except ConfigError as error:
                self.problems.append(f"{override.origin}: {section}: {error}")
                return
        self._set(section, with_code(value), override.origin)

    def _set(self, dotted: str, value: Any, origin: str) -> None:
        """Set a value, and replace the origin of everything below its key."""
        key = tuple(dotted.split("."))
        target = self.values
        for depth, name in enumerate(key[:-1], start=1):
            target = target.setdefault(name, {})
            if not isinstance(target, dict):
                self.problems.append(f"{origin}: {dotted}: {'.'.join(key[:depth])} is a value and has no keys")
                return
        target[key[-1]] = value
        self.origins = {other: place for other, place in self.origins.items() if other[: len(key)] != key}
        self.origins |= {inside: origin for inside, _ in _walk(value, key)}

    def place(self, *keys: Key) -> str:
        """Return the origin of the first of these keys that was typed, if any, or else of the first."""
        places = [self._origin(key) for key in keys]
        return next((place for place in places if not place.startswith(self.source)), places[0])

    def _origin(self, key: Key) -> str:
        """Return the origin of a key, of the nearest section above it, or of a key below; or the source."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.origins:
                return self.origins[key[:length]]
        below = (origin for other, origin in self.origins.items() if other[: len(key)] == key)
        return next(below, self.source)

    @property
    def kind(self) -> Kind:
        """What targets and inputs of the data set are."""
        return self._kind()

    def check_kind(self) -> None:
        """Raise TuduiError if the kind is not known, because a CSV file with the targets cannot be read."""
        self._kind(sure=True)

    def _kind(self, *, sure: bool = False) -> Kind:
        data = self.values.get("data")
        return kind_of(data if isinstance(data, dict) else {}, sure=sure)

    def problem(self, key: Key, what: str) -> None:
        """Note a problem of a key."""
        self.problems.append(f"{self.place(key)}: {'.'.join(key)}: {what}")


def with_code(section: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a section that was typed, or given from Python; if it names own code, its file is allowed to run.

    A section that was recorded has the sha256 of its file already, and allows nothing.
    """
    if not is_own(section.get("name")) or "code" in section:
        return section
    name, code = allow(section["name"])
    return {**section, "name": name, "code": code}


def _with_codes(override: Override) -> dict[str, Any]:
    """Return what an override sets: if it names own data or sinks, also the sha256 of the files, which may run."""
    key, value = override.key, override.value
    if key == "data.name" and is_own(value):
        name, code = allow(value)
        return {key: name, "data.code": code}
    if key == "log.sinks" and isinstance(value, list):
        named = {sink: allow(sink) for sink in value if is_own(sink)}
        return {key: [named[sink][0] if is_own(sink) else sink for sink in value], "log.code": dict(named.values())}
    return {key: value}


def _walk(value: Any, key: Key) -> Iterator[tuple[Key, Any]]:
    """Yield a value and all values inside it, with their keys."""
    yield key, value
    if isinstance(value, dict):
        for name, inside in value.items():
            yield from _walk(inside, (*key, str(name)))


def load_config(path: Path | None = None, overrides: Sequence[Override] = ()) -> Loaded:
    """Return the checked config of a file and overrides; ConfigError lists all problems."""
    merge = Merge.of_file(path)
    merge.add_overrides(overrides)
    if "comparison" in merge.values:
        why = "this is the plan of a comparison; type: tudui compare-losses" + (f" --config {path}" if path else "")
        raise ConfigError([f"{merge.place(('comparison',))}: comparison: {why}"])
    config = validate(merge)
    if problem := fits_or_problem(config.loss, merge):
        raise ConfigError([f"{merge.place(('loss', 'name'))}: loss.name: {problem}"])
    provenance = {key: merge.origins.get(tuple(key.split(".")), DEFAULT) for key in flatten(config)}
    for part in PARTS:
        if merge.values.get(part, {}).get("name") == "auto":
            task, inputs = merge.kind
            found = f"{inputs} in classes" if task == "classes" else f"{inputs} with numbers as targets"
            provenance[f"{part}.name"] = f"auto, for {found}"
    if config.optimizer.lr == "auto":
        task = merge.kind.task
        recipe = recipe_name(config.network, config.loss, config.optimizer.name, task)
        measured = recipe_rate(config.network, config.loss, config.optimizer.name, task)
        rate = measured or config.optimizer.usual_rate
        if rate is None:
            merge.check_kind()
            place = merge.place(("optimizer", "name"), ("loss", "name"), ("network", "name"))
            raise ConfigError([f"{place}: optimizer.lr: no measured rate for {recipe}; set one, for example --lr 0.05"])
        of_any = f"{config.optimizer.name} for any loss"
        optimizer = config.optimizer.model_copy(update={"lr": rate})
        config = config.model_copy(update={"optimizer": optimizer})
        provenance["optimizer.lr"] = f"recipe of {recipe if measured else of_any}"
        if config.data.is_spoiled:
            what = "numbers" if config.data.outliers else "labels"
            merge.notes.append(
                f"optimizer.lr: {rate:g}, the recipe of {config.loss.name}, was measured on right {what}; "
                f"with wrong ones another rate may be much better: try a lower one, for example --lr {rate / 5:.2g}"
            )
    return Loaded(config, provenance, tuple(merge.notes))


def load_loss(overrides: Sequence[Override]) -> LossParameters:
    """Return the checked parameters of a loss that is used without training."""
    merge = Merge.of_file(None)
    merge.add_overrides(overrides)
    return validate(merge).loss


def fits_or_problem(loss: LossParameters, merge: Merge) -> str | None:
    """Return why a loss does not fit the targets of the data set, with those that do; None if it fits."""
    spec, task = loss_spec(loss.name), merge.kind.task
    data = merge.values.get("data")
    unknown = isinstance(data, dict) and is_own(data.get("name"))  # until its code has run
    if unknown or spec.fits(task):
        return None
    merge.check_kind()
    return does_not_fit(spec, task)


def config_from(values: Mapping[str, Any], source: str, overrides: Sequence[Override] = ()) -> Config:
    """Return the checked config of the values of an older one, for example from a checkpoint, and overrides."""
    merge = Merge(copy.deepcopy(dict(values)), source)
    merge.add_overrides(overrides)
    return validate(merge)


def flatten(config: Config) -> dict[str, Any]:
    """Return every setting by its dotted key."""
    values = _walk(config.model_dump(mode="json"), ())
    return {".".join(key): value for key, value in values if not isinstance(value, dict)}


def located(config: Config) -> Config:
    """Return the config with absolute paths, so that it means the same files in another working directory."""
    data = {key: path and str(Path(path).absolute()) for key, path in config.data if key in DATA_PATHS}
    kind, place = path_in(config.data.name)
    if kind:
        data["name"] = f"{kind}{Path(place).absolute()}"
    begin = config.train.init_from and str(Path(config.train.init_from).absolute())
    train = config.train.model_copy(update={"init_from": begin})
    return config.model_copy(update={"data": config.data.model_copy(update=data), "train": train})


def validate(merge: Merge) -> Config:
    """Return the config of merged values; ConfigError lists all problems."""
    values = dict(merge.values)
    for part in PARTS:
        if isinstance(given := values.get(part, {}), dict):
            values[part] = validate_part(part, given, (part,), merge)
    if isinstance(log := values.get("log"), dict) and "tensorboard" in log:  # until version 0.3
        old, on = log["tensorboard"], ["tensorboard"] if log["tensorboard"] else []
        if not isinstance(old, bool):  # YAML 1.1 calls No false; here it is text
            what = f"must be true or false (got {shorten(old)}); instead, write log.sinks: [] or [tensorboard]"
            merge.problem(("log", "tensorboard"), what)
        values["log"] = {"sinks": on} | {name: value for name, value in log.items() if name != "tensorboard"}
        what = "is ignored beside log.sinks" if "sinks" in log else f"is now log.sinks: {on}"
        merge.notes.append(f"{merge.place(('log', 'tensorboard'))}: log.tensorboard {what}")
    for section in ("optimizer", "schedule"):  # a section without a name is the default's
        if isinstance(chosen := values.get(section), dict):
            values[section] = {"name": Config.model_fields[section].get_default().name} | chosen
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        merge.problems += describe(error, Config, (), merge.place)
    if merge.problems:
        raise ConfigError(list(dict.fromkeys(merge.problems)))
    return config


def validate_part(part: str, given: dict[str, Any], key: Key, merge: Merge) -> Any:
    """Return the parameters of the loss or network that a section names; after a problem, those of the default."""
    find, kind = PARTS[part], merge.kind
    spec = default = find(AUTO[part][kind.task if part == "loss" else kind.input])
    name = given.get("name", "auto")
    if is_own(name) and "code" not in given:
        merge.problem((*key, "name"), only_by_flag("losses" if key[0] == "comparison" else part, name))
        return default.parameters(name=default.name)
    try:
        if part == "loss" and isinstance(name, str):
            section = loss_section(name)
            given, name = {**section, **given, "name": section["name"]}, section["name"]
        spec = default if name == "auto" else find(str(name))
        return spec.parameters.model_validate({**given, "name": spec.name})
    except ConfigError as error:
        merge.problem((*key, "name"), str(error))
    except ValidationError as error:
        merge.problems += describe(error, spec.parameters, key, merge.place)
    return default.parameters(name=default.name)
