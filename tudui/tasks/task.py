"""The interface of a task for the rest of Tudui."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

from tudui.errors import DataError
from tudui.tasks.metric import Figure, Metric

if TYPE_CHECKING:
    from torch import Tensor

    from tudui.config.schema import DataConfig


class Task(Protocol):
    """What outputs and targets mean. The training loop, the comparison and the report know them only by this."""

    @property
    def kind(self) -> str:
        """`classes` or `numbers`."""

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each output."""

    @property
    def outputs(self) -> int:
        """Width of the network's last layer."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The first one selects checkpoints, stops early and tunes; it gives the verdict unless --metric names one."""

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The other scores."""

    @property
    def brief(self) -> tuple[Metric | Figure, ...]:
        """The scores of a short table, the deciding one first."""

    @property
    def beside(self) -> tuple[Figure, ...]:
        """The figures without which the deciding metric misleads on these targets; they are in every table."""

    def about(self) -> dict[str, Any]:
        """Return plain values; `task_from` makes the task from them."""

    def check(self, targets: "Tensor", where: str) -> None:
        """Raise DataError, which begins with `where`, if targets [N, ...] do not belong to this task."""

    def strata(self, targets: "Tensor") -> "Tensor":
        """Return int64 [N], the group of each sample; each group gives the same share to every split."""

    def fitted(self, targets: "Tensor", every: "Tensor", where: str, data: "DataConfig") -> Self:
        """Return the task with facts from training targets [N, ...]; DataError if they cannot be trained on.

        `every` are all targets of the source, none of them made wrong on purpose.
        """

    def remarks(self, where: str) -> tuple[str, ...]:
        """Return what the user should know about the training targets."""

    def spoil(
        self, targets: "Mapping[str, Tensor]", index: "Mapping[str, Tensor]", data: "DataConfig", seed: int
    ) -> "dict[str, Tensor]":
        """Return the targets of training and validation, some of them wrong as `data` asks; {} if it asks for none.

        Both mappings are by split; `index` contains the numbers of the samples in their source.
        """

    def columns(self, outputs: "Tensor") -> "dict[str, Tensor]":
        """Return what is saved of outputs [N, K] for each sample: `predicted` [N, ...] first."""

    def details(self, outputs: "Tensor", targets: "Tensor") -> dict[str, Any]:
        """Return plain values that show which outputs [N, K] are wrong."""

    def check_details(self, details: Mapping[str, Any], where: str) -> None:
        """Raise DataError, which begins with `where`, if details from a file are incomplete."""

    def collapse(self, outputs: "Tensor") -> str | None:
        """Return how all outputs [N, K] are the same, to print after `every image is`; None if they differ."""

    def missing(self, outputs: "Tensor", targets: "Tensor") -> str | None:
        """Return which of the targets [N, ...] no output [N, K] gives, to print after the split; None if all are."""

    def words(self, outputs: "Tensor", top: int) -> list[tuple[tuple[str, float], ...]]:
        """Return for each row of outputs [N, K] what `predict` prints."""


def check_scores(task: Task, scores: Mapping[str, float | None], where: str) -> None:
    """Raise DataError, which begins with `where`, if scores from a file are incomplete."""
    for metric in task.metrics:
        value = scores.get(metric.name)
        if value is None or (metric.proportion and not 0 <= value <= 1):
            raise DataError(f"{where}: damaged: {metric.name} is missing or out of range")
    if missing := [figure.name for figure in task.figures if scores.get(figure.name) is None]:
        raise DataError(f"{where}: damaged: {missing[0]} is missing")


def scores_of(task: Task, outputs: "Tensor", targets: "Tensor") -> dict[str, float]:
    """Return every metric and figure of outputs [N, K] against targets [N, ...], by name."""
    scores = {metric.name: metric.score(outputs, targets) for metric in task.metrics}
    return scores | {figure.name: figure.of(outputs, targets) for figure in task.figures}
