"""The files of a run: where each lies, and how those that grow are cut back to a checkpoint."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tudui.errors import DiskError


@dataclass(frozen=True)
class RunFolder:
    """A run's folder; nothing is made before `create`."""

    root: Path

    @property
    def config(self) -> Path:
        """The resolved config, written before anything is built."""
        return self.root / "config.yaml"

    @property
    def record(self) -> Path:
        """One event per line."""
        return self.root / "metrics.jsonl"

    @property
    def result(self) -> Path:
        """Written last, by a run that finished or diverged."""
        return self.root / "result.json"

    @property
    def predictions(self) -> Path:
        """Test images: index, label, probabilities."""
        return self.root / "predictions.npz"

    @property
    def checkpoints(self) -> Path:
        """last.pt, previous.pt, best.pt."""
        return self.root / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """Event files."""
        return self.root / "tensorboard"

    def create(self) -> None:
        """Make the folder; DiskError where that is not possible."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DiskError(
                f"{self.root}: cannot be made: {error.strerror}; choose another place with --run-dir"
            ) from None

    def lengths(self) -> dict[str, int]:
        """Return the length in bytes of every file that grows with the run."""
        growing = [self.record, *sorted(self.tensorboard.glob("*"))]
        return {path.relative_to(self.root).as_posix(): path.stat().st_size for path in growing if path.is_file()}

    def cut_back(self, lengths: dict[str, int]) -> None:
        """Undo what was written after a checkpoint noted these lengths; with none, after the run began."""
        self.result.unlink(missing_ok=True)
        self.predictions.unlink(missing_ok=True)
        for name in self.lengths():
            path = self.root / name
            if name in lengths:
                os.truncate(path, lengths[name])
            else:
                path.unlink()
        if not lengths:
            shutil.rmtree(self.checkpoints, ignore_errors=True)
