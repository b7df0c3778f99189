"""The results of a comparison: a row per variant, a pair per comparison with the baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tudui.comparison.done import RunRecord
from tudui.comparison.runs import cell_name
from tudui.comparison.statistics import Difference, Spread, Summary
from tudui.comparison.verdict import Verdict

Means = Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One variant at one noise level: its runs by seed, and the results of those that finished."""

    variant: str
    label_noise: float
    runs: tuple[RunRecord, ...]
    metrics: Mapping[str, Summary]  # {} like all below if every run diverged
    figures: Mapping[str, Spread]
    selected: Spread | None  # first metric on the test images, of the weights that validation selected
    validation: Spread | None  # first metric of the last weights
    losses: Means  # mean value of the models under each loss
    details: Mapping[str, Any]  # of the task, all seeds pooled
    learned: Mapping[str, Means] | None  # scores on training images with `clean` and with `flipped` labels
    reach: float | None  # the validation score whose time is measured
    reached: tuple[tuple[int | None, float | None], ...]  # epoch and seconds until then, for each run that finished

    @property
    def name(self) -> str:
        """A readable name, for example `gce-noise20`."""
        return cell_name(self.variant, self.label_noise)

    @property
    def learning_rate(self) -> float:
        """The peak learning rate of its runs."""
        return self.runs[0].planned.rate

    @property
    def seeds(self) -> list[int]:
        """The seeds of its runs."""
        return [run.planned.seed for run in self.runs]

    @property
    def diverged(self) -> list[int]:
        """The seeds of the runs that diverged."""
        return [run.planned.seed for run in self.runs if not run.finished]

    @property
    def finished(self) -> tuple[RunRecord, ...]:
        """The runs that did not diverge."""
        return tuple(run for run in self.runs if run.finished)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A variant against the baseline at one noise level, over the seeds that finished in both."""

    variant: str
    baseline: str
    label_noise: float
    metric: str
    found: Difference | None  # None: there is no such seed
    p_holm: float | None
    verdict: Verdict
    flags: tuple[str, ...] = ()  # "diverged": runs of the variant or of the baseline diverged

    @property
    def n(self) -> int:
        """The number of seeds."""
        return self.found.n if self.found else 0


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The search for one variant's learning rate at one noise level."""

    variant: str
    label_noise: float
    rates: Sequence[float]  # ascending
    scores: Sequence[Sequence[float]]  # first metric on validation, of each rate's tuning seeds
    chosen: float

    @property
    def at_the_edge(self) -> bool:
        """Whether the chosen rate is the lowest or highest, so that one beyond the grid may be better."""
        return self.chosen in (self.rates[0], self.rates[-1])
