"""What the TAB key offers behind a flag; each answers without torch."""

from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path

from tudui.errors import TuduiError

RUNS = Path("runs")  # where runs are unless their folder was named


def _or_nothing(complete: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """Let a function answer nothing where a package's part does not load, which the commands say."""

    @wraps(complete)
    def answer(incomplete: str) -> list[str]:
        try:
            return complete(incomplete)
        except TuduiError:
            return []

    return answer


@_or_nothing
def losses(incomplete: str) -> list[str]:
    """Return the losses that begin so; their modules are not loaded for it."""
    from tudui.config.loss_spec import ENTRY_POINTS
    from tudui.config.plug_ins import plug_ins

    return _beginning(incomplete, set(plug_ins(ENTRY_POINTS)))


def several_losses(incomplete: str) -> list[str]:
    """Return the same for the last of several names between commas."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in losses(last)]


@_or_nothing
def data_sets(incomplete: str) -> list[str]:
    """Return the data sets that begin so, or `folder:` with the folders that do."""
    from tudui.config.data_sets import FOLDER
    from tudui.config.data_sets import data_sets as known

    if incomplete.startswith(FOLDER):
        return [f"{FOLDER}{path}" for path in _folders(incomplete.removeprefix(FOLDER))]
    return _beginning(incomplete, {*known(), FOLDER})


def shipped(incomplete: str) -> list[str]:
    """Return the shipped configs and plans of comparisons that begin so."""
    from tudui.config.shipped import shipped_configs, shipped_plans

    return _beginning(incomplete, {*shipped_configs(), *shipped_plans()})


def runs(incomplete: str) -> list[str]:
    """Return the run folders whose path begins so; those below runs/ from its first letter on."""
    return _with_file("config.yaml", incomplete)


def comparisons(incomplete: str) -> list[str]:
    """Return the same for the folders of comparisons."""
    return _with_file("plan.yaml", incomplete)


@_or_nothing
def settings(incomplete: str) -> list[str]:
    """Return the keys for `--set` that begin so, each with its equals sign."""
    from tudui.config.describe import known_keys
    from tudui.config.loss_spec import loss_specs
    from tudui.config.schema import Config

    of_losses = {f"loss.{name}" for spec in loss_specs().values() for name in spec.parameters.model_fields}
    return _beginning(incomplete, {f"{key}=" for key in {*known_keys(Config), *of_losses}})


def _beginning(incomplete: str, words: set[str]) -> list[str]:
    return sorted(word for word in words if word.startswith(incomplete))


def _with_file(name: str, incomplete: str) -> list[str]:
    near = RUNS if RUNS.as_posix().startswith(incomplete) else Path(incomplete)
    top = near if near.is_dir() else near.parent
    found = {path.parent.as_posix() for depth in ("", "*/", "*/*/") for path in top.glob(f"{depth}{name}")}
    return _beginning(incomplete.removeprefix("./"), found)


def _folders(incomplete: str) -> Iterator[str]:
    top = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    for path in sorted(top.glob("*/")):
        if path.is_dir() and path.as_posix().startswith(incomplete):
            yield path.as_posix()
