"""Check a data set."""

from dataclasses import dataclass
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING

from tudui.api.configs import Named
from tudui.config import Override, load_config
from tudui.config.data_sets import FOLDER, data_sets

if TYPE_CHECKING:
    from tudui.data import Dataset, Source


@dataclass(frozen=True)
class CheckedData:
    """A data set; `source.unreadable` are the images that cannot be read, each with the reason."""

    name: str  # as --data takes it
    data: "Dataset"
    source: "Source"

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Images of each class, by split."""
        classes = self.data.task.names
        return {
            split: dict(zip(classes, images.targets.bincount(minlength=len(classes)).tolist(), strict=True))
            for split, images in self.data.splits().items()
        }


def check_data(name: Named, *, data_dir: Named | None = None) -> CheckedData:
    """Read a data set, or a folder of images by its path; DataError if it cannot be used at all."""
    name = fspath(name)
    if name not in data_sets() and not name.startswith(FOLDER) and ("/" in name or Path(name).is_dir()):
        name = f"{FOLDER}{name}"
    overrides = [Override("data.name", name, f"data {name}"), Override("data.on_bad_image", "skip", "data check")]
    if data_dir is not None:
        overrides.append(Override("data.dir", fspath(data_dir), f"--data-dir {fspath(data_dir)}"))
    config = load_config(None, overrides).config
    from tudui.data import dataset_of, read_source

    source = read_source(config.data)
    return CheckedData(name, dataset_of(source, config.data, config.seed), source)
