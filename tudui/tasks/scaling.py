"""The scale of targets: location and spread of training targets, and what follows from them."""

import math
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

NICE = (1, 2, 5, 10)  # times a power of ten


def scaling(targets: "Tensor", kind: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return location and scale of each column of targets [N, K].

    standardize: mean and standard deviation; robust: median and interquartile range or, if that is 0, the standard
    deviation; none: 0 and 1.
    """
    import numpy as np

    values = targets.cpu().double().numpy()
    if kind == "none":
        return (0.0,) * values.shape[1], (1.0,) * values.shape[1]
    deviation = values.std(0)
    if kind == "standardize":
        return tuple(values.mean(0).tolist()), tuple(deviation.tolist())
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    return tuple(middle.tolist()), tuple(np.where(high > low, high - low, deviation).tolist())


def nice_tenth(spread: float) -> float:
    """Return a tenth of a spread, rounded to 1, 2 or 5 times a power of ten."""
    tenth = spread / 10
    power = 10.0 ** math.floor(math.log10(tenth))
    return float(f"{min((step * power for step in NICE), key=lambda one: abs(math.log(one / tenth))):.6g}")


@cache  # a copy to a GPU in the first step only
def _constant(values: tuple[float, ...], dtype: "torch.dtype", device: "torch.device") -> "Tensor":
    import torch

    with torch.inference_mode(False):  # also if the first call is an evaluation, training may follow
        return torch.tensor(values, dtype=dtype, device=device)


def as_tensor(values: tuple[float, ...], like: "Tensor") -> "Tensor":
    """Return values [K] in the precision and on the device of another tensor."""
    return _constant(values, like.dtype, like.device)
