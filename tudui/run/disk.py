"""The disk space that runs need, before their first step."""

import io
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tudui.blocks import blocks_of
from tudui.config import Config
from tudui.data import Dataset
from tudui.errors import DiskError
from tudui.events import Evaluated, Event, Histogram, RunStarted, StepEnd, Timing, to_json
from tudui.files import json_text
from tudui.losses import build_loss
from tudui.sinks import RunInfo
from tudui.tasks import Numbers
from tudui.training.engine import score
from tudui.training.gradients import BINS, layer_names
from tudui.training.state import TrainState

NUMBER = 0.12345678901234567  # as long as most values of a record
OF_A_TENSOR, OF_A_CHECKPOINT = 400, 8_000  # bytes besides the numbers
SURE = 0.7  # of an estimate: below it the disk is certainly too small


@dataclass(frozen=True, kw_only=True)
class DiskNeed:
    """Bytes of a run, or of several."""

    checkpoint: int  # one file
    kept: int  # checkpoints
    record: int
    events: int  # of TensorBoard

    @property
    def total(self) -> int:
        """All files of a run, while one more checkpoint is written."""
        return self.checkpoint * (self.kept + 1) + self.record + self.events

    def text(self, runs: int = 1) -> str:
        """Return the parts in one line."""
        of_all = f"{runs:,} runs, each " if runs > 1 else ""
        events = f", event files {in_bytes(self.events)}" if self.events else ""
        return (
            f"{in_bytes(self.of_all(runs))}: {of_all}{self.kept} checkpoints of {in_bytes(self.checkpoint)} and one "
            f"that is being written, record {in_bytes(self.record)}{events}"
        )

    def of_all(self, runs: int) -> int:
        """Return the bytes of some such runs; one writes a checkpoint at a time."""
        return runs * (self.total - self.checkpoint) + self.checkpoint


def in_bytes(number: float) -> str:
    """Return a number of bytes in kB, MB or GB."""
    unit, size = next(((unit, size) for unit, size in (("GB", 1e9), ("MB", 1e6)) if number >= size), ("kB", 1e3))
    return f"{number / size:.3g} {unit}"


def free_space(folder: Path) -> int:
    """Return the free bytes of the disk on which a folder is or will be."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def beside_free(need: DiskNeed, folder: Path, runs: int = 1) -> str:
    """Return what runs need, and how much is free, in one line."""
    return f"{need.text(runs)}; {in_bytes(free_space(folder))} free"


def check_space(need: DiskNeed, folder: Path, runs: int = 1) -> None:
    """Raise DiskError if the disk is certainly too small."""
    free = free_space(folder)
    if free < SURE * need.of_all(runs):
        what = "the runs need" if runs > 1 else "the run needs"
        raise DiskError(
            f"{folder}: {what} about {need.text(runs)}; only {in_bytes(free)} are free; "
            f"free some space or choose another folder"
        )


def disk_need(config: Config, state: TrainState, data: Dataset, *, whole: bool = True) -> DiskNeed:
    """Return what a run needs; without `whole`, only its checkpoints, which is fast."""
    kept = 2 + (config.checkpoint.best and data.validation is not None)
    tensors = {tensor.data_ptr(): tensor for tensor in _tensors(state.state_dict())}
    checkpoint = sum(tensor.nbytes for tensor in tensors.values()) + OF_A_TENSOR * len(tensors) + OF_A_CHECKPOINT
    record, events = _sizes(config, state, data) if whole else (0, 0)
    return DiskNeed(checkpoint=checkpoint, kept=kept, record=record, events=events)


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, dict | list | tuple):
        for value in values.values() if isinstance(values, dict) else values:
            yield from _tensors(value)


def _sizes(config: Config, state: TrainState, data: Dataset) -> tuple[int, int]:
    """Return the bytes of the record and of the event file, from one event of each kind."""
    epochs, points = config.train.epochs, math.ceil(state.steps_per_epoch / config.log.every)
    detailed, model = epochs // config.log.details_every, state.network.model
    file, emit = io.BytesIO(), None
    if "tensorboard" in config.log.sinks:
        from tudui.sinks.event_file import EventFile
        from tudui.sinks.named.tensorboard import emitter

        run = RunInfo(folder=Path(), config=config, data=data, model=model, last_step=0)
        emit = emitter(EventFile(Path(), file, heading=()), run)
    sizes = [0, 0]
    events: list[tuple[Event, int]] = [
        (_started(config), 1),
        (_step_end(layer_names(model), data, {}), epochs * points - detailed),
        (_step_end(layer_names(model), data, _histograms(model)), detailed),
        *((_evaluated(config, data, "validation", shown), number) for shown, number in _validations(config, data)),
        (_evaluated(config, data, "test", config.log.images), 1),
    ]
    for event, times in events:
        before = file.tell()
        if emit:
            emit(event)
        sizes[0] += times * (len(json_text(to_json(event))) + 1)
        sizes[1] += times * (file.tell() - before)
    return sizes[0], sizes[1]


def _validations(config: Config, data: Dataset) -> list[tuple[int, int]]:
    """Return how many predictions are shown, and in how many epochs, with details and without."""
    if data.validation is None:
        return []
    detailed = config.train.epochs // config.log.details_every
    return [(config.log.images, detailed), (0, config.train.epochs - detailed)]


def _started(config: Config) -> RunStarted:
    nothing: Any = {"name": "", "parameters": 0, "task": {}, "images": {}, "steps_planned": 0, "hashes": {}}
    return RunStarted(config=config.model_dump(mode="json"), **nothing)


def _step_end(layers: Sequence[str], data: Dataset, histograms: dict[str, Histogram]) -> StepEnd:
    scores = {data.task.metrics[0].name: NUMBER}
    return StepEnd(
        epoch=1, step=100, epochs_planned=10, steps_planned=1000, loss=NUMBER, scores=scores, epoch_loss=NUMBER,
        epoch_scores=scores, learning_rate=NUMBER, gradient_norm=dict.fromkeys(("total", *layers), NUMBER),
        update_ratio=dict.fromkeys(layers, NUMBER), epoch_done=False, histograms=histograms,
        timing=Timing(seconds=NUMBER, images_per_second=NUMBER),
    )  # fmt: skip


def _histograms(model: torch.nn.Module) -> dict[str, Histogram]:
    edges = tuple(NUMBER * edge for edge in range(BINS + 1))
    one = Histogram(edges=edges, counts=(100,) * BINS, total=NUMBER, total_of_squares=NUMBER)
    blocks = blocks_of([name for name, _ in model.named_parameters()])
    return {f"{kind}/{block}": one for kind in ("gradient", "weight") for block in blocks}


def _evaluated(config: Config, data: Dataset, split: str, shown: int) -> Evaluated:
    """Return the scores of outputs that are mostly right: a forward pass would take longer than everything else."""
    task, targets = data.task, data.splits()[split].targets.cpu()
    outputs = torch.randn(len(targets), task.outputs, generator=torch.Generator().manual_seed(0))
    if isinstance(task, Numbers):
        outputs += task.scaled(targets)
    else:
        outputs[torch.arange(len(targets)), targets] += 3
    loss = build_loss(config.loss, task)
    return score(outputs, targets, task=task, loss=loss, losses={}, split=split, predictions_shown=shown)
