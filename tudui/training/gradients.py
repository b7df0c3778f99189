"""Gradients and their measures, per layer, on the device."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tudui.blocks import blocks_of
from tudui.events import Histogram

BINS = 64


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that are not frozen by name; all measures here use this order."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def layer_names(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the trained parameters, for example `conv1.weight`."""
    return tuple(trained(model))


def kinds_of(model: nn.Module) -> dict[str, str]:
    """Return the class of each module with parameters whose name is only a number, as in nn.Sequential."""
    return {
        name: type(module).__name__
        for name, module in model.named_modules()
        if name.rpartition(".")[2].isdecimal() and any(True for _ in module.parameters())
    }


def gradients_of(model: nn.Module) -> list[Tensor]:
    """Return the gradients after a backward; a parameter without one counts as zeros."""
    return [p.grad if p.grad is not None else torch.zeros_like(p) for p in trained(model).values()]


def fill_gradients(loss: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    """Set every `.grad` to the gradient of the loss, in its parameter's layout; return them, zeros for one without.

    As torch's `backward`, it leaves None for a parameter that the loss does not depend on, so no update changes it.
    """
    found = torch.autograd.grad(loss, list(parameters), allow_unused=True)
    for parameter, gradient in zip(parameters, found, strict=True):
        same = gradient is None or gradient.stride() == parameter.stride()
        parameter.grad = gradient if same else torch.empty_like(parameter).copy_(gradient)
    return [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]


def norms(tensors: Sequence[Tensor]) -> Tensor:
    """Return the 2-norm of each tensor, float32 [P]."""
    return torch.stack(torch._foreach_norm(list(tensors)))


def clip_(gradients: Sequence[Tensor], layer_norms: Tensor, largest: float) -> None:
    """Scale the gradients in place so that their total norm is at most `largest`, like torch's clip_grad_norm_."""
    factor = (largest / (torch.linalg.vector_norm(layer_norms) + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_(list(gradients), factor)


def histogram(values: Tensor) -> Histogram | None:
    """Return the histogram of a tensor's finite values; None if it has none."""
    values = values.detach().float().flatten().cpu()  # small, and CUDA has no deterministic histc
    values = values[values.isfinite()]
    if not len(values):
        return None
    low, high = values.aminmax()
    spread = max(abs(float(low)), 1e-12) * 1e-6 if low == high else 0.0  # a bin needs a width
    ends = float(low - spread), float(high + spread)
    counts, edges = torch.histc(values, BINS, *ends), torch.linspace(*ends, BINS + 1, dtype=torch.float64)
    doubles = values.double()
    return Histogram(
        edges=tuple(edges.tolist()),
        counts=tuple(counts.int().tolist()),
        total=float(doubles.sum()),
        total_of_squares=float(doubles.square().sum()),
    )


def histograms(model: nn.Module) -> dict[str, Histogram]:
    """Return `gradient/<block>` and `weight/<block>` of every block of `blocks_of`, by default a parameter."""
    parameters, tensors = dict(model.named_parameters()), dict[str, list[Tensor]]()
    for block, layers in blocks_of(list(parameters)).items():
        inside = [parameters[layer].detach() for layer in layers]
        gradients = [gradient for layer in layers if (gradient := parameters[layer].grad) is not None]
        tensors |= {f"gradient/{block}": gradients, f"weight/{block}": inside}
    return {
        name: found
        for name, parts in tensors.items()
        if parts and (found := histogram(torch.cat([part.flatten() for part in parts])))
    }
