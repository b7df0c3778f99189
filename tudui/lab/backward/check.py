"""Compares each layer's gradient with central differences, in float64."""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tudui.lab.backward.batch import FirstBatch

STEP = 1e-6
IMAGES = 4


@dataclass(frozen=True, kw_only=True)
class Checked:
    """One parameter; the difference is relative to the larger of the two gradients."""

    name: str
    entries: int
    difference: float  # the largest one
    entry: tuple[int, ...]  # index of the largest difference
    autograd: float
    central: float


def check_gradients(batch: FirstBatch, *, entries: int = 20) -> tuple[Checked, ...]:
    """Compare random entries of every parameter, on the first images of the batch.

    A difference near 1 can also mean that the step crossed a kink of max pooling or of an absolute value.
    """
    # in this memory format, view(-1) of a weight is possible
    model = deepcopy(batch.model).double().to(memory_format=torch.contiguous_format)
    inputs, labels = batch.first(IMAGES)
    labels = labels.double() if labels.is_floating_point() else labels  # numbers
    batch.loss(model(inputs.double()), labels).mean().backward()
    generator = torch.Generator().manual_seed(batch.config.seed)
    found, signal = [], inputs.double()
    with torch.no_grad():
        for place, (layer_name, layer) in enumerate(model.named_children()):
            rest = nn.Sequential(*list(model.children())[place:])  # the layers before are computed once
            for name, parameter in layer.named_parameters():
                chosen = torch.randperm(parameter.numel(), generator=generator)[:entries]
                found.append(_check(f"{layer_name}.{name}", parameter, chosen, rest, signal, labels, batch))
            signal = layer(signal)
    return tuple(found)


def _check(
    name: str, parameter: Tensor, chosen: Tensor, rest: nn.Module, signal: Tensor, labels: Tensor, batch: FirstBatch
) -> Checked:
    assert parameter.grad is not None
    flat, gradient = parameter.view(-1), parameter.grad.reshape(-1)
    # below this, the difference of two losses is only rounding
    floor = 1e-6 * float(gradient.abs().max()) + 1e-12
    differences = []
    for index in chosen.tolist():
        value = float(flat[index])
        sides = []
        for moved in (value + STEP, value - STEP):
            flat[index] = moved
            sides.append(float(batch.loss(rest(signal), labels).mean()))
        flat[index] = value
        central, exact = (sides[0] - sides[1]) / (2 * STEP), float(gradient[index])
        differences.append((abs(central - exact) / max(abs(central), abs(exact), floor), index, exact, central))
    difference, index, exact, central = max(differences)
    entry = tuple(int(place) for place in torch.unravel_index(torch.tensor(index), parameter.shape))
    return Checked(name=name, entries=len(chosen), difference=difference, entry=entry, autograd=exact, central=central)
