"""Scores of a network. A metric has a value for each sample, a figure one value for all samples."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tudui.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

PART = 2**20  # outputs at a time: 4 MiB
Better = Literal["more", "less"]


@dataclass(frozen=True, kw_only=True)
class Unit:
    """How a value and a difference are written."""

    value: str = ""  # follows a value
    difference: str = ""  # follows a difference
    scale: float = 1.0  # factor of a value
    digits: int = 3  # after the decimal point

    @property
    def fewer(self) -> int:
        """The digits after the decimal point where there is little space."""
        return max(self.digits - 1, 1)

    def text(self, value: float | None, digits: int | None = None) -> str:
        """Return a value with its unit, for example `97.12 %`; a dash if it is not known."""
        if value is None:
            return "-"
        number = f"{self.scale * value:.{self.digits if digits is None else digits}f}"
        return f"{number} {self.value}".rstrip()


PERCENT = Unit(value="%", difference="points", scale=100, digits=2)
NATS = Unit(value="nats", difference="nats")
PLAIN = Unit()


def wilson(share: float, number: float, quantile: float = 1.96) -> tuple[float, float]:
    """Return the score interval (Wilson 1927) of a share of a number of samples; 95 % by default."""
    shrink = 1 + quantile**2 / number
    centre = (share + quantile**2 / (2 * number)) / shrink
    half = quantile / shrink * math.sqrt(share * (1 - share) / number + (quantile / (2 * number)) ** 2)
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))  # min and max against rounding


def of_each(of: "Callable[[Tensor, Tensor], Tensor]", outputs: "Tensor", targets: "Tensor") -> "Tensor":
    """Return a function's values [N, ...] of outputs [N, K], some rows at a time: what it needs besides is bounded."""
    import torch

    rows = max(1, PART // outputs.shape[1])
    parts = zip(outputs.split(rows), targets.split(rows), strict=True)
    return torch.cat([of(*part) for part in parts]) if len(outputs) > rows else of(outputs, targets)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One value per test sample; the score is their mean. Intervals and verdicts come from it."""

    name: str
    title: str  # in a heading
    of: "Callable[[Tensor, Tensor], Tensor]"  # (outputs [N, K], targets [N, ...]) -> [N]
    better: Better
    unit: Unit
    step: float | None = None  # the smallest difference that matters; None: 5 % of the baseline's value
    proportion: bool = False  # 0 or 1 per sample

    def is_better(self, value: float, than: float | None) -> bool:
        """Return whether a score is better than another one; the first one always is, NaN never."""
        if than is None:
            return not math.isnan(value)
        return value > than if self.better == "more" else value < than

    def score(self, outputs: "Tensor", targets: "Tensor") -> float:
        """Return the mean over all samples."""
        return float(of_each(self.of, outputs, targets).double().sum()) / len(targets)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One value for all samples: mean and deviation over seeds, no verdict."""

    name: str
    title: str
    of: "Callable[[Tensor, Tensor], float]"  # (outputs [N, K], targets [N, ...]) -> value
    better: Better
    unit: Unit


def metric_named(metrics: Iterable[Metric], name: str | None, *, figures: Iterable[Figure] = ()) -> Metric:
    """Return the metric of this name, the first one for None; UsageError, with the metrics, if there is none."""
    by_name = {metric.name: metric for metric in metrics}
    if name is None:
        return next(iter(by_name.values()))
    if name in by_name:
        return by_name[name]
    known = f"metrics: {', '.join(by_name)}"
    if name in {figure.name for figure in figures}:
        raise UsageError(
            f"--metric {name}: is one number per run and not one per image, so it gives no verdict; {known}"
        )
    raise UsageError(f"--metric {name}: unknown metric{did_you_mean(name, by_name)}; {known}")
