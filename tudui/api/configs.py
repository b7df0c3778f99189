"""A checked config from a name, a file or a mapping, and settings that override it."""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from tudui.api.console import note
from tudui.config import Config, Loaded, Override, load_config
from tudui.config.describe import shorten
from tudui.config.dump import to_change
from tudui.config.plan import Plan
from tudui.config.problems import Grid, load_plans
from tudui.config.shipped import find_config, shipped_plans
from tudui.config.yaml_file import read_yaml
from tudui.errors import UsageError, did_you_mean
from tudui.files import disk_errors, refuse_overwriting, write_text
from tudui.run_folder import config_of_run

Named = str | PathLike[str]
Source = Loaded | Config | Mapping[str, Any] | Named | None  # of a run's config
PlanSource = Plan | Grid | Mapping[str, Any] | Named
Settings = Mapping[str, Any] | Sequence[Override]  # by dotted key; an Override also says how the user wrote it
NOTHING: Mapping[str, Any] = {}


def load(config: Source = None, overrides: Settings = NOTHING, *, resume: Named | None = None) -> Loaded:
    """Return a checked config with where each value came from, and print its notes; `resume` takes a run's own config.

    What `load` returned is returned as it is; UsageError with overrides. ConfigError has a line for each problem.
    """
    if isinstance(config, Loaded):
        _nothing_above(overrides)
        return config
    if resume is None:
        loaded = load_config(*_file_and_overrides(config, overrides))
    elif config is None:
        loaded = config_of_run(Path(resume), overrides_of(overrides))
    else:
        raise UsageError(f"resume={fspath(resume)!r}: uses that run's config; leave the config out")
    note(*loaded.notes)
    return loaded


def plan(plan: PlanSource = "compare", overrides: Settings = NOTHING) -> Plan | Grid:
    """Return the checked plan of a comparison, and print its notes; the config of a run is a plan too.

    With several networks or data sets it is a grid of plans.
    """
    if isinstance(plan, Plan | Grid):
        _nothing_above(overrides)
        return plan
    loaded = load_plans(*_file_and_overrides(plan, overrides))
    note(*loaded.notes)
    return loaded


def validate(name: Named) -> Loaded | Plan | Grid:
    """Check a config file or plan, or a shipped one by name; print its notes. ConfigError has a line per problem."""
    path = find_config(fspath(name), "config validate")
    loaded = load_plans(path) if "comparison" in read_yaml(path).values else load_config(path)
    note(*loaded.notes)
    return loaded


def copy_config(name: str, to: Named | None = None, *, overwrite: bool = False) -> Path:
    """Copy a shipped config for editing, and return the new file: by default NAME.yaml here."""
    source, target = find_config(name, "config copy"), Path(to or f"{Path(name).stem}.yaml")
    refuse_overwriting(target, overwrite=overwrite)
    text = source.read_text() if name in shipped_plans() else _to_change(source)
    lines = [line for line in text.splitlines(keepends=True) if "$schema=" not in line]  # a path in our docs
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, "".join(lines))
    return target


def _to_change(source: Path) -> str:
    """Return the head of a config's file, what it sets, and every other setting as a comment."""
    loaded = load_config(source)
    config = loaded.config
    if loaded.provenance["optimizer.lr"].startswith("recipe"):
        config = config.model_copy(update={"optimizer": config.optimizer.model_copy(update={"lr": "auto"})})
    set_here = {key for key, origin in loaded.provenance.items() if origin.startswith(f"{source}:")}

    def given(key: str) -> bool:
        return any(one == key or one.startswith(f"{key}.") for one in set_here)

    head = [line for line in source.read_text().splitlines() if line.startswith("#")]
    hint = "# A setting after # is at its default; remove the # to change it."
    return "\n".join([*head, hint, to_change(config, given)])


def one_of(name: str, value: str | None, known: Sequence[str]) -> None:
    """Raise UsageError if a value is not one of the known words."""
    if value is not None and value not in known:
        raise UsageError(f"{name}={value!r}: must be one of {', '.join(known)}{did_you_mean(value, known)}")


def _nothing_above(overrides: Settings) -> None:
    """Raise UsageError for settings beside what is checked already."""
    if overrides:
        raise UsageError("overrides: this config is loaded already; give them where it is loaded")


def _file_and_overrides(
    config: Config | Mapping[str, Any] | Named | None, overrides: Settings
) -> tuple[Path | None, Sequence[Override]]:
    """Return the file, if one is named, and the settings above it; `overrides` replace those of a mapping."""
    if isinstance(config, Config):
        config = config.model_dump(mode="json")
    if isinstance(config, Mapping):
        above = overrides if isinstance(overrides, Mapping) else {one.key: one.value for one in overrides}
        return None, overrides_of({**config, **above})
    return None if config is None else find_config(fspath(config), "config"), overrides_of(overrides)


def overrides_of(settings: Settings) -> Sequence[Override]:
    """Return settings by dotted key as overrides, with values in the types that YAML has."""
    if not isinstance(settings, Mapping):
        return settings
    if odd := [key for key in settings if not isinstance(key, str)]:
        raise UsageError(f"{odd[0]!r}: a setting's key is text, for example 'train.epochs'")
    return [Override(key, _plain(value), f"{key}={shorten(value)}") for key, value in settings.items()]


def _plain(value: Any) -> Any:
    """Return a copy in the types that YAML has."""
    if isinstance(value, Mapping):
        return {key: _plain(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inside) for inside in value]
    if getattr(value, "shape", None) == ():  # a number of numpy or torch
        return value.item()
    return fspath(value) if isinstance(value, PathLike) else value
