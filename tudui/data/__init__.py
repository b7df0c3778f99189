"""Images and labels: where they come from, how they are split, and in what order and shape the loop sees them."""

from pathlib import Path

import torch

from tudui.config.data_sets import FOLDER, data_sets
from tudui.config.plug_ins import place
from tudui.config.schema import DataConfig
from tudui.data.dataset import IMAGE_SHAPE, Dataset, Preparation, Source, Split
from tudui.data.draw import EpochDraw, draw_epoch
from tudui.data.label_noise import with_label_noise
from tudui.data.split import stratified
from tudui.errors import DataError

__all__ = [
    "Dataset",
    "EpochDraw",
    "Preparation",
    "Source",
    "Split",
    "dataset_of",
    "draw_epoch",
    "load_data",
    "read_source",
]

TEST_SHARE = 0.2  # of a source that has no test images of its own
UNEQUAL = 3  # a largest class this many times the smallest is worth a word


def read_source(config: DataConfig) -> Source:
    """Return the images of a source as they are, before any split is drawn."""
    if config.name.startswith(FOLDER):
        from tudui.data.folder import read_folder

        return read_folder(Path(config.name.removeprefix(FOLDER)), config)
    point = data_sets()[config.name]
    try:
        read = point.load()
    except Exception as error:  # another package's import may fail in any way
        raise DataError(f"{place(point)}: cannot be loaded: {error}; mend or uninstall that package") from error
    return _checked(read(config), place(point))


def _checked(source: Source, where: str) -> Source:
    """Return a source whose images, labels and parts are what the loop takes; DataError where they are not."""
    if not isinstance(source, Source):
        raise DataError(f"{where}: must return a tudui.data.Source (got {type(source).__name__})")
    store, labels = source.store, source.labels
    if store.dtype != torch.uint8 or store.shape[1:] != IMAGE_SHAPE:
        raise DataError(f"{where}: images must be uint8 [N, 3, 32, 32] (got {store.dtype} {list(store.shape)})")
    if labels.dtype != torch.int64 or labels.shape != store.shape[:1]:
        raise DataError(
            f"{where}: labels must be int64 [{len(store)}], one per image (got {labels.dtype} {list(labels.shape)})"
        )
    if not _within(labels, len(source.classes)):
        raise DataError(f"{where}: labels must lie in 0 to {len(source.classes) - 1}, a number for each of the classes")
    rows = torch.cat([torch.empty(0, dtype=torch.int64), *source.parts.values()])
    if "train" not in source.parts or not _within(rows, len(store)) or len(rows.unique()) < len(rows):
        raise DataError(f"{where}: parts must be rows of the images, each in one part, those of 'train' among them")
    if len(set(source.classes)) < len(source.classes):
        raise DataError(f"{where}: two classes have the same name")
    return source


def _within(numbers: torch.Tensor, size: int) -> bool:
    return not len(numbers) or 0 <= int(numbers.min()) <= int(numbers.max()) < size


def load_data(config: DataConfig, seed: int) -> Dataset:
    """Return train, validation and test; DataError where images are missing or unreadable.

    The test split never depends on the seed: runs of different seeds are scored on the same images.
    """
    return dataset_of(read_source(config), config, seed)


def dataset_of(source: Source, config: DataConfig, seed: int) -> Dataset:
    """Return what `load_data` does, of a source that is read already."""
    notes = list(source.notes)
    parts = dict(source.parts)
    if "test" not in parts:
        kept, held_out = stratified(source.labels[parts["train"]], share=TEST_SHARE, seed=0, purpose="test")
        parts["test"], parts["train"] = parts["train"][held_out], parts["train"][kept]
        notes += [
            f"{config.name} has no test images of its own: a stratified fifth ({len(held_out)} images) was set aside, "
            f"the same for every seed as long as the images are the same"
        ] * (config.name != "digits")  # whose fifth never changes
    if "validation" not in parts and config.validation > 0:
        kept, held_out = stratified(
            source.labels[parts["train"]], share=config.validation, seed=seed, purpose="validation"
        )
        parts["validation"], parts["train"] = parts["train"][held_out], parts["train"][kept]
    if not len(parts["test"]):
        raise DataError(f"{config.name}: too few images to set any aside for the test; give each class two or more")
    if "validation" in parts and not len(parts["validation"]):
        del parts["validation"]
        notes.append(f"{config.name}: too few images to hold any out for validation")
    splits = {name: Split(source.store, rows, source.labels[rows], rows) for name, rows in parts.items()}
    splits = with_label_noise(config, seed, source.classes, splits)
    counts = torch.bincount(splits["train"].labels, minlength=len(source.classes)).tolist()
    if min(counts) == 0:
        empty = [name for name, count in zip(source.classes, counts, strict=True) if count == 0]
        raise DataError(f"{config.name}: no training image of class {', '.join(empty)}; add some or leave it out")
    if max(counts) > UNEQUAL * min(counts):
        notes.append(
            f"{config.name}: classes are very unequal, {min(counts)} ({source.classes[counts.index(min(counts))]}) to "
            f"{max(counts)} ({source.classes[counts.index(max(counts))]}) training images; "
            f"look at the balanced accuracy, or give the rare ones weight with loss.class_weights=balanced (ce)"
        )
    standardize = config.normalize == "standardize"
    return Dataset(
        name=config.name,
        classes=source.classes,
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits["test"],
        preparation=Preparation.standardizing(splits["train"]) if standardize else Preparation(),
        notes=tuple(notes),
    )
