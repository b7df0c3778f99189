"""Where data sets are found: the entry points `tudui.data_sets`, by name; checking a name imports none of them."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from tudui.config.loss_spec import SAFE_NAME
from tudui.errors import ConfigError

ENTRY_POINTS = "tudui.data_sets"
FOLDER = "folder:"


@cache
def data_sets() -> dict[str, EntryPoint]:
    """Return every registered data set by name, Tudui's own and those of other packages."""
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        if not SAFE_NAME.fullmatch(point.name):
            raise ConfigError([f"{place(point)}: its name must be letters, digits and + . _ -, 64 at most"])
        if point.name in found:
            raise ConfigError(
                [f"{place(point)}: a data set of this name is registered already; uninstall one of the packages"]
            )
        found[point.name] = point
    return found


def place(point: EntryPoint) -> str:
    """Return what is said of an entry point where it is at fault."""
    return f"entry point {ENTRY_POINTS}: {point.name} = {point.value}"
