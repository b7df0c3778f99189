"""The parts that a config names: modules of Tudui, and entry points of other packages. Finding them loads no part."""

import pkgutil
import re
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from tudui.errors import ConfigError

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+=._-]{0,63}")  # it becomes the name of a folder
WHAT_A_NAME_IS = "must be at most 64 letters, digits and + = . _ -"


def folder_name(text: str) -> str:
    """Return a text, for example `net.py:loss`, as the name of a folder that is safe in shell commands."""
    return re.sub(r"[^\w+=.-]+", "-", text)


def room_modules(room: str) -> list[str]:
    """Return the names of the modules in a package of Tudui, for example `tudui.losses`."""
    return [found.name for found in pkgutil.iter_modules(import_module(room).__path__)]


def plug_ins(group: str, taken: Iterable[str] = ()) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name; ConfigError for one whose name is unsafe or taken."""
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        if not SAFE_NAME.fullmatch(point.name):
            raise ConfigError([f"{place(point)}: its name {WHAT_A_NAME_IS}"])
        if point.name in found or point.name in taken:
            raise ConfigError([f"{place(point)}: this name is already registered; uninstall one of the packages"])
        found[point.name] = point
    return found


def sink_names() -> list[str]:
    """Return what `log.sinks` can name; a sink's name is also that of its folder in the run's."""
    own = room_modules("tudui.sinks.named")
    return [*own, *plug_ins("tudui.sinks", taken=[*own, "checkpoints"])]


def load(point: EntryPoint) -> Any:
    """Return what an entry point names; ConfigError if that fails."""
    try:
        return point.load()
    except Exception as error:  # another package's import may fail in any way
        raise ConfigError([f"{place(point)}: failed to load: {error}; fix or uninstall the package"]) from error


def place(point: EntryPoint) -> str:
    """Return the text for an entry point in an error."""
    return f"entry point {point.group}: {point.name} = {point.value}"
