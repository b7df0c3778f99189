"""The scripts run; what they measure is in the docs."""

import json
import subprocess
import sys

from tests.conftest import ROOT


def test_the_bench_measures_every_path(tmp_path):
    command = [sys.executable, ROOT / "scripts" / "bench.py", "--quick", "--json", tmp_path / "bench.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "loop / bare" in done.stdout
    figures = json.loads((tmp_path / "bench.json").read_text())
    assert {row["batch"] for row in figures} == {64, 128, 512}
    for row in figures:
        assert row["images_per_second"].keys() == {"bare", "loop", "logged"}
        assert all(rate > 0 for rates in row["images_per_second"].values() for rate in rates)


def test_rates_are_measured_on_validation(tmp_path):
    command = [
        sys.executable, ROOT / "scripts" / "choose_rates.py", "--data", "digits", "--loss", "ce", "--rate", "0.05",
        "--seeds", "1", "--out", tmp_path / "rates.json",
    ]  # fmt: skip
    subprocess.run(command, capture_output=True, text=True, check=True)
    (row,) = json.loads((tmp_path / "rates.json").read_text())
    assert row["rate"] == 0.05
    assert row["scores"][0] > 0.9
