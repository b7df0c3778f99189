"""Check a data set."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tudui.api.configs import Named
from tudui.config import Override, config_from
from tudui.config.data_sets import FOLDER, TABLE, data_sets, path_in
from tudui.config.own_code import is_own
from tudui.lab.advice import MANY_OUTLIERS
from tudui.language import say

if TYPE_CHECKING:
    from torch import Tensor

    from tudui.data import Dataset, Source


Spread = tuple[int, int, int]  # minimum, median, maximum
FAR = 5  # interquartile ranges from the median, as `data.outlier_size`
MOST_LISTED = 8  # of the targets that are far from the others


@dataclass(frozen=True)
class Values:
    """The values of a feature of a table."""

    name: str
    minimum: float
    median: float
    maximum: float
    missing: int = 0


@dataclass(frozen=True)
class Sizes:
    """The sizes of images before they are scaled, in pixels, and what scaling changes."""

    size: tuple[int, int]  # height and width that the network gets
    heights: Spread
    widths: Spread
    smaller: float  # share of images that are enlarged, because their height or width is below that size
    cut: float  # median share of an image's area outside the centre that is kept
    pixels: float  # median number of an image's pixels that become one; below 1, it is enlarged


@dataclass(frozen=True)
class FarTarget:
    """A target that is more than FAR interquartile ranges from the median, in the column's unit."""

    line: int | None  # of the CSV file of a table
    value: float
    split: str


@dataclass(frozen=True)
class FarTargets:
    """The targets of a column that are far from the others, in the order of the file."""

    name: str
    values: tuple[FarTarget, ...]
    share: float  # of the training targets

    @property
    def words(self) -> str:
        """Where they are, in the reader's language."""
        shown = [
            say("line {line}: {value:.7g}", line=one.line, value=one.value) if one.line else f"{one.value:.7g}"
            for one in self.values[:MOST_LISTED]
        ]
        if more := len(self.values) - len(shown):
            shown.append(say("{number} more", number=more))
        splits = Counter(one.split for one in self.values)
        return say(
            "{name}: {number} targets are more than {far} interquartile ranges from the median: {values} ({splits}).",
            name=self.name, number=len(self.values), far=FAR, values=say(", ").join(shown),
            splits=say(", ").join(f"{say(split)} {number}" for split, number in splits.items()),
        )  # fmt: skip


@dataclass(frozen=True)
class CheckedData:
    """A data set; `source.unreadable` are the images that cannot be read, each with the reason."""

    name: str  # as --data takes it
    data: "Dataset"
    source: "Source"
    sizes: "Sizes | None"  # None: a table
    features: tuple[Values, ...] = ()  # of a table

    @property
    def targets(self) -> dict[str, dict[str, dict[str, float]]]:
        """Minimum, quartiles and maximum of each column of numbers, by split; {} for classes."""
        if self.data.task.kind == "classes":
            return {}
        import numpy as np

        names = ("minimum", "low", "median", "high", "maximum")
        found = {}
        for split, rows in self.data.splits().items():
            quantiles = np.quantile(rows.targets.numpy(), [0, 0.25, 0.5, 0.75, 1], axis=0).T.tolist()
            columns = zip(self.data.task.names, quantiles, strict=True)
            found[split] = {name: dict(zip(names, column, strict=True)) for name, column in columns}
        return found

    @cached_property
    def far_targets(self) -> tuple[FarTargets, ...]:
        """The columns with targets far from the others; () for classes. The quartiles are those of training."""
        found = []
        for column, (name, spread) in enumerate(self.targets.get("train", {}).items()):
            most, far = FAR * (spread["high"] - spread["low"]), []
            for split, rows in self.data.splits().items():
                values = rows.targets[:, column]
                for place in ((values - spread["median"]).abs() > most).nonzero()[:, 0].tolist():
                    line = None if self.source.lines is None else int(self.source.lines[rows.index[place]])
                    far.append(FarTarget(line, float(values[place]), split))
            share = sum(one.split == "train" for one in far) / len(self.data.train)
            if far and most and share < MANY_OUTLIERS:
                found.append(FarTargets(name, tuple(sorted(far, key=lambda one: one.line or 0)), share))
        return tuple(found)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Images of each class, by split; of numbers, of all together."""
        if self.data.task.kind == "numbers":
            return {split: {"all": len(rows)} for split, rows in self.data.splits().items()}
        classes = self.data.task.names
        return {
            split: dict(zip(classes, images.targets.bincount(minlength=len(classes)).tolist(), strict=True))
            for split, images in self.data.splits().items()
        }


def check_data(
    name: Named,
    *,
    target: str | Sequence[str] = (),
    labels: Named | None = None,
    on_missing: Literal["refuse", "drop", "median"] | None = None,
    data_dir: Named | None = None,
    size: int | None = None,
) -> CheckedData:
    """Read a data set, or a folder of images or a CSV file by its path; DataError if it cannot be used at all.

    `target` and `labels` are those of training.
    """
    name = fspath(name)
    known = name in data_sets() or is_own(name) or path_in(name)[0]
    if not known and Path(name).is_file():
        name = f"{TABLE}{name}"
    elif not known and ("/" in name or Path(name).is_dir()):
        name = f"{FOLDER}{name}"
    where = None if labels is None else fspath(labels)
    names = [target] if isinstance(target, str) else list(target)
    given = {"target": names or None, "labels": where, "on_missing": on_missing}
    overrides = [
        Override(f"data.{key}", value, f"--{key} {value}") for key, value in given.items() if value is not None
    ]
    overrides += [Override("data.name", name, f"data {name}"), Override("data.on_bad_image", "skip", "data check")]
    if data_dir is not None:
        overrides.append(Override("data.dir", fspath(data_dir), f"--data-dir {fspath(data_dir)}"))
    if size is not None:
        overrides.append(Override("data.size", size, f"--size {size}"))
    config = config_from({}, "data check", overrides)
    from tudui.data import dataset_of, read_source

    source = read_source(config.data)
    data = dataset_of(source, config.data, config.seed)
    return CheckedData(name, data, source, sizes_of(source), _values_of(source.features, source.store))


def _values_of(names: Sequence[str], values: "Tensor") -> tuple[Values, ...]:
    """Return the range of each column of values [N, K]; NaN is missing."""
    found = []
    for place, name in enumerate(names):
        column = values[:, place]
        there = column[~column.isnan()]
        if not len(there):
            there = column[:1]  # NaN
        low, middle, high = (float(one) for one in (there.min(), there.median(), there.max()))
        found.append(Values(name, low, middle, high, int(column.isnan().sum())))
    return tuple(found)


def sizes_of(source: "Source") -> Sizes | None:
    """Return the sizes of a source's images before they were scaled, read from image files; None for a table."""
    import numpy as np

    if source.features:
        return None

    from tudui.data.decoding import original_size, pillow_warnings

    height, width = source.store.shape[2:]
    with pillow_warnings():  # already reported when the images were decoded
        heights, widths = np.array(source.sizes or [original_size(Path(file)) for file in source.files]).T
    scale = np.maximum(height / heights, width / widths)
    kept = height * width / (scale**2 * heights * widths)

    def spread(lengths: np.ndarray) -> Spread:
        return int(lengths.min()), round(float(np.median(lengths))), int(lengths.max())

    return Sizes(
        size=(height, width),
        heights=spread(heights),
        widths=spread(widths),
        smaller=float((scale > 1).mean()),
        cut=float(1 - np.median(kept)),
        pixels=float(np.median(scale**-2)),
    )
