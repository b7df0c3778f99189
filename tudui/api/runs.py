"""Which runs there are."""

from pathlib import Path

from tudui.api.configs import Named
from tudui.errors import UsageError
from tudui.inference.runs import RunRow as RunRow
from tudui.inference.runs import list_runs


def runs(folder: Named = "runs") -> list[RunRow]:
    """Return the runs below a folder, at any depth, by name; UsageError if the folder does not exist."""
    if not Path(folder).is_dir():
        raise UsageError(f"{folder}: no such folder; train first, or name the folder of your runs")
    return list_runs(Path(folder))
