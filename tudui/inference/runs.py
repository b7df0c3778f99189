"""The runs below a folder, as rows of a table."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from tudui.config.describe import shorten
from tudui.config.load import INSIDE_THE_BAND
from tudui.config.yaml_file import read_yaml
from tudui.errors import ConfigError, DataError, UsageError
from tudui.events import Evaluated, StepEnd
from tudui.files import files_below
from tudui.record import last_lines, read_result
from tudui.run_folder import RunFolder
from tudui.tasks import task_from


@dataclass(frozen=True)
class RunRow:
    """One run; scores are of `metric`, accuracies as fractions; None if not known (yet)."""

    name: str
    status: str  # finished, diverged, not finished, or damaged (unreadable result)
    loss: str
    data: str
    seed: int
    epochs: int
    planned: int  # epochs in all
    validation: float | None
    test: float | None
    seconds: float | None
    differs: str = ""  # settings that tell it from runs of the same loss, data and seed
    metric: str | None = None  # the first of its task
    unit: str | None = None  # of the scores; `%` for accuracies


def runs(folder: str | PathLike[str] = "runs") -> list[RunRow]:
    """Return the runs below a folder, at any depth, by name; UsageError if the folder does not exist."""
    root = Path(folder)
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; name the folder of your runs, or train first: tudui train --loss ce")
    found: list[tuple[RunRow, dict[str, Any]]] = []
    for path in sorted(file for file in files_below(root) if file.name == "config.yaml"):
        with suppress(ConfigError):
            config = read_yaml(path).values
            if row := _row(RunFolder(path.parent), root, config):
                found.append((row, dict(_flat(config))))
    alike: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row, settings in found:
        alike[row.loss, row.data, row.seed].append(settings)
    return [replace(row, differs=_differing(settings, alike[row.loss, row.data, row.seed])) for row, settings in found]


def _flat(values: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        yield from _flat(value, f"{above}{name}.") if isinstance(value, dict) else [(f"{above}{name}", value)]


def _differing(settings: dict[str, Any], alike: list[dict[str, Any]]) -> str:
    """Return the settings that are not the same in all of these runs, apart from those of the machine and files."""
    keys = {key: None for one in alike for key in one if not key.startswith(INSIDE_THE_BAND)}
    differing = [key for key in keys if any(one.get(key) != settings.get(key) for one in alike)]
    return ", ".join(f"{key.rpartition('.')[2]} {shorten(settings.get(key))}" for key in differing)


def _row(folder: RunFolder, root: Path, config: dict[str, Any]) -> RunRow | None:
    try:
        loss, data, seed = (config["loss"]["name"], config["data"]["name"], config["seed"])
        planned = config["train"]["epochs"]
    except (KeyError, TypeError):
        return None
    if not (isinstance(loss, str) and isinstance(data, str) and isinstance(seed, int) and isinstance(planned, int)):
        return None
    name = folder.root.relative_to(root).as_posix() if folder.root != root else folder.root.name
    result, status, test, seconds, metric = None, "not finished", None, None, None
    try:
        result = read_result(folder.result) if folder.result.is_file() else None
    except DataError:
        status = "damaged"
    if result:
        status = result.status
        validation, test = (_first_score(split) for split in (result.validation, result.test))
        epochs, seconds = result.epochs, result.timing.seconds
    else:
        epochs, validation = _progress(folder)
    if result and result.task:
        with suppress(DataError):
            metric = task_from(result.task, name).metrics[0]
    about = {"metric": metric.name, "unit": metric.unit.value} if metric else {}
    return RunRow(name, status, loss, data, seed, epochs, planned, validation, test, seconds, **about)


def _first_score(scores: Mapping[str, float | None] | None) -> float | None:
    """Return the score by the first metric of whatever task."""
    found = scores or {}
    return found.get("accuracy", found.get("absolute_error"))


def _progress(folder: RunFolder) -> tuple[int, float | None]:
    """Return the epochs done and the last validation score of a run that has no result."""
    for line in last_lines(folder.record):
        if isinstance(line, Evaluated) and line.split == "validation":
            return line.epoch, _first_score(line.scores)
        if isinstance(line, StepEnd) and line.epoch_done:
            return line.epoch, None
    return 0, None
