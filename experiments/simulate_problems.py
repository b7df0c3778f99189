r"""Measure how often the mean difference over problems excludes the truth: grids whose true mean is known to be 0.

    python experiments/simulate_problems.py --out problems.json

The difference in problem i is normal around its true value, with a variance that its seeds give it; the true values are
normal around 0. `known` is Hartung and Knapp's interval with the weights 1 / (variance + variance between problems) and
the true variances, the next columns the same with variances estimated from seeds, `equal` that with equal weights. The
variance between problems is Paule and Mandel's estimate.
"""

import json
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import stats

from tudui.comparison.over_problems import hartung_knapp
from tudui.comparison.statistics import LUCK

SEEDS = (5, 3, 2)
NETWORKS = 2  # of problems that share data sets
HALVINGS = 50
Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind of grid; the variance within problems is 1 on average."""

    problems: int
    ratio: float  # of the largest variance to the smallest
    between: float  # variance of the true differences
    shared: float = 0.0  # share of it that problems with the same data set have in common


SETTINGS = [
    *(Setting(problems=k, ratio=r, between=b) for k, r, b in product((5, 8, 12), (1, 16), (0, 1, 4))),
    *(Setting(problems=k, ratio=1, between=b, shared=0.5) for k, b in product((8, 12), (1, 4))),
]


def paule_mandel(differences: Numbers, variances: Numbers) -> Numbers:
    """Return the variance between problems [..., 1] with which the weighted squares of differences [..., K] are K - 1.

    Paule and Mandel 1982, Journal of Research of the National Bureau of Standards 87, 377-385.
    """

    def excess(between: Numbers) -> Numbers:
        weights = 1 / (variances + between)
        mean = (weights * differences).sum(-1, keepdims=True) / weights.sum(-1, keepdims=True)
        squares = (weights * (differences - mean) ** 2).sum(-1, keepdims=True)
        return squares - (differences.shape[-1] - 1)

    low = np.zeros((*differences.shape[:-1], 1))
    high = differences.var(axis=-1, ddof=1, keepdims=True)
    none = excess(low) <= 0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        too_small = excess(middle) > 0
        low, high = np.where(too_small, middle, low), np.where(too_small, high, middle)
    return np.where(none, 0.0, (low + high) / 2)


def draw(setting: Setting, grids: int, random: np.random.Generator) -> tuple[Numbers, Numbers]:
    """Return the differences [grids, K] and the true variances [K] within problems."""
    variances = np.geomspace(1, setting.ratio, setting.problems)
    variances /= variances.mean()
    shape = (grids, setting.problems)
    own = random.standard_normal(shape) * np.sqrt(variances + (1 - setting.shared) * setting.between)
    of_data = random.standard_normal((grids, setting.problems // NETWORKS))
    if setting.shared:
        own += np.sqrt(setting.shared * setting.between) * np.tile(of_data, NETWORKS)
    return own, variances


def measure(setting: Setting, grids: int, random: np.random.Generator) -> dict[str, float]:
    """Return the share of intervals that exclude 0, by kind of weights."""
    differences, true = draw(setting, grids, random)
    variances = {"known": np.broadcast_to(true, differences.shape)}
    for seeds in SEEDS:
        least = stats.chi2.ppf(LUCK, seeds - 1)  # as in `variance_parts`
        drawn = np.maximum(random.chisquare(seeds - 1, differences.shape), least)
        variances[f"{seeds} seeds"] = true * drawn / (seeds - 1)
    weights = {kind: 1 / (found + paule_mandel(differences, found)) for kind, found in variances.items()}
    wrong = {}
    for kind, chosen in {"equal": np.ones(setting.problems), **weights}.items():
        mean, half = hartung_knapp(differences, chosen)
        wrong[kind] = float(np.mean(np.abs(mean) > half))
    return wrong


def main(grids: int = 20_000, seed: int = 0, out: Path | None = None) -> None:
    """Measure every setting; half a minute on one core."""
    kinds = ["equal", "known", *(f"{seeds} seeds" for seeds in SEEDS)]
    table = Table(
        "problems", "largest / smallest variance", "variance between", "shared by data", *kinds,
        title=f"Intervals of 95 % that exclude the true mean, percent of {grids:,} grids",
    )  # fmt: skip
    results = []
    for place, setting in enumerate(SETTINGS):
        wrong = measure(setting, grids, np.random.default_rng([seed, place]))
        results.append({**asdict(setting), "wrong": wrong})
        shared = f"{100 * setting.shared:g} %" if setting.shared else ""
        shown = [f"{100 * wrong[kind]:.1f}" for kind in kinds]
        table.add_row(str(setting.problems), f"{setting.ratio:g}", f"{setting.between:g}", shared, *shown)
    if out:
        out.write_text(json.dumps({"grids": grids, "seed": seed, "cells": results}, indent=1))
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
