"""Estimate how long runs take from a few of their steps and one begin and end; only a temporary folder is written."""

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tudui.config import Config
from tudui.data import Dataset, Split, draw_epoch
from tudui.data.cache import only_read
from tudui.errors import DiskError
from tudui.run.disk import DiskNeed, disk_need
from tudui.run.prepare import load_datasets, prepare
from tudui.run.stages import Run
from tudui.run_folder import RunFolder
from tudui.sinks.jsonl import jsonl_sink
from tudui.sinks.several import Sinks
from tudui.training.device import resolve_machine
from tudui.training.engine import fit_together, predict
from tudui.training.step import Lockstep, Training

WARM_UP, MEASURED = 3, 12
SAMPLE = 1000  # images of each split that are evaluated
LOCAL_SINK = "tensorboard"  # others may send what they get


@dataclass(frozen=True)
class Estimate:
    """Approximate seconds on this machine, as busy as it is now."""

    epoch: float  # its steps, evaluation, events and checkpoints
    whole: float  # from the loading of data to the last file
    disk: DiskNeed  # of one run


@dataclass(frozen=True)
class _Stages:
    """Seconds that all runs take beside their steps."""

    begin_and_end: float
    event: float  # every `log.every` steps
    epoch_end: float


def estimate(configs: Sequence[Config]) -> Estimate:
    """Return the seconds that runs of these configs take in lockstep; on a GPU, the step's capture is not included."""
    configs = [resolve_machine(config)[0] for config in configs]
    began = time.perf_counter()
    with only_read():
        trainings = [prepare(config, data) for config, data in zip(configs, load_datasets(configs), strict=True)]
    loading = time.perf_counter() - began
    config, state, data = configs[0], trainings[0].state, trainings[0].data
    disk = disk_need(config, state, data)
    lockstep = Lockstep(trainings)
    step = _step(trainings, lockstep)
    some = _some(data)
    began = time.perf_counter()
    predict(state.network, some.test).sum().item()
    per_image = (time.perf_counter() - began) / len(some.test) * len(configs)
    try:
        beside = _beside_steps(trainings, lockstep, some, step)
    except (OSError, DiskError):  # no temporary folder, or a full one
        beside = _Stages(0.0, 0.0, 0.0)
    left = {name: len(split) - len(some.splits()[name]) for name, split in data.splits().items()}
    events = (state.steps_per_epoch - 1) // config.log.every
    epoch = state.steps_per_epoch * step + events * beside.event + beside.epoch_end
    epoch += per_image * left.get("validation", 0)
    last = sum(number for name, number in left.items() if name != "train" or data.train.clean is not None)
    return Estimate(epoch, loading + beside.begin_and_end + config.train.epochs * epoch + per_image * last, disk)


def _step(trainings: Sequence[Training], lockstep: Lockstep) -> float:
    """Return the median seconds of a step."""
    config, state, data = trainings[0].config, trainings[0].state, trainings[0].data
    draws = [draw_epoch(len(data.train), seed=one.config.seed, epoch=0, data=one.config.data) for one in trainings]
    size, steps = config.train.batch_size, []
    for number in range(WARM_UP + MEASURED):
        first = number % state.steps_per_epoch * size
        if first == 0:
            lockstep.begin_epoch(draws)
        images = min(size, len(data.train) - first)
        began = time.perf_counter()
        lockstep(0, first, images, state.schedule(0), measured=False).tolist()  # waits for the device
        steps.append(time.perf_counter() - began)
    return statistics.median(steps[WARM_UP:])


def _some(data: Dataset) -> Dataset:
    """Return a data set with some images of each split, of all classes even if they are in order."""

    def of(split: Split) -> Split:
        step = -(-len(split) // SAMPLE)
        clean = None if split.clean is None else split.clean[::step]
        rows, targets, index = split.rows[::step], split.targets[::step], split.index[::step]
        return replace(split, rows=rows, targets=targets, index=index, clean=clean)

    parts: dict[str, Any] = {name: of(split) for name, split in data.splits().items()}
    return replace(data, **parts)


def _beside_steps(trainings: Sequence[Training], lockstep: Lockstep, some: Dataset, step: float) -> _Stages:
    """Do the begin, an event, the end of an epoch and the end of the first run, which stands for all."""
    for training in trainings:
        log = training.config.log
        sinks = tuple(name for name in log.sinks if name == LOCAL_SINK)
        log = log.model_copy(update={"every": 1, "sinks": sinks})
        training.config = training.config.model_copy(update={"log": log})
    number, per_event = len(trainings), []
    with TemporaryDirectory(prefix="tudui-") as place, ExitStack() as stack:
        run = Run(replace(trainings[0], data=some), RunFolder(Path(place)))
        run.folder.checkpoints.mkdir()
        began = time.perf_counter()
        run.emit = Sinks([stack.enter_context(jsonl_sink(run.folder.record))], run.open_sinks(stack))
        run.begin()
        begun = time.perf_counter()
        for training in trainings:  # the last steps of an epoch
            training.state.progress.step = max(0, training.state.steps_per_epoch - 2)
        before = begun
        for event, *_ in fit_together(trainings, lockstep):
            assert event is not None, "nothing ends the first run before the loop below"
            trained = time.perf_counter()
            run.take(event)
            done = time.perf_counter()
            per_event.append(max(0.0, trained - before - step + number * (done - trained)))
            before = done
            if event.epoch_done or run.diverged:
                break
        run.end()
        ended = time.perf_counter()
    return _Stages(number * (begun - began + ended - before), per_event[0] * (len(per_event) > 1), per_event[-1])
