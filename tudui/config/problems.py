"""A grid of problems: a plan with several networks or data sets, each pair of which is an ordinary plan.

In a plan, `network`, `data` and `data.name` may be lists. Everything else is the same for all problems.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from tudui.config.comparison import MAX_RUNS
from tudui.config.data_sets import default_name
from tudui.config.dump import yaml_text
from tudui.config.overrides import Override
from tudui.config.own_code import NAMED, is_own
from tudui.config.plan import SEVERAL, Plan, load_plan, names_in_list, plan_values
from tudui.config.plug_ins import folder_name
from tudui.config.schema import AUTO
from tudui.config.yaml_file import read_yaml
from tudui.errors import ConfigError

MAX_PROBLEMS = 100


@dataclass(frozen=True)
class Grid:
    """The plan of each problem by its name, which is that of its folder, for example `resnet20-digits`."""

    plans: Mapping[str, Plan]

    @property
    def first(self) -> Plan:
        """Any of the plans: they differ in network and data only."""
        return next(iter(self.plans.values()))

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of all plans, each once."""
        return tuple(dict.fromkeys(note for plan in self.plans.values() for note in plan.notes))


class _Choice(NamedTuple):
    """One network, or one data set: its place in the file's list, and the setting above the file that names it."""

    place: int | None = None
    override: Override | None = None


def load_plans(path: Path | None = None, overrides: Sequence[Override] = ()) -> Plan | Grid:
    """Return the checked plan of a file and overrides, or, if it has several networks or data sets, the grid of them.

    ConfigError lists the problems of all plans.
    """
    in_file = {} if path is None else read_yaml(path).values
    axes = [_choices(section, in_file.get(section), overrides) for section in SEVERAL]
    if not all(axes):
        raise ConfigError([f"{SEVERAL[axes.index([])]}: an empty list; name one or more"])
    if (number := len(axes[0]) * len(axes[1])) > MAX_PROBLEMS:
        raise ConfigError([f"network and data: {number} problems are too many; at most {MAX_PROBLEMS}"])
    plans, problems = [], list[str]()
    for pair in product(*axes):
        chosen = dict(zip(SEVERAL, pair, strict=True))
        settings = [chosen[name].override if (name := _section(one)) else one for one in overrides]
        places = {section: choice.place for section, choice in chosen.items()}
        try:
            plans.append(load_plan(path, [one for one in settings if one], places))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return plans[0] if len(plans) == 1 else _grid(plans)


def _section(override: Override) -> str:
    """Return the section whose name a setting gives, or nothing."""
    section = override.key.removesuffix(".name")
    return section if section in SEVERAL else ""


def _choices(section: str, in_file: Any, overrides: Sequence[Override]) -> list[_Choice]:
    """Return the networks, or the data sets; one choice of nothing if neither file nor settings name any."""
    names = names_in_list(section, in_file)
    named = next((override for override in overrides if _section(override) == section), None)
    if named is None:
        return [_Choice()] if names is None else [_Choice(place) for place in range(len(names))]
    if not isinstance(named.value, list):
        return [_Choice(override=named)] if names is None else [_choice(named, section, in_file, named.value)]
    return [_choice(named, section, in_file, item) for item in named.value]


def _choice(named: Override, section: str, in_file: Any, item: Any) -> _Choice:
    """Return what an item of a setting names: a section of the file's list, if that has the name, or a new one.

    A file of the user is in the list without its folders, and may run because it is named again.
    """
    name, own = item, is_own(item)
    if own and (found := NAMED.fullmatch(item)):
        name = f"{Path(found['file']).name}:{found['name']}"
    names = names_in_list(section, in_file) or []
    place = names.index(name) if name in names else None
    if section == "data":
        setting = replace(named, key="data" if isinstance(item, dict) else "data.name", value=item)
    else:
        there = in_file[place] if own and place is not None and isinstance(in_file[place], dict) else None
        same = {key: value for key, value in there.items() if key != "code"} | {"name": item} if there else item
        setting = replace(named, key=section, value=same)
    return _Choice(place, None if place is not None and not own else setting)


def _grid(plans: Sequence[Plan]) -> Grid:
    names = [f"{folder_name(plan.base.network.name)}-{default_name(plan.base.data.name)}" for plan in plans]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError([f"network and data: two problems would both be called {twice[0]}; name each once"])
    if not (_is_product(plans) or all(_is_automatic(plan) for plan in plans)):
        raise ConfigError(
            ["network: auto means different networks for tables and for images; name every network, or none"]
        )
    if len(tasks := {plan.base.kind.task for plan in plans}) > 1:
        raise ConfigError([f"data: problems must have the same kind of targets, not {' and '.join(sorted(tasks))}"])
    comparison = plans[0].comparison
    if comparison.until_decided:
        raise ConfigError(
            ["--until-decided: gives comparisons different numbers of seeds, but problems need the same; use --seeds"]
        )
    if (runs := len(plans) * len(comparison.variants) * len(comparison.levels) * comparison.seeds) > MAX_RUNS:
        raise ConfigError([f"network and data: {runs:,} runs are too many; at most {MAX_RUNS:,} can be compared"])
    return Grid(dict(zip(names, plans, strict=True)))


def _is_product(plans: Sequence[Plan]) -> bool:
    """Return whether each network is trained on each data set."""
    networks, data_sets = (_unique([getattr(plan.base, section) for plan in plans]) for section in SEVERAL)
    return len(plans) == len(networks) * len(data_sets)


def _unique(found: Sequence[Any]) -> list[Any]:
    return [one for place, one in enumerate(found) if one not in found[:place]]


def _is_automatic(plan: Plan) -> bool:
    """Return whether the network is the one that `auto` is for this data."""
    return plan.base.network.model_dump(exclude_defaults=True) == {"name": AUTO["network"][plan.base.kind.input]}


def grid_yaml(grid: Grid) -> str:
    """Return the grid as YAML that `load_plans` reads."""
    found = [plan_values(plan) for plan in grid.plans.values()]
    unique = {section: _unique([values[section] for values in found]) for section in SEVERAL}
    if not _is_product(list(grid.plans.values())):
        unique["network"] = ["auto"]
    return yaml_text({**found[0], **unique})
