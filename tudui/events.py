"""What happens in a run, as the loop yields it and the sinks receive it. Plain values only; no torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """The first event of a run; a resumed run has none of its own."""

    name: str
    config: Mapping[str, Any]
    parameters: int
    classes: tuple[str, ...]
    images: Mapping[str, int]  # split -> number of images
    steps_planned: int
    hashes: Mapping[str, str]  # sha256 of what the run begins from


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Counts of values between edges; the outermost edges are the smallest and largest value."""

    edges: tuple[float, ...]  # [bins + 1]
    counts: tuple[int, ...]  # [bins]
    total: float
    total_of_squares: float


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """Where the first value that is not finite was met."""

    step: int
    what: str  # "loss" or "gradient"
    layer: str | None  # the layer of that gradient, or the one whose gradient was largest before the loss went
    learning_rate: float


@dataclass(frozen=True, kw_only=True)
class StepEnd:
    """The steps since the last event; `epoch_done` marks the last one of an epoch."""

    epoch: int  # from 1
    step: int  # steps done so far
    epochs_planned: int
    steps_planned: int
    loss: float  # mean over the images since the last event
    accuracy: float
    epoch_loss: float  # the same over the epoch so far
    epoch_accuracy: float
    learning_rate: float  # of the last step
    gradient_norm: Mapping[str, float]  # mean over the steps since the last event; "total" and each layer
    update_ratio: Mapping[str, float]  # norm of the last step's change / norm of the weights, each layer
    epoch_done: bool
    histograms: Mapping[str, Histogram] = field(default_factory=dict)  # gradient/<layer> and weight/<layer>
    diverged: Divergence | None = None
    timing: Mapping[str, float] = field(default_factory=dict)  # seconds in the loop so far, images_per_second


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """A model's scores on one split."""

    split: str
    epoch: int
    step: int
    weights: str  # "last" or "best"
    images: int
    accuracy: float
    balanced_accuracy: float
    nll: float
    ece: float  # expected calibration error over 15 bins
    loss: float  # mean value of the training loss
    losses: Mapping[str, float]  # mean value under each loss that was asked for
    per_class_accuracy: Mapping[str, float | None]  # None: no image of the class
    confusion: tuple[tuple[int, ...], ...]  # rows: true class; columns: predicted
    predicted: tuple[int, ...]  # classes predicted for the first images of the split

    def scores(self) -> dict[str, float]:
        """Return the numbers that result.json keeps of a split."""
        names = ("accuracy", "balanced_accuracy", "nll", "ece", "loss")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Something the user should know, which does not stop the run."""

    step: int
    message: str


@dataclass(frozen=True, kw_only=True)
class RunEnded:
    """The last event; its result is also the content of result.json."""

    step: int
    status: str
    result: Mapping[str, Any]


Event = RunStarted | StepEnd | Evaluated | Warned | RunEnded


def to_json(event: Event) -> dict[str, Any]:
    """Return an event as plain JSON values, its kind first."""
    return {"event": type(event).__name__, **asdict(event)}
