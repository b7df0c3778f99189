"""Entry points by name, of Tudui and of other packages; finding one imports nothing."""

import re
from importlib.metadata import EntryPoint, entry_points

from tudui.errors import ConfigError

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,63}")  # it becomes the name of a folder
WHAT_A_NAME_IS = "must be at most 64 letters, digits and + . _ -"


def plug_ins(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name; ConfigError for one whose name is unsafe or taken."""
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        if not SAFE_NAME.fullmatch(point.name):
            raise ConfigError([f"{place(point)}: its name {WHAT_A_NAME_IS}"])
        if point.name in found:
            raise ConfigError([f"{place(point)}: this name is already registered; uninstall one of the packages"])
        found[point.name] = point
    return found


def place(point: EntryPoint) -> str:
    """Return the text for an entry point in an error."""
    return f"entry point {point.group}: {point.name} = {point.value}"
