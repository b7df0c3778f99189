"""The events of a run, from the loop to the sinks. Plain values only; no torch."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

FORMAT = 2  # of the record; format 1 had no scores by name
MOST_PAIRS = 10  # of true and given class, in one line
Count = Annotated[int, Field(ge=0, lt=2**53)]
Planned = Annotated[int, Field(ge=1, lt=2**53)]
# JSON has no NaN and no infinity; they are written as null
Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]


@dataclass(frozen=True, kw_only=True)
class WrongLabels:
    """The labels that were made wrong on purpose, counted."""

    kind: Literal["symmetric", "asymmetric", "matrix", "manifest"]
    level: Number  # the setting; only with symmetric noise is it the share of wrong labels
    images: Mapping[str, Count]  # by split
    wrong: Mapping[str, Count]
    cells: tuple[tuple[Count, Count, Count], ...]  # true class, given class, images in all splits; () for many classes
    matrix: tuple[tuple[float, ...], ...] = ()  # of `data.noise_matrix`
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None  # of that file

    def share(self, split: str) -> float:
        """Return the share of wrong labels in a split; 0 in one without images."""
        return self.wrong.get(split, 0) / max(self.images.get(split, 0), 1)

    def pairs(self, names: Sequence[str]) -> list[str]:
        """Return the pairs of true and given class with the share of the true class's labels, the largest first."""
        total: Counter[int] = Counter()
        for true, _, count in self.cells:
            total[true] += count
        shares = [(count / total[true], true, given) for true, given, count in self.cells if given != true and count]
        ordered = sorted(shares, key=lambda pair: (-pair[0], *pair[1:]))
        return [f"{names[true]} → {names[given]} {100 * share:.3g} %" for share, true, given in ordered]

    def text(self, names: Sequence[str]) -> str:
        """Return the kind, the share in each split and the most frequent pairs, in one line."""
        shares = [f"{100 * self.share(name):.3g} % of {total:,} {name}" for name, total in self.images.items()]
        pairs = self.pairs(names)
        more = ", ..." if len(pairs) > MOST_PAIRS else ""
        listed = f"; {', '.join(pairs[:MOST_PAIRS])}{more}" if pairs and self.kind != "symmetric" else ""
        return f"{self.kind}, level {self.level:g}: {' and '.join(shares)} labels{listed}"


@dataclass(frozen=True, kw_only=True)
class Outliers:
    """The numbers among the targets that were spoiled on purpose, counted."""

    kind: Literal["shift", "scale", "swap", "manifest"]
    level: Number  # the share that was asked for
    size: Number  # in interquartile ranges of the training targets
    rows: Mapping[str, Count]  # by split
    spoiled: Mapping[str, Count]

    def share(self, split: str) -> float:
        """Return the share of spoiled targets in a split; 0 in one without rows."""
        return self.spoiled.get(split, 0) / max(self.rows.get(split, 0), 1)

    def text(self) -> str:
        """Return the kind, the size and the share in each split, in one line."""
        size = "" if self.kind in ("swap", "manifest") else f" by {self.size:g} interquartile ranges"
        shares = [f"{100 * self.share(name):.3g} % of {total:,} {name}" for name, total in self.rows.items()]
        return f"{self.kind}{size}: {' and '.join(shares)} targets"


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """The first event; a resumed run sends it to its listeners only, so the record contains it once."""

    name: str
    config: Mapping[str, Any]
    parameters: Count
    task: Mapping[str, Any]  # what outputs and targets mean, as `Task.about` describes it
    images: Mapping[str, Count]  # split -> number of images
    steps_planned: Count
    hashes: Mapping[str, str]  # sha256 of what the run starts from
    wrong_labels: WrongLabels | None = None
    outliers: Outliers | None = None
    residuals: Mapping[str, str] = field(default_factory=dict)  # settings of the loss in the unit of the targets
    samples: str = "images"  # what samples are called: images, or rows of a table
    kinds: Mapping[str, str] = field(default_factory=dict)  # the class of each layer whose name is only a number
    step: Count = 0  # where it starts
    format: int = FORMAT  # of the record


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Counts of values between edges; the outermost edges are the smallest and largest value."""

    edges: tuple[float, ...]  # [bins + 1]
    counts: tuple[int, ...]  # [bins]
    total: float
    total_of_squares: float


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """Where the first value occurred that is not finite."""

    step: Count
    what: str  # "loss" or "gradient"
    layer: str | None  # of that gradient; for the loss, the one with the largest gradient before
    learning_rate: Number


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long it took; only these values differ between two equal runs."""

    seconds: Annotated[float, Field(ge=0)] = 0.0  # in the loop so far
    images_per_second: Annotated[float, Field(ge=0)] = 0.0  # since the last event


@dataclass(frozen=True, kw_only=True)
class StepEnd:
    """The steps since the last event; `epoch_done` marks the last one of an epoch."""

    epoch: Count  # from 1
    step: Planned  # steps done so far
    epochs_planned: Planned
    steps_planned: Planned
    loss: Number  # mean over the images since the last event
    scores: Mapping[str, Number]  # of the task's first metric, also since the last event
    epoch_loss: Number  # mean over the epoch so far
    epoch_scores: Mapping[str, Number]
    learning_rate: Number  # of the last step
    gradient_norm: Mapping[str, Number]  # mean over the steps since the last event; "total" and each layer
    update_ratio: Mapping[str, Number]  # norm of the last step's change / norm of the weights, each layer
    epoch_done: bool
    histograms: Mapping[str, Histogram] = field(default_factory=dict)  # gradient/<block> and weight/<block>
    diverged: Divergence | None = None
    timing: Timing = Timing()


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """A model's scores on one split."""

    split: str
    epoch: Count
    step: Count
    weights: str  # "last" or "best"
    images: Count
    scores: Mapping[str, Number]  # every metric and figure of the task, by name
    loss: Number  # mean value of the training loss
    losses: Mapping[str, Number]  # mean value under each requested loss
    details: Mapping[str, Any] = field(default_factory=dict)  # of the task, for example a confusion matrix
    predicted: tuple[Any, ...] = ()  # for the first images of the split

    def values(self) -> dict[str, float]:
        """Return the numbers of a split for result.json."""
        return {**self.scores, "loss": self.loss}


@dataclass(frozen=True, kw_only=True)
class Warned:
    """A warning to the user; the run continues."""

    step: Count
    message: str


@dataclass(frozen=True, kw_only=True)
class RunEnded:
    """The last event; its result is also the content of result.json."""

    step: Count
    status: str
    result: Mapping[str, Any]


Event = RunStarted | StepEnd | Evaluated | Warned | RunEnded


def to_json(event: Event) -> dict[str, Any]:
    """Return an event as plain JSON values, its kind first."""
    return {"event": type(event).__name__, **asdict(event)}
