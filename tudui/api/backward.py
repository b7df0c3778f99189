"""Backpropagation on one real batch: `accumulate(first_batch("digits", {"loss": "huber"}))`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tudui.api.configs import NOTHING, Named, Settings, load
from tudui.api.lab import choose
from tudui.config import Config, Loaded
from tudui.errors import UsageError
from tudui.lab.backward import batch as batches
from tudui.lab.backward import by_hand as hand
from tudui.lab.backward import depth as depths
from tudui.lab.backward.accumulate import accumulate as accumulate
from tudui.lab.backward.batch import FirstBatch as FirstBatch
from tudui.lab.backward.by_hand import ByHand as ByHand
from tudui.lab.backward.check import IMAGES as IMAGES
from tudui.lab.backward.check import STEP as STEP
from tudui.lab.backward.check import check_gradients as check_gradients
from tudui.lab.backward.layers import Step as Step
from tudui.lab.backward.layers import one_step as one_step
from tudui.lab.backward.precision import Precision as Precision
from tudui.lab.backward.precision import underflow as underflow
from tudui.lab.reading import read_numbers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def first_batch(
    config: Loaded | Config | Mapping[str, Any] | Named | None = None, overrides: Settings = NOTHING
) -> FirstBatch:
    """Return the network, the loss and the first batch of a run, as training would meet them."""
    return batches.first_batch(load(config, overrides).config)


def over_depth(batch: FirstBatch, *, depth: int = 32, out: Named | None = None) -> tuple[depths.Depth, ...]:
    """Put `depth` convolutions into the network, for each initialisation, and return the gradient's norm on its way.

    The picture goes to the file `out`.
    """
    from tudui.lab.pictures import check_format, depth_picture, make_folder, save_picture

    if out is not None:
        check_format(Path(out))
    found = depths.over_depth(batch, depth=depth)
    if out is not None:
        make_folder(Path(out).parent)
        save_picture(depth_picture(found), Path(out))
    return found


def by_hand(
    config: Loaded | Config | Mapping[str, Any] | Named | None = None,
    overrides: Settings = NOTHING,
    *,
    inputs: "ArrayLike | str" = (0.5, -1),
    target: float = 1.0,
    seed: int = 0,
) -> ByHand:
    """Go forward and back by hand through a net of two layers, and compare with autograd.

    The loss is that of the config, or without one mse, unless the setting `loss` names another; `target` is a number,
    for a loss of classes 0 or 1. The weights are drawn from the seed.
    """
    if seed < 0:
        raise UsageError(f"--seed {seed}: must be 0 or greater")
    if not abs(target) < float("inf"):
        raise UsageError(f"--target {target:g}: must be a finite number")
    if config is None:
        chosen = choose("mse", overrides)
    else:
        parameters = load(config, overrides).config.loss
        chosen = replace(choose(parameters.name), parameters=parameters)
    return hand.by_hand(chosen, inputs=read_numbers(inputs, flag="--input"), target=target, seed=seed)
