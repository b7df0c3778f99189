"""The files of a run: their paths, the lock for writing, and how growing files are truncated to a checkpoint."""

import itertools
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tudui.config import Config, Loaded, Override, load_config
from tudui.config.again import CONFIG, comparing, repeating, resuming
from tudui.config.data_sets import default_name
from tudui.config.load import flatten, located
from tudui.config.own_code import allow, is_own
from tudui.config.plug_ins import folder_name
from tudui.errors import DiskError, TuduiError, UsageError, WeightsError
from tudui.files import LEFT, check_writable, disk_errors, locked, opened, refuse_links, remove_left
from tudui.invocation import is_first_process, tudui_command
from tudui.record import read_result
from tudui.tasks import task_from

# What may change on resume: where the data is, whether it is cached, and the band that is only reported.
FREE_ON_RESUME = ("data.dir", "data.cache", "expect")
FREE_IN_FILE = (*FREE_ON_RESUME, "data.name", "device", "log.")  # edited in config.yaml; the data has a fingerprint
# of a run to resume: its data is checked by its fingerprint, and no sink changes a result
MOVED = ("data.name", "log.sinks", "log.code", *FREE_ON_RESUME)
CHANGED_ON_RESUME = (*MOVED, "train.epochs")
RUNS = Path("runs")  # where new runs get their folders
OURS = ".tudui"  # in the names of files that grow in the folder of a sink; users put others beside them
PICTURES = [
    f"{name}.{form}" for name in ("curves", "confusion", "predicted-over-true", "worst") for form in ("png", "svg")
]
COMPARISON_LOCK = "comparison.lock"  # of the folder above the runs of a comparison
PROBLEMS_LOCK = "problems.lock"  # of the folder above the comparisons of a grid of problems, which has a plan too


class RunFolder:
    """The files of a run; nothing is created before it is `claimed`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / CONFIG  # the resolved config, written before anything is built
        self.record = root / "metrics.jsonl"  # one event per line
        self.result = root / "result.json"  # written last, by a run that finished or diverged
        self.predictions = root / "predictions.npz"  # test images or rows: index, target, prediction, metrics
        self.checkpoints = root / "checkpoints"  # last.pt, previous.pt, best.pt
        self.lock = root / "run.lock"  # locked by the process that writes

    @contextmanager
    def claimed(self, config: Config, *, resume: bool, restart: bool = False) -> Iterator[None]:
        """Lock the folder for this process; refuse one with other content, or that another process has locked.

        Create the folder if it is missing, and delete what a killed process left half written.
        """
        self._refuse_other_content()
        refuse_links(self.root)
        is_new = not self.root.exists()
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DiskError(f"{self.root}: cannot be created: {error.strerror}; choose another --run-dir") from None
        with locked(self.lock, what="this run is"):
            self.check(config, resume=resume, restart=restart)
            remove_left(self.root, self.checkpoints)
            begins = not self.config.exists()
            try:
                yield
            except TuduiError:
                if begins:
                    self._discard_unless_begun(config.log.sinks, with_folder=is_new)
                raise

    def rehearse(self, config: Config, *, resume: bool, restart: bool) -> None:
        """Raise the errors of `claimed`, and write nothing."""
        check_writable(self.root)
        self._refuse_other_content()
        with locked(self.lock, what="this run is", mode="r") if self.lock.exists() else nullcontext():
            self.check(config, resume=resume, restart=restart)
        refuse_links(self.root)

    def _refuse_other_content(self) -> None:
        if not self.config.exists() and not self._contains_only({self.lock.name}):
            raise UsageError(f"{self.root}: not empty and not a run; choose another --run-dir")

    def check(self, config: Config, *, resume: bool, restart: bool) -> None:
        """Refuse a folder with another run, or with a finished one unless it begins again; name the alternatives."""
        if not self.config.exists():
            return
        if not resume:
            state, way = "finished", ""
            if not self.result.exists():
                state, way = "unfinished", f"resume it with: {resuming(self.root)}; or "
            raise UsageError(f"{self.root}: already contains a run ({state}); {way}choose another --run-dir")
        if self.extends(config):
            return
        self.check_same(config, free=MOVED)
        if restart or not self.result.exists():
            return
        new_run = repeating(self.root)
        longer = f"--epochs {2 * config.train.epochs}"
        result = read_result(self.result)
        if result.status == "diverged":
            raise UsageError(f"{self.root}: this run diverged; train again at a lower rate: {new_run} --lr 0.01")
        if config.train.early_stopping and result.epochs < config.train.epochs:
            raise UsageError(
                f"{self.root}: early stopping ended this run after epoch {result.epochs}; "
                f"train longer in a new run with: {new_run} --set train.early_stopping=null"
            )
        way = f"train it further with: {resuming(self.root)} {longer}"
        if config.schedule.name != "constant":
            way = (
                f"only a constant schedule can be extended, not {config.schedule.name}; "
                f"train longer in a new run with: {new_run} {longer}"
            )
        raise UsageError(f"{self.root}: this run has finished (epochs: {result.epochs}); {way}")

    def extends(self, config: Config, began: Config | None = None) -> bool:
        """Return whether a config only adds epochs to the run's; UsageError if its schedule cannot be extended."""
        differing = self._differing(config, began, MOVED)
        there, here = differing.get("train.epochs", (0, 0))
        if len(differing) != 1 or here <= there:
            return False
        if config.schedule.name == "constant":
            return True
        raise UsageError(
            f"{self.root}: the {config.schedule.name} schedule ends with epoch {there}; "
            f"only a constant schedule can be extended; train a new run with --epochs {here}"
        )

    def check_same(
        self, config: Config, began: Config | None = None, *, free: tuple[str, ...] = FREE_ON_RESUME
    ) -> None:
        """Refuse a folder whose run has another config; the message names the differences; `free` may differ."""
        if differing := self._differing(config, began, free):
            shown = ", ".join(f"{key} {there} -> {here}" for key, (there, here) in sorted(differing.items())[:4])
            raise UsageError(
                f"{self.root}: contains a run with another config ({shown}); choose another folder, or undo these "
                "changes"
            )

    def _differing(self, config: Config, began: Config | None, free: tuple[str, ...]) -> dict[str, tuple[Any, Any]]:
        """Return the values that differ, by key: of the config that the run began with, or else its file, and this."""
        there, here = flatten(located(began or load_config(self.config).config)), flatten(located(config))
        return {
            key: (there.get(key), here.get(key))
            for key in {**there, **here}
            if there.get(key) != here.get(key) and not key.startswith(FREE_IN_FILE if began else free)
        }

    def _discard_unless_begun(self, sinks: Iterable[str], *, with_folder: bool) -> None:
        """Delete the files, and also the folder, of a run that failed before its first event."""
        begun = self.record.exists() and self.record.stat().st_size
        if begun or not self._contains_only(
            {self.lock.name, self.config.name, self.record.name, *map(folder_name, sinks)}
        ):
            return
        for path in (self.root,) if with_folder else list(self.root.iterdir()):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _contains_only(self, names: set[str]) -> bool:
        """Return whether the folder contains only these, besides a checkpoint folder without checkpoints."""
        inside = {path.name for path in self.root.iterdir()} if self.root.is_dir() else set()
        inside = {name for name in inside if not LEFT.fullmatch(name)}
        has_checkpoints = self.checkpoints.is_dir() and any(self.checkpoints.iterdir())
        return not has_checkpoints and inside <= names | {self.checkpoints.name}

    def _growing(self) -> list[Path]:
        """Return the files that grow with the run; they are empty until its first checkpoint is saved."""
        return [path for path in (self.record, *sorted(self.root.glob(f"*/?*{OURS}*"))) if path.is_file()]

    def lengths(self) -> dict[str, int]:
        """Flush every file that grows with the run to the disk; return their lengths in bytes."""
        lengths = {}
        for path in self._growing():
            with disk_errors(path), opened(path, "rb+") as file:
                os.fsync(file.fileno())
                lengths[path.relative_to(self.root).as_posix()] = os.fstat(file.fileno()).st_size
        return lengths

    def check_not_begun(self) -> None:
        """Raise WeightsError if a run has left anything but its checkpoints: they were lost, as in a copy."""
        if any((self.checkpoints / name).exists() for name in ("last.pt", "previous.pt")):
            return
        left = [path for path in self._growing() if path.stat().st_size]
        left += [path for path in (self.result, self.predictions, *self.checkpoints.glob("*.pt")) if path.exists()]
        if left:
            raise WeightsError(
                f"{self.checkpoints}: last.pt and previous.pt are missing; copy them here, or discard the run "
                f"and train it again with: {resuming(self.root)} --restart"
            )

    def check_lengths(self, lengths: dict[str, int]) -> None:
        """Raise DiskError if a file is shorter than a checkpoint with these lengths says."""
        if lengths and self.record.name not in lengths:
            raise DiskError(f"{self.root}: its checkpoint does not list {self.record.name}; choose another --run-dir")
        present = {path.relative_to(self.root).as_posix(): path.stat().st_size for path in self._growing()}
        if torn := [name for name, length in lengths.items() if present.get(name, 0) < length]:
            raise DiskError(
                f"{self.root / torn[0]}: damaged: shorter than its checkpoint says; train again in another --run-dir"
            )

    def cut_back(self, lengths: dict[str, int]) -> None:
        """Undo what was written after a checkpoint with these lengths; without any, after the run began."""
        with disk_errors(self.root):
            for path in (self.result, self.predictions, *(path for name in PICTURES for path in self.root.glob(name))):
                path.unlink(missing_ok=True)
            for name in self.lengths():
                if name in lengths:
                    os.truncate(self.root / name, lengths[name])
                else:
                    (self.root / name).unlink()
            if not lengths:
                for name in ("last.pt", "previous.pt", "best.pt"):
                    (self.checkpoints / name).unlink(missing_ok=True)


@dataclass(frozen=True)
class RunResult:
    """The result of a run, as in `result.json`."""

    run_dir: Path
    status: str  # "finished" or "diverged"
    values: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"<run {self.run_dir}: {', '.join([self.status, *([self.test_words] if self.values['test'] else [])])}>"

    @property
    def test_words(self) -> str:
        """The first test score of a finished run, for example `test accuracy 98.61 %`."""
        metric = task_from(self.values["task"], str(self.run_dir)).metrics[0]
        return f"test {metric.title} {metric.unit.text(self.values['test'][metric.name])}"

    @property
    def test_accuracy(self) -> float | None:
        """Test accuracy after the last epoch; None for a run that diverged, and for numbers."""
        return (self.values["test"] or {}).get("accuracy")

    def metrics(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return the record's events in order; with `event`, only those of that kind, for example StepEnd."""
        with opened(RunFolder(self.run_dir).record, "r", encoding="utf-8") as lines:
            return [found for line in lines if event in (None, (found := json.loads(line))["event"])]


@contextmanager
def new_run_folder(config: Config) -> Iterator[Path]:
    """Create a folder below runs/ with the first free readable name; delete it at the end if it is still empty."""
    if not is_first_process():
        yield RUNS  # the first process creates and fills it
        return
    base = folder = RUNS / f"{default_name(config.data.name)}-{folder_name(config.loss.name)}-seed{config.seed}"
    for number in itertools.count(2):
        try:
            folder.mkdir(parents=True)  # now, so that two runs started together get two names
            break
        except OSError as error:
            if os.path.lexists(folder):
                folder = base.with_name(f"{base.name}-{number}")
                continue
            why = f"the link {base.parent} is broken" if base.parent.is_symlink() else error.strerror
            raise DiskError(f"{folder}: cannot be created: {why}; choose another --run-dir") from None
    try:
        yield folder
    finally:
        with suppress(OSError):  # it is not empty
            folder.rmdir()


def is_comparison(root: Path) -> bool:
    """Return whether a folder contains a comparison, with its runs in folders below."""
    return (root / COMPARISON_LOCK).exists()


def config_of_run(root: Path, overrides: Sequence[Override]) -> Loaded:
    """Return a run's config with overrides of the few settings that do not change its results."""
    for override in overrides:
        if is_own(override.value):  # the run's own code, named again; its sha256 is compared when it is used
            allow(override.value)
    overrides = [override for override in overrides if not is_own(override.value)]
    if refused := [override.origin for override in overrides if override.key not in CHANGED_ON_RESUME]:
        raise UsageError(
            f"--resume {root}: cannot be combined with {', '.join(refused)}, because a run resumes with its own "
            "settings; allowed are --data and --data-dir (with the same images), --no-cache, --sink, and for a "
            "constant schedule --epochs"
        )
    if is_comparison(root):
        raise UsageError(f"--resume {root}: this is a comparison; resume it with: {comparing(root)}")
    file = RunFolder(root).config
    if not file.is_file():
        raise UsageError(f"--resume {root}: not a run folder (no {file}); list runs with: {tudui_command()} runs")
    return load_config(file, overrides)
