"""Completion of values with the TAB key; nothing here imports torch."""

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from tudui.errors import TuduiError

RUNS = Path("runs")  # default folder of runs
# zsh evaluates what is offered and bash inserts it unquoted; their own completion of files quotes all other names
SAFE = re.compile(r"[\w./:+,=@][\w./:+,=@-]*")


def _offered(complete: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """Keep the values that are safe in a shell; keep none if a plug-in fails to load, which the command reports."""

    @wraps(complete)
    def checked(incomplete: str) -> list[str]:
        try:
            return [value for value in complete(incomplete) if SAFE.fullmatch(value)]
        except TuduiError:
            return []

    return checked


@_offered
def losses(incomplete: str) -> list[str]:
    """Return the matching losses; the modules of other packages are not loaded."""
    from tudui.config.loss_spec import ROOM, LossSpec
    from tudui.config.parts import names_of

    return _matching(incomplete, names_of(ROOM, LossSpec))


@_offered
def networks(incomplete: str) -> list[str]:
    """Return the matching networks; the modules of other packages are not loaded."""
    from tudui.config.network_spec import ROOM, NetworkSpec
    from tudui.config.parts import names_of

    return _matching(incomplete, names_of(ROOM, NetworkSpec))


@_offered
def several_losses(incomplete: str) -> list[str]:
    """Return the same for the last of several names separated by commas."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in losses(last)]


@_offered
def data_sets(incomplete: str) -> list[str]:
    """Return the matching data sets, `folder:` with matching folders, or `table:` with matching CSV files."""
    from tudui.config.data_sets import FOLDER, TABLE
    from tudui.config.data_sets import data_sets as known

    if incomplete.startswith(FOLDER):
        return [f"{FOLDER}{path}" for path in _folders(incomplete.removeprefix(FOLDER))]
    if incomplete.startswith(TABLE):
        path = incomplete.removeprefix(TABLE)
        return [f"{TABLE}{found}" for found in (*_matching(path, _files(path, "*.csv")), *_folders(path))]
    return _matching(incomplete, {*known(), FOLDER, TABLE})


@_offered
def shipped(incomplete: str) -> list[str]:
    """Return the matching shipped configs and plans of comparisons."""
    from tudui.config.shipped import shipped_configs, shipped_plans

    return _matching(incomplete, {*shipped_configs(), *shipped_plans()})


@_offered
def runs(incomplete: str) -> list[str]:
    """Return the matching run folders; those below runs/ from its first letter on."""
    return _with_file("config.yaml", incomplete)


@_offered
def comparisons(incomplete: str) -> list[str]:
    """Return the same for the folders of comparisons."""
    return _with_file("plan.yaml", incomplete)


def runs_and_comparisons(incomplete: str) -> list[str]:
    """Return both."""
    return runs(incomplete) + comparisons(incomplete)


@_offered
def settings(incomplete: str) -> list[str]:
    """Return the matching keys for `--set`, each with an equals sign."""
    from tudui.config.describe import known_keys
    from tudui.config.loss_spec import loss_specs
    from tudui.config.schema import Config

    of_losses = {f"loss.{name}" for spec in loss_specs().values() for name in spec.parameters.model_fields}
    return _matching(incomplete, {f"{key}=" for key in {*known_keys(Config), *of_losses}})


def _matching(incomplete: str, words: set[str]) -> list[str]:
    return sorted(word for word in words if word.startswith(incomplete))


def _with_file(name: str, incomplete: str) -> list[str]:
    near = RUNS if RUNS.as_posix().startswith(incomplete) else Path(incomplete)
    top = near if near.is_dir() else near.parent
    found = {path.parent.as_posix() for depth in ("", "*/", "*/*/") for path in top.glob(f"{depth}{name}")}
    return _matching(incomplete.removeprefix("./"), found)


def _folders(incomplete: str) -> list[str]:
    return _matching(incomplete, {path for path in _files(incomplete, "*/") if Path(path).is_dir()})


def _files(incomplete: str, pattern: str) -> set[str]:
    top = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    return {path.as_posix() for path in top.glob(pattern)}
