r"""Measure how often the intervals of tudui/comparison/statistics.py hold: comparisons whose true difference is known.

    python experiments/simulate_coverage.py --out coverage.json

Every comparison draws new test images and new seeds. A run of variant v and seed s is right on image i where

    level of v + image i + variant x image (v, i) + seed (v, s) + seed x class (v, s, class of i) + chance (v, s, i) > 0

with independent normal effects, chance of variance 1. The left side is then normal, so that the expected accuracy is
the normal distribution function at level / sqrt(1 + the sum of the variances): the truth is exact.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy import stats

from tudui.comparison.statistics import pair, summary
from tudui.tasks.classes import ACCURACY

CLASSES = 10
SEEDS = [3, 5, 10]
IMAGES = [359, 2_000, 10_000]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind of comparison; the effects are standard deviations on the latent scale."""

    accuracy: float = 0.7  # expected, of the baseline
    difference: float  # expected, variant minus baseline
    image: float = 2.9  # with this, two runs of one loss disagree on 13 % of the images
    variant_by_image: float
    seed: float
    seed_by_class: float = 0.0


SETTINGS = {
    "calm": Setting(difference=0.005, variant_by_image=0.2, seed=0.0),
    "usual": Setting(difference=0.005, variant_by_image=0.5, seed=0.02),
    "unlike": Setting(difference=-0.02, variant_by_image=1.2, seed=0.02),
    "restless": Setting(difference=-0.01, variant_by_image=0.5, seed=0.05, seed_by_class=0.1),
    "digits": Setting(accuracy=0.985, difference=-0.003, image=2.5, variant_by_image=0.4, seed=0.05),
}


def draw(setting: Setting, seeds: int, images: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return baseline and variant, correct [seeds, images]."""
    effects = (setting.image, setting.variant_by_image, setting.seed, setting.seed_by_class)
    spread = np.sqrt(1 + np.square(effects).sum())
    image = setting.image * random.standard_normal(images, dtype=np.float32)
    class_of = random.integers(CLASSES, size=images)
    variants = []
    for accuracy in (setting.accuracy, setting.accuracy + setting.difference):
        latent = random.standard_normal((seeds, images), dtype=np.float32)
        latent += image + setting.variant_by_image * random.standard_normal(images, dtype=np.float32)
        latent += setting.seed * random.standard_normal((seeds, 1), dtype=np.float32)
        if setting.seed_by_class:
            latent += setting.seed_by_class * random.standard_normal((seeds, CLASSES), dtype=np.float32)[:, class_of]
        variants.append(latent > -spread * stats.norm.ppf(accuracy))
    return variants[0], variants[1]


def measure(
    setting: Setting, comparisons: int, seeds: int, images: int, random: np.random.Generator
) -> dict[str, float]:
    """Return, over `comparisons`, the share of intervals that hold the truth and their mean widths, in fractions."""
    rows = []
    for _ in range(comparisons):
        baseline, variant = draw(setting, seeds, images, random)
        compared, described = pair(baseline, variant, ACCURACY), summary(baseline, ACCURACY)
        row = {"sd": described.sd, "disagreement": np.mean(baseline[0] != baseline[1])}
        for name, interval, truth in (
            ("difference", compared.interval, setting.difference),
            ("difference_seeds_only", compared.interval_seeds_only, setting.difference),
            ("accuracy", described.interval, setting.accuracy),
            ("accuracy_seeds_only", described.interval_seeds_only, setting.accuracy),
        ):
            low, high = interval or (compared.difference,) * 2
            row |= {name: low <= truth <= high, f"{name}_width": high - low}
        rows.append(row)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def main(
    comparisons: int = 2_000,
    seeds: Annotated[list[int], typer.Option(help="Seeds per variant.")] = SEEDS,
    images: Annotated[list[int], typer.Option(help="Test images.")] = IMAGES,
    seed: Annotated[int, typer.Option(help="Of the simulation.")] = 0,
    out: Path | None = None,
) -> None:
    """Measure every setting at every number of seeds and images; ten minutes on one core."""
    table = Table(
        "setting", "n", "N", "sd", "disagree", "difference", "seeds only", "width", "seeds only", "accuracy",
        "seeds only", "width", "seeds only",
        title=f"Share of 95 % intervals that hold the truth, {comparisons} comparisons; all in percent",
    )  # fmt: skip
    results = []
    for place, (name, setting) in enumerate(SETTINGS.items()):
        for number in images:
            for runs in seeds:
                found = measure(setting, comparisons, runs, number, np.random.default_rng([seed, place, runs, number]))
                results.append({"setting": name, **asdict(setting), "n": runs, "N": number, **found})
                table.add_row(
                    name, str(runs), str(number),
                    f"{100 * found['sd']:.2f}", f"{100 * found['disagreement']:.1f}",
                    f"[bold]{100 * found['difference']:.1f}", f"{100 * found['difference_seeds_only']:.1f}",
                    f"{100 * found['difference_width']:.2f}", f"{100 * found['difference_seeds_only_width']:.2f}",
                    f"[bold]{100 * found['accuracy']:.1f}", f"{100 * found['accuracy_seeds_only']:.1f}",
                    f"{100 * found['accuracy_width']:.2f}", f"{100 * found['accuracy_seeds_only_width']:.2f}",
                )  # fmt: skip
                if out:
                    out.write_text(json.dumps({"comparisons": comparisons, "seed": seed, "cells": results}, indent=1))
        table.add_section()
    Console(width=140).print(table)


if __name__ == "__main__":
    typer.run(main)
