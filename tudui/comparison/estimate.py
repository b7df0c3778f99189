"""How long a comparison takes, from a few steps of its first runs; nothing is written."""

import statistics
import time
from collections.abc import Sequence

import torch

from tudui.comparison.runs import PlannedRun
from tudui.data import dataset_of, draw_epoch, read_source
from tudui.losses import build_loss
from tudui.training.device import resolve_machine, set_up
from tudui.training.engine import predict
from tudui.training.state import new_state
from tudui.training.step import Lockstep, Training

WARM_UP, MEASURED = 3, 12
START_UP = 3.0  # seconds until a worker process has loaded torch, once per job


def seconds_of(runs: Sequence[PlannedRun]) -> float:
    """Return about how many seconds the runs take in lockstep with nothing beside them: loading, steps, evaluation.

    On a GPU, what it takes to capture the step is left out.
    """
    config, _ = resolve_machine(runs[0].config)
    set_up(config)
    began = time.perf_counter()
    source, device = read_source(config.data.model_copy(update={"cache": False})), torch.device(config.device)
    store = source.store.to(device)
    trainings = []
    for run in runs:
        config, _ = resolve_machine(run.config)
        data = dataset_of(source, config.data, config.seed).to(device, store)
        loss = build_loss(config.loss, data.task)
        trainings.append(Training(new_state(config, data), data, loss, config))
    loading = time.perf_counter() - began
    state, data = trainings[0].state, trainings[0].data
    lockstep = Lockstep(trainings)
    lockstep.begin_epoch(
        [draw_epoch(len(t.data.train), seed=t.config.seed, epoch=0, data=t.config.data) for t in trainings]
    )
    size, steps = config.train.batch_size, []
    for number in range(WARM_UP + MEASURED):
        first = number % state.steps_per_epoch * size
        images = min(size, len(data.train) - first)
        began = time.perf_counter()
        lockstep(first, images, state.schedule(0), measured=False).tolist()  # waits for the device
        steps.append(time.perf_counter() - began)
    began = time.perf_counter()
    predict(state.network, data.test).sum().item()
    per_image = (time.perf_counter() - began) / len(data.test)
    evaluated = len(data.test) + (config.train.epochs + 1) * len(data.validation or ())
    if data.train.clean is not None:
        evaluated += len(data.train)
    return loading + state.steps_planned * statistics.median(steps[WARM_UP:]) + per_image * evaluated * len(runs)
