"""Checkpoints: last, the one before it, and the best; read without executing anything in them."""

import io
import shlex
import warnings
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tudui.config.describe import shorten
from tudui.config.network_spec import ImageSize
from tudui.data import Dataset, Preparation
from tudui.errors import DataError, WeightsError
from tudui.files import written_aside
from tudui.invocation import tudui_command
from tudui.networks.course import IMAGE_SHAPE
from tudui.tasks import Task, task_from
from tudui.text import in_a_line
from tudui.training.state import Progress, TrainState

FORMAT = 3  # progress and task are written otherwise than in formats 1 and 2; the weights are the same
MAX_BYTES = 64 * 2**20  # with 10,000 classes and Adam a checkpoint has 9 MB
ZIP = b"PK\x03\x04"  # how torch tells its two formats apart
ANOTHER_COPY = "; take another copy"
LAST, PREVIOUS, BEST = "last.pt", "previous.pt", "best.pt"

_Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds."""

    path: Path
    format: int
    state: dict[str, Any]  # as TrainState.state_dict returned it
    config: dict[str, Any]
    preparation: Preparation
    task: Task
    input: tuple[int, ...]  # size of one image
    data: str  # fingerprint of the data set
    lengths: dict[str, int]  # of the files that grow with the run, when the state was saved


class _Checked(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)


class _Preparation(_Checked):
    mean: tuple[float, float, float]
    std: tuple[_Positive, _Positive, _Positive]


class _State(BaseModel):
    model: dict[str, Any]
    progress: Progress


class _Content(_Checked):
    """What must be true of a checkpoint's values besides its tensors."""

    state: _State
    config: dict[str, Any]
    preparation: _Preparation
    task: dict[str, Any]
    input: ImageSize = IMAGE_SHAPE
    data: str
    lengths: Annotated[dict[str, Annotated[int, Field(ge=0)]], Field(min_length=1)]


def save_checkpoint(
    path: Path, state: TrainState, data: Dataset, config: dict[str, Any], *, lengths: dict[str, int]
) -> None:
    """Write a checkpoint; `last.pt` leaves the one it replaces as `previous.pt`."""
    content = {
        "format": FORMAT,
        "state": state.state_dict(),
        "config": config,
        "preparation": asdict(data.preparation),
        "task": data.task.about(),
        "input": list(data.shape.input),
        "data": data.fingerprint(),
        "lengths": lengths,
    }
    keep = path.with_name(PREVIOUS) if path.name == LAST else None
    whole = io.BytesIO()  # straight to a full disk, torch.save fails in ways of its own
    torch.save(content, whole)
    with written_aside(path, keep=keep) as file:
        file.write(whole.getbuffer())


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; WeightsError says what is wrong with the file."""
    try:
        content = load_whole(path)
    except WeightsError:
        raise
    except Exception as error:  # random bytes make the loader raise almost anything
        raise WeightsError(f"{path}: cannot be read ({in_a_line(error)})") from None
    return checkpoint_from(content, path)


def load_whole(path: Path) -> Any:
    """Return what torch saved in a file; WeightsError where it is too large, or does not fit its checksums.

    torch does not compare them. The format before PyTorch 1.6 has none.
    """
    size = check_size(path)
    with path.open("rb") as file:
        if file.read(len(ZIP)) == ZIP:
            _check_sums(path, size)
    with warnings.catch_warnings(action="ignore"):  # of what a damaged file seems to be
        return torch.load(path, map_location="cpu", weights_only=True)


def check_size(path: Path) -> int:
    """Return a file's size in bytes; WeightsError where there is none, or one too large for this network."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file") from None
    if size > MAX_BYTES:
        raise WeightsError(f"{path}: {size:,} bytes are too many for weights of this network ({MAX_BYTES:,} allowed)")
    return size


def _check_sums(path: Path, size: int) -> None:
    with zipfile.ZipFile(path) as archive:
        # what unpacks to more than it is was not saved by torch
        fits = sum(entry.file_size for entry in archive.infolist()) <= size
        damaged = archive.testzip() if fits else "its size"
    if damaged:
        raise WeightsError(f"{path}: damaged: {damaged} does not fit its checksum{ANOTHER_COPY}")


def checkpoint_from(content: Any, path: Path) -> Checkpoint:
    """Return what was read from a file as a checkpoint; WeightsError where it is none."""
    if not isinstance(content, dict) or type(content.get("format")) is not int:
        raise WeightsError(f"{path}: not a checkpoint of Tudui")
    if not 1 <= content["format"] <= FORMAT:
        raise WeightsError(
            f"{path}: has format {shorten(content['format'])}; this version of Tudui reads 1 to {FORMAT}"
        )
    try:
        checked = _Content.model_validate(content if content["format"] == FORMAT else _of_today(content))
    except ValidationError as error:
        wrong = ".".join(map(str, error.errors()[0]["loc"]))
        raise WeightsError(f"{path}: not a whole checkpoint of Tudui ({wrong} is missing or wrong)") from None
    try:
        task = task_from(checked.task, str(path))
    except DataError as error:
        raise WeightsError(str(error)) from None
    return Checkpoint(
        path=path,
        format=content["format"],
        state=content["state"] | {"progress": asdict(checked.state.progress)},
        config=checked.config,
        preparation=Preparation(checked.preparation.mean, checked.preparation.std),
        task=task,
        input=checked.input,
        data=checked.data,
        lengths=checked.lengths,
    )


def _of_today(content: dict[str, Any]) -> dict[str, Any]:
    """Return what a checkpoint of Tudui 0.1 (format 1 or 2) holds, under today's names."""
    state: Any = content.get("state")
    progress = state.get("progress") if isinstance(state, dict) else None
    if not isinstance(progress, dict):
        return content
    kept = {name: value for name, value in progress.items() if name not in ("epoch_correct", "best_accuracy")}
    task = {"kind": "classes", "names": content.get("classes")}
    return {**content, "state": {**state, "progress": kept}, "task": task}


def restore_state(state: TrainState, checkpoint: Checkpoint) -> None:
    """Put a state back to where it was saved; WeightsError where the checkpoint is of another network or optimizer."""
    if checkpoint.format != FORMAT:
        raise WeightsError(
            f"{checkpoint.path}: has format {checkpoint.format} of Tudui 0.1, which this version cannot resume; "
            f"resume it with 0.1, or start from its weights: --init-from {checkpoint.path.parent.parent}"
        )
    try:
        state.load_state_dict(checkpoint.state)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{checkpoint.path}: not a checkpoint of this run ({in_a_line(error)}); bring back the one that was there"
        ) from None


def newest_checkpoint(folder: Path) -> tuple[Checkpoint | None, str | None]:
    """Return the newest readable checkpoint of a folder, or None, and a word where the newest was not readable."""
    problems: list[str] = []
    for name in (LAST, PREVIOUS):
        if not (folder / name).exists():
            continue
        try:
            checkpoint = load_checkpoint(folder / name)
        except WeightsError as error:
            problems.append(str(error).removesuffix(ANOTHER_COPY))
            continue
        return checkpoint, f"{problems[0]}; going on from {folder / name}" if problems else None
    if problems:
        raise WeightsError(f"no checkpoint is whole: {'; '.join(problems)}; {_way_without_checkpoint(folder)}")
    return None, None


def _way_without_checkpoint(folder: Path) -> str:
    """Return what can be done with a run whose last checkpoints are damaged."""
    run = folder.parent
    anew = f"{tudui_command()} train --config {shlex.quote(str(run / 'config.yaml'))}"
    try:
        load_checkpoint(folder / BEST)
    except WeightsError:
        return f"put a copy of one back, or train anew with: {anew}"
    best = shlex.quote(str(folder / BEST))
    return f"put a copy of one back, or train anew, from the weights of {BEST} if you like: {anew} --init-from {best}"
