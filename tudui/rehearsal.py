"""Dry run: the first batches and the first step of a run, without a run folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tudui.config import Config
from tudui.data import EpochDraw, draw_epoch
from tudui.data.cache import only_read
from tudui.distributed import check_shares
from tudui.events import Outliers, WrongLabels
from tudui.files import check_writable
from tudui.losses import in_unit
from tudui.run import Run
from tudui.run.disk import beside_free, check_space, disk_need
from tudui.run.outcome import spoiled_of
from tudui.run.prepare import load_datasets, prepare
from tudui.run_folder import RUNS, RunFolder
from tudui.training.device import resolve_machine
from tudui.training.engine import fit


def _unwritten(config: Config, folder: Path = Path()) -> tuple[Run, EpochDraw, list[str]]:
    """Return a run without a folder before its first step, the draw of its epoch, and the choices for `auto`."""
    config, reasons = resolve_machine(config)
    (data,) = load_datasets([config])
    run = Run(prepare(config, data), RunFolder(folder))
    run.initialise()
    draw = draw_epoch(len(data.train), seed=config.seed, epoch=0, data=config.data)
    return run, draw.to(run.state.network.device), list(reasons.values())


def check(config: Config, folder: Path | None = None, *, resume: bool = False, restart: bool = False) -> dict[str, Any]:
    """Do everything up to and including the first step, write nothing, and return the results as plain values.

    A run's folder that is named is checked as training checks it, and so are its checkpoints if it is to be resumed.
    """
    check_shares(config.train)
    if folder:
        RunFolder(folder).rehearse(resolve_machine(config)[0], resume=resume, restart=restart)
    else:
        check_writable(RUNS)
    every_step = config.log.model_copy(update={"every": 1})
    asked = config
    with only_read():
        run, draw, reasons = _unwritten(config.model_copy(update={"log": every_step}), folder or Path())
    config, data = run.config, run.data
    images, _ = draw.batch(data.train, 0, config.train.batch_size)
    first = next(fit(run.state, data, run.loss, config))
    wrong, need = spoiled_of(data, config.data), disk_need(asked, run.state, data)
    counts = ", ".join(f"{len(split):,} {name}" for name, split in data.splits().items())
    if not resume:
        check_space(need, folder or RUNS)
    if resume:
        run.restore(restart=restart, write=False)
    return {
        "data": f"{data.name}, {counts} {data.noun}s",
        **({"wrong_labels": wrong.text(data.task.names)} if isinstance(wrong, WrongLabels) else {}),
        **({"outliers": wrong.text()} if isinstance(wrong, Outliers) else {}),
        "classes" if data.task.kind == "classes" else "targets": (
            ", ".join(data.task.names[:20]) + (", ..." if data.task.outputs > 20 else "")
        ),
        "batch": f"{list(images.shape)} {images.dtype}",
        "loss": f"{config.loss.name} = {first.loss:.4f} on the first batch",
        **{f"loss.{name}": text for name, text in in_unit(config.loss, data.task).items()},
        "gradient_norm": first.gradient_norm["total"],
        "learning_rate": config.optimizer.lr,
        "steps": run.state.steps_planned,
        "disk": beside_free(need, folder or RUNS),
        "machine": f"{config.device}, {config.precision}, {config.train.threads} threads",
        "notes": [*reasons, *run.cautions, *config.loss.warnings(), *data.notes],
    }


def first_batches(config: Config, count: int) -> Iterator[tuple[torch.Tensor, torch.Tensor, float]]:
    """Yield outputs [B, K] of the untrained network, targets [B] and the mean loss of each of the first batches."""
    run, draw, _ = _unwritten(config)
    size = run.config.train.batch_size
    for number in range(min(count, run.state.steps_per_epoch)):
        images, labels = draw.batch(run.data.train, number * size, (number + 1) * size)
        with torch.no_grad():
            outputs = run.state.network(images)
        yield outputs, labels, float(run.loss(outputs, labels).mean())
