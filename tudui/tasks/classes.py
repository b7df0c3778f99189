"""Classification: a target is the number of a class, an output a logit for each class."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError

from tudui.errors import DataError, UsageError
from tudui.tasks.metric import NATS, PERCENT, PLAIN, Figure, Metric, of_each
from tudui.text import in_a_line

if TYPE_CHECKING:
    from torch import Tensor

    from tudui.config.schema import DataConfig

Confusion = list[list[int]]
MAX_MATRIX = 100  # classes; with more, only the cells that are not 0 are kept
CALIBRATION_BINS = 15
FEWEST_FOR_TOP5 = 6  # with five classes or fewer, every image would be right
MOST_NAMED = 10  # classes in one line
UNEQUAL = 3  # the largest class is this many times the smallest: print a note


def is_right(outputs: "Tensor", targets: "Tensor") -> "Tensor":
    """Return bool [N]: whether the target's logit is the largest of [N, K]."""
    return outputs.argmax(1) == targets


def is_among_top5(outputs: "Tensor", targets: "Tensor") -> "Tensor":
    """Return bool [N]: whether the target [N] is one of the five largest logits [N, K]."""
    return (outputs.topk(5, dim=1).indices == targets[:, None]).any(1)


def negative_log_likelihood(outputs: "Tensor", targets: "Tensor") -> "Tensor":
    """Return float [N]: minus the logarithm of the target's softmax probability, in nats."""
    from torch.nn import functional

    return functional.cross_entropy(outputs, targets, reduction="none")


def confusion_of(outputs: "Tensor", targets: "Tensor") -> Confusion:
    """Return how many samples of each true class are predicted as each class, as `confusion_from` does."""
    number = outputs.shape[1]
    pairs, counts = (targets * number + outputs.argmax(1)).unique(return_counts=True)
    cells: dict[int, Counter[int]] = defaultdict(Counter)
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        cells[pair // number][pair % number] = count
    return confusion_from(cells, number)


def confusion_from(cells: Mapping[int, Mapping[int, int]], classes: int) -> Confusion:
    """Return counts by true and predicted class as the rows of a matrix; above 100 classes as [true, predicted, count].

    The second form grows with the number of samples, and not with the square of the number of classes.
    """
    if classes <= MAX_MATRIX:
        return [[cells.get(true, {}).get(predicted, 0) for predicted in range(classes)] for true in range(classes)]
    return [[true, predicted, count] for true, row in sorted(cells.items()) for predicted, count in sorted(row.items())]


def confusion_rows(details: Mapping[str, Any]) -> dict[int, Counter[int]]:
    """Return by true class how many samples are predicted as each class, from the `details` of a task."""
    cells: dict[int, Counter[int]] = defaultdict(Counter)
    if len(details["per_class_accuracy"]) > MAX_MATRIX:
        for true, predicted, count in details["confusion"]:
            cells[true][predicted] += count
    else:
        for true, row in enumerate(details["confusion"]):
            cells[true] = Counter({predicted: count for predicted, count in enumerate(row) if count})
    return {true: row for true, row in cells.items() if row}


def balanced_accuracy(outputs: "Tensor", targets: "Tensor") -> float:
    """Return the mean over the classes that occur of the share of their samples that is right."""
    hits, true, _ = _counts(outputs, targets)
    recalls = [recall for recall in _shares(hits, true) if recall is not None]
    return sum(recalls) / len(recalls)


def macro_f1(outputs: "Tensor", targets: "Tensor") -> float:
    """Return the mean over the classes of F1, the harmonic mean of precision and recall.

    A class that neither occurs nor is predicted does not count, as in scikit-learn's `f1_score(average="macro")`.
    """
    hits, true, predicted = _counts(outputs, targets)
    known = true + predicted > 0
    return float((2 * hits[known].double() / (true + predicted)[known]).mean())


def calibration_error(outputs: "Tensor", targets: "Tensor") -> float:
    """Return the expected calibration error over 15 equal bins of confidence (Guo et al. 2017, eq. 3)."""
    import torch

    confidence = of_each(lambda some, _: some.softmax(1).amax(1), outputs, targets).cpu()
    correct = is_right(outputs, targets).cpu()
    bins = (confidence * CALIBRATION_BINS).ceil().long().sub(1).clamp(0, CALIBRATION_BINS - 1)
    gaps = torch.zeros(CALIBRATION_BINS, dtype=torch.float64)
    gaps.index_add_(0, bins, correct.double() - confidence.double())
    return float(gaps.abs().sum()) / len(confidence)


def _counts(outputs: "Tensor", targets: "Tensor") -> tuple["Tensor", "Tensor", "Tensor"]:
    """Return int64 [K] each: of each class, the samples that are right, true and predicted."""
    number, predicted = outputs.shape[1], outputs.argmax(1)
    groups = (targets[predicted == targets], targets, predicted)
    hits, true, predicted = (group.bincount(minlength=number) for group in groups)
    return hits, true, predicted


def _shares(hits: "Tensor", total: "Tensor") -> list[float | None]:
    """Return hits / total of each class; None for a class without samples."""
    return [hit / all_of if all_of else None for hit, all_of in zip(hits.tolist(), total.tolist(), strict=True)]


_share = partial(Metric, better="more", unit=PERCENT, step=0.01, proportion=True)
ACCURACY = _share(name="accuracy", title="accuracy", of=is_right)
TOP5 = _share(name="top5", title="top-5 accuracy", of=is_among_top5)
NLL = Metric(name="nll", title="NLL", of=negative_log_likelihood, better="less", unit=NATS)
ECE = Figure(name="ece", title="ECE", of=calibration_error, better="less", unit=PLAIN)
BALANCED = Figure(
    name="balanced_accuracy", title="balanced accuracy", of=balanced_accuracy, better="more", unit=PERCENT
)
FIGURES = (
    BALANCED,
    Figure(name="macro_f1", title="macro F1", of=macro_f1, better="more", unit=PERCENT),
    ECE,
)


class _Details(BaseModel):
    """The values of `Classes.details`, read from a record."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

    per_class_accuracy: dict[str, Annotated[float, Field(ge=0, le=1)] | None]
    confusion: Annotated[list[list[Annotated[int, Field(ge=0, lt=2**53)]]], FailFast()]


@dataclass(frozen=True, kw_only=True)
class Classes:
    """One of K classes per sample."""

    # an error for each of millions of damaged names would fill the memory
    names: Annotated[tuple[str, ...], FailFast()]
    counts: tuple[int, ...] = ()  # training samples per class; () if they are not known

    @property
    def kind(self) -> str:
        """What `kind_of` calls this task."""
        return "classes"

    @property
    def outputs(self) -> int:
        """K, the number of classes."""
        return len(self.names)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Accuracy first; top-5 accuracy only if it can be below 100 %."""
        return (ACCURACY, TOP5, NLL) if self.outputs >= FEWEST_FOR_TOP5 else (ACCURACY, NLL)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The other scores."""
        return FIGURES

    @property
    def brief(self) -> tuple[Metric | Figure, ...]:
        """The scores of a short table."""
        return (ACCURACY, *self.beside, NLL, ECE)

    @property
    def beside(self) -> tuple[Figure, ...]:
        """Balanced accuracy if the sizes of classes are very unequal: accuracy then shows mostly the large ones."""
        return (BALANCED,) if self.counts and max(self.counts) > UNEQUAL * min(self.counts) else ()

    def about(self) -> dict[str, Any]:
        """Return plain values; `task_from` makes the task from them."""
        return {"kind": self.kind, "names": list(self.names), "counts": list(self.counts)}

    def check(self, targets: "Tensor", where: str) -> None:
        """Raise DataError unless targets are int64 [N], each from 0 to K - 1, and all names differ."""
        import torch

        if len(set(self.names)) < len(self.names):
            raise DataError(f"{where}: two classes have the same name")
        if targets.dtype != torch.int64 or targets.ndim != 1:
            found = f"{targets.dtype} {list(targets.shape)}"
            raise DataError(f"{where}: labels must be int64 [N], one per image (got {found})")
        if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < self.outputs:
            raise DataError(f"{where}: labels must be from 0 to {self.outputs - 1}, one number per class")

    def strata(self, targets: "Tensor") -> "Tensor":
        """Return the labels: every class gives the same share to every split."""
        return targets

    def fitted(self, targets: "Tensor", every: "Tensor", where: str, data: "DataConfig") -> "Classes":
        """Return the task with the number of training labels [N] of each class; DataError if a class has none."""
        counts = tuple(targets.bincount(minlength=self.outputs).tolist())
        if empty := [name for name, count in zip(self.names, counts, strict=True) if not count]:
            raise DataError(f"{where}: no training sample of class {', '.join(empty)}; add some or leave it out")
        return replace(self, counts=counts)

    def remarks(self, where: str) -> tuple[str, ...]:
        """Return a note if the sizes of classes are very unequal."""
        if not self.beside:
            return ()
        smallest, largest = min(self.counts), max(self.counts)
        few, many = (self.names[self.counts.index(count)] for count in (smallest, largest))
        return (
            f"{where}: classes are very unequal, {smallest} ({few}) to {largest} ({many}) training samples; "
            f"look at the balanced accuracy, or set loss.class_weights=balanced (loss ce)",
        )

    def spoil(
        self, targets: "Mapping[str, Tensor]", index: "Mapping[str, Tensor]", data: "DataConfig", seed: int
    ) -> "dict[str, Tensor]":
        """Return labels of training and validation with the label noise that `data` asks for; {} without."""
        from tudui.tasks.label_noise import wrong_labels

        if data.outliers or data.outlier_manifest:
            raise UsageError("data.outliers: is for numbers, and these targets are classes; use data.label_noise")
        return wrong_labels(targets, index, self.names, data, seed)

    def columns(self, outputs: "Tensor") -> "dict[str, Tensor]":
        """Return the predicted class int64 [N] and all probabilities [N, K] as half floats."""
        # rounded: the largest probability may no longer be that of the predicted class
        return {
            "predicted": outputs.argmax(1),
            "probabilities": of_each(lambda some, _: some.softmax(1).half(), outputs, outputs),
        }

    def details(self, outputs: "Tensor", targets: "Tensor") -> dict[str, Any]:
        """Return the accuracy of each class (None: no sample of it) and the confusion matrix, see `confusion_from`."""
        hits, true, _ = _counts(outputs, targets)
        return {
            "per_class_accuracy": dict(zip(self.names, _shares(hits, true), strict=True)),
            "confusion": confusion_of(outputs, targets),
        }

    def check_details(self, details: Mapping[str, Any], where: str) -> None:
        """Raise DataError unless details from a file are complete and of these classes."""
        try:
            found = _Details.model_validate(details)
        except ValidationError as error:
            raise DataError(f"{where}: damaged: {in_a_line(error.errors()[0]['msg'])}") from None
        if tuple(found.per_class_accuracy) != self.names:
            raise DataError(f"{where}: damaged: its scores belong to other classes")
        if self.outputs > MAX_MATRIX:
            if not all(len(cell) == 3 and max(cell[:2]) < self.outputs for cell in found.confusion):
                raise DataError(f"{where}: damaged: its confusion matrix must be of [true, predicted, count]")
        elif {len(found.confusion), *map(len, found.confusion)} != {self.outputs}:
            raise DataError(f"{where}: damaged: its confusion matrix must have a row and a column per class")

    def collapse(self, outputs: "Tensor") -> str | None:
        """Return the class that every sample is predicted as; None if there are two or more."""
        predicted = outputs.argmax(1).unique().tolist()
        return f"predicted as '{self.names[predicted[0]]}'" if len(predicted) == 1 < self.outputs else None

    def missing(self, outputs: "Tensor", targets: "Tensor") -> str | None:
        """Return which classes [N] occur but are never predicted by [N, K]; None if there are none."""
        _, true, predicted = _counts(outputs, targets)
        names = [self.names[number] for number in ((true > 0) & (predicted == 0)).nonzero()[:, 0].tolist()]
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        return f"classes never predicted: {', '.join(names[:MOST_NAMED])}{more}" if names else None

    def words(self, outputs: "Tensor", top: int) -> list[tuple[tuple[str, float], ...]]:
        """Return the likeliest classes of each row with their probabilities, highest first."""
        values, indices = outputs.softmax(1).topk(min(top, self.outputs), dim=1)
        return [
            tuple((self.names[number], value) for number, value in zip(row, of_row, strict=True))
            for row, of_row in zip(indices.tolist(), values.tolist(), strict=True)
        ]
