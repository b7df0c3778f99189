"""Weights of the Tudui network from anywhere: a run, a checkpoint, an export, a state_dict, a whole saved module.

Nothing in a file is executed: it is read by safetensors, or by torch's weights-only unpickler, with the classes of this
network allowed.
"""

import pickle
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tudui.data import Preparation
from tudui.errors import UsageError, WeightsError
from tudui.exported import KEY, Description, read_safetensors
from tudui.invocation import tudui_command
from tudui.model import LAYERS, Tudui
from tudui.run_folder import RunFolder, is_comparison
from tudui.text import in_a_line
from tudui.training.checkpoint import (
    BEST,
    Checkpoint,
    check_size,
    checkpoint_from,
    load_checkpoint,
    load_whole,
    newest_checkpoint,
)

MAX_CLASSES = 100_000  # rows of the last layer; a tensor may claim any number of them
MODULES = (nn.Sequential, nn.Conv2d, nn.MaxPool2d, nn.Flatten, nn.Linear)
TENSORS = tuple(f"{layer}.{kind}" for layer in LAYERS for kind in ("weight", "bias"))
NUMBERS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
SHAPES = {name: tuple(tensor.shape) for name, tensor in Tudui(10).state_dict().items()}


@dataclass(frozen=True)
class Weights:
    """The network's tensors, and what their origin tells about them."""

    tensors: dict[str, Tensor]  # conv1.weight to linear2.bias
    origin: str
    preparation: Preparation | None = None  # None: the file does not say
    classes: tuple[str, ...] | None = None
    config: Mapping[str, Any] | None = None
    data: str | None = None  # fingerprint of the data set that it was trained on
    epoch: int | None = None  # epochs done; None in the middle of one, as after Ctrl-C

    @property
    def number_of_classes(self) -> int:
        """K, the rows of the last layer."""
        return len(self.tensors["linear2.bias"])

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for each class, made up where the file has none."""
        return self.classes or tuple(f"class {index}" for index in range(self.number_of_classes))

    def check_classes(self, number: int) -> None:
        """Raise WeightsError where the data has another number of classes than the last layer."""
        if self.number_of_classes != number:
            raise WeightsError(
                f"{self.origin}: its last layer has {self.number_of_classes} classes, the data has {number}; "
                f"choose data with the same classes"
            )

    def model(self) -> Tudui:
        """Return a network with these weights, ready to predict."""
        model = Tudui(self.number_of_classes)
        model.load_state_dict(self.tensors)
        return model.eval()


def read_weights(path: Path, *, best: bool = False) -> Weights:
    """Read the weights of a run folder or file; WeightsError says what is wrong with it."""
    if path.is_dir():
        return _from_checkpoint(_of_run(path, best=best))
    if path.is_file():
        if best:
            raise UsageError(f"{path}: a file has one set of weights; leave --best out, or name the run's folder")
        try:
            return _from_file(path)
        except OSError as error:
            raise WeightsError(f"{path}: cannot be read: {error.strerror}; allow it, or take another copy") from None
    raise WeightsError(f"{path}: no such file or run folder; list runs with: {tudui_command()} runs")


def _of_run(path: Path, *, best: bool) -> Checkpoint:
    folder = RunFolder(path)
    if best and (folder.checkpoints / BEST).exists():
        return load_checkpoint(folder.checkpoints / BEST)
    checkpoint, _ = newest_checkpoint(folder.checkpoints)
    if checkpoint is None and is_comparison(path):
        raise WeightsError(f"{path}: a comparison and not a run; name one of those below {path / 'runs'}")
    if checkpoint is None:
        raise WeightsError(f"{path}: no checkpoint in {folder.checkpoints}; is it a run folder that was trained?")
    return checkpoint


def _from_checkpoint(checkpoint: Checkpoint) -> Weights:
    tensors = _named(checkpoint.state["model"], checkpoint.path)
    _check_names(checkpoint.task.names, tensors, checkpoint.path)
    progress = checkpoint.state["progress"]
    return Weights(
        tensors,
        str(checkpoint.path),
        checkpoint.preparation,
        checkpoint.task.names,
        checkpoint.config,
        checkpoint.data,
        None if progress["epoch_images"] else progress["epoch"],
    )


def _from_export(tensors: Mapping[str, Any], description: Description, path: Path) -> Weights:
    named = _named(tensors, path)
    _check_names(description.classes, named, path)
    origin = f"{path} (exported from {description.origin})"
    return Weights(named, origin, description.preparation, description.classes)


def _check_names(classes: tuple[str, ...], tensors: Mapping[str, Tensor], path: Path) -> None:
    if len(classes) != len(tensors["linear2.bias"]):
        raise WeightsError(f"{path}: names {len(classes)} classes, but its last layer has others")


class _SavedModule(nn.Module):
    """Stands for the class under which a script saved its network; only its tensors are looked at."""


def _from_file(path: Path) -> Weights:
    check_size(path)
    with path.open("rb") as file:
        start = file.read(9)
    if start[8:] == b"{":  # the length of a header, and the header
        tensors, description = read_safetensors(path)
        return _from_export(tensors, description, path) if description else _plain(tensors, path)
    if path.suffix == ".onnx":
        raise WeightsError(f"{path}: an ONNX file is for other programs; Tudui reads the run, .safetensors and .pt")
    content = _load(path)
    if isinstance(content, dict) and "format" in content and "state" in content:
        return _from_checkpoint(checkpoint_from(content, path))
    if isinstance(content, nn.Module):
        try:
            tensors = _tensors_in(content)
        except Exception as error:  # its attributes are what the file says
            raise WeightsError(f"{path}: not a whole module ({in_a_line(error)}); save model.state_dict()") from None
        return Weights(_named(tensors, path), f"{path} (a whole saved module)")
    if isinstance(content, dict):
        if KEY in content and isinstance(content.get("state_dict"), dict):
            return _from_export(content["state_dict"], Description.read(content[KEY], path), path)
        for key in ("state_dict", "model_state_dict", "model"):  # what scripts call the weights beside other values
            if isinstance(content.get(key), dict):
                content = content[key]
                break
        return _plain(content, path)
    raise WeightsError(f"{path}: holds a {type(content).__name__}, not weights; save model.state_dict()")


def _plain(tensors: Mapping[str, Any], path: Path) -> Weights:
    return Weights(_named(tensors, path), f"{path} (a state_dict)")


def _tensors_in(module: nn.Module) -> dict[str, Any]:
    """Return a saved module's parameters by name; whatever else it holds is not looked at."""
    tensors: dict[str, Any] = {}
    waiting, seen = [("", module)], set()
    while waiting:
        prefix, inside = waiting.pop()
        if not isinstance(inside, nn.Module) or id(inside) in seen:  # a module may lie within itself
            continue
        seen.add(id(inside))
        parameters, modules = (vars(inside).get(kind) for kind in ("_parameters", "_modules"))
        if isinstance(parameters, dict):
            tensors |= {f"{prefix}{name}": value for name, value in parameters.items() if isinstance(name, str)}
        if isinstance(modules, dict):
            waiting += [(f"{name}.", value) for name, value in modules.items() if isinstance(name, str)]
    return tensors


def _load(path: Path) -> Any:
    """Read a file with the classes of this network allowed, and one class of the user's own, replaced by a stand-in."""
    allowed: list[Any] = list(MODULES)
    while True:
        try:
            with torch.serialization.safe_globals(allowed):
                return load_whole(path)
        except WeightsError:
            raise
        except pickle.UnpicklingError as error:
            found = re.search(r"nsupported (?:global: )?(?:GLOBAL|class) ([\w.]+)", str(error))
            if found and len(allowed) == len(MODULES) and _may_be_a_users_class(found[1]):
                allowed.append((_SavedModule, found[1]))
                continue
            if found:
                what = f"it holds {found[1]}, which the Tudui network does not need"
            elif "Only persistent_load of storage" in str(error):
                what = "whole modules in the format before PyTorch 1.6 cannot be read without executing them"
            else:
                what = "it is no weights file"
            raise WeightsError(f"{path}: refused, because {what}; save model.state_dict() instead") from None
        except Exception as error:  # random bytes make the loader raise almost anything
            raise WeightsError(
                f"{path}: cannot be read as weights ({in_a_line(error)}); save model.state_dict()"
            ) from None


def _may_be_a_users_class(name: str) -> bool:
    package = name.partition(".")[0]
    installed_with_tudui = {"torch", "torchvision", "numpy", "builtins"}
    return package not in installed_with_tudui and package not in sys.stdlib_module_names


def _named(tensors: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """Return the tensors under this network's names, whatever prefix or numbers they had."""
    found = {name: value for name, value in tensors.items() if isinstance(name, str) and isinstance(value, Tensor)}
    ends = {".".join(name.split(".")[-2:]): name for name in found}
    if set(TENSORS) <= set(ends):
        named = {name: found[ends[name]] for name in TENSORS}
    else:
        numbers = sorted({int(end.split(".")[0]) for end in ends if re.fullmatch(r"\d+\.(weight|bias)", end)})
        wanted = {f"{number}.{kind}" for number in numbers for kind in ("weight", "bias")}
        if len(numbers) != len(LAYERS) or not wanted <= set(ends):
            raise WeightsError(
                f"{path}: not the Tudui network: expected {len(TENSORS)} tensors ({', '.join(TENSORS[:2])}, ...; "
                f"or numbered as in its Sequential), got {', '.join(list(found)[:4]) or 'none'}"
            )
        named = {
            f"{layer}.{kind}": found[ends[f"{number}.{kind}"]]
            for layer, number in zip(LAYERS, numbers, strict=True)
            for kind in ("weight", "bias")
        }
    if len(found) != len(TENSORS):
        raise WeightsError(f"{path}: not the Tudui network: {len(found)} tensors, expected {len(TENSORS)}")
    for name, tensor in named.items():
        if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.dtype not in NUMBERS:
            raise WeightsError(f"{path}: {name} is no tensor of plain numbers ({tensor.dtype}, {tensor.layout})")
        if tensor.dim() and len(tensor) > MAX_CLASSES:
            raise WeightsError(f"{path}: {name} has more than {MAX_CLASSES:,} rows; another network")
        expected = SHAPES[name] if not name.startswith("linear2") else (*(tensor.shape[:1] or (10,)), *SHAPES[name][1:])
        if tuple(tensor.shape) != expected:
            raise WeightsError(f"{path}: {name} is {list(tensor.shape)}, expected {list(expected)}: another network")
    if len(named["linear2.weight"]) != len(named["linear2.bias"]) or len(named["linear2.bias"]) < 2:
        raise WeightsError(f"{path}: the last layer's weight and bias do not fit each other")
    read = {name: tensor.detach().float().contiguous() for name, tensor in named.items()}
    if broken := [name for name, tensor in read.items() if not tensor.isfinite().all()]:
        raise WeightsError(
            f"{path}: {', '.join(broken)} {'holds' if len(broken) == 1 else 'hold'} values that are not finite "
            f"(NaN or infinity); take weights from before the training diverged"
        )
    return read
