"""The names of the data sets; checking a name imports none of them."""

from functools import cache
from importlib.metadata import EntryPoint

from tudui.config.plug_ins import plug_ins

FOLDER = "folder:"


@cache
def data_sets() -> dict[str, EntryPoint]:
    """Return every registered data set by name, of Tudui and of other packages."""
    return plug_ins("tudui.data_sets")
