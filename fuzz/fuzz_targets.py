"""What reads a user's files, each with real files to begin from, a way to damage them, and what must then be true.

A case passes where the file is refused by a `TuduiError`, or read with a right result. Used by `fuzz.py` and the tests.
"""

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import fuzz_damage as damage
import fuzz_data
import fuzz_places
import fuzz_runs
import numpy as np
from fuzz_case import Target

from tudui.config import load_config, parse_set
from tudui.config.dump import to_yaml
from tudui.config.plan import Plan, plan_yaml
from tudui.config.problems import grid_yaml, load_plans
from tudui.config.shipped import shipped_configs, shipped_plans
from tudui.lab.choice import choose_loss
from tudui.lab.line_fit.data import csv_data
from tudui.lab.line_fit.optimum import best_line
from tudui.lab.line_fit.steps import descend
from tudui.lab.reading import read_numbers


def _config(folder: Path) -> Target:
    path = folder / "config.yaml"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        config = load_config(path).config
        path.write_text(to_yaml(config))
        assert load_config(path).config == config

    return Target([path.read_bytes() for path in shipped_configs().values()], damage.text_damage, read)


def _plan(folder: Path) -> Target:
    path = folder / "plan.yaml"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        plan = load_plans(path)
        path.write_text(plan_yaml(plan) if isinstance(plan, Plan) else grid_yaml(plan))
        again = load_plans(path)
        if isinstance(plan, Plan):
            assert again.comparison == plan.comparison
        else:
            assert {name: one.comparison for name, one in again.plans.items()} == {
                name: one.comparison for name, one in plan.plans.items()
            }

    return Target([path.read_bytes() for path in shipped_plans().values()], damage.text_damage, read)


def _override(folder: Path) -> Target:
    def read(content: bytes) -> None:
        load_config(None, [parse_set(content.decode(errors="surrogateescape"))])

    texts = ("optimizer.lr=0.1", "loss={name: huber, delta: 2}", "data.augment.flip=true", "train.clip=null", "loss=ce")
    return Target([text.encode() for text in texts], damage.text_damage, read)


def _line_fit_csv(folder: Path) -> Target:
    path = folder / "points.csv"
    losses = [choose_loss(name) for name in ("mse", "mae", "huber")]

    def read(content: bytes) -> None:
        path.write_bytes(content)
        data = csv_data(path)
        for loss in losses:
            best = best_line(loss, data.x, data.y)
            assert np.isfinite([best.intercept, best.slope, best.loss]).all()
            descend(loss, data, steps=20, rate=0.01)

    rows = "".join(f"{x},{2 * x + x % 3}\n" for x in range(1, 9))
    seeds = [f"x,y\n{rows}", f"\ufeffY,name, X \n{rows.replace(',', ',a,')}", 'x,y\r\n"1","2"\r\n3,4e0\r\n5.5,-6\r\n']
    return Target([seed.encode() for seed in seeds], damage.text_damage, read)


def _numbers(folder: Path) -> Target:
    suffixes = {b"\x93": ".npy", b"[": ".json"}

    def read(content: bytes) -> None:
        path = folder / f"numbers{suffixes.get(content[:1], '.csv')}"
        path.write_bytes(content)
        values = read_numbers(str(path), flag="--logits")
        assert values.dtype == np.float64
        assert np.isfinite(values).all()

    file = io.BytesIO()
    np.save(file, np.arange(6.0).reshape(2, 3))
    seeds = [file.getvalue(), b"[[1, 2.5, -3e-2], [4, 5, 6]]", b"1,2,3\n4,5,6\n"]
    return Target(seeds, damage.text_damage, read)


TARGETS: dict[str, Callable[[Path], Target]] = {
    "config": _config,
    "plan": _plan,
    "override": _override,
    "weights": fuzz_runs.weights,
    "weights-values": fuzz_runs.weights_values,
    "weights-old": fuzz_runs.weights_old,
    "exported": fuzz_runs.exported,
    "checkpoint": fuzz_runs.checkpoint_bytes,
    "resume": fuzz_runs.resume,
    "run-config": partial(fuzz_runs.of_a_run, name="config.yaml", how=damage.text_damage),
    "metrics": partial(fuzz_runs.of_a_run, name="metrics.jsonl", how=damage.json_damage),
    "result": partial(fuzz_runs.of_a_run, name="result.json", how=damage.json_damage),
    "predictions": partial(fuzz_runs.of_a_run, name="predictions.npz", how=damage.arrays_damage),
    "image": fuzz_data.image,
    "folder-cache": fuzz_data.folder_cache,
    "cifar": fuzz_data.cifar,
    "mnist": fuzz_data.mnist,
    "line-fit-csv": _line_fit_csv,
    "numbers": _numbers,
    "noise-matrix": fuzz_data.noise_matrix,
    "noise-manifest": fuzz_data.noise_manifest,
    "places": fuzz_places.places,
}
