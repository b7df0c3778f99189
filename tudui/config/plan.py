"""A comparison's plan: a run config and, under `comparison`, the losses, noise levels and seeds to repeat it with."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tudui.config.comparison import DEFAULT_LOSSES, MAX_RUNS, ComparisonConfig
from tudui.config.describe import describe, shorten
from tudui.config.dump import yaml_text
from tudui.config.load import Merge, fits_or_problem, validate, validate_part, with_code
from tudui.config.loss_spec import LossParameters, loss_section
from tudui.config.overrides import Override
from tudui.config.own_code import is_own
from tudui.config.plug_ins import SAFE_NAME, WHAT_A_NAME_IS
from tudui.config.schema import Config
from tudui.config.tuned import problems_of_tuning
from tudui.errors import ConfigError

VARIANTS = ("comparison", "variants")
SEVERAL = ("network", "data")  # sections of which a grid of problems has several
ONE_PROBLEM: Mapping[str, int | None] = {}
TUNING_SEED = 1_000_000  # seeds of tuning runs start here, those of reported runs at the config's


@dataclass(frozen=True)
class Plan:
    """A checked plan, and notes for the user."""

    base: Config  # its loss, seed, label noise and rate are replaced in each run
    comparison: ComparisonConfig
    notes: tuple[str, ...] = ()


def load_plan(
    path: Path | None = None, overrides: Sequence[Override] = (), places: Mapping[str, int | None] = ONE_PROBLEM
) -> Plan:
    """Return the checked plan of a file and overrides; a run config is a plan with the default comparison.

    `places` chooses a network and a data set, if the file has lists of them.
    """
    merge = Merge.of_file(path)
    for section, place in places.items():
        _pick(merge, section, place)
    if several := [section for section in SEVERAL if names_in_list(section, merge.values.get(section)) is not None]:
        raise ConfigError(
            [f"{merge.place((several[0],))}: {several[0]}: several names are a grid of problems; give one name here"]
        )
    _check_old_names(merge)
    merge.add_overrides([_with_code(override) for override in overrides])
    given = merge.values.pop("comparison", None)
    comparison = _comparison({} if given is None else given, merge)
    base = validate(merge)
    assert comparison is not None  # otherwise there were problems
    _check_seeds(comparison, [override.key for override in overrides], merge)
    _check_conflicts(base, comparison, merge)
    notes = list(merge.notes)
    loss = merge.values.get("loss")
    if isinstance(loss, dict) and len(loss) > 1:
        notes.append(f"{merge.place(('loss',))}: the section 'loss' is not used; comparison.variants names the losses")
    if base.optimizer.lr != "auto" and comparison.lr != "same":
        notes.append(
            f"{merge.place(('optimizer', 'lr'))}: optimizer.lr is not used with lr: {comparison.lr}; "
            f"use --lr same for all losses at this rate"
        )
    if comparison.lr == "recipe" and (any(comparison.levels) or base.data.noise_manifest):
        what = "numbers" if any(comparison.outliers) else "labels"
        notes.append(
            f"comparison.lr: recipe rates were measured on right {what}; with wrong ones other rates may be much "
            "better, and that can change the verdict; --lr tuned chooses a rate for each loss and noise level"
        )
    return Plan(base, comparison, tuple(notes))


def names_in_list(section: str, given: Any) -> list[Any] | None:
    """Return the names in a section of which there are several, `None` if there is one."""
    if section == "data" and isinstance(given, dict):
        given = given.get("name")
    return [one.get("name") if isinstance(one, dict) else one for one in given] if isinstance(given, list) else None


def _pick(merge: Merge, section: str, place: int | None) -> None:
    """Replace a list of sections by the one at this place; None: by none, because it is named elsewhere."""
    given: Any = merge.values.get(section)
    if names_in_list(section, given) is None:
        return
    if isinstance(given, dict):  # one section with several names
        names = given.pop("name")
        merge.values[section] = given if place is None else given | {"name": names[place]}
        return
    one = {} if place is None else given[place]
    merge.values[section] = {"name": one} if isinstance(one, str) else one
    above = (section, str(place))
    inside = {(section, *key[2:]): at for key, at in merge.origins.items() if key[:2] == above}
    merge.origins = {key: at for key, at in merge.origins.items() if len(key) == 1 or key[0] != section} | inside


def _with_code(override: Override) -> Override:
    """Return an override; if it names losses in files of the user, these files may run, and the losses are sections."""
    if override.key != ".".join(VARIANTS):
        return override
    losses = override.value
    if isinstance(losses, list) and all(isinstance(loss, str) for loss in losses):
        losses = {variant_name(loss): loss for loss in losses}
    if not isinstance(losses, dict) or len(losses) < len(override.value):  # a problem, found later
        return override
    sections = {name: _own_section(loss) for name, loss in losses.items()}
    return override if sections == losses else replace(override, value=sections)


def _own_section(loss: Any) -> Any:
    """Return the section of a loss in a file of the user, which may run; any other value as it is."""
    try:
        section = loss_section(loss) if isinstance(loss, str) else loss
    except ConfigError:  # found later
        return loss
    return with_code(section) if isinstance(section, dict) and is_own(section.get("name")) else loss


def _check_old_names(merge: Merge) -> None:
    """Note a problem for a plan of Tudui 0.1, in which `mae` was the loss on probabilities."""
    comparison = merge.values.get("comparison")
    variants = comparison.get("variants") if isinstance(comparison, dict) else None
    if isinstance(variants, list):
        variants = {name: name for name in variants if name == "mae"}
    mae = variants.get("mae") if isinstance(variants, dict) else None
    if mae == "mae" or (isinstance(mae, dict) and mae.get("input") == "probabilities"):
        merge.problems.append(
            f"{merge.place((*VARIANTS, 'mae'))}: comparison.variants: since Tudui 0.2, mae is the same as l1; "
            f"write l1, or probability_mae for the form on probabilities as in 0.1 (Ghosh et al. 2017)"
        )


def _check_seeds(comparison: ComparisonConfig, asked: Sequence[str], merge: Merge) -> None:
    """Note a problem if the command line asks for a number of seeds in two ways."""
    if comparison.until_decided and "comparison.seeds" in asked:
        merge.problem(
            ("comparison", "seeds"), "--until-decided chooses the number of seeds itself; limit it with --max-seeds"
        )
    if not comparison.until_decided and "comparison.max_seeds" in asked:
        merge.problem(("comparison", "max_seeds"), "only with --until-decided; use --seeds")


def _check_conflicts(base: Config, comparison: ComparisonConfig, merge: Merge) -> None:
    """Raise ConfigError if the run config and the comparison contradict each other."""
    tuned = comparison.lr == "tuned"
    if base.data.folds:
        _check_folds(base, comparison, merge)
    if noise := base.data.label_noise:
        merge.problem(("data", "label_noise"), f"a comparison sets its own noise levels; use --label-noise {noise:g}")
    if base.data.outlier_manifest and any(comparison.outliers):
        merge.problem(("data", "outlier_manifest"), "already defines the outliers; omit --outliers")
    if base.data.outliers:
        merge.problem(
            ("data", "outliers"), f"a comparison sets its own noise levels; use --outliers {base.data.outliers:g}"
        )
    task, name = base.kind.task, "outliers" if any(comparison.outliers) else "label_noise"
    unknown = is_own(base.data.name)  # until its code has run
    if any(comparison.levels) and not unknown and (task == "numbers") != (name == "outliers"):
        instead = "label_noise" if name == "outliers" else "outliers"
        merge.problem(("comparison", name), f"the targets of {base.data.name} are {task}; use {instead}")
    if base.data.noise_manifest and any(comparison.label_noise):
        merge.problem(("data", "noise_manifest"), "already defines the wrong labels; omit --label-noise")
    if tuned and not base.data.validation:
        merge.problem(("data", "validation"), "--lr tuned needs validation images; set it above 0")
    if tuned and base.seed + max(comparison.seeds, comparison.max_seeds) > TUNING_SEED:
        merge.problem(("seed",), f"seeds from {TUNING_SEED} are used for tuning; set a smaller one")
    if merge.problems:
        raise ConfigError(merge.problems)


def _check_folds(base: Config, comparison: ComparisonConfig, merge: Merge) -> None:
    """Note a problem for what cannot be done with a run for each fold."""
    folds = base.data.folds or 1
    if base.data.fold != 1:
        merge.problem(("data", "fold"), "a comparison has a run for every fold; leave it out")
    if comparison.lr == "tuned":
        merge.problem(
            ("comparison", "lr"), "tuned would choose rates by images that other folds test; use --lr recipe or same"
        )
    for key in ("noise_manifest", "outlier_manifest"):
        if getattr(base.data, key):
            merge.problem(("data", key), "lists targets of one training split, and each fold has its own; leave it out")
    seeds = comparison.max_seeds if comparison.until_decided else comparison.seeds
    if (runs := len(comparison.variants) * len(comparison.levels) * seeds * folds) > MAX_RUNS:
        merge.problem(("data", "folds"), f"{runs:,} runs are too many; at most {MAX_RUNS:,} can be compared")


def plan_yaml(plan: Plan) -> str:
    """Return the plan as YAML that `load_plan` reads."""
    return yaml_text(plan_values(plan))


def plan_values(plan: Plan) -> dict[str, Any]:
    """Return the plan as plain values."""
    base = plan.base.model_dump(mode="json", exclude={"loss"})  # the variants name the losses
    return {"comparison": plan.comparison.model_dump(mode="json")} | base


def _comparison(given: Any, merge: Merge) -> ComparisonConfig | None:
    """Return the comparison; None after some of the problems."""
    if not isinstance(given, dict):
        merge.problem(("comparison",), f"must be a section with keys and values (got {shorten(given)})")
        return None
    variants = _variants(given.get("variants", list(DEFAULT_LOSSES[merge.kind.task])), merge)
    if not variants and merge.problems:
        return None
    lists = ("label_noise", "outliers", "rates", "forms", "tune")
    values = {
        name: [value] if name in lists and not isinstance(value, list) else value for name, value in given.items()
    }
    values["variants"] = _in_forms(variants, values.get("forms", ["recipe"]), merge)
    if isinstance(baseline := values.get("baseline"), str):
        values["baseline"] = variant_name(baseline)
    if variants and "ce" not in values["variants"]:
        values.setdefault("baseline", next(iter(values["variants"])))
    try:
        comparison = ComparisonConfig.model_validate(values)
    except ValidationError as error:
        merge.problems += describe(error, ComparisonConfig, ("comparison",), merge.place)
        return None
    for name in lists:
        if len(set(getattr(comparison, name))) != len(getattr(comparison, name)):
            merge.problem(("comparison", name), "contains a value twice; remove one")
    if comparison.baseline not in comparison.variants:
        known = ", ".join(comparison.variants)
        merge.problem(("comparison", "baseline"), f"no variant '{comparison.baseline}'; variants: {known}")
    for key, problem in problems_of_tuning(comparison):
        merge.problem(("comparison", *key), problem)
    return comparison


def variant_name(loss: str) -> str:
    """Return the name of a loss in a list, which becomes a folder: `huber-delta=0.5` for `huber:delta=0.5`.

    For a file it is without folders: `net.py-loss` for `sub/net.py:loss`.
    """
    loss = re.sub(r".*[/\\](?=[^/\\]+\.py:)", "", loss)
    return re.sub(r"[^A-Za-z0-9+=._-]+", "-", loss).strip("-._+=")


def _variants(given: Any, merge: Merge) -> dict[str, LossParameters]:
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        names = [variant_name(loss) for loss in given]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            merge.problem(VARIANTS, f"{', '.join(twice)} given twice; name each loss once")
            return {}
        given = dict(zip(names, given, strict=True))
    if not isinstance(given, dict):
        merge.problem(VARIANTS, "must be names of losses, or sections by name")
        return {}
    checked = {}
    for name, value in given.items():
        key = (*VARIANTS, name)
        if not SAFE_NAME.fullmatch(name):
            merge.problem(key, f"a variant's name {WHAT_A_NAME_IS}")
        try:
            section = loss_section(value) if isinstance(value, str) else value
        except ConfigError as error:
            merge.problem(VARIANTS, str(error))
            continue
        if isinstance(section, dict):
            checked[name] = validate_part("loss", section, key, merge)
            if not merge.problems and (problem := fits_or_problem(checked[name], merge)):
                merge.problem(key, problem)
        else:
            merge.problem(key, f"must be a loss (got {shorten(value)})")
    return checked


def _in_forms(variants: dict[str, LossParameters], forms: Sequence[Any], merge: Merge) -> dict[str, LossParameters]:
    """Return the variants and, for `plain`, each that has a different plain form, as NAME-plain."""
    if "plain" not in forms:
        return variants
    chosen: dict[str, LossParameters] = {}
    for name, parameters in variants.items():
        plain = _plain(parameters)
        if plain is None or "recipe" in forms:
            chosen[name] = parameters
        if plain is not None:
            if variants.get(f"{name}-plain", plain) != plain:
                merge.problem((*VARIANTS, f"{name}-plain"), f"this is the name of {name}'s plain form; use another")
            chosen[f"{name}-plain"] = plain
    return chosen


def _plain(parameters: LossParameters) -> LossParameters | None:
    """Return the plain form, or None if it is the same function or not allowed with these parameters."""
    try:
        plain = type(parameters).model_validate(parameters.model_dump(exclude_unset=True) | {"form": "plain"})
    except ValidationError:
        return None
    same = plain.model_dump(exclude={"form"}) == parameters.model_dump(exclude={"form"})
    return None if same or parameters.form == "plain" else plain
