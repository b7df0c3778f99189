"""What a run leaves besides scores: its wrong labels, predictions of the test images, and what was learned."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tudui.config.schema import DataConfig
from tudui.data import Dataset, Split
from tudui.distributed import World
from tudui.files import written_aside
from tudui.tasks import Metric, Task
from tudui.tasks.label_noise import manifest
from tudui.training.engine import predict
from tudui.training.network import Network


def wrong_labels_of(data: Dataset, config: DataConfig, seed: int) -> dict[str, Any]:
    """Return which training and validation images were given which wrong label."""
    spoiled = {
        name: (split.index, split.clean.cpu(), split.targets.cpu())
        for name, split in data.splits().items()
        if split.clean is not None
    }
    return manifest(spoiled, data.task.names, config, seed)


def write_predictions(path: Path, test: Split, outputs: torch.Tensor, task: Task) -> None:
    """Keep for every test image its target, what was predicted, and its value of each metric, for paired tests."""
    columns = {"index": test.index, "label": test.targets, **task.columns(outputs)}
    columns |= {metric.name: metric.of(outputs, test.targets) for metric in task.metrics}
    arrays: dict[str, Any] = {name: column.cpu().numpy() for name, column in columns.items()}
    with written_aside(path) as file:
        np.savez(file, **arrays)


def learned(network: Network, train: Split, metric: Metric, world: World) -> dict[str, Any] | None:
    """Return how well the right targets were learned and, apart, those made wrong; None if none were made wrong."""
    if train.clean is None:
        return None
    network.model.eval()
    outputs = predict(network, train, world)
    network.model.train()
    wrong = train.targets != train.clean

    def mean(values: torch.Tensor) -> float | None:
        return float(values.double().sum()) / len(values) if len(values) else None

    values = metric.of(outputs, train.targets)
    return {
        "clean": {"images": int((~wrong).sum()), metric.name: mean(values[~wrong])},
        "flipped": {
            "images": int(wrong.sum()),
            metric.name: mean(values[wrong]),  # wrong targets that were memorised
            f"true_{metric.name}": mean(metric.of(outputs, train.clean)[wrong]),
        },
    }
