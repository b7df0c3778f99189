"""Estimate how long runs take from a few of their steps; nothing is written."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tudui.config import Config
from tudui.data import draw_epoch
from tudui.data.cache import only_read
from tudui.run.disk import DiskNeed, disk_need
from tudui.run.prepare import load_datasets, prepare
from tudui.training.device import resolve_machine
from tudui.training.engine import predict
from tudui.training.step import Lockstep

WARM_UP, MEASURED = 3, 12
START_UP = 3.0  # seconds until a worker process has loaded torch, once per job


@dataclass(frozen=True)
class Estimate:
    """Approximate seconds on a quiet machine."""

    epoch: float  # the steps of one epoch, and its evaluation
    whole: float  # loading, every step and every evaluation
    disk: DiskNeed  # of one run


def estimate(configs: Sequence[Config]) -> Estimate:
    """Return the seconds that runs of these configs take in lockstep; on a GPU, the step's capture is not included."""
    configs = [resolve_machine(config)[0] for config in configs]
    began = time.perf_counter()
    with only_read():
        trainings = [prepare(config, data) for config, data in zip(configs, load_datasets(configs), strict=True)]
    loading = time.perf_counter() - began
    config, state, data = configs[0], trainings[0].state, trainings[0].data
    lockstep = Lockstep(trainings)
    draws = [draw_epoch(len(data.train), seed=one.seed, epoch=0, data=one.data) for one in configs]
    size, steps = config.train.batch_size, []
    for number in range(WARM_UP + MEASURED):
        first = number % state.steps_per_epoch * size
        if first == 0:
            lockstep.begin_epoch(draws)
        images = min(size, len(data.train) - first)
        began = time.perf_counter()
        lockstep(0, first, images, state.schedule(0), measured=False).tolist()  # waits for the device
        steps.append(time.perf_counter() - began)
    began = time.perf_counter()
    predict(state.network, data.test).sum().item()
    per_image = (time.perf_counter() - began) / len(data.test) * len(configs)
    epoch = state.steps_per_epoch * statistics.median(steps[WARM_UP:]) + per_image * len(data.validation or ())
    last = len(data.test) + len(data.validation or ()) + (len(data.train) if data.train.clean is not None else 0)
    disk = disk_need(config, state, data)
    return Estimate(epoch, loading + config.train.epochs * epoch + per_image * last, disk)
