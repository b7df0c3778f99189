"""What a network is scored by. A metric has a value for each sample, a figure one value of all samples at once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tudui.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from tudui.config.schema import DataConfig

Better = Literal["more", "less"]


@dataclass(frozen=True, kw_only=True)
class Unit:
    """How a value and a difference are written."""

    value: str = ""  # the word behind a value
    difference: str = ""  # the word behind a difference
    scale: float = 1.0  # what a value is multiplied by
    digits: int = 3  # behind the decimal point


PERCENT = Unit(value="%", difference="points", scale=100, digits=2)
NATS = Unit(value="nats", difference="nats")
PLAIN = Unit()


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One value per test sample; the score is their mean. Intervals and verdicts come from it."""

    name: str
    title: str  # in a heading
    of: "Callable[[Tensor, Tensor], Tensor]"  # (outputs [N, K], targets [N, ...]) -> [N]
    better: Better
    unit: Unit
    step: float | None = None  # a difference worth seeing; None: 5 % of the baseline's value
    proportion: bool = False  # 0 or 1 per sample


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One value of all samples at once: mean and deviation over seeds, no verdict."""

    name: str
    title: str
    of: "Callable[[Tensor, Tensor], float]"  # (outputs [N, K], targets [N, ...]) -> value
    better: Better
    unit: Unit


class Task(Protocol):
    """What outputs and targets mean. The loop, the comparison and the report know nothing else of them."""

    @property
    def outputs(self) -> int:
        """Width of the network's last layer."""
        ...

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The first one selects checkpoints, stops early and tunes; it gives the verdict unless --metric names one."""
        ...

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What else is measured."""
        ...

    def check(self, targets: "Tensor", where: str) -> None:
        """Raise DataError, which begins with `where`, if targets [N, ...] are none of this task."""
        ...

    def details(self, outputs: "Tensor", targets: "Tensor") -> dict[str, Any]:
        """Return plain values that say where outputs [N, K] go wrong."""
        ...

    def spoil(
        self, targets: "Mapping[str, Tensor]", index: "Mapping[str, Tensor]", data: "DataConfig", seed: int
    ) -> "dict[str, Tensor]":
        """Return the targets of training and validation, some of them wrong as `data` asks; never those of test.

        Both mappings are by split; `index` holds the numbers of the samples in their source.
        """
        ...

    def words(self, outputs: "Tensor", top: int) -> list[tuple[tuple[str, float], ...]]:
        """Return for each row of outputs [N, K] what `predict` prints."""
        ...


def metric_named(metrics: Iterable[Metric], name: str | None, *, figures: Iterable[Figure] = ()) -> Metric:
    """Return the metric of this name, the first one for None; UsageError, with the metrics, if there is none."""
    by_name = {metric.name: metric for metric in metrics}
    if name is None:
        return next(iter(by_name.values()))
    if name in by_name:
        return by_name[name]
    known = f"metrics: {', '.join(by_name)}"
    if name in {figure.name for figure in figures}:
        raise UsageError(f"--metric {name}: has one value of all samples, so it gives no verdict; {known}")
    raise UsageError(f"--metric {name}: unknown here{did_you_mean(name, by_name)}; {known}")
