"""A comparison in TensorBoard: every run under its readable name, and each loss's mean curve on one page."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from statistics import fmean

from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard.summary import hparams, scalar

from tudui.blocks import charted, norm_of, title_of
from tudui.comparison.compare import TENSORBOARD, run_events
from tudui.comparison.outcome import Comparison, Row
from tudui.files import disk_errors
from tudui.run_folder import OURS
from tudui.sinks.event_file import event_file
from tudui.sinks.named.tensorboard import hyper_parameters, one_tag_charts


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
        _write_means(row, target / f"{row.name}-mean", _columns(comparison))
    return True


def _columns(comparison: Comparison) -> Summary:
    """Return the columns of HParams: the settings that differ, then the metric of the verdicts."""
    values = [hyper_parameters(run.planned.config) for row in comparison.rows for run in row.runs]
    settings = {name: {of[name] for of in values if name in of} for name in dict.fromkeys(chain(*values))}
    differ = {name: found for name, found in settings.items() if len(found) > 1 and not _follows(name, values)}
    # of two types, for example true_class_weight: text for TensorBoard, without a filter
    domains = {name: sorted(found) for name, found in differ.items() if len({type(value) for value in found}) == 1}
    samples = {name: max(found, key=lambda value: isinstance(value, str)) for name, found in differ.items()}
    metrics = dict.fromkeys(metric.name for metric in (comparison.metric, *comparison.task.metrics))
    tags = [f"{name}/{split}" for name in metrics for split in ("test", "validation")]
    experiment, *_ = hparams(samples, dict.fromkeys(tags, 0.0), domains)
    return experiment


def _follows(name: str, values: Sequence[Mapping[str, str | float]]) -> bool:
    """Return whether a setting is a parameter of the loss that differs only because the loss does."""
    pairs = {(of["loss.name"], of.get(name)) for of in values}
    return name.startswith("loss.") and name != "loss.name" and len(pairs) == len(dict(pairs))


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


def _write_means(row: Row, folder: Path, columns: Summary) -> None:
    """Write a loss's mean curves; the folder's name comes before its seeds, so that its charts come first."""
    first = row.runs[0].task.metrics[0]
    blocks = {"total": ["total"], **charted(list(row.runs[0].training[0].update_ratio))}
    curves: dict[str, defaultdict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in row.runs:
        last = run.training[-1]
        for epoch, value, _ in run.validation:
            curves[f"{first.name}_validation"][round(epoch / last.epochs_planned * last.steps_planned)].append(value)
        for event in run.training:
            for block, layers in blocks.items():
                if math.isfinite(norm := norm_of(event.gradient_norm, layers)):
                    curves[f"gradient_norm/{block}"][event.step].append(norm)
    titles = {
        f"{first.name}_validation": f"validation {first.title}",
        "gradient_norm/total": "norm of the whole gradient",
    }
    charts = {
        "losses compared: means over the seeds": {title: f"compared/{name}" for name, title in titles.items()},
        "losses compared: gradient norm by layer": {
            title_of(block, row.runs[0].kinds): f"compared/gradient_norm/{block}"
            for block in blocks
            if block != "total"
        },
    }
    with event_file(folder) as events:
        events.add(columns)
        events.add(one_tag_charts(charts))
        for name, curve in curves.items():
            for step, values in sorted(curve.items()):
                events.add(scalar(f"compared/{name}", fmean(values)), step)
