"""What is done with trained weights: `tudui.evaluate`, `tudui.predict`, `tudui.export`."""

from collections.abc import Iterable
from os import fspath
from pathlib import Path
from typing import Literal

from tudui.api.configs import Named, one_of
from tudui.api.console import note
from tudui.errors import UsageError
from tudui.inference.export import Export, card_of, export_model, place_of
from tudui.inference.predict import Prediction as Prediction
from tudui.inference.predict import Predictions, find_images
from tudui.inference.predict import Unreadable as Unreadable
from tudui.inference.scores import UNPREPARED, evaluate_weights
from tudui.inference.scores import Scored as Scored
from tudui.run_folder import RunResult
from tudui.weights import read_weights

Normalize = Literal["standardize", "none"] | None


def evaluate(
    weights: Named | RunResult,
    data: str | None = None,
    *,
    split: Literal["train", "validation", "test"] = "test",
    data_dir: Named | None = None,
    normalize: Normalize = None,
    best: bool = False,
) -> Scored:
    """Score a run, or a weights file of any script, on a split of its own data or of another data set.

    `normalize` None prepares pixels as in training, or not at all where a file does not say. In `evaluated` of what is
    returned accuracies are fractions, NLL is in nats. WeightsError and DataError say what cannot be used.
    """
    one_of("split", split, ("train", "validation", "test"))
    one_of("normalize", normalize, ("standardize", "none"))
    place = None if data_dir is None else fspath(data_dir)
    scored = evaluate_weights(_path(weights), data=data, data_dir=place, split=split, normalize=normalize, best=best)
    for text in scored.notes:
        note(text)
    return scored


def predict(
    weights: Named | RunResult,
    images: Iterable[Named],
    *,
    top: int = 3,
    normalize: Normalize = None,
    best: bool = False,
) -> Predictions:
    """Return the likeliest classes of image files, and of all images below folders, computed as they are asked for.

    `normalize` as in `evaluate`. An image that cannot be read is Unreadable in its place.
    """
    one_of("normalize", normalize, ("standardize", "none"))
    read, files = read_weights(_path(weights), best=best), find_images(map(Path, images))
    if read.preparation is None and normalize is None:
        note(UNPREPARED)
    return Predictions(read, files, top=top, normalize=normalize)


def export(
    weights: Named | RunResult,
    out: Named | None = None,
    *,
    format: Literal["safetensors", "onnx", "torch"] | None = None,
    best: bool = False,
    overwrite: bool = False,
) -> Export:
    """Write a trained model as one file that others can load without Tudui, and a model card beside it.

    The format follows from the ending of `out`, and the other way round; by default safetensors, by the run's name.
    WeightsError where the file, read back, computes something else.
    """
    path, chosen = place_of(_path(weights), None if out is None else Path(out), format)
    refuse_overwriting(path, card_of(path), overwrite=overwrite)
    done = export_model(_path(weights), path, format=chosen, best=best)
    for text in done.notes:
        note(text)
    return done


def refuse_overwriting(*paths: Path, overwrite: bool) -> None:
    """Raise UsageError where a file that is to be written is there already, and the user did not say to replace it."""
    for path in paths:
        if path.is_dir():
            raise UsageError(f"{path}: is a folder; give the name of a file with --out")
        if not overwrite and (path.exists() or path.is_symlink()):
            raise UsageError(f"{path}: is there already; give another name with --out, or add --overwrite")


def _path(weights: Named | RunResult) -> Path:
    return weights.run_dir if isinstance(weights, RunResult) else Path(weights)
