"""The names of the data sets; checking a name imports none of them."""

from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path

from tudui.config.plug_ins import folder_name, plug_ins

FOLDER = "folder:"


@cache
def data_sets() -> dict[str, EntryPoint]:
    """Return every registered data set by name, of Tudui and of other packages."""
    return plug_ins("tudui.data_sets")


def default_name(data: str) -> str:
    """Return a data set's part of a folder's name, which is safe in shell commands."""
    return folder_name(Path(data.removeprefix(FOLDER)).resolve().name if data.startswith(FOLDER) else data)
