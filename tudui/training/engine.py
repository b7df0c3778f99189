"""The training loop: `fit` yields events, `predict` and `score` evaluate. Nothing else in Tudui trains."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from tudui.config import Config
from tudui.config.loss_spec import Loss
from tudui.data import Dataset, Split, draw_epoch
from tudui.distributed import ALONE, World
from tudui.events import Divergence, Evaluated, StepEnd, Timing
from tudui.tasks import Task, scores_of
from tudui.tasks.metric import of_each
from tudui.training.gradients import histograms, layer_names
from tudui.training.network import Network
from tudui.training.state import TrainState
from tudui.training.step import Lockstep, Measures, Training

EVALUATION_BATCH = {"cpu": 250, "cuda": 10_000}  # images of 32 x 32 per batch; on a CPU they fit into its caches


def fit(state: TrainState, data: Dataset, loss: Loss, config: Config) -> Iterator[StepEnd]:
    """Train from the current state; yield every `log.every` steps and at each epoch's end.

    At every yield the state is complete and all measures are fetched from the device. If the loss or a gradient is no
    longer finite, the last event has `diverged` set.
    """
    for (event,) in fit_together([Training(state, data, loss, config)]):
        assert event is not None, "a single run ends with its loop"
        yield event


def fit_together(
    trainings: Sequence[Training], lockstep: Lockstep | None = None
) -> Iterator[tuple[StepEnd | None, ...]]:
    """Train runs in lockstep as `fit` trains one; yield an event for each, None for a run that is over.

    Loss, rate, seed, data and clipping may differ between runs; steps, batch size and schedule are those of the first.
    """
    first, config = trainings[0].state, trainings[0].config
    assert all(t.state.progress.step == first.progress.step for t in trainings), "runs in lockstep are at the same step"
    batch_size, steps = config.train.batch_size, first.steps_per_epoch
    every, images_per_epoch = config.log.every, len(trainings[0].data.train)
    started = time.perf_counter()
    taking_part = trainings if lockstep else ()
    epoch, done = first.progress.epoch, first.progress.step
    while epoch < config.train.epochs:
        if not (active := [t for t in trainings if not t.over]):
            return
        if lockstep is None or len(active) < len(taking_part):
            taking_part, lockstep = active, Lockstep(active)
        for training in taking_part:
            training.state.network.train()
        draws = [
            draw_epoch(len(t.data.train), seed=t.config.seed, epoch=epoch, data=t.config.data) for t in taking_part
        ]
        lockstep.begin_epoch(draws, (done - epoch * steps) * batch_size)
        rows: list[Tensor] = []
        images_seen: list[int] = []
        for step in range(done - epoch * steps, steps):
            epoch_done = step + 1 == steps
            yields = epoch_done or (done + 1) % every == 0
            images = min(batch_size, images_per_epoch - step * batch_size)
            rows.append(lockstep(done, step * batch_size, images, first.schedule(done), measured=yields))
            images_seen.append(images)
            done += 1
            if not yields:
                continue
            fetched = _fetch(rows)  # the only place that waits for the device
            seconds = (time.perf_counter() - started) / len(taking_part)  # the shares add up to the elapsed time
            events: list[StepEnd | None] = [None] * len(trainings)
            for number, training in enumerate(taking_part):
                if not training.over:
                    own = [row[number] for row in fetched]
                    events[trainings.index(training)] = _step_end(training, own, images_seen, epoch_done, seconds)
            rows, images_seen = [], []
            yield tuple(events)
            if all(training.over for training in trainings):
                return
            started = time.perf_counter()
        epoch += 1


def _fetch(rows: list[Tensor]) -> list[list[list[float]]]:
    """Return the rows [R, *] of every step as numbers."""
    values = torch.cat([row.flatten() for row in rows]).cpu()
    parts = values.split([row.numel() for row in rows])
    return [part.view(row.shape).tolist() for part, row in zip(parts, rows, strict=True)]


def _step_end(
    training: Training, rows: list[list[float]], images_seen: list[int], epoch_done: bool, seconds: float
) -> StepEnd:
    """Add fetched steps to a run's progress and return their event."""
    state, metric = training.state, training.data.task.metrics[0].name
    progress, peak = state.progress, state.optimizer.peak
    layers = layer_names(state.network.model)
    count = len(layers)
    steps = [Measures(loss, score, rest[:count], rest[count:]) for loss, score, *rest in rows]
    loss_sum = math.fsum(step.loss * images for step, images in zip(steps, images_seen, strict=True))
    score_sum = math.fsum(step.score for step in steps)
    images = sum(images_seen)
    progress.step += len(steps)
    progress.epoch_loss_sum += loss_sum
    progress.epoch_score_sum += score_sum
    progress.epoch_images += images
    progress.images += images
    progress.seconds += seconds
    totals = [math.sqrt(sum(norm * norm for norm in step.norms)) for step in steps]
    mean_norms = {layer: sum(step.norms[index] for step in steps) / len(steps) for index, layer in enumerate(layers)}
    diverged = _divergence(training, layers, steps, peak)
    training.over = diverged is not None
    detailed = epoch_done and (progress.epoch + 1) % training.config.log.details_every == 0
    event = StepEnd(
        epoch=progress.epoch + 1,
        step=progress.step,
        epochs_planned=state.epochs_planned,
        steps_planned=state.steps_planned,
        loss=loss_sum / images,
        scores={metric: score_sum / images},
        epoch_loss=progress.epoch_loss_sum / progress.epoch_images,
        epoch_scores={metric: progress.epoch_score_sum / progress.epoch_images},
        learning_rate=peak * state.schedule(progress.step - 1),
        gradient_norm={"total": sum(totals) / len(totals), **mean_norms},
        update_ratio=dict(zip(layers, steps[-1].ratios, strict=True)),
        epoch_done=epoch_done,
        histograms=histograms(state.network.model) if detailed else {},
        diverged=diverged,
        timing=Timing(seconds=progress.seconds, images_per_second=images / max(seconds, 1e-9)),
    )
    if epoch_done:
        progress.epoch += 1
        progress.epoch_loss_sum, progress.epoch_score_sum, progress.epoch_images = 0.0, 0.0, 0
    return event


def _divergence(training: Training, layers: tuple[str, ...], steps: list[Measures], peak: float) -> Divergence | None:
    state = training.state
    for number, step in enumerate(steps, start=state.progress.step - len(steps) + 1):
        rate = peak * state.schedule(number - 1)
        norms_by_layer = dict(zip(layers, step.norms, strict=True))
        if not math.isfinite(step.loss):
            return Divergence(step=number, what="loss", layer=state.progress.steepest, learning_rate=rate)
        bad = [layer for layer, norm in norms_by_layer.items() if not math.isfinite(norm)]
        if bad and state.scaler is None:  # with fp16 the scaler skips such steps and lowers its scale
            # backward goes from the last layer to the first
            return Divergence(step=number, what="gradient", layer=bad[-1], learning_rate=rate)
        state.progress.steepest = max(norms_by_layer, key=norms_by_layer.__getitem__)
    return None


def evaluation_batch(device: torch.device, row: Sequence[int]) -> int:
    """Return how many images or rows of this shape are evaluated at once: as many values at any size."""
    return max(1, EVALUATION_BATCH.get(device.type, 250) * 3 * 32 * 32 // math.prod(row))


def predict(network: Network, split: Split, world: World = ALONE) -> Tensor:
    """Return outputs float32 [N, K] of all images of a split, on its device; the processes share the work."""
    size = evaluation_batch(network.device, split.store.shape[1:])
    was_training = network.model.training
    network.model.eval()
    with torch.inference_mode():
        own = split.rows[world.share(0, len(split))]
        outputs = torch.empty(0)
        for start, images in zip(range(0, len(own), size), split.batches(own.split(size)), strict=True):
            part = network(images)
            if start == 0:
                outputs = part.new_empty(len(own), *part.shape[1:])  # at once: torch.cat would need twice the memory
            outputs[start : start + size] = part
    if was_training:
        network.train()
    return world.put_together(outputs, len(split))


def score(
    outputs: Tensor,
    targets: Tensor,
    *,
    task: Task,
    loss: Loss,
    losses: Mapping[str, Loss],
    split: str,
    weights: str = "last",
    epoch: int = 0,
    step: int = 0,
    predictions_shown: int = 0,
) -> Evaluated:
    """Return the scores of outputs [N, K] against targets [N, ...]; shares are fractions."""
    return Evaluated(
        split=split,
        epoch=epoch,
        step=step,
        weights=weights,
        images=len(targets),
        scores=scores_of(task, outputs, targets),
        loss=float(of_each(loss, outputs, targets).mean()),
        losses={name: float(of_each(other, outputs, targets).mean()) for name, other in losses.items()},
        details=task.details(outputs, targets),
        predicted=tuple(task.columns(outputs[:predictions_shown])["predicted"].tolist()),
    )
