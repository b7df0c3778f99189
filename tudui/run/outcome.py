"""Results of a run besides test scores: its wrong labels, test predictions and training scores."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tudui.config import Config
from tudui.config.schema import DataConfig
from tudui.data import Dataset, Split
from tudui.distributed import World
from tudui.events import Evaluated, Outliers, StepEnd, WrongLabels
from tudui.files import written_aside
from tudui.tasks import Classes, Metric, Task, label_noise, outliers
from tudui.tasks.metric import of_each, wilson
from tudui.training.engine import predict
from tudui.training.network import Network

FAR_ABOVE = 0.1  # of a training score over a validation score


def spoiled_in(data: Dataset) -> dict[str, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Return by split the index int64 [N], the true and the given targets of splits with wrong targets."""
    return {
        name: (split.index, split.clean.cpu(), split.targets.cpu())
        for name, split in data.splits().items()
        if split.clean is not None
    }


def spoiled_of(data: Dataset, config: DataConfig) -> WrongLabels | Outliers | None:
    """Return the number of targets of training and validation that were made wrong; None if none were."""
    if not (spoiled := spoiled_in(data)):
        return None
    if isinstance(data.task, Classes):
        return label_noise.counted(spoiled, data.task.names, config)
    return outliers.counted(spoiled, config)


def manifest_of(data: Dataset, config: Config) -> tuple[str, dict[str, Any]] | None:
    """Return the name and content of the file that lists every wrong target; None if there are none."""
    if not (spoiled := spoiled_in(data)):
        return None
    kind = label_noise if isinstance(data.task, Classes) else outliers
    return f"{kind.__name__.rpartition('.')[2]}.json", kind.manifest(spoiled, data.task.names, config.data, config.seed)


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
    wrong = (train.targets != train.clean).view(len(train), -1).any(1)
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
        f"use more of them, data augmentation (data.augment) or fewer epochs"
    )


def _mean(values: torch.Tensor) -> float | None:
    return float(values.double().sum()) / len(values) if len(values) else None
