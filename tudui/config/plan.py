"""A comparison's plan: a run config and, under `comparison`, the losses, noise levels and seeds it is repeated over."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tudui.config.describe import describe, shorten
from tudui.config.dump import yaml_text
from tudui.config.load import Merge, validate, validate_part
from tudui.config.loss_spec import LossParameters, loss_section
from tudui.config.overrides import Override
from tudui.config.plug_ins import SAFE_NAME, WHAT_A_NAME_IS
from tudui.config.schema import DEFAULT_LOSSES, ComparisonConfig, Config
from tudui.errors import ConfigError

VARIANTS = ("comparison", "variants")
TUNING_SEED = 1_000_000  # tuning runs have seeds from here on, reported runs from the config's


@dataclass(frozen=True)
class Plan:
    """A checked plan, and what the user should hear about it."""

    base: Config  # its loss, seed, label noise and rate are replaced, run by run
    comparison: ComparisonConfig
    notes: tuple[str, ...] = ()


def load_plan(path: Path | None = None, overrides: Sequence[Override] = ()) -> Plan:
    """Return the checked plan of a file and overrides; any run config is one, with the default comparison."""
    merge = Merge()
    if path is not None:
        merge.add_file(path)
    problems = _old_names(merge)
    merge.add_overrides(overrides)
    source = str(path) if path else "the command line"
    given = merge.values.pop("comparison", None)
    comparison = _comparison({} if given is None else given, merge, source, problems)
    try:
        base = validate(merge, source)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    if comparison is not None:
        problems += _conflicts(base, comparison, merge)
    if problems or comparison is None:
        raise ConfigError(problems)
    notes = list(merge.notes)
    loss = merge.values.get("loss")
    if isinstance(loss, dict) and len(loss) > 1:
        notes.append(f"{merge.origin(('loss',))}: the section 'loss' is not used; the variants name the losses")
    if base.optimizer.lr != "auto" and comparison.lr != "same":
        notes.append(
            f"{merge.origin(('optimizer', 'lr'))}: optimizer.lr is not used with lr: {comparison.lr}; "
            f"take --lr same for all losses at this rate"
        )
    return Plan(base, comparison, tuple(notes))


def _old_names(merge: Merge) -> list[str]:
    """Return what is to be said of a plan of Tudui 0.1, in which `mae` was the loss on probabilities."""
    comparison = merge.values.get("comparison")
    variants = comparison.get("variants") if isinstance(comparison, dict) else None
    if isinstance(variants, dict):
        mae = variants.get("mae")
        is_old = mae == "mae" or (isinstance(mae, dict) and mae.get("input") == "probabilities")
    else:
        is_old = isinstance(variants, list) and "mae" in variants
    if not is_old:
        return []
    return [
        f"{merge.origin((*VARIANTS, 'mae'))}: comparison.variants: mae is the same as l1 since Tudui 0.2; "
        f"write probability_mae for the form on probabilities, which it was in 0.1 (Ghosh et al. 2017), or l1"
    ]


def _conflicts(base: Config, comparison: ComparisonConfig, merge: Merge) -> list[str]:
    """Return what the run config and the comparison cannot both have."""

    def at(key: str) -> str:
        return f"{merge.origin(tuple(key.split('.'))) or 'default'}: {key}"

    found = []
    if base.data.label_noise:
        found.append(f"{at('data.label_noise')}: a comparison has levels; take --label-noise {base.data.label_noise:g}")
    if base.data.noise_manifest and any(comparison.label_noise):
        found.append(f"{at('data.noise_manifest')}: names the wrong labels already; leave --label-noise out")
    if comparison.lr == "tuned" and not base.data.validation:
        found.append(f"{at('data.validation')}: --lr tuned chooses on validation images; set it above 0")
    if comparison.lr == "tuned" and base.seed + comparison.seeds > TUNING_SEED:
        found.append(f"{at('seed')}: seeds from {TUNING_SEED} on choose the rates; take smaller ones")
    return found


def plan_yaml(plan: Plan) -> str:
    """Return the plan as YAML that `load_plan` reads back."""
    base = plan.base.model_dump(mode="json", exclude={"loss"})  # the variants name the losses
    return yaml_text({"comparison": plan.comparison.model_dump(mode="json")} | base)


def _comparison(given: Any, merge: Merge, source: str, problems: list[str]) -> ComparisonConfig | None:
    if not isinstance(given, dict):
        where = merge.origin(("comparison",)) or source
        problems.append(f"{where}: comparison: must be a section, keys with values (got {shorten(given)})")
        return None
    values = dict(given)
    variants = _variants(values.get("variants", list(DEFAULT_LOSSES)), merge, source, problems)
    for name in ("label_noise", "rates", "forms"):
        if name in values and not isinstance(values[name], list):
            values[name] = [values[name]]
    values["variants"] = _in_forms(variants, values.get("forms", ["recipe"]), problems)
    if variants and "baseline" not in values and "ce" not in values["variants"]:
        values["baseline"] = next(iter(values["variants"]))
    if not variants and problems:
        return None
    try:
        comparison = ComparisonConfig.model_validate(values)
    except ValidationError as error:
        problems += describe(error, ComparisonConfig, ("comparison",), merge.origin, source)
        return None
    for name in ("label_noise", "rates", "forms"):
        if len(set(getattr(comparison, name))) != len(getattr(comparison, name)):
            problems.append(f"{merge.origin(('comparison', name)) or source}: comparison.{name}: a value stands twice")
    if variants and comparison.baseline not in comparison.variants:
        problems.append(
            f"{merge.origin(('comparison', 'baseline')) or source}: comparison.baseline: no variant "
            f"'{comparison.baseline}'; variants: {', '.join(comparison.variants)}"
        )
    return comparison


def _variants(given: Any, merge: Merge, source: str, problems: list[str]) -> dict[str, LossParameters]:
    where = merge.origin(VARIANTS) or source
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        if twice := sorted({name for name in given if given.count(name) > 1}):
            problems.append(f"{where}: comparison.variants: {', '.join(twice)} stands twice; name a loss once")
        given = {name: name for name in given}
    if not isinstance(given, dict):
        problems.append(f"{where}: comparison.variants: must be names of losses, or sections by name")
        return {}
    checked = {}
    for name, value in given.items():
        key = (*VARIANTS, name)
        if not SAFE_NAME.fullmatch(name):
            problems.append(f"{merge.origin(key) or where}: {'.'.join(key)}: a variant's name {WHAT_A_NAME_IS}")
        section = loss_section(value) if isinstance(value, str) else value
        if isinstance(section, dict):
            checked[name] = validate_part("loss", section, key, merge, where, problems)
        else:
            problems.append(f"{merge.origin(key) or where}: {'.'.join(key)}: must be a loss (got {shorten(value)})")
    return checked


def _in_forms(
    variants: dict[str, LossParameters], forms: Sequence[Any], problems: list[str]
) -> dict[str, LossParameters]:
    """Return the variants and, for `plain`, each that has a plain form of its own, as NAME-plain."""
    if "plain" not in forms:
        return variants
    chosen: dict[str, LossParameters] = {}
    for name, parameters in variants.items():
        plain = _plain(parameters)
        if plain is None or "recipe" in forms:
            chosen[name] = parameters
        if plain is not None:
            if variants.get(f"{name}-plain", plain) != plain:
                problems.append(f"comparison.variants.{name}-plain: the name of {name}'s plain form; take another")
            chosen[f"{name}-plain"] = plain
    return chosen


def _plain(parameters: LossParameters) -> LossParameters | None:
    """Return the plain form, or None where it is the same function or not one that these parameters allow."""
    try:
        plain = type(parameters).model_validate(parameters.model_dump(exclude_unset=True) | {"form": "plain"})
    except ValidationError:
        return None
    same = plain.model_dump(exclude={"form"}) == parameters.model_dump(exclude={"form"})
    return None if same or parameters.form == "plain" else plain
