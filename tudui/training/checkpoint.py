"""Checkpoints: last, the one before it, and the best; read without executing anything in them."""

import io
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from tudui.config.describe import shorten
from tudui.data import Dataset, Preparation
from tudui.errors import WeightsError
from tudui.files import unpacked_size, written_aside
from tudui.training.state import TrainState

FORMAT = 2  # the optimizer's state differs from format 1; the weights do not
MAX_BYTES = 64 * 2**20  # unpacked; with 10,000 classes and Adam a checkpoint has 9 MB
LAST, PREVIOUS, BEST = "last.pt", "previous.pt", "best.pt"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds."""

    path: Path
    format: int
    state: dict[str, Any]  # as TrainState.state_dict returned it
    config: dict[str, Any]
    preparation: Preparation
    classes: tuple[str, ...]
    data: str  # fingerprint of the data set
    lengths: dict[str, int]  # of the files that grow with the run, when the state was saved


def save_checkpoint(
    path: Path, state: TrainState, data: Dataset, config: dict[str, Any], *, lengths: dict[str, int]
) -> None:
    """Write a checkpoint; `last.pt` leaves the one it replaces as `previous.pt`."""
    content = {
        "format": FORMAT,
        "state": state.state_dict(),
        "config": config,
        "preparation": asdict(data.preparation),
        "classes": list(data.classes),
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
    refuse_large(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # of another pickle protocol
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # random bytes make the loader raise almost anything
        raise WeightsError(f"{path}: cannot be read ({' '.join(str(error).split())[:120]})") from None
    return checkpoint_from(content, path)


def refuse_large(path: Path) -> None:
    """Raise WeightsError where a file is larger, or unpacks to more, than any weights of this network."""
    try:
        size = unpacked_size(path)
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file") from None
    except Exception as error:  # a broken directory makes the reader raise almost anything
        raise WeightsError(f"{path}: cannot be read ({' '.join(str(error).split())[:120]})") from None
    if size > MAX_BYTES:
        raise WeightsError(f"{path}: {size:,} bytes are too many for weights of this network ({MAX_BYTES:,} allowed)")


def checkpoint_from(content: Any, path: Path) -> Checkpoint:
    """Return what was read from a file as a checkpoint; WeightsError where it is none."""
    if not isinstance(content, dict) or "format" not in content:
        raise WeightsError(f"{path}: not a checkpoint of Tudui")
    if content["format"] not in (1, FORMAT):
        raise WeightsError(
            f"{path}: has format {shorten(content['format'])}; this version of Tudui reads 1 and {FORMAT}"
        )
    try:
        return Checkpoint(
            path=path,
            format=content["format"],
            state=content["state"],
            config=content["config"],
            preparation=Preparation(*(tuple(content["preparation"][name]) for name in ("mean", "std"))),
            classes=tuple(content["classes"]),
            data=content["data"],
            lengths=content["lengths"],
        )
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{path}: not a whole checkpoint of Tudui ({error} is missing or wrong)") from None


def newest_checkpoint(folder: Path) -> tuple[Checkpoint | None, str | None]:
    """Return the newest readable checkpoint of a folder, or None, and a word where the newest was not readable."""
    problem: WeightsError | None = None
    for name in (LAST, PREVIOUS):
        if not (folder / name).exists():
            continue
        try:
            checkpoint = load_checkpoint(folder / name)
        except WeightsError as error:
            problem = problem or error
            continue
        return checkpoint, f"{problem}; going on from {folder / name}" if problem else None
    if problem:
        raise WeightsError(f"{problem}; there is no other checkpoint, so train again in a new folder")
    return None, None
