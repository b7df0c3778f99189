"""What packages add to Tudui, its own parts among them: entry points by name; finding one imports nothing."""

import re
from importlib.metadata import EntryPoint, entry_points

from tudui.errors import ConfigError

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,63}")  # it becomes the name of a folder
WHAT_A_NAME_IS = "must be letters, digits and + . _ -, 64 at most"


def plug_ins(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name; ConfigError for one whose name is unsafe or taken."""
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        if not SAFE_NAME.fullmatch(point.name):
            raise ConfigError([f"{place(point)}: its name {WHAT_A_NAME_IS}"])
        if point.name in found:
            raise ConfigError([f"{place(point)}: this name is registered already; uninstall one of the packages"])
        found[point.name] = point
    return found


def place(point: EntryPoint) -> str:
    """Return what is said of an entry point where it is at fault."""
    return f"entry point {point.group}: {point.name} = {point.value}"
