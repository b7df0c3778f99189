"""The blocks of a network with many parameters, so that its charts and reports stay readable."""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

MANY = 20  # parameters; with more, blocks are shown instead, and never more blocks than this


def blocks_of(layers: Sequence[str]) -> dict[str, list[str]]:
    """Return the names of parameters by block; each is a block of its own if there are few.

    A block is what the network contains at its top level, for example `layer1`. One that contains more than half of all
    parameters is divided further; if there are too many, neighbours are put together.
    """
    if len(layers) <= MANY:
        return {layer: [layer] for layer in layers}
    found = list(_divided(layers, 1, len(layers) / 2))
    size = math.ceil(len(found) / MANY)
    blocks = {}
    for start in range(0, len(found), size):
        near = found[start : start + size]
        ends = dict.fromkeys((near[0][0], near[-1][0]))
        blocks["-".join(ends)] = [layer for _, inside in near for layer in inside]
    return blocks


def _divided(layers: Sequence[str], depth: int, most: float) -> Iterator[tuple[str, list[str]]]:
    inside: dict[str, list[str]] = {}
    for layer in layers:
        inside.setdefault(".".join(layer.split(".")[:depth]), []).append(layer)
    for name, parts in inside.items():
        if len(parts) > most:
            yield from _divided(parts, depth + 1, most)
        else:
            yield name, parts


def charted(layers: Sequence[str]) -> dict[str, list[str]]:
    """Return the blocks that a chart of all layers shows: if each is a parameter, only the weights."""
    blocks = blocks_of(layers)
    weights = {name: parts for name, parts in blocks.items() if name.endswith("weight")}
    return blocks if len(layers) > MANY else weights or blocks


def title_of(block: str, kinds: Mapping[str, str]) -> str:
    """Return what charts call a block: with its class if `kinds` has it, for example `1 Linear`.

    `kinds` has the class by the name of the module, if this is only a number. Of blocks that were put together, those
    of both ends are named.
    """
    name = block.removesuffix(".weight")
    found = dict.fromkeys(kinds[end] for end in name.split("-") if end in kinds)
    return f"{name} {'-'.join(found)}" if found else name


def norm_of(norms: Mapping[str, float], layers: Sequence[str]) -> float:
    """Return the norm of a block's gradient: the root of the sum of the squares of its parameters' norms."""
    return math.hypot(*(norms[layer] for layer in layers))


def ratio_of(ratios: Mapping[str, float], layers: Sequence[str]) -> float:
    """Return the median of the update ratios of a block's parameters.

    Biases begin at 0, so their first ratios are huge; a mean would show nothing else.
    """
    return median(ratios[layer] for layer in layers)
