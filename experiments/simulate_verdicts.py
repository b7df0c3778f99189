r"""Measure how often verdicts are wrong and intervals contain the truth: comparisons whose true difference is known.

    python experiments/simulate_verdicts.py --out verdicts.json

Every comparison draws new test images and new seeds. A run of loss v and seed s is right on image i where

    level + image i + loss x image (v, i) + seed (v, s) + seed x class (v, s, class of i) + chance (v, s, i) > 0

with independent normal effects, chance of variance 1. The left side is then normal, so that the expected accuracy is
the normal distribution function at level / sqrt(1 + the sum of the variances): the truth is exact. All losses of a
report are equally good. For the tables on power and equivalence, the true difference is added to those that are drawn.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy import stats

from tudui.comparison.looks import p_over_looks
from tudui.comparison.statistics import ALPHA, holm, p_inside, p_value, summary, variance_parts
from tudui.tasks.classes import ACCURACY

CLASSES = 10
SEEDS = (2, 3, 5, 7, 10)
LOOKS = (3, 5, 7, 10)
VARIANTS = (1, 3, 7, 11)
LEVELS = 4
MANY = 2_000  # images
MARGIN = 0.01


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind of comparison; the effects are standard deviations on the latent scale."""

    accuracy: float = 0.7  # expected
    image: float = 2.9  # with this, two runs of one loss disagree on 13 % of the images
    loss_by_image: float
    seed: float
    seed_by_class: float = 0.0


SETTINGS = {
    "calm": Setting(loss_by_image=0.2, seed=0.0),
    "usual": Setting(loss_by_image=0.5, seed=0.02),
    "unlike": Setting(loss_by_image=1.2, seed=0.02),
    "restless": Setting(loss_by_image=0.5, seed=0.05, seed_by_class=0.1),
    "digits": Setting(accuracy=0.985, image=2.5, loss_by_image=0.4, seed=0.05),
}


def draw(setting: Setting, losses: int, seeds: int, images: int, random: np.random.Generator) -> np.ndarray:
    """Return which images each run has right, bool [losses, seeds, images]."""
    effects = (setting.image, setting.loss_by_image, setting.seed, setting.seed_by_class)
    spread = np.sqrt(1 + np.square(effects).sum())
    latent = random.standard_normal((losses, seeds, images), dtype=np.float32)
    latent += setting.image * random.standard_normal(images, dtype=np.float32)
    latent += setting.loss_by_image * random.standard_normal((losses, 1, images), dtype=np.float32)
    latent += setting.seed * random.standard_normal((losses, seeds, 1), dtype=np.float32)
    if setting.seed_by_class:
        class_of = random.integers(CLASSES, size=images)
        of_class = random.standard_normal((losses, seeds, CLASSES), dtype=np.float32)
        latent += setting.seed_by_class * of_class[:, :, class_of]
    return latent > -spread * stats.norm.ppf(setting.accuracy)


@dataclass(frozen=True)
class Drawn:
    """Differences to the baseline in many reports, with what their p values need."""

    images: int
    parts: dict[int, np.ndarray]  # by seeds: difference, seed part, image part [3, reports, levels, variants]
    accuracy: dict[int, float]  # by seeds: the share of the baseline's intervals that contain its true accuracy

    def p(self, seeds: int, *, shift: float = 0.0, inside: bool = False) -> np.ndarray:
        """Return the p of a difference, or of equivalence [reports, levels, variants]; the true difference is `shift`.

        A p that is certainly above 5 % counts as 1, which saves most of the time.
        """
        difference, of_seeds, of_images = self.parts[seeds]
        distance = (MARGIN - np.abs(difference + shift)) if inside else np.abs(difference + shift)
        error, alpha = np.sqrt(of_seeds + of_images), 2 * ALPHA if inside else ALPHA
        small = distance > error * stats.t.isf(alpha / 2, self.images - 1) * (1 - 1e-9)
        found = np.ones(difference.shape)
        args = of_seeds[small], of_images[small], seeds, self.images
        shifted = difference[small] + shift
        found[small] = p_inside(shifted, MARGIN, *args) if inside else p_value(shifted, *args)
        return found


def simulate(
    setting: Setting, reports: int, images: int, random: np.random.Generator, *,
    variants: int = max(VARIANTS), levels: int = LEVELS, seeds: Sequence[int] = SEEDS,
) -> Drawn:  # fmt: skip
    """Draw reports; fewer variants, levels and seeds are parts of the same draws."""
    parts = {number: np.empty((3, reports, levels, variants)) for number in seeds}
    covered = dict.fromkeys(seeds, 0)
    for report in range(reports):
        for level in range(levels):
            right = draw(setting, variants + 1, max(seeds), images, random)
            differences = right[1:].astype(np.int8) - right[0].astype(np.int8)
            for number in seeds:
                some = differences[:, :number]
                parts[number][:, report, level] = some.mean(axis=(1, 2)), *variance_parts(some)
                if level == 0:
                    low, high = summary(right[0, :number], ACCURACY).interval or (0, 1)
                    covered[number] += low <= setting.accuracy <= high
    return Drawn(images, parts, {number: count / reports for number, count in covered.items()})


def significant(p: np.ndarray) -> np.ndarray:
    """Return which p of each report [reports, ...] are below 5 % after Holm's correction, bool [reports, pairs]."""
    rows = p.reshape(len(p), -1).tolist()
    return np.array([[one is not None and one < ALPHA for one in holm(row)] for row in rows])


def any_wrong(p: np.ndarray) -> float:
    """Return the share of reports with a p below 5 % after Holm's correction."""
    return float(significant(p).any(axis=1).mean())


def until_decided(p: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Return what `--until-decided` ends with: each pair keeps the p of the look that decides it.

    `p` are those of a difference and of equivalence [reports, pairs] at each of LOOKS.
    """
    kept = np.ones((2, *p[0][0].shape))
    decided, seeds = np.zeros(kept.shape, bool), np.zeros(kept.shape[1:])
    for look, at_look in zip(LOOKS, p, strict=True):
        going = ~decided.any(axis=0)
        seeds[going] = look
        for place, sides in enumerate((2, 1)):
            kept[place][going] = p_over_looks(at_look[place], LOOKS, sides=sides)[going]
            decided[place] = significant(kept[place])
    return {
        "any different": float(decided[0].any(axis=1).mean()),
        "different": float(decided[0].mean()),
        "any equivalent": float(decided[1].any(axis=1).mean()),
        "seeds": float(seeds.mean()),
    }


def lost_class(share: float, reports: int, random: np.random.Generator, *, seeds: int = 3) -> tuple[float, float]:
    """Return the share of wrong verdicts without and with the flag, for a loss whose runs may lose a class.

    A class of 10 % is lost in this share of the runs; the expected accuracy is that of the baseline.
    """
    lost = random.random((reports, seeds)) < share
    differences = 0.005 * random.standard_normal((reports, seeds)) - 0.1 * (lost - share)
    wrong = stats.ttest_1samp(differences, 0, axis=1).pvalue < ALPHA
    flagged = lost.any(axis=1) & ~lost.all(axis=1)
    return float(wrong.mean()), float((wrong & ~flagged).mean())


def tables_of(name: str, drawn: Drawn) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of each table for one setting; power and looks are those of reports with one noise level."""
    where = {"setting": name, "images": drawn.images}
    most = drawn.parts[max(SEEDS)].shape[3]
    sizes = [number for number in VARIANTS if number <= most]
    p = {
        (shift, inside, seeds): drawn.p(seeds, shift=shift, inside=inside)
        for shift in (0.0, MARGIN, 2 * MARGIN)
        for inside in (False, True)
        for seeds in SEEDS
    }
    for seeds in SEEDS:
        covered = float((p[0.0, False, seeds][:, :, 0] >= ALPHA).mean())
        difference, of_seeds, _ = drawn.parts[seeds][..., 0]
        p_seeds_only = p_value(difference, of_seeds, 0.0, seeds, drawn.images)
        row = {"difference": covered, "seeds only": float((p_seeds_only >= ALPHA).mean())}
        yield "coverage", {**where, "seeds": seeds, **row, "accuracy": drawn.accuracy[seeds]}
    for seeds, variants in product(SEEDS, sizes):
        about = {**where, "seeds": seeds, "variants": variants}
        null, same = p[0.0, False, seeds][..., :variants], p[0.0, True, seeds][:, 0, :variants]
        yield (
            "errors",
            {
                **about,
                "of a level": any_wrong(null[:, 0]),
                "of a report": any_wrong(null),
                "uncorrected": float((null < ALPHA).any(axis=(1, 2)).mean()),
            },
        )
        yield (
            "equivalence",
            {
                **about,
                "false, at the margin": any_wrong(p[MARGIN, True, seeds][..., :variants]),
                "found, without difference": float(significant(same).mean()),
            },
        )
        power = {shift: significant(p[shift, False, seeds][:, 0, :variants]).mean() for shift in (MARGIN, 2 * MARGIN)}
        yield "power", {**about, **{f"{100 * shift:g} points": float(found) for shift, found in power.items()}}
    for variants in sizes:
        ends = {
            shift: until_decided(
                [tuple(p[shift, inside, look][:, 0, :variants] for inside in (False, True)) for look in LOOKS]
            )
            for shift in (0.0, MARGIN, 2 * MARGIN)
        }
        row = {"false": ends[0.0]["any different"], "false equivalent": ends[MARGIN]["any equivalent"]}
        for shift, points in ((MARGIN, "1 point"), (2 * MARGIN, "2 points")):
            row |= {f"found, {points}": ends[shift]["different"], f"seeds, {points}": ends[shift]["seeds"]}
        yield "looks", {**where, "variants": variants, **row}


def show(tables: dict[str, list[dict[str, Any]]], console: Console) -> None:
    """Print every table; shares in percent, mean numbers of seeds as they are."""
    for title, rows in tables.items():
        table = Table(*rows[0], title=title)
        for row in rows:
            table.add_row(*(_cell(name, value) for name, value in row.items()))
        console.print(table)


def _cell(name: str, value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.1f}" if name.startswith("seeds, ") else f"{100 * value:.1f}"


def main(
    reports: int = 2_000,
    images: Annotated[list[int], typer.Option(help="Test images.")] = [359, 2_000],  # noqa: B006
    setting: Annotated[list[str], typer.Option(help="Settings.")] = list(SETTINGS),  # noqa: B006
    variants: int = max(VARIANTS),
    seed: Annotated[int, typer.Option(help="Of the simulation.")] = 0,
    out: Path | None = None,
) -> None:
    """Measure every setting at every number of images; the defaults take some minutes on a core.

    A report has four noise levels; with 2,000 images or more, which take long, one.
    """
    tables: dict[str, list[dict[str, Any]]] = {}
    console = Console(width=140)
    for place, (name, number) in enumerate(product(setting, images)):
        random = np.random.default_rng([seed, place, number])
        levels = LEVELS if number < MANY else 1
        drawn = simulate(SETTINGS[name], reports, number, random, variants=variants, levels=levels)
        for title, row in tables_of(name, drawn):
            tables.setdefault(title, []).append(row)
        if out:
            out.write_text(json.dumps({"reports": reports, "seed": seed, "tables": tables}, indent=1))
    random = np.random.default_rng(seed)
    for share in (0.1, 0.3, 0.5):
        before, after = lost_class(share, 100 * reports, random)
        tables.setdefault("lost class", []).append({"runs": share, "without flag": before, "with flag": after})
    if out:
        out.write_text(json.dumps({"reports": reports, "seed": seed, "tables": tables}, indent=1))
    show(tables, console)


if __name__ == "__main__":
    typer.run(main)
