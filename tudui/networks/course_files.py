"""Reads the course's network from files of scripts, which do not describe their network: other layers are refused."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tudui.errors import WeightsError
from tudui.networks import NetworkParameters, Shape, build_network
from tudui.networks.course import IMAGE_SHAPE
from tudui.text import in_a_line

if TYPE_CHECKING:
    from torch import Tensor, nn

MAX_CLASSES = 100_000  # rows of the last layer; a tensor may claim any number of them
COURSE = NetworkParameters(name="tudui")
# the layers with parameters, by their numbers in the course's Sequential
LAYERS = {0: "conv1", 2: "conv2", 4: "conv3", 7: "linear1", 8: "linear2"}
NAMES = tuple(f"{layer}.{kind}" for layer in LAYERS.values() for kind in ("weight", "bias"))


def layer_classes() -> "tuple[tuple[type[nn.Module], ...], tuple[type[nn.Module], ...]]":
    """Return the classes of the network's layers, and those of layers that change nothing in evaluation."""
    from torch import nn

    dropout = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
    return (nn.Conv2d, nn.MaxPool2d, nn.Flatten, nn.Linear), (*dropout, nn.Identity)


def tensors_by_name(content: Mapping[str, Any], path: Path) -> "tuple[dict[str, Tensor], str | None]":
    """Return the tensors of a state_dict by the network's names, and a note if its layers are not certain.

    In the file the names may have a prefix, or be the numbers of a Sequential. WeightsError for another network.
    """
    from torch import Tensor

    found = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}
    split = {name: ["", "", *name.rsplit(".", 2)][-3:] for name in found}  # prefix, layer, weight or bias
    numbers = sorted({int(layer) for _, layer, _ in split.values() if re.fullmatch(r"\d{1,9}", layer)})
    note, layers = None, {}
    if len(numbers) == len(LAYERS) and len({prefix for prefix, *_ in split.values()}) == 1:
        note = _note_on(numbers, path)
        layers = dict(zip(map(str, numbers), LAYERS.values(), strict=True))
    named = {f"{layers.get(layer, layer)}.{kind}": found[name] for name, (_, layer, kind) in split.items()}
    if not set(NAMES) <= named.keys():
        wanted = f"{len(NAMES)} tensors ({', '.join(NAMES[:2])}, ...; or numbered as in a Sequential)"
        got = ", ".join(list(found)[:4]) or "none"
        raise WeightsError(f"{path}: another network: expected {wanted}, got {got}")
    if len(found) != len(NAMES):
        raise WeightsError(f"{path}: another network: {len(found)} tensors, expected {len(NAMES)}")
    return {name: named[name] for name in NAMES}, note


def _note_on(numbers: Sequence[int], path: Path) -> str | None:
    """Return a note if the gaps between the numbers leave room for layers that the course's Sequential does not have.

    They have no parameters, so the file does not name them. Activations come after each convolution, or after the
    linear layer: WeightsError if they fit the gaps, or if a layer of the course does not. Other gaps are Dropout's.
    """
    *convolutions, linear = (
        (after - before) - (of_course - start)
        for (before, after), (start, of_course) in zip(pairwise(numbers), pairwise(LAYERS), strict=True)
    )
    if tuple(numbers) == tuple(LAYERS):
        return None
    shown = f"its layers have the numbers {', '.join(map(str, numbers))} and not {', '.join(map(str, LAYERS))}"
    activations = all(convolutions) or (linear and not any(convolutions))
    if numbers[0] or min(*convolutions, linear) < 0 or activations:
        raise WeightsError(
            f"{path}: perhaps another network: {shown}, and a state_dict does not contain what is between them; "
            f"if that is only Dropout, name a file of the whole network: torch.save(network, FILE)"
        )
    return f"{shown}: assumed to be Dropout; if other layers are between them, the score is wrong"


def tensors_of_module(module: "nn.Module", path: Path) -> "dict[str, Tensor]":
    """Return the tensors of a saved network by the names of the course's; WeightsError if it has other layers.

    What the user's own class does with its layers is not in a file.
    """
    known, _ = layer_classes()
    try:
        inside = [layer for _, layer in module.named_modules(remove_duplicate=False)]
        layers = [layer for layer in inside if type(layer) in known]
        holding = [own for layer in layers if (own := dict(layer.named_parameters(recurse=False)))]
        others = len(list(module.parameters())) - sum(map(len, holding))
        shown = [in_a_line(layer) for layer in layers]
    except Exception as error:  # the file decides about its attributes
        raise WeightsError(f"{path}: not a complete module ({in_a_line(error)}); save it again") from None
    named = zip(LAYERS.values(), holding, strict=False)
    tensors = {f"{layer}.{kind}": tensor for layer, own in named for kind, tensor in own.items()}
    outputs = shape_of(tensors, path).outputs if NAMES[-1] in tensors else 10
    expected = [str(layer) for layer in build_network(COURSE, Shape(IMAGE_SHAPE, outputs), seed=0).children()]
    for got, wanted in zip_longest(shown, expected, fillvalue="nothing"):
        if got != wanted:
            problem = f"another network: {got} instead of {wanted}"
            raise WeightsError(f"{path}: {problem}; a saved module must be the network of the course")
    if others or tensors.keys() != set(NAMES):
        raise WeightsError(f"{path}: another network: parameters outside the {len(expected)} layers of the course's")
    return tensors


def shape_of(tensors: "Mapping[str, Tensor]", path: Path) -> Shape:
    """Return the shape of the network from its last tensor, a bias for each class."""
    last = tensors[NAMES[-1]]
    outputs = len(last) if last.dim() else 0
    if not 2 <= outputs <= MAX_CLASSES:
        raise WeightsError(f"{path}: its last layer has {outputs:,} classes; 2 to {MAX_CLASSES:,} can be read")
    return Shape(IMAGE_SHAPE, outputs)
