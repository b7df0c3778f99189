"""The names of the data sets, and what each contains; to know this, none of them is imported."""

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tudui.config.plug_ins import plug_ins
from tudui.csv_file import open_csv
from tudui.errors import TuduiError

FOLDER = "folder:"
TABLE = "table:"
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

    The extras of an entry point say it: `NAME = "MODULE:FUNCTION [numbers,table]"`. Of a CSV file, the first rows do.
    """
    if (found := _table_in(data)) is not None:
        task = _task_in(*found)
        return Kind(task, "images" if data.get("labels") else "table")
    point = data_sets().get(name) if isinstance(name := data.get("name"), str) else None
    extras = point.extras if point else ()
    return Kind("numbers" if "numbers" in extras else "classes", "table" if "table" in extras else "images")


def _table_in(data: Mapping[str, Any]) -> tuple[str, bool, tuple[str, ...], tuple[str, ...]] | None:
    """Return the CSV file with the targets, whether it lists images, the targets, and columns of texts; or None."""
    name, labels = data.get("name"), data.get("labels")
    listing = isinstance(name, str) and name.startswith(FOLDER) and isinstance(labels, str)
    if not listing and not (isinstance(name, str) and name.startswith(TABLE)):
        return None
    target, text = ((one,) if isinstance(one := data.get(key), str) else one for key in ("target", "text"))
    path = str(labels) if listing else str(name).removeprefix(TABLE)
    return os.path.expanduser(path), listing, *(tuple(map(str, one or ())) for one in (target, text))


def _task_in(path: str, listing: bool, target: tuple[str, ...], text: tuple[str, ...]) -> TaskKind:
    """Return whether the targets in a CSV file are classes or numbers; classes if it cannot be read."""
    with suppress(OSError, ValueError):
        return _task_of_version(path, os.stat(path).st_mtime_ns, listing, target, text)
    return "classes"


@cache
def _task_of_version(
    path: str, version: int, listing: bool, target: tuple[str, ...], text: tuple[str, ...]
) -> TaskKind:
    with suppress(TuduiError):  # reading the data reports it
        file = open_csv(Path(path))
        first = next(file.chunks(), None)
        found = file.targets(first, target, text, listing=listing) if first else []
        return "numbers" if found and all(one.kind == "numbers" for one in found) else "classes"
    return "classes"
