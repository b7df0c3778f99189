r"""Measure the components of tudui/comparison/variance.py on runs whose true components are planted.

    python experiments/simulate_variance.py --out variance.json

Run l is right on image i with probability m_i + a_l + c_li: the image, the level of the source (normal, of the planted
deviation) and both together (uniform), each drawn anew for every comparison. A difference is that of two such runs. The
planted variance of a source is that of a_l, whatever the images; that of the test images is that of m_i / N.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from tudui.comparison.variance import FEWEST_LEVELS, IMAGES, Component, components

EASIEST, HARDEST, TOGETHER = 0.8, 0.2, 0.1  # m_i is uniform between the first two, c_li between ± the third


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind of comparison."""

    deviation: float  # planted, of the source
    images: int
    levels: int = FEWEST_LEVELS
    difference: bool = False


SETTINGS = {
    "one point, 2,000 images": Setting(deviation=0.01, images=2_000),
    "half a point, 10,000 images": Setting(deviation=0.005, images=10_000),
    "half a point, 16 runs": Setting(deviation=0.005, images=10_000, levels=16),
    "less than the images": Setting(deviation=0.003, images=10_000),
    "a difference": Setting(deviation=0.005, images=10_000, difference=True),
    "a difference, 359 images": Setting(deviation=0.03, images=359, difference=True),
}


def draw(setting: Setting, random: np.random.Generator) -> np.ndarray:
    """Return the values [levels, images] of runs: right or wrong, or with `difference` -1, 0 and 1."""
    shape, drawn = (setting.levels, setting.images), []
    deviation = setting.deviation / 2**0.5 if setting.difference else setting.deviation
    for _ in range(1 + setting.difference):
        chance = random.uniform(HARDEST, EASIEST, setting.images) + random.uniform(-TOGETHER, TOGETHER, shape)
        chance += deviation * random.standard_normal((setting.levels, 1))
        drawn.append((random.random(shape) < chance).astype(np.int64))
    return drawn[0] - drawn[1] if setting.difference else drawn[0]


def found_in(setting: Setting, comparisons: int, random: np.random.Generator) -> Iterator[dict[str, Component]]:
    """Yield the components of each comparison by source; the planted one is `source`."""
    for _ in range(comparisons):
        yield {part.source: part for part in components({"source": list(draw(setting, random))})}


def measure(setting: Setting, comparisons: int, random: np.random.Generator) -> dict[str, float]:
    """Return bias and its standard error, in shares of the planted variance, and the coverage of the interval."""
    planted = setting.deviation**2
    of_images = (1 + setting.difference) * (EASIEST - HARDEST) ** 2 / 12 / setting.images
    found = list(found_in(setting, comparisons, random))
    variances = np.array([parts["source"].variance for parts in found])
    inside = [low <= planted <= high for parts in found for low, high in [parts["source"].interval]]
    return {
        "bias": float(variances.mean()) / planted - 1,
        "bias_error": float(variances.std(ddof=1)) / len(found) ** 0.5 / planted,
        "coverage": float(np.mean(inside)),
        "bias_of_images": float(np.mean([parts[IMAGES].variance for parts in found])) / of_images - 1,
    }


def main(comparisons: int = 4_000, seed: int = 0, out: Path | None = None) -> None:
    """Measure every setting; a few minutes on one core."""
    table = Table(
        "setting", "runs", "images", "bias", "its error", "coverage", "bias, test images",
        title=f"Components of the variance, {comparisons} comparisons; all in percent",
    )  # fmt: skip
    results = []
    for place, (name, setting) in enumerate(SETTINGS.items()):
        found = measure(setting, comparisons, np.random.default_rng([seed, place]))
        results.append({"setting": name, **asdict(setting), **found})
        table.add_row(
            name, str(setting.levels), f"{setting.images:,}", f"{100 * found['bias']:+.1f}",
            f"{100 * found['bias_error']:.1f}", f"[bold]{100 * found['coverage']:.1f}",
            f"{100 * found['bias_of_images']:+.1f}",
        )  # fmt: skip
    if out:
        out.write_text(json.dumps({"comparisons": comparisons, "seed": seed, "cells": results}, indent=1))
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
