"""The one loop: `fit` yields what happened, `evaluate` scores a network. Nothing else in Tudui trains."""

import math
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from tudui.config import Config
from tudui.data import Dataset, Split, draw_epoch
from tudui.events import Divergence, Evaluated, StepEnd
from tudui.training.gradients import histograms, layer_names, norms
from tudui.training.network import Network
from tudui.training.state import TrainState
from tudui.training.step import Step, eager_step

if TYPE_CHECKING:
    from tudui.config.loss_spec import Loss

EVALUATION_BATCH = 500
CALIBRATION_BINS = 15


def fit(state: TrainState, data: Dataset, loss: "Loss", config: Config, step: Step = eager_step) -> Iterator[StepEnd]:
    """Train on from where the state is; yield every `log.every` steps and at each epoch's end.

    At every yield the state is whole and nothing unfetched is left on the device. A run whose loss or gradient stops
    being finite yields a last event with `diverged` set.
    """
    progress, model = state.progress, state.network.model
    layers = layer_names(model)
    batch_size = config.train.batch_size
    peak = config.optimizer.lr
    assert peak != "auto", "load_config looks the rate up"
    watch = _Stopwatch()
    while progress.epoch < config.train.epochs:
        model.train()
        draw = draw_epoch(len(data.train), seed=config.seed, epoch=progress.epoch, data=config.data)
        draw = draw.to(state.network.device)
        epoch_start = progress.epoch * state.steps_per_epoch
        rows: list[Tensor] = []
        images_seen: list[int] = []
        for position in range(progress.step - epoch_start, state.steps_per_epoch):
            rate = peak * state.schedule(progress.step)
            for group in state.optimizer.param_groups:
                group["lr"] = rate
            epoch_done = position + 1 == state.steps_per_epoch
            yields = epoch_done or (progress.step + 1) % config.log.every == 0
            before = [parameter.detach().clone() for parameter in model.parameters()] if yields else []
            images, labels = draw.batch(data.train, position * batch_size, (position + 1) * batch_size)
            rows.append(step(state, images, labels, loss))
            images_seen.append(len(labels))
            progress.step += 1
            if not yields:
                continue
            ratios = _update_ratios(before, list(model.parameters()))
            *fetched, last_ratios = _fetch([*rows, ratios])  # the one place where the device is waited for
            detailed = epoch_done and (progress.epoch + 1) % config.log.details_every == 0
            event = _step_end(state, layers, fetched, last_ratios, images_seen, peak, epoch_done, watch, detailed)
            rows, images_seen = [], []
            yield event
            if event.diverged:
                return
            watch.restart()


class _Stopwatch:
    """Counts the time inside the loop, without what happens between a yield and the next step."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.started = time.perf_counter()

    def seconds(self) -> float:
        return time.perf_counter() - self.started


def _update_ratios(before: list[Tensor], after: list[Tensor]) -> Tensor:
    with torch.no_grad():
        changes = norms(torch._foreach_sub(after, before))
        return changes / norms(before).clamp(min=1e-12)


def _fetch(rows: list[Tensor]) -> list[list[float]]:
    sizes = [len(row) for row in rows]
    values = iter(torch.cat(rows).tolist())
    return [[next(values) for _ in range(size)] for size in sizes]


def _step_end(
    state: TrainState,
    layers: tuple[str, ...],
    rows: list[list[float]],
    ratios: list[float],
    images_seen: list[int],
    peak: float,
    epoch_done: bool,
    watch: _Stopwatch,
    detailed: bool,
) -> StepEnd:
    """Bring the progress up to date with the fetched steps and return what they were."""
    progress = state.progress
    loss_sum = math.fsum(row[0] * images for row, images in zip(rows, images_seen, strict=True))
    correct = sum(round(row[1]) for row in rows)
    images = sum(images_seen)
    progress.epoch_loss_sum += loss_sum
    progress.epoch_correct += correct
    progress.epoch_images += images
    progress.images += images
    seconds = watch.seconds()
    progress.seconds += seconds
    totals = [math.sqrt(sum(norm * norm for norm in row[2:])) for row in rows]
    mean_norms = {layer: sum(row[2 + index] for row in rows) / len(rows) for index, layer in enumerate(layers)}
    event = StepEnd(
        epoch=progress.epoch + 1,
        step=progress.step,
        epochs_planned=state.epochs_planned,
        steps_planned=state.steps_planned,
        loss=loss_sum / images,
        accuracy=correct / images,
        epoch_loss=progress.epoch_loss_sum / progress.epoch_images,
        epoch_accuracy=progress.epoch_correct / progress.epoch_images,
        learning_rate=peak * state.schedule(progress.step - 1),
        gradient_norm={"total": sum(totals) / len(totals), **mean_norms},
        update_ratio=dict(zip(layers, ratios, strict=True)),
        epoch_done=epoch_done,
        histograms=histograms(state.network.model) if detailed else {},
        diverged=_divergence(state, layers, rows, peak),
        timing={"seconds": progress.seconds, "images_per_second": images / max(seconds, 1e-9)},
    )
    if epoch_done:
        progress.epoch += 1
        progress.epoch_loss_sum, progress.epoch_correct, progress.epoch_images = 0.0, 0, 0
    return event


def _divergence(state: TrainState, layers: tuple[str, ...], rows: list[list[float]], peak: float) -> Divergence | None:
    first = state.progress.step - len(rows) + 1
    largest = None
    for step, row in enumerate(rows, start=first):
        rate = peak * state.schedule(step - 1)
        norms_by_layer = dict(zip(layers, row[2:], strict=True))
        if not math.isfinite(row[0]):
            return Divergence(step=step, what="loss", layer=largest, learning_rate=rate)
        bad = [layer for layer, norm in norms_by_layer.items() if not math.isfinite(norm)]
        if bad and state.scaler is None:  # with fp16 the scaler skips such steps and lowers its scale
            # backward meets the layers from the last to the first
            return Divergence(step=step, what="gradient", layer=bad[-1], learning_rate=rate)
        largest = max(norms_by_layer, key=norms_by_layer.__getitem__)
    return None


def predict_logits(network: Network, split: Split) -> Tensor:
    """Return logits float32 [N, K] of all images of a split, on the split's device."""
    with torch.inference_mode():
        batches = [
            network(split.store[split.rows[start : start + EVALUATION_BATCH]])
            for start in range(0, len(split), EVALUATION_BATCH)
        ]
        return torch.cat(batches)


def score(
    logits: Tensor,
    labels: Tensor,
    *,
    classes: tuple[str, ...],
    loss: "Loss",
    losses: Mapping[str, "Loss"],
    split: str,
    weights: str = "last",
    epoch: int = 0,
    step: int = 0,
    predictions_shown: int = 0,
) -> Evaluated:
    """Return the scores of logits [N, K] against labels [N]: means over images, fractions and not percent."""
    number, images = len(classes), len(labels)
    probabilities = logits.softmax(1)
    confidence, predicted = probabilities.max(1)
    confusion = torch.bincount(labels * number + predicted, minlength=number * number).view(number, number)
    present = confusion.sum(1)
    per_class = [
        hits / total if total else None
        for hits, total in zip(confusion.diagonal().tolist(), present.tolist(), strict=True)
    ]
    seen = [value for value in per_class if value is not None]
    return Evaluated(
        split=split,
        epoch=epoch,
        step=step,
        weights=weights,
        images=images,
        accuracy=int(confusion.diagonal().sum()) / images,
        balanced_accuracy=sum(seen) / len(seen),
        nll=float(functional.cross_entropy(logits, labels)),
        ece=calibration_error(confidence, predicted == labels),
        loss=float(loss(logits, labels).mean()),
        losses={name: float(other(logits, labels).mean()) for name, other in losses.items()},
        per_class_accuracy=dict(zip(classes, per_class, strict=True)),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        predicted=tuple(predicted[:predictions_shown].tolist()),
    )


def calibration_error(confidence: Tensor, correct: Tensor) -> float:
    """Return the expected calibration error over 15 equal bins of confidence [N] (Guo et al. 2017, eq. 3)."""
    confidence, correct = confidence.cpu(), correct.cpu()
    bins = (confidence * CALIBRATION_BINS).ceil().long().sub(1).clamp(0, CALIBRATION_BINS - 1)
    gaps = torch.zeros(CALIBRATION_BINS, dtype=torch.float64)
    gaps.index_add_(0, bins, correct.double() - confidence.double())
    return float(gaps.abs().sum()) / len(confidence)
