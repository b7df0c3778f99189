"""A comparison in TensorBoard: every run under its readable name, and each loss's mean curve on one page."""

import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from torch.utils.tensorboard.summary import custom_scalars, scalar

from tudui.comparison.collect import Cell, Comparison
from tudui.comparison.compare import RUNS
from tudui.files import refuse_links
from tudui.run_folder import RunFolder
from tudui.sinks.event_file import event_file

TENSORBOARD = "tensorboard"
# Tags that only the means have, so that a chart of one has one line per loss.
CURVES = {
    "compared/accuracy_validation": "validation accuracy, mean over the seeds",
    "compared/accuracy_test": "test accuracy of the last weights, mean over the seeds",
    "compared/gradient_norm": "norm of the whole gradient, mean over the seeds",
}


def write_dashboards(comparison: Comparison) -> bool:
    """Make the folder that `tudui tensorboard COMPARISON` shows, anew.

    False where the runs have no event files, or the disk has no symbolic links.
    """
    if not comparison.cells[0].runs[0].planned.config.log.tensorboard:
        return False
    target = comparison.folder / TENSORBOARD
    refuse_links(target)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for cell in comparison.cells:
        for run in cell.runs:
            events = RunFolder(comparison.folder / RUNS / run.planned.name).tensorboard
            if events.is_dir():
                try:
                    (target / run.planned.name).symlink_to(os.path.relpath(events, target))
                except OSError:
                    shutil.rmtree(target)
                    return False
        _write_means(cell, target / f"{cell.name}-mean")
    return True


def _write_means(cell: Cell, folder: Path) -> None:
    """Write a loss's curves under a name that comes before its seeds: the first layout's charts come first."""
    layout = {title: ["Multiline", [tag]] for tag, title in CURVES.items()}
    with event_file(folder) as events:
        events.add(custom_scalars({"losses compared": layout}))
        for tag, curve in _curves(cell).items():
            for step, values in sorted(curve.items()):
                events.add(scalar(tag, fmean(values)), step)


def _curves(cell: Cell) -> Mapping[str, Mapping[int, list[float]]]:
    """Return by tag and step the values of all seeds."""
    curves: dict[str, dict[int, list[float]]] = {tag: {} for tag in CURVES}
    accuracy, test, gradient = curves.values()
    for run in cell.runs:
        last = run.training[-1]
        for epoch, value, _ in run.validation:
            accuracy.setdefault(round(epoch / last["epoch"] * last["step"]), []).append(value)
        for entry in run.training:
            if math.isfinite(norm := entry["gradient_norm"]["total"]):
                gradient.setdefault(entry["step"], []).append(norm)
        if run.test is not None:
            test.setdefault(last["step"], []).append(run.test["accuracy"])
    return curves
