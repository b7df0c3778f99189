"""The runs below a folder, as rows of a table."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tudui.config.yaml_file import read_yaml
from tudui.errors import ConfigError
from tudui.run_folder import RunFolder

TAIL_BYTES = 256 * 1024


@dataclass(frozen=True)
class RunRow:
    """One run; fractions are None where they are not known (yet)."""

    name: str
    status: str  # finished, diverged, or not finished
    loss: str
    data: str
    seed: int
    epochs: int
    validation: float | None
    test: float | None
    seconds: float | None


def list_runs(root: Path) -> list[RunRow]:
    """Return every run below a folder, by name; folders that are no runs are passed over."""
    return [row for path in sorted(root.rglob("config.yaml")) if (row := _row(RunFolder(path.parent), root))]


def _row(folder: RunFolder, root: Path) -> RunRow | None:
    try:
        config = read_yaml(folder.config).values
        name, loss, data, seed = folder.root, config["loss"]["name"], config["data"]["name"], config["seed"]
    except (ConfigError, KeyError, TypeError):
        return None
    shown = name.relative_to(root).as_posix() if name != root else name.name
    try:
        result: dict[str, Any] = json.loads(folder.result.read_text())
    except (OSError, ValueError):
        epoch, validation = _progress(folder)
        return RunRow(shown, "not finished", loss, data, seed, epoch, validation, None, None)

    def accuracy(split: str) -> float | None:
        scores = result.get(split)
        return scores["accuracy"] if scores else None

    return RunRow(
        shown, result["status"], loss, data, seed, result["epochs"], accuracy("validation"), accuracy("test"),
        result["timing"]["seconds"],
    )  # fmt: skip


def _progress(folder: RunFolder) -> tuple[int, float | None]:
    """Return the epochs done and the last validation accuracy of a run that is not finished."""
    for event in _last_events(folder):
        if event.get("event") == "Evaluated" and event.get("split") == "validation":
            return event["epoch"], event["accuracy"]
        if event.get("event") == "StepEnd" and event.get("epoch_done"):
            return event["epoch"], None
    return 0, None


def _last_events(folder: RunFolder) -> Iterator[dict[str, Any]]:
    try:
        with folder.record.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return
    for line in reversed(lines):
        try:
            yield json.loads(line)
        except ValueError:  # the first line may be cut by the seek, the last by a kill
            continue
