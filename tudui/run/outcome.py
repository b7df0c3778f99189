"""What a finished run leaves besides scores: predictions of the test images, and what was learned of wrong labels."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tudui.data import Split
from tudui.distributed import World
from tudui.files import written_aside
from tudui.training.engine import predict_logits
from tudui.training.network import Network


def write_predictions(path: Path, test: Split, logits: torch.Tensor) -> None:
    """Keep the class and probabilities of every test image, for paired tests over images."""
    with written_aside(path) as file:
        np.savez(
            file,
            index=test.index.numpy(),
            label=test.labels.cpu().numpy(),
            predicted=logits.argmax(1).cpu().numpy(),
            probabilities=logits.softmax(1).half().cpu().numpy(),  # rounded: the largest may no longer be one
        )


def learned(network: Network, train: Split, world: World) -> dict[str, Any] | None:
    """Return how much of the right labels was learned and, apart, of those made wrong; None without label noise."""
    if train.true_labels is None:
        return None
    network.model.eval()
    predicted = predict_logits(network, train, world).argmax(1)
    network.model.train()
    wrong = train.labels != train.true_labels

    def share(hits: torch.Tensor) -> float | None:
        return int(hits.sum()) / len(hits) if len(hits) else None

    return {
        "clean": {"images": int((~wrong).sum()), "accuracy": share((predicted == train.labels)[~wrong])},
        "flipped": {
            "images": int(wrong.sum()),
            "accuracy": share((predicted == train.labels)[wrong]),  # wrong labels learned by heart
            "true_accuracy": share((predicted == train.true_labels)[wrong]),
        },
    }
