"""The names of the data sets, and what each contains; to know this, none of them is imported."""

import os
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tudui.config.plug_ins import folder_name, plug_ins
from tudui.errors import TuduiError

FOLDER = "folder:"
TABLE = "table:"
TaskKind = Literal["classes", "numbers"]
InputKind = Literal["images", "table"]


class Kind(NamedTuple):
    """What targets and inputs are."""

    task: TaskKind = "classes"
    input: InputKind = "images"

    @property
    def samples(self) -> str:
        """What samples are called: images, or rows of a table."""
        return "rows" if self.input == "table" else "images"


@cache
def data_sets() -> dict[str, EntryPoint]:
    """Return every registered data set by name, of Tudui and of other packages."""
    return plug_ins("tudui.data_sets")


def path_in(name: str) -> tuple[str, str]:
    """Return `folder:` or `table:` and the path after it; an empty text and the name for another data set."""
    kind = next((kind for kind in (FOLDER, TABLE) if name.startswith(kind)), "")
    return kind, name.removeprefix(kind)


def short_name(name: str) -> str:
    """Return the name of a data set; of a folder or a file its own, without ending."""
    kind, path = path_in(name)
    return Path(path).stem if kind == TABLE else Path(path).resolve().name if kind else name


def kind_of(data: Mapping[str, Any], *, sure: bool = False) -> Kind:
    """Return the kind of a data set from the section `data`, which is not checked yet; images in classes if unknown.

    The extras of an entry point say it: `NAME = "MODULE:FUNCTION [numbers,table]"`. Of a CSV file, the first rows do;
    if these cannot be read, reading the data says why, or with `sure` this does.
    """
    called, labels = (str(data.get(key) or "") for key in ("name", "labels"))
    listing = bool(labels) and called.startswith(FOLDER)
    if listing or called.startswith(TABLE):
        target, text = (data.get(key) or () for key in ("target", "text"))
        about = [(one,) if isinstance(one, str) else tuple(map(str, one)) for one in (target, text)]
        task: TaskKind = "classes"
        with nullcontext() if sure else suppress(TuduiError):
            task = _task_in(labels if listing else called.removeprefix(TABLE), listing, *about)
        return Kind(task, "images" if listing else "table")
    point = data_sets().get(name) if isinstance(name := data.get("name"), str) else None
    extras = point.extras if point else ()
    return Kind("numbers" if "numbers" in extras else "classes", "table" if "table" in extras else "images")


def default_name(data: str) -> str:
    """Return a data set's part of a folder's name, which is safe in shell commands."""
    return folder_name(short_name(data))


def _task_in(path: str, listing: bool, target: tuple[str, ...], text: tuple[str, ...]) -> TaskKind:
    """Return whether the targets in a CSV file are classes or numbers; TuduiError if it cannot be read."""
    found, version = Path(os.path.expanduser(path)), 0  # noqa: PTH111  # leaves ~ if there is no home folder
    with suppress(OSError, ValueError):
        version = found.stat().st_mtime_ns
    return _task_of_version(found, version, listing, target, text)


@cache
def _task_of_version(
    path: Path, version: int, listing: bool, target: tuple[str, ...], text: tuple[str, ...]
) -> TaskKind:
    from tudui.csv_file import open_csv

    file = open_csv(path)
    first = next(file.chunks(), None)
    found = file.targets(first, target, text, listing=listing) if first else []
    return "numbers" if found and all(one.kind == "numbers" for one in found) else "classes"
