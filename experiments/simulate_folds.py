r"""Measure how often verdicts from folds are wrong: comparisons of two losses that are equally good.

    python experiments/simulate_folds.py --out folds.json

As in simulate_verdicts.py, a run is right on an image where a sum of independent normal effects is above 0. Two effects
are added: the network of a seed is another one in every fold (loss, seed, fold), and the training images of a fold suit
one loss better than they suit others (loss, fold), the same for every seed. With the second effect, the losses are
equally good over all training sets, but not on these.
"""

import json
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy import stats
from simulate_verdicts import SETTINGS, Setting

from tudui.comparison.statistics import ALPHA, p_value, variance_parts

FOLDS = 5
AT_A_TIME = 500  # comparisons
EFFECTS = ((0.0, 0.0), (0.2, 0.0), (0.1, 0.1), (0.1, 0.2))  # of a seed in a fold, of a fold's training images


def differences(
    setting: Setting, effects: tuple[float, float], reports: int, seeds: int, images: int, random: np.random.Generator
) -> np.ndarray:
    """Return the second loss's hit minus the first one's, int8 [reports, seeds, images]."""
    fold = np.arange(images) % FOLDS
    of_seed, of_training = effects

    def drawn(*shape: int) -> np.ndarray:
        return random.standard_normal((reports, *shape), dtype=np.float32)

    latent = drawn(2, seeds, images)
    latent += setting.image * drawn(1, 1, images)
    latent += setting.loss_by_image * drawn(2, 1, images)
    latent += setting.seed * drawn(2, seeds, 1)
    latent += of_seed * drawn(2, seeds, FOLDS)[..., fold] + of_training * drawn(2, 1, FOLDS)[..., fold]
    every = (1.0, setting.image, setting.loss_by_image, setting.seed, *effects)
    right = latent > -np.sqrt(np.square(every).sum()) * stats.norm.ppf(setting.accuracy)
    return right[:, 1].astype(np.int8) - right[:, 0].astype(np.int8)


def false_verdicts(
    setting: Setting, effects: tuple[float, float], reports: int, seeds: int, images: int, random: np.random.Generator
) -> float:
    """Return the share of comparisons with p below 5 %."""
    found = 0
    for start in range(0, reports, AT_A_TIME):
        some = differences(setting, effects, min(AT_A_TIME, reports - start), seeds, images, random)
        found += int((p_value(some.mean(axis=(1, 2)), *variance_parts(some), seeds, images) < ALPHA).sum())
    return found / reports


def main(
    reports: int = 2_000,
    images: Annotated[list[int], typer.Option(help="Images of the data set.")] = [300],  # noqa: B006
    setting: Annotated[list[str], typer.Option(help="Settings.")] = ["usual", "restless", "digits"],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Of the simulation.")] = 0,
    out: Path | None = None,
) -> None:
    """Measure every setting; the defaults take some seconds."""
    head = [f"seed in fold {one:g}, training {other:g}" for one, other in EFFECTS]
    table, rows = Table("setting", "images", "seeds", *head), list[dict[str, Any]]()
    for place, (name, number, seeds) in enumerate(product(setting, images, (3, 5, 10))):
        random = np.random.default_rng([seed, place])
        shares = [false_verdicts(SETTINGS[name], effects, reports, seeds, number, random) for effects in EFFECTS]
        rows.append({"setting": name, "images": number, "seeds": seeds, "false": shares})
        table.add_row(name, str(number), str(seeds), *(f"{100 * share:.1f}" for share in shares))
    if out:
        out.write_text(json.dumps({"reports": reports, "seed": seed, "effects": EFFECTS, "rows": rows}, indent=1))
    Console(width=140).print(table)


if __name__ == "__main__":
    typer.run(main)
