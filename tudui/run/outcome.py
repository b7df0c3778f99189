"""Results of a run besides test scores: its wrong labels, test predictions and training scores."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tudui.config.schema import DataConfig
from tudui.data import Dataset, Split
from tudui.distributed import World
from tudui.events import Evaluated, StepEnd, WrongLabels
from tudui.files import written_aside
from tudui.tasks import Metric, Task
from tudui.tasks.label_noise import counted
from tudui.tasks.metric import of_each, wilson
from tudui.training.engine import predict
from tudui.training.network import Network

FAR_ABOVE = 0.1  # of a training score over a validation score


def spoiled_in(data: Dataset) -> dict[str, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Return by split the index, true labels and given labels, int64 [N] each, of splits with wrong labels."""
    return {
        name: (split.index, split.clean.cpu(), split.targets.cpu())
        for name, split in data.splits().items()
        if split.clean is not None
    }


def wrong_labels_of(data: Dataset, config: DataConfig) -> WrongLabels | None:
    """Return the number of wrong labels in training and validation; None if none were made wrong."""
    spoiled = spoiled_in(data)
    return counted(spoiled, data.task.names, config) if spoiled else None


def write_predictions(path: Path, test: Split, outputs: torch.Tensor, task: Task) -> None:
    """Write target, prediction and value of each metric of every test image, for paired tests."""
    columns = {"index": test.index, "label": test.targets, **task.columns(outputs)}
    columns |= {metric.name: of_each(metric.of, outputs, test.targets) for metric in task.metrics}
    arrays: dict[str, Any] = {name: column.cpu().numpy() for name, column in columns.items()}
    with written_aside(path) as file:
        np.savez(file, **arrays)


def learned(network: Network, train: Split, metric: Metric, world: World) -> dict[str, Any] | None:
    """Return the scores on right and on wrong training targets; None if no target was made wrong."""
    if train.clean is None:
        return None
    outputs = predict(network, train, world)
    wrong = train.targets != train.clean
    values, true_values = (of_each(metric.of, outputs, labels) for labels in (train.targets, train.clean))
    flipped = {metric.name: _mean(values[wrong]), f"true_{metric.name}": _mean(true_values[wrong])}
    return {
        "clean": {"images": int((~wrong).sum()), metric.name: _mean(values[~wrong])},
        "flipped": {"images": int(wrong.sum()), **flipped},
    }


def memorised_images(trained: StepEnd, validation: Evaluated, metric: Metric) -> str | None:
    """Return a warning if an epoch's score on training images is far above that on validation images, beyond chance."""
    score = validation.scores[metric.name]
    if not metric.proportion or trained.epoch_scores[metric.name] <= max(
        score + FAR_ABOVE, wilson(score, validation.images)[1]
    ):
        return None
    return (  # without numbers, so that those of a comparison's runs are counted together
        f"the training {metric.title} is far above that of validation: the network memorises training images; "
        f"use more of them, random changes (data.augment) or fewer epochs"
    )


def _mean(values: torch.Tensor) -> float | None:
    return float(values.double().sum()) / len(values) if len(values) else None
