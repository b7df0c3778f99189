"""Check a data set."""

from dataclasses import dataclass
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING

from tudui.api.configs import Named
from tudui.config import Override, load_config
from tudui.config.data_sets import FOLDER, data_sets
from tudui.config.own_code import is_own

if TYPE_CHECKING:
    from tudui.data import Dataset, Source


Spread = tuple[int, int, int]  # minimum, median, maximum


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
class CheckedData:
    """A data set; `source.unreadable` are the images that cannot be read, each with the reason."""

    name: str  # as --data takes it
    data: "Dataset"
    source: "Source"
    sizes: "Sizes | None"  # None: a table

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


def check_data(name: Named, *, data_dir: Named | None = None, size: int | None = None) -> CheckedData:
    """Read a data set, or a folder of images by its path; DataError if it cannot be used at all."""
    name = fspath(name)
    known = name in data_sets() or is_own(name) or name.startswith(FOLDER)
    if not known and ("/" in name or Path(name).is_dir()):
        name = f"{FOLDER}{name}"
    overrides = [Override("data.name", name, f"data {name}"), Override("data.on_bad_image", "skip", "data check")]
    if data_dir is not None:
        overrides.append(Override("data.dir", fspath(data_dir), f"--data-dir {fspath(data_dir)}"))
    if size is not None:
        overrides.append(Override("data.size", size, f"--size {size}"))
    config = load_config(None, overrides).config
    from tudui.data import dataset_of, read_source

    source = read_source(config.data)
    return CheckedData(name, dataset_of(source, config.data, config.seed), source, sizes_of(source))


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
