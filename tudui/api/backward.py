"""Backpropagation on one real batch: `over_depth(first_batch("digits", {"loss": "huber"}))`.

The functions of `tudui.lab.backward` take such a batch too.
"""

from dataclasses import replace
from pathlib import Path

from tudui.api.configs import NOTHING, Named, Settings, Source, load
from tudui.api.lab import choose
from tudui.errors import UsageError
from tudui.lab.backward import batch as batches
from tudui.lab.backward import by_hand as hand
from tudui.lab.backward import depth as depths
from tudui.lab.reading import Numbers, read_numbers


def first_batch(config: Source = None, overrides: Settings = NOTHING) -> batches.FirstBatch:
    """Return the network, the loss and the first batch of a run, as in training."""
    return batches.first_batch(load(config, overrides).config)


def over_depth(
    batch: batches.FirstBatch, *, depth: int = 32, out: Named | None = None, overwrite: bool = False
) -> tuple[depths.Depth, ...]:
    """Insert `depth` convolutions into the network, for each initialisation, and return the gradient norm after each.

    The picture is written to the file `out`.
    """
    if out is not None:
        from tudui.lab import pictures

        pictures.check_place(Path(out), overwrite=overwrite)
    found = depths.over_depth(batch, depth=depth)
    if out is not None:
        pictures.save_picture(pictures.depth_picture(found), Path(out))
    return found


def by_hand(
    config: Source = None,
    overrides: Settings = NOTHING,
    *,
    inputs: Numbers = (0.5, -1),
    target: float = 1.0,
    seed: int = 0,
) -> hand.ByHand:
    """Compute forward and backward of a two-layer network by hand, and compare with autograd.

    The loss is the setting `loss`, else the config's, else mse. `target` is a number; for a loss of classes, 0 or 1.
    The weights are drawn from the seed.
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
