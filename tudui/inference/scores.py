"""Score weights of any origin on any data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tudui.config import Config, Override, config_from
from tudui.data import Dataset, Known, Preparation, Split, load_data, load_whole, read_source
from tudui.errors import UsageError, WeightsError
from tudui.events import Evaluated
from tudui.losses import build_every_loss, build_loss
from tudui.tasks import Numbers, Task
from tudui.training.device import resolve_machine
from tudui.training.engine import predict, score
from tudui.training.network import Network
from tudui.weights import Weights, read_weights

EVERY = "all"  # the name of all images as a split
STANDARDIZE = {"normalize": "standardize"}
CLEAN = {
    "label_noise": 0.0,
    "noise_kind": "symmetric",
    "noise_matrix": None,
    "noise_manifest": None,
    "outliers": 0.0,
    "outlier_manifest": None,
}
UNFOLDED = [Override(f"data.{key}", value, "--data") for key, value in (("folds", None), ("fold", 1))]
UNPREPARED = "pixels in [0, 1], as in the course's scripts; other weights may need --normalize standardize"


@dataclass(frozen=True)
class Scored:
    """The scores of weights, with the weights and the task."""

    weights: Weights
    evaluated: Evaluated
    task: Task
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        found = self.evaluated
        scores = ", ".join(f"{one.title} {one.unit.text(found.scores[one.name])}" for one in self.task.metrics)
        return f"<{self.weights.origin}: {found.images:,} {found.split} {self.weights.shape.samples}, {scores}>"


def network_of(weights: Weights, *, preparation: Preparation) -> Network:
    """Return the network in the precision and memory format of its run; without a run, in fp32."""
    config = config_from(weights.config, weights.origin) if weights.config else Config()
    config, _ = resolve_machine(config.model_copy(update={"device": "auto"}))
    return Network.of(weights.model(), preparation, config, weights.shape.outputs)


def known_of(weights: Weights) -> Known | None:
    """Return what the columns and classes of a CSV file must be for weights; None if they do not say."""
    return Known(weights.task, weights.features) if weights.task else None


def preparation_of(weights: Weights, normalize: str | None, standardizing: Preparation | None) -> Preparation:
    """Return the preparation asked for, else that of the weights, else none; UsageError if it is not known."""
    if normalize == "standardize":
        found = standardizing or weights.preparation
        if found is None:
            raise UsageError(
                "--normalize standardize: these weights have no mean and std; use tudui evaluate with --data"
            )
        return found
    if normalize is None and weights.preparation is not None:
        return weights.preparation
    return Preparation()


def task_of(weights: Weights, dataset: Dataset) -> Task:
    """Return the task by which outputs of weights are scored on a data set: for numbers, with the scale of training.

    WeightsError if one of them has classes, and the other numbers.
    """
    if weights.what != dataset.task.kind:
        raise WeightsError(
            f"{weights.origin}: predicts {weights.what}, the data has {dataset.task.kind}; choose other data"
        )
    return weights.task if isinstance(weights.task, Numbers) else dataset.task


def split_of(dataset: Dataset, name: str) -> Split:
    """Return a split by name, all of `load_whole` for `all`; UsageError if there is none."""
    splits = {EVERY: dataset.train, **dataset.splits()}
    if name not in splits:
        raise UsageError(f"--split {name}: {dataset.name} has only {', '.join(dataset.splits())}")
    return splits[name]


def _targets_of(weights: Weights) -> Sequence[str]:
    """Return the names of the target's columns that a file without its run knows."""
    return weights.task.names if weights.config is None and isinstance(weights.task, Numbers) else ()


def evaluate_weights(
    path: Path,
    *,
    data: str | None = None,
    target: Sequence[str] = (),
    labels: str | None = None,
    data_dir: str | None = None,
    split: str = "test",
    on_bad_image: str | None = None,
    on_missing: str | None = None,
    normalize: str | None = None,
    best: bool = False,
) -> Scored:
    """Score weights on a split of their own or another data set; UsageError or WeightsError if they do not fit."""
    weights = read_weights(path, best=best)
    if weights.config is None and data is None:
        raise UsageError(f"{path}: a weights file does not name its data; add --data, for example --data cifar10")
    height, width = weights.shape.input[1:] if len(weights.shape.input) == 3 else (None, None)
    given = {
        "--data": ("name", data),
        "the weights": ("size", height if data is not None and height == width else None),
        "--data-dir": ("dir", data_dir),
        "--target": ("target", list(target or _targets_of(weights)) or None),
        "--labels": ("labels", labels),
        "--on-bad-image": ("on_bad_image", on_bad_image),
        "--on-missing": ("on_missing", on_missing),
    }
    overrides = [
        Override(f"data.{key}", value, f"{flag} {value}") for flag, (key, value) in given.items() if value is not None
    ]
    if data is not None and labels is None:
        overrides.append(Override("data.labels", None, f"--data {data}"))  # those of the run are of other images
    config = config_from(weights.config or {}, weights.origin, overrides)
    read = load_whole if split == EVERY else load_data
    if data is not None and config.data.folds and len(read_source(config.data, known_of(weights)).parts) > 1:
        config = config_from(config.model_dump(mode="json"), weights.origin, UNFOLDED)  # other data, with a test split
    dataset = read(config.data.model_copy(update=STANDARDIZE), config.seed, known_of(weights))
    if data is not None and config.data.is_spoiled and weights.data != dataset.fingerprint():
        # other data, and not that of the run at another place: the wrong labels are not its labels
        dataset = read(config.data.model_copy(update=STANDARDIZE | CLEAN), config.seed, known_of(weights))
    task = task_of(weights, dataset)
    weights.check_fits(dataset.shape)
    chosen = split_of(dataset, split)
    notes = [*dataset.notes, *([weights.note] if weights.note else [])]
    if split == EVERY and weights.config is not None and data is None:
        notes.append(f"all images of {dataset.name}, including those of the training: this is not a test")
    elif weights.data is not None and data is None and weights.data != dataset.fingerprint():
        notes.append(f"{dataset.name} has changed since the training: training images may be among these")
    if weights.preparation is None and normalize is None:
        notes.append(UNPREPARED)
    if weights.classes and weights.classes != dataset.task.names:
        names = (", ".join(names) for names in (weights.classes, dataset.task.names))
        notes.append(f"trained on {weights.what} {next(names)}; scored on {next(names)}")
    network = network_of(weights, preparation=preparation_of(weights, normalize, dataset.preparation))
    chosen = chosen.to(network.device)
    evaluated = score(
        predict(network, chosen),
        chosen.targets,
        task=task,
        loss=build_loss(config.loss, task),
        losses=build_every_loss(task),
        split=split,
        weights="best" if best else "last",
    )
    return Scored(weights, evaluated, task, tuple(notes))
