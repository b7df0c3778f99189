"""Estimate a comparison's duration from a few steps of its first runs; nothing is written."""

import statistics
import time
from collections.abc import Sequence

from tudui.comparison.runs import PlannedRun
from tudui.data import draw_epoch
from tudui.run.prepare import load_datasets, prepare, uncached
from tudui.training.device import resolve_machine
from tudui.training.engine import predict
from tudui.training.step import Lockstep

WARM_UP, MEASURED = 3, 12
START_UP = 3.0  # seconds until a worker process has loaded torch, once per job


def seconds_of(runs: Sequence[PlannedRun]) -> float:
    """Return the approximate seconds that the runs take in lockstep on a quiet machine: loading, steps, evaluation.

    On a GPU, the capture of the step is not included.
    """
    configs = [uncached(resolve_machine(run.config)[0]) for run in runs]
    began = time.perf_counter()
    trainings = [prepare(config, data) for config, data in zip(configs, load_datasets(configs), strict=True)]
    loading = time.perf_counter() - began
    config, state, data = configs[0], trainings[0].state, trainings[0].data
    lockstep = Lockstep(trainings)
    lockstep.begin_epoch([draw_epoch(len(data.train), seed=one.seed, epoch=0, data=one.data) for one in configs])
    size, steps = config.train.batch_size, []
    for number in range(WARM_UP + MEASURED):
        first = number % state.steps_per_epoch * size
        images = min(size, len(data.train) - first)
        began = time.perf_counter()
        lockstep(0, first, images, state.schedule(0), measured=False).tolist()  # waits for the device
        steps.append(time.perf_counter() - began)
    began = time.perf_counter()
    predict(state.network, data.test).sum().item()
    per_image = (time.perf_counter() - began) / len(data.test)
    evaluated = len(data.test) + (config.train.epochs + 1) * len(data.validation or ())
    if data.train.clean is not None:
        evaluated += len(data.train)
    return loading + state.steps_planned * statistics.median(steps[WARM_UP:]) + per_image * evaluated * len(runs)
