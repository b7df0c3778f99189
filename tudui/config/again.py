"""The commands that resume or repeat a run or a comparison, with the flags that allow its own code.

If the config cannot be read, these flags are left out: the message that shows the command is then about something else.
"""

import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tudui.config.own_code import is_allowed, is_own, typed
from tudui.errors import TuduiError, UsageError
from tudui.invocation import training_command, tudui_command

if TYPE_CHECKING:
    from tudui.config.loss_spec import LossParameters
    from tudui.config.plan import Plan
    from tudui.config.schema import Config

CONFIG, PLAN = "config.yaml", "plan.yaml"  # of a run, of a comparison
FLAGS = {"network": "--network", "loss": "--loss", "data.name": "--data", "log.sinks": "--sink"}


def resuming(run: Path) -> str:
    """Return the command that resumes the run in a folder."""
    return " ".join([training_command(), "--resume", shlex.quote(str(run)), *_flags_of_run(run)])


def repeating(run: Path) -> str:
    """Return the command that starts a new run with the config of a run."""
    config = shlex.quote(str(run / CONFIG))
    return " ".join([tudui_command(), "train", "--config", config, *_flags_of_run(run)])


def comparing(root: Path) -> str:
    """Return the command that does or resumes the comparison in a folder by its plan; the same in every report."""
    from tudui.config.plan import load_plan

    flags: list[str] = []
    with suppress(TuduiError):
        flags = _flags_of_plan(load_plan(root / PLAN), known=False)
    return " ".join([shlex.join(["tudui", "compare-losses", "--config", str(root / PLAN), "--out", str(root)]), *flags])


def own_settings(config: "Config", *, known: bool = True) -> dict[str, str | list[str]]:
    """Return by key the settings of a config that name own code, with the file's path if it is `known`."""
    shown = typed if known else str
    named = {"network": config.network.name, "loss": config.loss.name, "data.name": config.data.name}
    found: dict[str, str | list[str]] = {key: shown(name) for key, name in named.items() if is_own(name)}
    if any(map(is_own, config.log.sinks)):
        found["log.sinks"] = [shown(sink) if is_own(sink) else sink for sink in config.log.sinks]
    return found


def check_allowed(config: "Config", plan: "Plan | None" = None) -> None:
    """Raise UsageError with every flag that a config, or a plan of runs, needs if it names a file not allowed to run.

    Without this check, each part would ask for its own flag only.
    """
    losses = [loss.name for loss in plan.comparison.variants.values()] if plan else [config.loss.name]
    names = [config.network.name, config.data.name, *losses, *config.log.sinks]
    if refused := [name for name in dict.fromkeys(names) if is_own(name) and not is_allowed(name)]:
        flags = _flags_of_plan(plan) if plan else _as_flags(own_settings(config))
        is_code = "is code in a file" if len(refused) == 1 else "are code in files"
        raise UsageError(
            f"{', '.join(refused)}: {is_code}, which Tudui runs only if you name it; add {' '.join(flags)}"
        )


def _flags_of_run(run: Path) -> list[str]:
    from tudui.config.load import load_config

    with suppress(TuduiError):
        return _as_flags(own_settings(load_config(run / CONFIG).config))
    return []


def _flags_of_plan(plan: "Plan", *, known: bool = True) -> list[str]:
    settings = own_settings(plan.base, known=known)
    settings.pop("loss", None)  # the variants name the losses
    return [*_as_flags(settings), *_losses(plan.comparison.variants, known=known)]


def _as_flags(settings: Mapping[str, str | list[str]]) -> list[str]:
    values = {key: value if isinstance(value, str) else ",".join(value) for key, value in settings.items()}
    return [f"{FLAGS[key]} {shlex.quote(value)}" for key, value in values.items()]


def _losses(variants: "Mapping[str, LossParameters]", *, known: bool) -> list[str]:
    """Return the flag that names all losses again if one is own code: variants are given as a whole."""
    from tudui.config.plan import variant_name

    if not any(is_own(loss.name) for loss in variants.values()):
        return []
    listed = {}
    for variant, loss in variants.items():
        given = loss.model_dump(mode="json", exclude_defaults=True, exclude={"name", "code"})
        parameters = ";".join(f"{key}={json.dumps(value)}" for key, value in given.items())
        name = typed(loss.name) if known and is_own(loss.name) else loss.name
        listed[variant] = f"{name}:{parameters}" if parameters else name
    plain = all(variant == variant_name(loss) and "," not in loss for variant, loss in listed.items())
    if plain:
        return [f"--losses {shlex.quote(','.join(listed.values()))}"]
    return [f"--set {shlex.quote(f'comparison.variants={json.dumps(listed, ensure_ascii=False)}')}"]
