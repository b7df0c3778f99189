"""The files of a run: where each lies, who may write them, and how those that grow are cut back to a checkpoint."""

import itertools
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tudui.config import Config, Loaded, Override, load_config
from tudui.config.data_sets import FOLDER
from tudui.config.load import flatten
from tudui.errors import DiskError, TuduiError, UsageError
from tudui.files import ASIDE, disk_errors, locked, refuse_links
from tudui.invocation import is_first_process, tudui_command
from tudui.record import read_result

# What may differ between a run and its continuation: where the data lies and whether it is cached.
FREE_ON_RESUME = {"data.dir", "data.cache", "expect"}
CHANGED_ON_RESUME = FREE_ON_RESUME | {"train.epochs"}
COMPARISON_LOCK, COMMAND = "comparison.lock", "command.txt"  # of the folder above the runs of a comparison


@dataclass(frozen=True)
class RunFolder:
    """A run's folder; nothing is made before it is `claimed`."""

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
    def label_noise(self) -> Path:
        """The manifest of wrong labels, where labels were made wrong on purpose."""
        return self.root / "label_noise.json"

    @property
    def checkpoints(self) -> Path:
        """last.pt, previous.pt, best.pt."""
        return self.root / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """Event files."""
        return self.root / "tensorboard"

    @property
    def lock(self) -> Path:
        """Held by the process that writes."""
        return self.root / "run.lock"

    @contextmanager
    def claimed(self, config: Config, *, resume: bool) -> Iterator[None]:
        """Hold the folder for this process alone; refuse one that holds something else, or that another process holds.

        The folder is made where it is missing, and rid of what a killed process left half written.
        """
        self._refuse_what_is_no_run()
        makes_it = not self.root.exists()
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DiskError(
                f"{self.root}: cannot be made: {error.strerror}; choose another place with --run-dir"
            ) from None
        with locked(self.lock, what="this run is"):
            self.check(config, resume=resume)
            inside = list(self.root.rglob("*"))
            refuse_links(*inside)
            with disk_errors(self.root):
                for left in inside:
                    if left.suffix == ASIDE and left.is_file():  # by a process that was killed while writing
                        left.unlink()
            begins = not self.config.exists()
            try:
                yield
            except TuduiError:
                if begins:
                    self._discard_unless_begun(with_folder=makes_it)
                raise

    def _refuse_what_is_no_run(self) -> None:
        if self.config.exists() or not self.root.is_dir():
            return
        if not self._holds_nothing_but({self.lock.name, self.config.name + ASIDE}):
            raise UsageError(f"{self.root}: not empty and not a run; choose another --run-dir")

    def check(self, config: Config, *, resume: bool) -> None:
        """Refuse a folder that holds another run, or one that is finished; the message names the ways out."""
        if not self.config.exists():
            return
        if not resume:
            state, root = "finished" if self.result.exists() else "begun", shlex.quote(str(self.root))
            way = "" if self.result.exists() else f"go on with: {tudui_command()} train --resume {root}; or "
            raise UsageError(f"{self.root}: holds a run already ({state}); {way}choose another --run-dir")
        if self.extends(config):
            return
        self.check_same(config)
        if self.result.exists():
            raise UsageError(self._what_is_over(config, read_result(self.result).status))

    def _what_is_over(self, config: Config, status: str) -> str:
        """Return what to say of a run that cannot go on, and what can be done instead."""
        root, train = shlex.quote(str(self.root)), f"{tudui_command()} train"
        anew = f"{train} --config {shlex.quote(str(self.config))}"
        if status == "diverged":
            return f"{self.root}: this run has diverged; train anew at a lower rate, such as: {anew} --lr 0.01"
        way = f"train it further with: {train} --resume {root} --epochs {2 * config.train.epochs}"
        if config.schedule.name != "constant":
            way = (
                f"its {config.schedule.name} schedule is at its end (only a constant one can be extended); "
                f"train longer in a new run with: {anew} --epochs {2 * config.train.epochs}"
            )
        return f"{self.root}: this run has finished, all {config.train.epochs} epochs are done; {way}"

    def check_same(self, config: Config) -> None:
        """Refuse a folder whose run has another config; the message names what differs."""
        if differing := self._differing(config):
            shown = ", ".join(f"{key} {there} -> {here}" for key, (there, here) in sorted(differing.items())[:4])
            raise UsageError(
                f"{self.root}: belongs to another config ({shown}); choose another folder, or leave these as they were"
            )

    def extends(self, config: Config) -> bool:
        """Return whether the config is this run's with more epochs; UsageError where its schedule has an end."""
        differing = self._differing(config)
        if set(differing) != {"train.epochs"}:
            return False
        there, here = differing["train.epochs"]
        if here > there and config.schedule.name != "constant":
            raise UsageError(
                f"{self.root}: the {config.schedule.name} schedule ends with epoch {there}; "
                f"only a run with schedule constant can be extended; train anew with --epochs {here}"
            )
        return bool(here > there)

    def _differing(self, config: Config) -> dict[str, tuple[Any, Any]]:
        """Return what the folder's config and this one have by each key in which they differ."""
        there, here = flatten(load_config(self.config).config), flatten(config)
        return {
            key: (there.get(key), here.get(key))
            for key in {**there, **here}
            if there.get(key) != here.get(key) and key not in FREE_ON_RESUME
        }

    def _discard_unless_begun(self, *, with_folder: bool) -> None:
        """Remove what was written where a run failed before its first event, and the folder if it was made for it."""
        begun = self.record.exists() and self.record.stat().st_size
        own = {self.lock.name, self.config.name, self.record.name, self.tensorboard.name}
        if not begun and self._holds_nothing_but(own):
            for path in (self.root,) if with_folder else list(self.root.iterdir()):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    def _holds_nothing_but(self, names: set[str]) -> bool:
        """Return whether there are only these in the folder, besides a folder for checkpoints without any."""
        inside = {path.name for path in self.root.iterdir()} if self.root.is_dir() else set()
        empty = not (self.checkpoints.is_dir() and any(self.checkpoints.iterdir()))
        return empty and inside <= names | {self.checkpoints.name}

    def lengths(self) -> dict[str, int]:
        """Return the length in bytes of every file that grows with the run, once the disk has it."""
        lengths = {}
        for path in (self.record, *sorted(self.tensorboard.glob("*"))):
            if path.is_file():
                with disk_errors(path), path.open("rb+") as file:
                    os.fsync(file.fileno())
                    lengths[path.relative_to(self.root).as_posix()] = os.fstat(file.fileno()).st_size
        return lengths

    def cut_back(self, lengths: dict[str, int]) -> None:
        """Undo what was written after a checkpoint noted these lengths; with none, after the run began."""
        present = self.lengths()
        if lengths and self.record.name not in lengths:
            raise DiskError(f"{self.root}: its checkpoint does not know {self.record.name}; choose another --run-dir")
        if torn := [name for name, length in lengths.items() if present.get(name, 0) < length]:
            raise DiskError(f"{self.root / torn[0]}: shorter than its checkpoint says; choose another --run-dir")
        with disk_errors(self.root):
            self.result.unlink(missing_ok=True)
            self.predictions.unlink(missing_ok=True)
            for name in present:
                path = self.root / name
                if name in lengths:
                    os.truncate(path, lengths[name])
                else:
                    path.unlink()
            if not lengths:
                for path in self.checkpoints.glob("*.pt"):
                    path.unlink()


@dataclass(frozen=True)
class RunResult:
    """What a run came to; `result.json` holds the same."""

    run_dir: Path
    status: str  # "finished" or "diverged"
    values: Mapping[str, Any]

    def __repr__(self) -> str:
        """Return what there is to say of it in a line."""
        score = "" if self.test_accuracy is None else f", test accuracy {100 * self.test_accuracy:.2f} %"
        return f"<run {self.run_dir}: {self.status}{score}>"

    @property
    def test_accuracy(self) -> float | None:
        """Test accuracy after the last epoch; None for a run that diverged."""
        test = self.values["test"]
        return None if test is None else float(test["accuracy"])

    def metrics(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return the record, an event per line in order; of one kind alone, such as StepEnd or Evaluated."""
        with RunFolder(self.run_dir).record.open(encoding="utf-8") as lines:
            events: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [found for found in events if event in (None, found["event"])]


@contextmanager
def new_run_folder(config: Config) -> Iterator[Path]:
    """Make a folder below runs/ by the first readable name that is free; one that stays empty goes again at the end."""
    if not is_first_process():
        yield Path("runs")  # the first one makes and fills it
        return
    folder = _first_free(config)
    try:
        yield folder
    finally:
        with suppress(OSError):  # it holds something
            folder.rmdir()


def _first_free(config: Config) -> Path:
    base = Path("runs") / f"{default_name(config.data.name)}-{config.loss.name}-seed{config.seed}"
    for number in itertools.count(1):
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        try:
            folder.mkdir(parents=True)  # at once, so that two runs begun together get two names
        except FileExistsError:
            continue
        except OSError as error:
            raise DiskError(f"{folder}: cannot be made: {error.strerror}; choose another --run-dir") from None
        return folder
    raise AssertionError


def default_name(data: str) -> str:
    """Return what a data set is called in the name of a run's folder, which users copy into shell commands."""
    name = Path(data.removeprefix(FOLDER)).resolve().name if data.startswith(FOLDER) else data
    return re.sub(r"[^\w+.-]+", "-", name)


def is_comparison(root: Path) -> bool:
    """Return whether a folder holds a comparison, whose runs lie in folders below it."""
    return (root / COMPARISON_LOCK).exists()


def config_of_run(root: Path, overrides: Sequence[Override]) -> Loaded:
    """Return a run's own config, under overrides of the few settings that leave its trajectory alone."""
    if refused := [override.origin for override in overrides if override.key not in CHANGED_ON_RESUME]:
        raise UsageError(
            f"--resume {root}: cannot be combined with {', '.join(refused)}, since a run goes on as it began; "
            f"allowed are --data-dir, --no-cache and, for a constant schedule, --epochs"
        )
    file = RunFolder(root).config
    if is_comparison(root):
        raise UsageError(f"--resume {root}: a comparison; it goes on with its own command, in {root / COMMAND}")
    if not file.is_file():
        raise UsageError(
            f"--resume {root}: not a run folder ({file} is missing); list runs with: {tudui_command()} runs"
        )
    return load_config(file, overrides)
