r"""Measure how often intervals and verdicts on real-valued errors are right: skewed errors whose true mean is known.

    python experiments/simulate_numbers.py --out numbers.json

A run of loss v and seed s is wrong on test sample i by

    (1 + seed (v, s)) x size i ^ k x (sample i + loss x sample (v, i) + chance (v, s, i))

with independent normal effects. `size` is what makes tails heavy. Absolute and squared errors are divided by their
expected value, so the truth is a mean of 1 for every loss and a difference of 0. *Alike*: every loss has k = 1.
*Unlike*: the baseline has k = 1/2, so its tails are lighter than those of the others.
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import special, stats

from tudui.comparison.statistics import ALPHA, HEAVY, from_one_sample, p_value, variance_parts

SEEDS = (3, 5, 10)
SAMPLES = (89, 360, 2_000)
VARIANTS = (1, 7)
POWERS = {"absolute": 1, "squared": 2}
SAMPLE, LOSS_BY_SAMPLE, CHANCE = 0.8, 0.08, 0.12  # variances
SEED = 0.03  # deviation
AT_ONCE = 2_000_000  # errors
RESAMPLES = 1_000
Numbers = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Tail:
    """How the sizes of errors are drawn."""

    draw: Callable[[np.random.Generator, tuple[int, ...]], Numbers]
    moment: Callable[[float], float]  # power -> expected value of size ^ power


TAILS = {
    "normal": Tail(draw=lambda _, shape: np.ones(shape), moment=lambda _: 1.0),
    "lognormal": Tail(
        draw=lambda random, shape: np.exp(0.6 * random.standard_normal(shape)),
        moment=lambda power: math.exp(0.36 * power**2 / 2),
    ),
    "5 % large": Tail(
        draw=lambda random, shape: np.where(random.random(shape) < 0.05, 5.0, 1.0),
        moment=lambda power: 0.95 + 0.05 * 5**power,
    ),
    "t3": Tail(  # Student's t with 3 degrees of freedom; the square of such an error has no finite variance
        draw=lambda random, shape: np.sqrt(3 / random.chisquare(3, shape)),
        moment=lambda power: 1.5 ** (power / 2) * float(special.gamma((3 - power) / 2) / special.gamma(1.5)),
    ),
}
SETTINGS = [("normal", "alike"), *product(("lognormal", "5 % large", "t3"), ("alike", "unlike"))]


def draw(
    tail: str, kind: str, reports: int, losses: int, seeds: int, samples: int, random: np.random.Generator
) -> dict[str, Numbers]:
    """Return absolute and squared errors [reports, losses, seeds, samples], in units of their expected value."""
    every = (reports, losses, seeds, samples)
    errors = math.sqrt(CHANCE) * random.standard_normal(every, dtype=np.float32)
    errors += math.sqrt(LOSS_BY_SAMPLE) * random.standard_normal((reports, losses, 1, samples), dtype=np.float32)
    errors += math.sqrt(SAMPLE) * random.standard_normal((reports, 1, 1, samples), dtype=np.float32)
    errors *= 1 + SEED * random.standard_normal((reports, losses, seeds, 1), dtype=np.float32)
    size = TAILS[tail].draw(random, (reports, 1, 1, samples)).astype(np.float32)
    power_of_size = np.array([0.5 if kind == "unlike" and not loss else 1.0 for loss in range(losses)])
    errors *= size ** power_of_size.astype(np.float32)[:, None, None]
    normal = {"absolute": math.sqrt(2 / math.pi), "squared": 1 + SEED**2}
    found = {}
    for metric, power in POWERS.items():
        expected = [normal[metric] * TAILS[tail].moment(power * k) for k in power_of_size]
        found[metric] = np.abs(errors) ** power / np.array(expected, np.float32)[:, None, None]
    return found


def p_of(distance: Numbers, parts: Numbers, seeds: int, samples: int) -> Numbers:
    """Return the p of a distance from the truth; one that is certainly above 5 % counts as 1, which saves time."""
    error = np.sqrt(parts.sum(axis=0))
    small = np.abs(distance) > error * stats.t.isf(ALPHA / 2, samples - 1) * (1 - 1e-9)
    found = np.ones(distance.shape)
    found[small] = p_value(distance[small], *parts[:, small], seeds, samples)
    return found


def measure(
    tail: str, kind: str, reports: int, samples: int, random: np.random.Generator, *,
    variants: tuple[int, ...] = VARIANTS, seeds: tuple[int, ...] = SEEDS, sample_part: bool = True,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Yield a row for each metric and number of seeds; without `sample_part`, of intervals over seeds only."""
    losses = max(variants) + 1
    at_once = max(1, AT_ONCE // (losses * max(seeds) * samples))
    found: dict[tuple[str, int], list[list[Numbers]]] = {}
    for start in range(0, reports, at_once):
        errors = draw(tail, kind, min(at_once, reports - start), losses, max(seeds), samples, random)
        for (metric, values), number in product(errors.items(), seeds):
            some = values[:, :, :number]
            of_each = []
            for one in (some, some[:, 1:] - some[:, :1]):  # means, differences
                parts = np.array(variance_parts(one))
                heavy = from_one_sample(one, *parts) > HEAVY
                parts[1] *= sample_part
                of_each += [one.mean(axis=(-2, -1), dtype=np.float64), parts, heavy]
            found.setdefault((metric, number), []).append(of_each)
    for (metric, number), chunks in found.items():
        mean, mean_parts, heavy_mean, difference, parts, heavy = (
            np.concatenate(of, axis=of[0].ndim - 2) for of in zip(*chunks, strict=True)
        )
        p_mean = p_of(mean[:, 1] - 1, mean_parts[:, :, 1], number, samples)
        p = p_of(difference, parts, number, samples)
        warned = heavy_mean[:, :2].any(axis=1) | heavy[:, 0]
        wrong = {most: p[:, :most].min(axis=1) * most < ALPHA for most in variants}  # Holm's first step
        silent = {
            most: wrong[most] & ~heavy_mean[:, : most + 1].any(axis=1) & ~heavy[:, :most].any(axis=1)
            for most in variants
        }
        yield {
            "mean": float((p_mean >= ALPHA).mean()),
            "difference": float((p[:, 0] >= ALPHA).mean()),
            "false verdicts": [float(wrong[most].mean()) for most in variants],
            "warned": float(warned.mean()),
            "mean missed without warning": float(((p_mean < ALPHA) & ~warned).mean()),
            "false without warning": [float(silent[most].mean()) for most in variants],
            "errors": metric, "tail": tail, "kind": kind, "samples": samples, "seeds": number,
        }  # fmt: skip


def bca(values: Numbers, random: np.random.Generator) -> tuple[float, float]:
    """Return the bootstrap interval of the mean of values [S, N] in which seeds and samples are both drawn again.

    Bias-corrected and accelerated (Efron 1987, Journal of the American Statistical Association 82, 171-185).
    """
    seeds, samples = values.shape
    mean = values.mean()
    weights = random.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES) / seeds
    places = random.integers(samples, size=(RESAMPLES, samples))
    means = np.take_along_axis(weights @ values, places, axis=1).mean(axis=1)
    without_seed = (seeds * mean - values.mean(axis=1)) / (seeds - 1)
    without_sample = (samples * mean - values.mean(axis=0)) / (samples - 1)
    far = [left.mean() - left for left in (without_seed, without_sample)]
    acceleration = sum((one**3).sum() for one in far) / (6 * sum((one**2).sum() for one in far) ** 1.5)
    bias = stats.norm.ppf(np.clip((means < mean).mean(), 1 / RESAMPLES, 1 - 1 / RESAMPLES))
    z = bias + stats.norm.ppf([ALPHA / 2, 1 - ALPHA / 2])
    low, high = np.quantile(means, stats.norm.cdf(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


def other_intervals(
    tail: str, kind: str, reports: int, samples: int, random: np.random.Generator, *, seeds: int = 10
) -> dict[str, Any]:
    """Return how often three intervals contain the truth for squared errors: of a mean, and of a difference.

    `log` is the t interval of the logarithm of the mean.
    """
    errors = draw(tail, kind, reports, 2, seeds, samples, random)["squared"].astype(np.float64)
    values = np.stack([errors[:, 1], errors[:, 1] - errors[:, 0]])
    mean, parts = values.mean(axis=(-2, -1)), np.array(variance_parts(values))
    truth = np.array([1.0, 0.0])
    t = (p_of(mean - truth[:, None], parts, seeds, samples) >= ALPHA).mean(axis=1)
    log = (p_of(np.log(mean[0]), parts[:, 0] / mean[0] ** 2, seeds, samples) >= ALPHA).mean()
    ends = np.array([[bca(one, random) for one in of] for of in values])
    inside = (ends[..., 0] <= truth[:, None]) & (truth[:, None] <= ends[..., 1])
    found = {
        "mean": {"t": t[0], "log": log, "BCa": inside[0].mean()},
        "difference": {"t": t[1], "BCa": inside[1].mean()},
    }
    shares = {of: {name: float(share) for name, share in one.items()} for of, one in found.items()}
    return {"tail": tail, "kind": kind, "samples": samples, "seeds": seeds, **shares}


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " / ".join(map(_cell, value))
    return f"{100 * value:.1f}" if isinstance(value, float) else str(value)


def main(reports: int = 2_000, seed: int = 0, out: Path | None = None) -> None:
    """Measure every setting; some minutes on one core."""
    cells: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for place, ((tail, kind), samples) in enumerate(product(SETTINGS, SAMPLES)):
        cells += measure(tail, kind, reports, samples, np.random.default_rng([seed, place]))
        if tail != "normal" and samples < max(SAMPLES):
            random = np.random.default_rng([seed, place, RESAMPLES])
            others.append(other_intervals(tail, kind, max(1, reports // 4), samples, random))
        if out:
            out.write_text(json.dumps({"reports": reports, "seed": seed, "cells": cells, "others": others}, indent=1))
    cells.sort(key=lambda cell: cell["errors"])
    about = ["errors", "tail", "kind", "samples", "seeds"]
    shown = [*about, *(name for name in cells[0] if name not in about)]
    table = Table(*shown, title=f"Percent of {reports:,} reports; / separates {VARIANTS[0]} and {VARIANTS[1]} variants")
    for cell in cells:
        table.add_row(*(_cell(cell[name]) for name in shown))
    console = Console(width=160)
    console.print(table)
    table = Table(*others[0], title="Other intervals of squared errors: percent that contain the truth")
    for cell in others:
        of = [
            ", ".join(f"{name} {_cell(share)}" for name, share in cell[one].items()) for one in ("mean", "difference")
        ]
        table.add_row(*(str(cell[name]) for name in ("tail", "kind", "samples", "seeds")), *of)
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
