"""The scripts run; what they measure is in the docs."""

import itertools
import json
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.conftest import ROOT, SHARED
from tudui.config import load_config, parse_set
from tudui.config.shipped import find_config
from tudui.data import Preparation
from tudui.losses import build_loss
from tudui.training.device import resolve_machine
from tudui.training.engine import fit
from tudui.training.state import new_state

ARCHIVE = SHARED / "data" / "cifar10-jpeg.tar.gz"


sys.path.insert(0, str(ROOT / "scripts"))  # as Python does for a script that is run


def run_script(path: str, *arguments: object) -> str:
    command = [sys.executable, ROOT / path, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_the_bench_measures_every_part(tmp_path):
    out = run_script("scripts/bench.py", "--quick", "--json", tmp_path / "bench.json")
    assert "logged / bare" in out
    figures = json.loads((tmp_path / "bench.json").read_text())
    (row,) = figures["paths"]
    assert row["paths"].keys() == {"bare", "step", "loop", "logged", "tutorial", "histograms"}
    assert all(rate > 0 for path in row["paths"].values() for rate in path["images_per_second"])
    assert [len(rows) for rows in figures["growth"].values()] == [2, 3, 3, 2]
    timed = [row["seconds"] for rows in figures["start"].values() for row in rows]
    assert all(seconds > 0 for seconds in timed)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_paths_of_the_bench_compute_the_same(precision):
    """Bare and Tudui's step on a batch; the loop with and without sinks; the tutorial's with and without histograms."""
    from bench_paths import Paths
    from cifar_archive import read_images

    paths = Paths(*read_images(640), precision, 64)

    def losses(path: str, number: int) -> list[float]:
        return list(itertools.islice(paths.losses(path), number))

    assert losses("step", 5) == pytest.approx(losses("bare", 5), rel=1e-5 if precision == "fp32" else 1e-2)
    assert losses("loop", 1) == losses("logged", 1)
    assert losses("tutorial", 5) == losses("histograms", 5)


def test_the_tutorials_loop_is_the_shipped_config_of_the_course():
    """What the bench calls the tutorial's loop, and Tudui by the course's recipe, give the same losses."""
    from bench_paths import data_set
    from cifar_archive import read_images

    from experiments.tutorial_loop import TutorialLoop

    images, labels = read_images(640)
    config, _ = resolve_machine(load_config(find_config("course"), [parse_set("log.every=1")]).config)
    data = replace(data_set(images, labels), preparation=Preparation())
    loss = build_loss(config.loss, data.task)
    ours = [event.loss for event in itertools.islice(fit(new_state(config, data), data, loss, config), 10)]
    theirs = list(TutorialLoop(images, labels, batch_size=64).epoch())
    assert ours == pytest.approx(theirs, rel=1e-4)


@pytest.mark.slow
def test_time_to_accuracy_runs(tmp_path):
    if not ARCHIVE.exists():
        pytest.skip(f"CIFAR-10 is not here: {ARCHIVE} is missing")
    figures = tmp_path / "figures.json"
    short = ("--quick", "--epochs", 1, "--course-epochs", 1)
    out = run_script("experiments/time_to_accuracy.py", *short, "--json", figures)
    assert "(ii)" in out
    curves = json.loads(figures.read_text())["curves"]
    assert len(curves) == 3
    for curve in curves.values():
        seconds = [second for second, _ in curve]
        assert seconds == sorted(seconds)
        assert all(0 <= accuracy <= 1 for _, accuracy in curve)


def test_rates_are_measured_on_validation(tmp_path, monkeypatch):
    from experiments import choose_rates

    monkeypatch.setitem(choose_rates.SIZES, "digits", {"train.epochs": 4, "train.batch_size": 64})
    choose_rates.main(data=["digits"], loss=["ce"], rate=[0.05], seeds=1, out=tmp_path / "rates.json")
    (row,) = json.loads((tmp_path / "rates.json").read_text())
    assert row["rate"] == 0.05
    assert row["scores"][0] > 0.9


@pytest.mark.slow
def test_fuzzing_counts_its_cases(tmp_path):
    pytest.importorskip("atheris")
    out = run_script("fuzz/fuzz.py", "override", "--runs", 200, "--out", tmp_path)
    found = json.loads((tmp_path / "override.json").read_text())
    assert found["accepted"] + found["refused"] == found["cases"] == 200
    assert found["failures"] == {}
    assert "override" in out
