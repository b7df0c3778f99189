"""How long a comparison takes, from a few steps of its first run; nothing is written."""

import statistics
import time

import torch

from tudui.comparison.runs import PlannedRun
from tudui.data import draw_epoch, load_data
from tudui.losses import ClassInfo, build_loss
from tudui.training.device import resolve_machine
from tudui.training.engine import predict_logits
from tudui.training.state import new_state
from tudui.training.step import Lockstep, Training

WARM_UP, MEASURED = 3, 12
START_UP = 3.0  # seconds until a worker process has loaded torch, once per job


def seconds_of(run: PlannedRun) -> float:
    """Return about how many seconds the run takes with nothing beside it: loading, steps, evaluation."""
    config, _ = resolve_machine(run.config)
    config = config.model_copy(update={"data": config.data.model_copy(update={"cache": False})})
    torch.set_num_threads(int(config.train.threads))
    began = time.perf_counter()
    data = load_data(config.data, config.seed).to(torch.device(config.device))
    loading = time.perf_counter() - began
    state = new_state(config, data)
    loss = build_loss(config.loss, ClassInfo(names=data.classes, counts=data.class_counts))
    lockstep = Lockstep([Training(state, data, loss, config)])
    lockstep.begin_epoch([draw_epoch(len(data.train), seed=config.seed, epoch=0, data=config.data)])
    size, steps = config.train.batch_size, []
    for number in range(WARM_UP + MEASURED):
        first = number % state.steps_per_epoch * size
        images = min(size, len(data.train) - first)
        began = time.perf_counter()
        lockstep(first, images, state.schedule(0), measured=False).tolist()  # waits for the device
        steps.append(time.perf_counter() - began)
    began = time.perf_counter()
    predict_logits(state.network, data.test).sum().item()
    per_image = (time.perf_counter() - began) / len(data.test)
    evaluated = len(data.test) + (config.train.epochs + 1) * len(data.validation or ())
    if data.train.true_labels is not None:
        evaluated += len(data.train)
    return loading + state.steps_planned * statistics.median(steps[WARM_UP:]) + per_image * evaluated
