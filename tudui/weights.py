"""Weights of a run, a checkpoint or an export; for the course's network also a state_dict or a saved module.

Nothing in a file is executed: safetensors reads it, or torch's weights-only unpickler, which allows the classes of the
course's network.
"""

import pickle
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tudui.data import Preparation
from tudui.errors import UsageError, WeightsError
from tudui.exported import KEY, Description, read_safetensors
from tudui.files import opened
from tudui.invocation import tudui_command
from tudui.networks import NetworkParameters, Shape, build_network
from tudui.networks.course_files import COURSE, layer_classes, shape_of, tensors_by_name, tensors_of_module
from tudui.networks.saved import fits_body, network_from, state_dict_of, tensors_that_fit
from tudui.run_folder import RunFolder, is_comparison
from tudui.tasks import Task
from tudui.text import in_a_line
from tudui.training.checkpoint import (
    BEST,
    LAST,
    Checkpoint,
    checkpoint_from,
    load_checkpoint,
    load_whole,
    newest_checkpoint,
)
from tudui.training.other_files import PART

SHOWN = 4  # names in a message
LIBRARIES = {"torch", "torchvision", "numpy", "builtins"} | sys.stdlib_module_names  # have no class of the user's


@dataclass(frozen=True)
class Weights:
    """The network's tensors, and what their origin says about them."""

    tensors: Mapping[str, Tensor]  # the state_dict of the network
    origin: str
    file: Path
    network: NetworkParameters
    shape: Shape
    preparation: Preparation | None = None  # None: the file does not say
    task: Task | None = None  # None: the file does not say; it is of classes
    config: Mapping[str, Any] | None = None
    data: str | None = None  # fingerprint of the training data
    epoch: int | None = None  # epochs done; None in the middle of one, for example after Ctrl-C
    note: str | None = None  # for the user: what is not certain about them
    features: tuple[str, ...] = ()  # names of a table's columns

    @property
    def number_of_classes(self) -> int:
        """K, the outputs of the last layer."""
        return self.shape.outputs

    @property
    def what(self) -> str:
        """What the outputs are."""
        return self.task.kind if self.task else "classes"

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes, None if they are not known; of numbers, those of their columns."""
        return self.task.names if self.task else None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes; `class 0` and so on if the file has none."""
        return self.classes or tuple(f"class {index}" for index in range(self.number_of_classes))

    def check_fits(self, shape: Shape) -> None:
        """Raise WeightsError if the image size or the number of classes differ."""
        if self.shape.outputs != shape.outputs:
            raise WeightsError(
                f"{self.origin}: its last layer has {self.number_of_classes} {self.what}, the data has "
                f"{shape.outputs}; choose data with the same {self.what}"
            )
        if self.shape.input != shape.input:
            fixed = len(self.shape.input) == 3 and self.shape.input[1] == self.shape.input[2]
            hint = f"use --size {self.shape.input[1]}" if fixed else "choose other data"
            raise WeightsError(f"{self.origin}: takes {self.shape.words}, the data has {shape.words}; {hint}")

    def model(self) -> nn.Module:
        """Return a network with these weights, ready to predict."""
        model = build_network(self.network, self.shape, seed=0)
        model.load_state_dict(self.tensors)
        return model.eval()


def _named(network: NetworkParameters) -> str:
    settings = network.model_dump(mode="json", exclude={"code"})
    return ", ".join([settings.pop("name"), *(f"{key} {value}" for key, value in settings.items())])


def read_weights(path: Path, *, best: bool = False) -> Weights:
    """Read the weights of a run folder or file; WeightsError says why they cannot be used."""
    read = _read(path, best=best)
    return replace(read, tensors=state_dict_of(read.tensors, read.network, read.shape, read.file))


def load_initial(path: Path, model: nn.Module, network: NetworkParameters, shape: Shape) -> list[str]:
    """Load the tensors of a run folder or file that fit a model by name and shape; return a warning if some do not.

    They may be of another network or number of classes. WeightsError if nothing before the last layer fits.
    """
    read = _read(path, plain=None if network == COURSE else (network, shape))
    own = model.state_dict()
    tensors, left = tensors_that_fit(read.tensors, own, read.file)
    if not fits_body(tensors, own):
        other = f"of the network {_named(read.network)}, and not" if read.network != network else "nothing fits"
        raise WeightsError(f"{read.origin}: {other} {_named(network)} ({_some(left)}); name other weights")
    kinds = {"not loaded": left, "not used": [str(name) for name in read.tensors if name not in own]}
    parts = [f"{kind}: {_some(names)}" for kind, names in kinds.items() if names]
    model.load_state_dict({**own, **tensors})
    return [f"{read.origin}: {len(tensors)} of {len(own)} tensors fit; {'; '.join(parts)}"] if parts else []


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f", and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _read(path: Path, *, best: bool = False, plain: tuple[NetworkParameters, Shape] | None = None) -> Weights:
    """Return weights with the tensors as the file has them. A state_dict is of the course's network, or of `plain`."""
    if path.is_dir():
        return _from_run(path, best=best)
    if not path.is_file():
        raise WeightsError(f"{path}: no such file or run folder; list runs with: {tudui_command()} runs")
    if best:
        raise UsageError(f"{path}: a file has one set of weights; remove --best, or name the run's folder")
    try:
        return _from_file(path, plain)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}; check its permissions") from None


def _from_run(path: Path, *, best: bool) -> Weights:
    folder = RunFolder(path).checkpoints
    if best and (folder / BEST).exists():
        return _from_checkpoint(load_checkpoint(folder / BEST))
    checkpoint, _ = newest_checkpoint(folder)
    if checkpoint is not None and checkpoint.path.name != LAST:  # only a run that resumes may go back
        raise WeightsError(
            f"{folder / LAST}: missing or damaged; restore it, or name the weights before it: {checkpoint.path}"
        )
    if checkpoint is not None:
        progress = checkpoint.state["progress"]
        if best and progress["best_epoch"] not in (0, progress["epoch"]):
            raise WeightsError(
                f"{folder / BEST}: missing, with the weights of epoch {progress['best_epoch']}; restore it, or omit "
                "--best to take the last weights"
            )
        return _from_checkpoint(checkpoint)
    if is_comparison(path):
        raise WeightsError(f"{path}: a comparison and not a run; name one of the runs in {path / 'runs'}")
    raise WeightsError(f"{path}: no checkpoint in {folder}; name the folder of a trained run")


def _from_checkpoint(checkpoint: Checkpoint) -> Weights:
    section = checkpoint.config.get("network", {"name": "tudui"})  # old versions had only this network
    network, shape = network_from(section, checkpoint.path), Shape(checkpoint.input, checkpoint.task.outputs)
    tensors, path = checkpoint.state["model"], checkpoint.path
    progress = checkpoint.state["progress"]
    epoch = None if progress["epoch_images"] else progress["epoch"]
    recorded = checkpoint.preparation, checkpoint.task, checkpoint.config, checkpoint.data, epoch
    return Weights(tensors, str(path), path, network, shape, *recorded, features=checkpoint.features)


def _from_export(tensors: Mapping[str, Any], about: Description, path: Path) -> Weights:
    network, shape = network_from(about.network, path), Shape(about.image, len(about.classes))
    task = about.checked_task(path)
    origin = f"{path} (exported from {about.origin})"
    return Weights(tensors, origin, path, network, shape, about.preparation, task, features=about.features)


def _of_course(
    tensors: dict[str, Tensor], path: Path, *, kind: str = "a state_dict", note: str | None = None
) -> Weights:
    shape = shape_of(tensors, path)
    return Weights(tensors, f"{path} ({kind})", path, COURSE, shape, note=note)


class _SavedModule(nn.Module):
    """Replaces the class of a saved network; only its tensors are read."""


class _Beside:
    """Replaces what scripts save beside weights, and does nothing."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


NUMPY = ("multiarray.scalar", "multiarray._reconstruct")
BESIDE = [
    *(f"{core}.{name}" for core in ("numpy.core", "numpy._core") for name in NUMPY), "numpy.dtype", "numpy.ndarray",
    "argparse.Namespace", "types.SimpleNamespace", "pathlib.PosixPath", "pathlib.WindowsPath", "datetime.datetime",
]  # fmt: skip
WRAPPER = "torch.nn.parallel.data_parallel.DataParallel"
# under which scripts save weights, best first
USUAL_NAMES = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
CUT = re.compile("EOF|truncated|Ran out of input|unpack requires")  # in an error of the unpickler


def _from_file(path: Path, plain: tuple[NetworkParameters, Shape] | None) -> Weights:
    with opened(path) as file:
        start = file.read(9)
    if start[8:] == b"{":  # safetensors: the length of a header, and the header
        tensors, description = read_safetensors(path)
        return _from_export(tensors, description, path) if description else _from_state_dict(tensors, path, plain)
    if path.suffix == ".onnx":
        raise WeightsError(f"{path}: Tudui does not read ONNX files; use the run, a .safetensors or a .pt file")
    content = _load(path)
    if isinstance(content, dict) and "format" in content and "state" in content:
        return _from_checkpoint(checkpoint_from(content, path))
    if isinstance(content, dict) and KEY in content and isinstance(content.get("state_dict"), dict):
        return _from_export(content["state_dict"], Description.read(content[KEY], path), path)
    content = _weights_in(content, path)
    if isinstance(content, nn.Module):
        return _of_course(tensors_of_module(content, path), path, kind="a whole saved module")
    return _from_state_dict(content, path, plain)


def _from_state_dict(content: Mapping[str, Any], path: Path, plain: tuple[NetworkParameters, Shape] | None) -> Weights:
    if plain:
        tensors = {str(name).removeprefix("module."): tensor for name, tensor in content.items()}  # of a DataParallel
        return Weights(tensors, f"{path} (a state_dict)", path, *plain)
    tensors, note = tensors_by_name(content, path)
    return _of_course(tensors, path, note=note)


def _weights_in(content: Any, path: Path) -> Any:
    """Return the module or the tensors by name in what a script saved, which may be beside other values."""
    if isinstance(content, nn.Module):
        inside = content.__dict__.get("_modules")
        only = [*inside.values()] if isinstance(inside, dict) and [*inside] == ["module"] else []
        return only[0] if only and isinstance(only[0], nn.Module) else content  # of a DataParallel
    if not isinstance(content, dict):
        raise WeightsError(f"{path}: contains a {type(content).__name__}, not weights; save model.state_dict()")
    found = {key: value for key, value in content.items() if _holds_weights(value)}
    if "param_groups" in content and not found:
        raise WeightsError(f"{path}: contains the state of an optimizer, not weights; save model.state_dict()")
    if any(isinstance(value, Tensor) for value in content.values()) or not found:
        return content
    usual = [name for name in USUAL_NAMES if name in found]
    if len(found) > 1 and not usual:
        raise WeightsError(f"{path}: weights under several names ({', '.join(map(str, found))}); save one of them")
    return _weights_in(found[usual[0] if usual else next(iter(found))], path)


def _holds_weights(value: Any, deeper: int = 3) -> bool:
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):  # an optimizer's state has numbers
        return any(isinstance(one, Tensor) or (deeper and _holds_weights(one, deeper - 1)) for one in value.values())
    return isinstance(value, nn.Module)


def _load(path: Path, own: str | None = None) -> Any:
    """Read a file; allow the classes of the course's network, and a stand-in for the user's `own` class."""
    known, idle = layer_classes()
    allowed: list[Any] = [nn.Sequential, *known, *idle, *([(_SavedModule, own)] if own else [])]
    allowed += [(_SavedModule, WRAPPER), *((_Beside, name) for name in BESIDE)]
    try:
        with torch.serialization.safe_globals(allowed):
            return load_whole(path)
    except WeightsError:
        raise
    except pickle.UnpicklingError as error:
        found = re.search(r"nsupported (?:global: )?(?:GLOBAL|class) ([\w.]+)", str(error))
        if found and not own and found[1].partition(".")[0] not in LIBRARIES:
            return _load(path, found[1])
        if found and found[1].startswith("torch.nn."):  # its state_dict would not name this layer
            layer = found[1].rpartition(".")[2]
            problem = f"another network: it contains {layer} ({found[1]}), and the course's does not"
            raise WeightsError(f"{path}: {problem}") from None
        if found:
            what = f"it contains {found[1]}, which the Tudui network does not need"
        elif CUT.search(str(error)):
            raise WeightsError(f"{path}: {PART}") from None
        elif "Only persistent_load of storage" in str(error):
            what = "a whole module in the old format (before PyTorch 1.6) cannot be read without running its code"
        else:
            what = "it is no weights file"
        raise WeightsError(f"{path}: refused, because {what}; save model.state_dict() instead") from None
    except Exception as error:  # the loader raises almost anything for random bytes
        if isinstance(error, EOFError) or CUT.search(str(error)):
            raise WeightsError(f"{path}: {PART}") from None
        raise WeightsError(f"{path}: cannot be read as weights ({in_a_line(error)}); save model.state_dict()") from None
