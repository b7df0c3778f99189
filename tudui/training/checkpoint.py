"""Checkpoints: last, previous and best. Reading one executes nothing in it."""

import io
import re
import shlex
import warnings
import zipfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError, ValidationInfo

from tudui.config.again import repeating
from tudui.config.describe import shorten
from tudui.config.network_spec import InputSize
from tudui.data import Dataset, Preparation
from tudui.errors import DataError, WeightsError
from tudui.exported import MAX_BYTES, Channels, check_size
from tudui.files import opened, written_aside
from tudui.networks.course import IMAGE_SHAPE
from tudui.tasks import Task, task_from
from tudui.text import in_a_line
from tudui.training.other_files import ANOTHER_COPY, what_it_is
from tudui.training.state import Progress, TrainState

FORMAT = 3  # 1 and 2 have other names in progress and task; the weights are the same
TENSOR = re.compile("[^/]+/data/[0-9]+")  # its numbers, in torch's archives
LAST, PREVIOUS, BEST = "last.pt", "previous.pt", "best.pt"


class _State(BaseModel):
    model: dict[str, Any]
    progress: Progress


def _complete(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "progress": asdict(_State.model_validate(state).progress)}


def _task(about: Any, info: ValidationInfo) -> Task:
    if not isinstance(about, dict):
        raise ValueError("no task")
    return task_from(about, str(info.data["path"]))


class Checkpoint(BaseModel):
    """The content of a checkpoint file."""

    model_config = ConfigDict(frozen=True)

    path: Path
    format: int
    state: Annotated[dict[str, Any], AfterValidator(_complete)]  # as TrainState.state_dict returned it
    config: dict[str, Any]
    preparation: Annotated[Preparation, PlainValidator(lambda value: Channels.model_validate(value).preparation)]
    task: Annotated[Task, PlainValidator(_task)]
    input: InputSize = IMAGE_SHAPE  # size of one image
    features: tuple[str, ...] = ()  # names of a table's columns
    data: str  # fingerprint of the data set
    lengths: Annotated[dict[str, Annotated[int, Field(ge=0)]], Field(min_length=1)]  # bytes of the files that grow


def save_checkpoint(
    path: Path, state: TrainState, data: Dataset, config: dict[str, Any], *, lengths: dict[str, int]
) -> None:
    """Write a checkpoint; the old `last.pt` is kept as `previous.pt`. DiskError if it cannot be written."""
    content = {
        "format": FORMAT,
        "state": state.state_dict(),
        "config": config,
        "preparation": asdict(data.preparation),
        "task": data.task.about(),
        "input": list(data.shape.input),
        "features": list(data.features),
        "data": data.fingerprint(),
        "lengths": lengths,
    }
    keep = path.with_name(PREVIOUS) if path.name == LAST else None
    whole = io.BytesIO()  # torch.save raises errors of its own on a full disk
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
    """Return what torch saved in a file; WeightsError if it is too large or does not match its checksums.

    torch does not compare checksums. The format before PyTorch 1.6 has none.
    """
    size = check_size(path)
    if known := what_it_is(path):
        raise WeightsError(f"{path}: {known}")
    with opened(path) as file, warnings.catch_warnings(action="ignore"):  # a damaged file causes unrelated ones
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                # torch does not compress, so a larger content was not saved by torch
                sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
                fits = sum(sizes.values()) <= size
                besides = sum(sizes[name] for name in sizes if not TENSOR.fullmatch(name))
                damaged = archive.testzip() if fits else "its size"
            if damaged:
                raise WeightsError(f"{path}: damaged: {damaged} does not fit its checksum{ANOTHER_COPY}")
        else:
            besides = size
        if besides > MAX_BYTES:
            raise WeightsError(f"{path}: {besides:,} bytes besides tensors are too many ({MAX_BYTES:,} allowed)")
        file.seek(0)
        return torch.load(file, map_location="cpu", weights_only=True)


def checkpoint_from(content: Any, path: Path) -> Checkpoint:
    """Return the content of a file as a checkpoint; WeightsError if it is not one."""
    if not isinstance(content, dict) or type(content.get("format")) is not int:
        raise WeightsError(f"{path}: not a checkpoint of Tudui")
    if not 1 <= content["format"] <= FORMAT:
        raise WeightsError(f"{path}: format {shorten(content['format'])}; this version of Tudui reads 1 to {FORMAT}")
    if content["format"] < FORMAT:  # of Tudui 0.1; values of progress that are unknown today are ignored
        content = {**content, "task": {"kind": "classes", "names": content.get("classes")}}
    try:
        return Checkpoint.model_validate({**content, "path": path})
    except ValidationError as error:
        wrong = ".".join(map(str, error.errors()[0]["loc"]))
        raise WeightsError(f"{path}: not a complete checkpoint of Tudui ({wrong} is missing or wrong)") from None
    except DataError as error:
        raise WeightsError(str(error)) from None


def restore_state(state: TrainState, checkpoint: Checkpoint) -> None:
    """Restore a saved state; WeightsError if the checkpoint has another format, network or optimizer."""
    if checkpoint.format != FORMAT:
        raise WeightsError(
            f"{checkpoint.path}: has format {checkpoint.format} of Tudui 0.1, which this version cannot resume; "
            f"resume it with 0.1, or start from its weights: --init-from {checkpoint.path.parent.parent}"
        )
    try:
        state.load_state_dict(checkpoint.state)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{checkpoint.path}: not a checkpoint of this run ({in_a_line(error)}); restore the original file"
        ) from None
    if checkpoint.path.name == PREVIOUS:  # the next save would rename a damaged last.pt to previous.pt
        checkpoint.path.with_name(LAST).unlink(missing_ok=True)


def newest_checkpoint(folder: Path) -> tuple[Checkpoint | None, str | None]:
    """Return the newest readable checkpoint, if any, and a warning if the newest is not; WeightsError if none is."""
    problems: list[str] = []
    for name in (LAST, PREVIOUS):
        if (folder / name).exists():
            try:
                checkpoint = load_checkpoint(folder / name)
            except WeightsError as error:
                problems.append(str(error).removesuffix(ANOTHER_COPY))
            else:
                return checkpoint, f"{problems[0]}; resuming from {folder / name}" if problems else None
    if not problems:
        return None, None
    again = repeating(folder.parent)
    with suppress(WeightsError):
        load_checkpoint(folder / BEST)
        again += f" --init-from {shlex.quote(str(folder / BEST))}"
    raise WeightsError(
        f"no checkpoint is readable: {'; '.join(problems)}; restore a copy, or train again with: {again}"
    )
