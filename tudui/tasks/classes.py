"""Classification: a target is the number of a class, an output a logit for each class."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tudui.errors import DataError
from tudui.tasks.metric import NATS, PERCENT, PLAIN, Figure, Metric

if TYPE_CHECKING:
    from torch import Tensor

    from tudui.config.schema import DataConfig

CALIBRATION_BINS = 15
FEWEST_FOR_TOP5 = 6  # of five classes or fewer, every image would be right


def is_right(outputs: "Tensor", targets: "Tensor") -> "Tensor":
    """Return bool [N]: whether the largest of the logits [N, K] is the target's."""
    return outputs.argmax(1) == targets


def is_among_top5(outputs: "Tensor", targets: "Tensor") -> "Tensor":
    """Return bool [N]: whether the target [N] is one of the five largest logits [N, K]."""
    return (outputs.topk(5, dim=1).indices == targets[:, None]).any(1)


def negative_log_likelihood(outputs: "Tensor", targets: "Tensor") -> "Tensor":
    """Return float [N]: minus the logarithm of the target's softmax probability, in nats."""
    from torch.nn import functional

    return functional.cross_entropy(outputs, targets, reduction="none")


def confusion_of(outputs: "Tensor", targets: "Tensor") -> "Tensor":
    """Return int64 [K, K]: how many samples of a class (row) are predicted as each class (column)."""
    import torch

    number = outputs.shape[1]
    pairs = targets * number + outputs.argmax(1)
    return torch.bincount(pairs, minlength=number * number).view(number, number)


def balanced_accuracy(outputs: "Tensor", targets: "Tensor") -> float:
    """Return the mean over the classes that occur of the share of their samples that is right."""
    recalls = [recall for recall in _recalls(confusion_of(outputs, targets)) if recall is not None]
    return sum(recalls) / len(recalls)


def macro_f1(outputs: "Tensor", targets: "Tensor") -> float:
    """Return the mean over the classes of F1, the harmonic mean of precision and recall.

    A class that neither occurs nor is predicted does not count, as in scikit-learn's `f1_score(average="macro")`.
    """
    confusion = confusion_of(outputs, targets)
    hits, either = confusion.diagonal(), confusion.sum(0) + confusion.sum(1)
    known = either > 0
    return float((2 * hits[known].double() / either[known].double()).mean())


def calibration_error(outputs: "Tensor", targets: "Tensor") -> float:
    """Return the expected calibration error over 15 equal bins of confidence (Guo et al. 2017, eq. 3)."""
    import torch

    confidence, predicted = outputs.softmax(1).max(1)
    confidence, correct = confidence.cpu(), (predicted == targets).cpu()
    bins = (confidence * CALIBRATION_BINS).ceil().long().sub(1).clamp(0, CALIBRATION_BINS - 1)
    gaps = torch.zeros(CALIBRATION_BINS, dtype=torch.float64)
    gaps.index_add_(0, bins, correct.double() - confidence.double())
    return float(gaps.abs().sum()) / len(confidence)


def _recalls(confusion: "Tensor") -> list[float | None]:
    """Return the share of right ones of each class; None for a class without samples."""
    return [
        hits / total if total else None
        for hits, total in zip(confusion.diagonal().tolist(), confusion.sum(1).tolist(), strict=True)
    ]


ACCURACY = Metric(
    name="accuracy", title="accuracy", of=is_right, better="more", unit=PERCENT, step=0.01, proportion=True
)
TOP5 = Metric(
    name="top5", title="top-5 accuracy", of=is_among_top5, better="more", unit=PERCENT, step=0.01, proportion=True
)
NLL = Metric(name="nll", title="NLL", of=negative_log_likelihood, better="less", unit=NATS)
FIGURES = (
    Figure(name="balanced_accuracy", title="balanced accuracy", of=balanced_accuracy, better="more", unit=PERCENT),
    Figure(name="macro_f1", title="macro F1", of=macro_f1, better="more", unit=PERCENT),
    Figure(name="ece", title="ECE", of=calibration_error, better="less", unit=PLAIN),
)


@dataclass(frozen=True, kw_only=True)
class Classes:
    """One of K classes per sample."""

    names: tuple[str, ...]
    counts: tuple[int, ...] = ()  # training samples per class; () if they are not known

    @property
    def outputs(self) -> int:
        """K, the number of classes."""
        return len(self.names)

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """Accuracy first; top-5 accuracy only where it can be wrong."""
        return (ACCURACY, TOP5, NLL) if self.outputs >= FEWEST_FOR_TOP5 else (ACCURACY, NLL)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Figures of all samples at once."""
        return FIGURES

    def check(self, targets: "Tensor", where: str) -> None:
        """Raise DataError unless targets are int64 [N], each the number of a class."""
        import torch

        if targets.dtype != torch.int64 or targets.ndim != 1:
            raise DataError(
                f"{where}: labels must be int64 [N], one per image (got {targets.dtype} {list(targets.shape)})"
            )
        if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < self.outputs:
            raise DataError(f"{where}: labels must be from 0 to {self.outputs - 1}, a number for each of the classes")

    def details(self, outputs: "Tensor", targets: "Tensor") -> dict[str, Any]:
        """Return the accuracy of each class (None: no sample of it) and the confusion matrix, rows true classes."""
        confusion = confusion_of(outputs, targets)
        return {
            "per_class_accuracy": dict(zip(self.names, _recalls(confusion), strict=True)),
            "confusion": confusion.tolist(),
        }

    def spoil(
        self, targets: "Mapping[str, Tensor]", index: "Mapping[str, Tensor]", data: "DataConfig", seed: int
    ) -> "dict[str, Tensor]":
        """Return labels of training and validation of which some are wrong, as `data` asks; {} without label noise."""
        raise NotImplementedError

    def words(self, outputs: "Tensor", top: int) -> list[tuple[tuple[str, float], ...]]:
        """Return the likeliest classes of each row with their probabilities, highest first."""
        values, indices = outputs.softmax(1).topk(min(top, self.outputs), dim=1)
        return [
            tuple((self.names[index], value) for index, value in zip(row, of_row, strict=True))
            for row, of_row in zip(indices.tolist(), values.tolist(), strict=True)
        ]
