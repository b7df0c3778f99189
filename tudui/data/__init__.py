"""Images and targets: where they come from, how they are split, and in what order and shape the loop sees them."""

from pathlib import Path

import torch

from tudui.config.data_sets import FOLDER, data_sets
from tudui.config.plug_ins import place
from tudui.config.schema import DataConfig
from tudui.data.dataset import Dataset, Preparation, Source, Split
from tudui.data.draw import EpochDraw, draw_epoch
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
    """Return a source whose images, targets and parts are what the loop takes; DataError if they are not."""
    if not isinstance(source, Source):
        raise DataError(f"{where}: must return a tudui.data.Source (got {type(source).__name__})")
    store, targets = source.store, source.targets
    if store.dtype != torch.uint8 or store.dim() != 4 or store.shape[1] != 3 or not store[0:1].numel():
        raise DataError(f"{where}: images must be uint8 [N, 3, H, W] (got {store.dtype} {list(store.shape)})")
    source.task.check(targets, where)
    if len(targets) != len(store):
        raise DataError(f"{where}: there must be one target per image (got {len(targets)} for {len(store)} images)")
    rows = torch.cat([torch.empty(0, dtype=torch.int64), *source.parts.values()])
    if "train" not in source.parts or not _within(rows, len(store)) or len(rows.unique()) < len(rows):
        raise DataError(f"{where}: parts must be rows of the images, each in one part, those of 'train' among them")
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
    notes, task = list(source.notes), source.task
    parts = dict(source.parts)
    if "test" not in parts:
        kept, held_out = stratified(
            task.strata(source.targets[parts["train"]]), share=TEST_SHARE, seed=0, purpose="test"
        )
        parts["test"], parts["train"] = parts["train"][held_out], parts["train"][kept]
        notes += [
            f"{config.name} has no test images of its own: a stratified fifth ({len(held_out)} images) was set aside, "
            f"the same for every seed as long as the images are the same"
        ] * (config.name != "digits")  # whose fifth never changes
    if "validation" not in parts and config.validation > 0:
        kept, held_out = stratified(
            task.strata(source.targets[parts["train"]]), share=config.validation, seed=seed, purpose="validation"
        )
        parts["validation"], parts["train"] = parts["train"][held_out], parts["train"][kept]
    if not len(parts["test"]):
        raise DataError(f"{config.name}: too few images to set any aside for the test; give each class two or more")
    if "validation" in parts and not len(parts["validation"]):
        del parts["validation"]
        notes.append(f"{config.name}: too few images to hold any out for validation")
    targets = {name: source.targets[rows] for name, rows in parts.items()}
    spoiled = task.spoil(targets, parts, config, seed)
    splits = {
        name: Split(
            source.store, rows, spoiled.get(name, targets[name]), rows, targets[name] if name in spoiled else None
        )
        for name, rows in parts.items()
    }
    task = task.fitted(splits["train"].targets, config.name)
    notes += task.remarks(config.name)
    standardize = config.normalize == "standardize"
    return Dataset(
        name=config.name,
        task=task,
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits["test"],
        preparation=Preparation.standardizing(splits["train"]) if standardize else Preparation(),
        notes=tuple(notes),
    )
