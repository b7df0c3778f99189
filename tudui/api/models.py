"""Trained weights: `tudui.evaluate`, `tudui.predict`, `tudui.load`, `tudui.export`."""

from collections.abc import Iterable, Sequence
from os import fspath
from pathlib import Path
from typing import Literal, get_args

from tudui.api.configs import Named, one_of
from tudui.api.console import note
from tudui.config.own_code import allow_named
from tudui.errors import UsageError
from tudui.files import refuse_overwriting
from tudui.inference.export import Export, card_of, export_model, place_of
from tudui.inference.predict import Prediction as Prediction
from tudui.inference.predict import Predictions, find_images, predict_files, predict_rows, predict_split
from tudui.inference.predict import Unreadable as Unreadable
from tudui.inference.prepared import Prepared
from tudui.inference.scores import UNPREPARED, evaluate_weights, preparation_of
from tudui.inference.scores import Scored as Scored
from tudui.run_folder import RunResult
from tudui.weights import read_weights

SplitName = Literal["train", "validation", "test", "all"]
Normalize = Literal["standardize", "none"] | None


def evaluate(
    weights: Named | RunResult,
    data: str | None = None,
    *,
    target: str | Sequence[str] = (),
    labels: Named | None = None,
    split: SplitName = "test",
    data_dir: Named | None = None,
    on_bad_image: Literal["refuse", "skip"] | None = None,
    on_missing: Literal["refuse", "drop", "median"] | None = None,
    normalize: Normalize = None,
    best: bool = False,
    network: str | None = None,
    loss: str | None = None,
) -> Scored:
    """Score a run, or a weights file of any script, on a split (`all`: all images) of its own data or another data set.

    A CSV file is read with the columns and classes of the training; by default, `target` and `labels` are the run's.
    `normalize` None prepares pixels as in training, or not at all if the file does not say how. In `evaluated` of the
    result, accuracies are fractions and NLL is in nats. `network` and `loss` name the run's own code again,
    FILE.py:NAME. WeightsError and DataError say what cannot be used.
    """
    allow_named(network=network, loss=loss)
    one_of("split", split, get_args(SplitName))
    one_of("normalize", normalize, ("standardize", "none"))
    where = None if data_dir is None else fspath(data_dir)
    one_of("on_bad_image", on_bad_image, ("refuse", "skip"))
    one_of("on_missing", on_missing, ("refuse", "drop", "median"))
    scored = evaluate_weights(
        _path(weights), data=data, target=[target] if isinstance(target, str) else target,
        labels=None if labels is None else fspath(labels), data_dir=where, split=split, on_bad_image=on_bad_image,
        on_missing=on_missing, normalize=normalize, best=best,
    )  # fmt: skip
    note(*scored.notes)
    return scored


def predict(
    weights: Named | RunResult,
    images: Iterable[Named] = (),
    *,
    split: SplitName | None = None,
    top: int = 3,
    normalize: Normalize = None,
    best: bool = False,
    network: str | None = None,
    data: str | None = None,
) -> Predictions:
    """Return the likeliest classes of image files, and of all images below folders, computed during iteration.

    For a network that was trained on a table, of the rows of CSV files; for numbers, their values.

    With `split` instead of files, of that split of the run's own data, with the true classes. `normalize` as in
    `evaluate`. An image that cannot be read gives an Unreadable. `network` and `data` name the run's own code again.
    """
    allow_named(network=network, data=data)
    one_of("normalize", normalize, ("standardize", "none"))
    images = list(images)
    if bool(images) == (split is not None):
        raise UsageError(
            "predict: name images or CSV files, or a split of the run's own data with --split, and not both"
        )
    one_of("split", split, get_args(SplitName))
    read = read_weights(_path(weights), best=best)
    if split is not None:
        return predict_split(read, split, top=top, normalize=normalize)
    if read.features:
        paths = [Path(path) for path in images]
        return Predictions(read, paths, lambda: predict_rows(read, paths, top=top, normalize=normalize))
    files = find_images(map(Path, images))
    if read.preparation is None and normalize is None:
        note(UNPREPARED)
    note(*([read.note] if read.note else []))
    return Predictions(
        read, [file.path for file in files], lambda: predict_files(read, files, top=top, normalize=normalize)
    )


def load(
    weights: Named | RunResult, *, best: bool = False, normalize: Normalize = None, network: str | None = None
) -> Prepared:
    """Return the trained network as a torch module, with the preparation inside, on the CPU and in evaluation mode.

    It takes images uint8 [N, 3, H, W] or rows float32 [N, F], and returns logits [N, K], or for numbers values [N, K]
    in the unit of the target; its `names` are the classes or columns. `normalize` as in `evaluate`. `network` names
    the run's own code again, FILE.py:NAME.
    """
    allow_named(network=network)
    one_of("normalize", normalize, ("standardize", "none"))
    read = read_weights(_path(weights), best=best)
    if read.preparation is None and normalize is None:
        note(UNPREPARED)
    return Prepared(read, preparation_of(read, normalize, None))


def export(
    weights: Named | RunResult,
    out: Named | None = None,
    *,
    format: Literal["safetensors", "onnx", "torch"] | None = None,
    best: bool = False,
    overwrite: bool = False,
    network: str | None = None,
    data: str | None = None,
) -> Export:
    """Write a trained model as one file that others can load without Tudui, and a model card beside it.

    The ending of `out` gives the format, or the format the ending; by default safetensors, named after the run.
    `network` and `data` name the run's own code again. WeightsError if the file, read back, computes other values.
    """
    allow_named(network=network, data=data)
    path, chosen = place_of(_path(weights), None if out is None else Path(out), format)
    refuse_overwriting(path, card_of(path), overwrite=overwrite)
    done = export_model(_path(weights), path, format=chosen, best=best)
    note(*done.notes)
    return done


def _path(weights: Named | RunResult) -> Path:
    return weights.run_dir if isinstance(weights, RunResult) else Path(weights)
