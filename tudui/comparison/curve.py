"""What a search on validation tried for one variant at one noise level, and what it chose."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tudui.comparison.runs import Parameters, cell_name


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """The scores of one variant over a setting of its loss, at the rate that was the best before."""

    name: str  # of the setting
    rate: float
    values: Sequence[float]  # ascending
    scores: Sequence[Sequence[float]]  # first metric on validation, of each value's tuning seeds
    chosen: float


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The search for one variant's learning rate at one noise level, and for tuned settings of its loss."""

    variant: str
    label_noise: float
    rates: Sequence[float]  # ascending; those tried with the chosen settings of the loss
    scores: Sequence[Sequence[float]]  # first metric on validation, of each rate's tuning seeds
    chosen: float
    parameters: Parameters = ()  # the chosen settings of the loss
    runs: int = 0  # of the whole search
    over: Sequence[Sensitivity] = ()  # one for each of `parameters`

    @property
    def at_the_edge(self) -> bool:
        """Whether the chosen rate is the lowest or highest, so that one beyond the grid may be better."""
        return self.chosen in (self.rates[0], self.rates[-1])


def curve_values(curve: Curve, first: str, word: str) -> dict[str, Any]:
    """Return a search as plain values; `first` is the metric of its scores, `word` what its name calls the level."""
    values = asdict(curve) | {"parameters": dict(curve.parameters)}
    scores = values.pop("scores")
    for one in values["over"]:
        one[f"validation_{first}"] = one.pop("scores")
    more = {"name": cell_name(curve.variant, curve.label_noise, word), "at_the_edge": curve.at_the_edge}
    return values | more | {f"validation_{first}": scores}
