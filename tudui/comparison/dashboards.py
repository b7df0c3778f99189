"""A comparison in TensorBoard: every run under its readable name, and each loss's mean curve on one page."""

import math
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from statistics import fmean

from torch.utils.tensorboard.summary import custom_scalars, scalar

from tudui.comparison.compare import TENSORBOARD, run_events
from tudui.comparison.outcome import Comparison, Row
from tudui.files import disk_errors
from tudui.run_folder import OURS
from tudui.sinks.event_file import event_file


def write_dashboards(comparison: Comparison) -> bool:
    """Replace the folder that `tudui tensorboard COMPARISON` shows.

    False if the runs have no event files, or the disk has no symbolic links.
    """
    if TENSORBOARD not in comparison.rows[0].runs[0].planned.config.log.sinks:
        return False
    target = comparison.folder / TENSORBOARD
    with disk_errors(target):
        target.mkdir(exist_ok=True)
        _remove_ours(target)
    for row in comparison.rows:
        for name in (name for run in row.runs for name in run.folders):
            events = run_events(name)
            if (target / events).is_dir():
                try:
                    (target / name).symlink_to(events)
                except FileExistsError:  # the user's
                    continue
                except OSError:
                    _remove_ours(target)
                    return False
        _write_means(row, target / f"{row.name}-mean")
    return True


def _remove_ours(folder: Path) -> None:
    """Delete what an earlier report wrote: links to runs (in a copied comparison maybe folders) and mean curves."""
    for path in folder.iterdir():
        if path.is_symlink():
            path.unlink()
        elif path.name.endswith("-mean") or (folder / run_events(path.name)).is_dir():
            for file in path.glob(f"*{OURS}"):
                file.unlink()
            with suppress(OSError):  # it contains something of the user
                path.rmdir()


def _write_means(row: Row, folder: Path) -> None:
    """Write a loss's mean curves; the folder's name comes before its seeds, so that its charts come first."""
    first = row.runs[0].task.metrics[0]
    validation, test, gradient = (defaultdict[int, list[float]](list) for _ in range(3))
    for run in row.runs:
        last = run.training[-1]
        for epoch, value, _ in run.validation:
            validation[round(epoch / last.epochs_planned * last.steps_planned)].append(value)
        for event in run.training:
            if math.isfinite(norm := event.gradient_norm["total"]):
                gradient[event.step].append(norm)
        if run.test is not None:
            test[last.step].append(run.test.scores[first.name])
    curves = {
        f"{first.name}_validation": (f"validation {first.title}, mean over the seeds", validation),
        f"{first.name}_test": (f"test {first.title} of the last weights, mean over the seeds", test),
        "gradient_norm": ("norm of the whole gradient, mean over the seeds", gradient),
    }
    layout = {title: ["Multiline", [f"compared/{name}"]] for name, (title, _) in curves.items()}
    with event_file(folder) as events:
        events.add(custom_scalars({"losses compared": layout}))
        for name, (_, curve) in curves.items():
            for step, values in sorted(curve.items()):
                events.add(scalar(f"compared/{name}", fmean(values)), step)
