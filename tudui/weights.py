"""Weights from anywhere: a run, a checkpoint, an export; of the course's network also a state_dict or a saved module.

Nothing in a file is executed: it is read by safetensors, or by torch's weights-only unpickler, with the classes of the
course's network allowed.
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
from tudui.networks import NetworkParameters, Shape, build_network
from tudui.networks.course import IMAGE_SHAPE
from tudui.networks.saved import COURSE, network_from, shape_of_course, state_dict_of
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


@dataclass(frozen=True)
class Weights:
    """The network's tensors, and what their origin tells about them."""

    tensors: dict[str, Tensor]  # the state_dict of the network
    origin: str
    network: NetworkParameters
    shape: Shape
    preparation: Preparation | None = None  # None: the file does not say
    classes: tuple[str, ...] | None = None
    config: Mapping[str, Any] | None = None
    data: str | None = None  # fingerprint of the data set that it was trained on
    epoch: int | None = None  # epochs done; None in the middle of one, as after Ctrl-C

    @property
    def number_of_classes(self) -> int:
        """K, the outputs of the last layer."""
        return self.shape.outputs

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for each class, made up where the file has none."""
        return self.classes or tuple(f"class {index}" for index in range(self.number_of_classes))

    def check_fits(self, shape: Shape, network: NetworkParameters | None = None) -> None:
        """Raise WeightsError if the data has images or classes of another number, or the network is another one."""
        if network is not None and network != self.network:
            raise WeightsError(f"{self.origin}: of the network {_told(self.network)}, and not {_told(network)}")
        if self.shape.outputs != shape.outputs:
            raise WeightsError(
                f"{self.origin}: its last layer has {self.number_of_classes} classes, the data has {shape.outputs}; "
                f"choose data with the same classes"
            )
        if self.shape.input != shape.input:
            ours, theirs = (" x ".join(map(str, size)) for size in (self.shape.input, shape.input))
            raise WeightsError(f"{self.origin}: takes images of {ours}, the data has {theirs}; choose other data")

    def model(self) -> nn.Module:
        """Return a network with these weights, ready to predict."""
        model = build_network(self.network, self.shape, seed=0)
        model.load_state_dict(self.tensors)
        return model.eval()


def _told(network: NetworkParameters) -> str:
    name, *rest = (f"{key} {value}" for key, value in network.model_dump(mode="json").items())
    return ", ".join([name.removeprefix("name "), *rest])


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
    section = checkpoint.config.get("network", {"name": "tudui"})  # there was one network once
    network, shape = network_from(section, checkpoint.path), Shape(checkpoint.input, checkpoint.task.outputs)
    progress = checkpoint.state["progress"]
    return Weights(
        state_dict_of(checkpoint.state["model"], network, shape, checkpoint.path),
        str(checkpoint.path),
        network,
        shape,
        checkpoint.preparation,
        checkpoint.task.names,
        checkpoint.config,
        checkpoint.data,
        None if progress["epoch_images"] else progress["epoch"],
    )


def _from_export(tensors: Mapping[str, Any], description: Description, path: Path) -> Weights:
    network, shape = network_from(description.network, path), Shape(description.image, len(description.classes))
    return Weights(
        state_dict_of(tensors, network, shape, path),
        f"{path} (exported from {description.origin})",
        network,
        shape,
        description.preparation,
        description.classes,
    )


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
        return _of_course(tensors, f"{path} (a whole saved module)", path)
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
    return _of_course(tensors, f"{path} (a state_dict)", path)


def _of_course(tensors: Mapping[str, Any], origin: str, path: Path) -> Weights:
    shape = shape_of_course(tensors, path)
    return Weights(state_dict_of(tensors, COURSE, shape, path), origin, COURSE, shape)


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
    course = build_network(COURSE, Shape(IMAGE_SHAPE, 2), seed=0)
    modules = list({type(module): None for module in course.modules()})
    allowed: list[Any] = [*modules]
    while True:
        try:
            with torch.serialization.safe_globals(allowed):
                return load_whole(path)
        except WeightsError:
            raise
        except pickle.UnpicklingError as error:
            found = re.search(r"nsupported (?:global: )?(?:GLOBAL|class) ([\w.]+)", str(error))
            if found and len(allowed) == len(modules) and _may_be_a_users_class(found[1]):
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
