"""Images and targets: sources, splits, and their order and form in the training loop."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tudui.config.data_sets import FOLDER, TABLE, data_sets
from tudui.config.network_spec import MAX_FEATURES
from tudui.config.own_code import is_own
from tudui.config.plug_ins import place
from tudui.config.schema import AugmentConfig, DataConfig
from tudui.data.cache import LARGE, as_tensor, chunk_of, kept, read_cached
from tudui.data.dataset import Dataset, Known, Preparation, Source, Split
from tudui.data.draw import EpochDraw, draw_epoch
from tudui.data.split import folds_of, stratified
from tudui.errors import DataError, UsageError
from tudui.seeding import sub_seed
from tudui.style import notes_on

__all__ = ["Dataset", "EpochDraw", "Known", "Preparation", "Source", "Split", "draw_epoch", "load_data", "load_whole"]

TEST_SHARE = 0.2  # of a source without test images
SHIPPED = ("diabetes", "digits", "rotated-digits")  # whose rows never change


def read_source(config: DataConfig, known: Known | None = None) -> Source:
    """Return the images or rows of a source before they are split; DataError if they are missing or unreadable.

    With `known`, the columns and classes of a CSV file are those of a trained network.
    """
    if config.name.startswith(TABLE):
        from tudui.data.table import read_table

        return _scaled(_checked(read_table(config, known), config.name, known), config)
    if config.name.startswith(FOLDER) and config.labels:
        from tudui.data.labels import read_labelled

        return _checked(read_labelled(Path(config.name.removeprefix(FOLDER)), config, known), config.name, known)
    if config.name.startswith(FOLDER):
        from tudui.data.folder import read_folder

        return read_folder(Path(config.name.removeprefix(FOLDER)), config)
    if is_own(config.name):
        from tudui.data.own import read_own

        return _scaled(_checked(read_own(config), config.name), config)
    point = data_sets()[config.name]
    try:
        read = point.load()
    except Exception as error:  # another package's import may fail in any way
        raise DataError(f"{place(point)}: failed to load: {error}; fix or uninstall the package") from error
    return _scaled(_checked(read(config), place(point)), config)


def _scaled(source: Source, config: DataConfig) -> Source:
    """Return the source with images of `data.size`: scaled to cover it, with antialiasing, the centre kept."""
    store, side = source.store, config.size
    if source.features:
        if side is not None:
            raise UsageError(f"data.size: {config.name} is a table and has no images; leave --size out")
        return source
    height, width = store.shape[2:]
    source = replace(source, sizes=source.sizes or [(height, width)])
    if side is None or (height, width) == (side, side):
        return source
    from torchvision.transforms.v2.functional import center_crop, resize

    size = (len(store), 3, side, side)
    length = chunk_of(max(side, height), max(side, width))

    def chunks() -> Iterator[np.ndarray]:
        for some in store.split(length):
            yield center_crop(resize(some, [side], antialias=True), [side, side]).numpy()

    key = None
    if config.cache and math.prod(size) > LARGE:  # others are scaled anew as fast as they are read
        key = hashlib.sha256(f"scaled to {side}\n{list(store.shape)}\n".encode())
        for some in store.split(length):
            key.update(some.contiguous().numpy().data)
    name = key.hexdigest()[:32] if key else None
    found = read_cached(name) if name else None
    images, notes = (found[0], []) if found else kept(name, size, chunks, lambda: {"scaled": config.name})
    return replace(source, store=as_tensor(images), notes=[*source.notes, *notes])


def _checked(source: Source, where: str, known: Known | None = None) -> Source:
    """Return the source; DataError if the loop cannot use its images, targets or parts."""
    if not isinstance(source, Source):
        raise DataError(f"{where}: must return a tudui.data.Source (got {type(source).__name__})")
    store, targets = source.store, source.targets
    found = f"(got {store.dtype} {list(store.shape)})"
    if source.features:
        if store.dtype != torch.float32 or store.shape[1:] != (len(source.features),):
            raise DataError(f"{where}: features must be float32 [N, {len(source.features)}] {found}")
        if len(source.features) > MAX_FEATURES:
            raise DataError(f"{where}: {len(source.features):,} features are too many; {MAX_FEATURES:,} are allowed")
    elif store.dtype != torch.uint8 or store.dim() != 4 or store.shape[1] != 3 or not store[0:1].numel():
        raise DataError(f"{where}: images must be uint8 [N, 3, H, W] {found}")
    if known is None:  # targets to be scored only may be few, or all the same
        source.task.check(targets, where)
    if len(targets) != len(store):
        raise DataError(f"{where}: must have one target per image (got {len(targets)} for {len(store)} images)")
    rows = torch.cat([torch.empty(0, dtype=torch.int64), *source.parts.values()])
    outside = (rows < 0) | (rows >= len(store))
    if "train" not in source.parts or outside.any() or len(rows.unique()) < len(rows):
        raise DataError(
            f"{where}: parts must include 'train' and contain row numbers of the images, each in one part only"
        )
    return source


def load_data(config: DataConfig, seed: int, known: Known | None = None) -> Dataset:
    """Return train, validation and test; DataError if images are missing or unreadable. `known`: see `read_source`.

    The test split never depends on the seed: runs of different seeds are scored on the same images.
    """
    return dataset_of(read_source(config, known), config, seed)


def load_whole(config: DataConfig, seed: int, known: Known | None = None) -> Dataset:
    """Return a data set whose only split, train and test at once, has all images, with their own labels."""
    del seed  # nothing is drawn
    source = read_source(config, known)
    rows = torch.cat(list(source.parts.values())).sort().values
    every = Split(source.store, rows, source.targets[rows], rows, None)
    preparation = Preparation.standardizing(every)
    about = tuple(source.notes), source.files, source.features
    return Dataset(config.name, source.task, every, None, every, preparation, *about)


def _check_changes(augment: AugmentConfig, store: torch.Tensor) -> None:
    """Raise UsageError if a shift moves more than half of an image out of itself, or for any change of a table."""
    if store.dim() != 4:
        if augment != AugmentConfig():
            raise UsageError("data.augment: changes images, and this data set is a table; leave it out")
        return
    shift, (height, width) = augment.shift, store.shape[2:]
    if shift > (most := min(height, width) // 2):
        raise UsageError(
            f"data.augment.shift: {shift} pixels are more than half of a {height} x {width} image; use at most {most}"
        )


def _fold_of_each(source: Source, config: DataConfig) -> torch.Tensor:
    """Return the fold of each row of a source that has no parts; DataError if it cannot be split into folds."""
    what = "rows" if source.features else "images"
    if others := [name for name in source.parts if name != "train"]:
        raise DataError(
            f"{config.name}: has {' and '.join(sorted(others))} {what} of its own, which folds would mix with those "
            f"for training; leave --folds out (data.folds)"
        )
    targets = source.targets[source.parts["train"]]
    if source.task.kind == "classes":
        names, counts = source.task.names, targets.bincount(minlength=source.task.outputs).tolist()
        if alone := [name for name, count in zip(names, counts, strict=True) if count == 1]:
            raise DataError(
                f"{config.name}: class {alone[0]} is in only one of the {what}, so no training contains it when its "
                "fold is tested; add more, or leave the class out"
            )
    return folds_of(source.task.strata(targets), config.folds or 1)


def dataset_of(source: Source, config: DataConfig, seed: int) -> Dataset:
    """Return the same as `load_data`, from a source."""
    _check_changes(config.augment, source.store)
    notes, task, what = list(source.notes), source.task, "rows" if source.features else "images"
    parts = dict(source.parts)

    def hold_out(part: str, share: float, seed: int) -> None:
        strata = task.strata(source.targets[parts["train"]])
        kept, held_out = stratified(strata, share=share, seed=seed, purpose=part)
        parts[part], parts["train"] = parts["train"][held_out], parts["train"][kept]

    if config.folds:
        rows, fold = parts["train"], _fold_of_each(source, config)
        parts["test"], parts["train"] = rows[fold == config.fold], rows[fold != config.fold]
    if "test" not in parts:
        hold_out("test", TEST_SHARE, 0)
        if config.name not in SHIPPED:
            notes.append(
                f"{config.name} has no test {what}, so a stratified fifth ({len(parts['test'])} {what}) is the test "
                "set, the same for every seed"
            )
    if "validation" not in parts and config.validation > 0:
        hold_out("validation", config.validation, sub_seed(config.split_seed, seed))
    if not len(parts["test"]):
        raise DataError(f"{config.name}: too few {what} for a test split; add {what} until each class has two or more")
    if "validation" in parts and not len(parts["validation"]):
        del parts["validation"]
        notes.append(f"{config.name}: too few {what} for a validation split")
    targets = {name: source.targets[rows] for name, rows in parts.items()}
    spoiled = task.spoil(targets, parts, config, seed)
    splits = {
        name: Split(
            source.store, rows, spoiled.get(name, targets[name]), rows, targets[name] if name in spoiled else None
        )
        for name, rows in parts.items()
    }
    task = task.fitted(splits["train"].targets, source.targets, config.name, config)
    notes += [*task.remarks(config.name), *notes_on(task.names)]
    standardize = config.normalize == "standardize"
    return Dataset(
        name=config.name,
        task=task,
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits["test"],
        preparation=Preparation.standardizing(splits["train"]) if standardize else Preparation.leaving(splits["train"]),
        notes=tuple(notes),
        files=source.files,
        features=source.features,
    )
