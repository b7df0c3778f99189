"""The names of the data sets, and what each contains; to know this, none of them is imported."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any, Literal, NamedTuple

from tudui.config.plug_ins import plug_ins

FOLDER = "folder:"
TaskKind = Literal["classes", "numbers"]
InputKind = Literal["images", "table"]


class Kind(NamedTuple):
    """What targets and inputs are."""

    task: TaskKind = "classes"
    input: InputKind = "images"


@cache
def data_sets() -> dict[str, EntryPoint]:
    """Return every registered data set by name, of Tudui and of other packages."""
    return plug_ins("tudui.data_sets")


def kind_of(data: Mapping[str, Any]) -> Kind:
    """Return the kind of a data set from the section `data`, which is not checked yet; images in classes if unknown.

    The extras of an entry point say it: `NAME = "MODULE:FUNCTION [numbers,table]"`.
    """
    point = data_sets().get(name) if isinstance(name := data.get("name"), str) else None
    extras = point.extras if point else ()
    return Kind("numbers" if "numbers" in extras else "classes", "table" if "table" in extras else "images")
