"""Verdicts of whole comparisons: runs that failed, several looks, margins, families, seeds that are added later."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import QUICK_FLAGS, check_script
from tudui.comparison.collect import collect
from tudui.comparison.compare import read_comparison
from tudui.comparison.outcome import Comparison

PLAN = ("--losses", "ce,mse", "--label-noise", "0,0.4", *QUICK_FLAGS)  # of the fixture `compared`


def values_of(folder: str | Path) -> dict:
    return json.loads(Path(folder, "comparison.json").read_text())


@pytest.fixture
def changed(compared):
    """Return the comparison with the runs of mse, without noise, changed by a function of run and seed."""
    before = read_comparison(compared)

    def build(change) -> Comparison:
        records = [
            change(run, run.planned.seed) if (row.variant, row.label_noise) == ("mse", 0) else run
            for row in before.rows
            for run in row.runs
        ]
        return collect(before.plan, records, folder=compared, command="")

    return build


def scored(run, seed, *, accuracy):
    """The run with its first images right."""
    images = len(run.predictions["accuracy"])
    right = np.arange(images) < round(accuracy * images) + seed
    return replace(run, predictions={**run.predictions, "accuracy": right})


@pytest.mark.parametrize(
    ("accuracy", "lost", "verdict", "flags"),
    [
        (0.99, (), "better", []),
        (0.99, (1,), "unstable", ["diverged"]),  # two good seeds, one at chance
        (0.02, (), "worse", []),
        (0.02, (1,), "worse", ["diverged"]),  # chance is about 10 %: it is worse anyway
        (0.99, (0, 1, 2), "no_verdict", ["diverged"]),
    ],
)
def test_a_seed_that_diverged_makes_a_verdict_unstable_unless_it_is_sure_at_chance(
    accuracy, lost, verdict, flags, changed
):
    found = changed(lambda run, seed: replace(run, test=None) if seed in lost else scored(run, seed, accuracy=accuracy))
    pair = found.values["pairs"][0]
    assert (pair["verdict"], pair["flags"], pair["n"]) == (verdict, flags, 3 - len(lost))
    assert found.values["rows"][1]["failures"]["diverged"]["runs"] == len(lost)


def test_a_class_that_some_runs_never_predict_is_flagged(changed):
    def forgets(run, seed):
        run = scored(run, seed, accuracy=0.99)
        label = run.predictions["label"]
        predicted = np.where(label == 3, 5, label) if seed == 2 else label
        return replace(run, predictions={**run.predictions, "predicted": predicted})

    found = changed(forgets)
    pair, row = found.values["pairs"][0], found.values["rows"][1]
    assert (pair["verdict"], pair["flags"]) == ("unstable", ["lost_class"])
    assert row["lost_class"] == [2]
    low, high = row["failures"]["lost_class"]["interval"]
    assert (low, high) == pytest.approx((0.0084, 0.9057), abs=1e-4)
    assert found.values["pairs"][1]["flags"] == []


@pytest.mark.slow
def test_margin_and_family_change_verdicts_without_training(compared, tmp_path, tudui):
    shutil.copytree(compared, "again", symlinks=True)
    before = values_of("again")
    assert {pair["margin"] for pair in before["pairs"]} == {0.01}
    assert before["correction"] == {"family": "report", "looks": [3]}
    p = [pair["p"] for pair in before["pairs"]]
    assert min(pair["p_holm"] for pair in before["pairs"]) == pytest.approx(2 * min(p))
    assert tudui("report", "again", "--margin", "0.9", "--family", "level").code == 0
    after = values_of("again")
    assert [pair["p_holm"] for pair in after["pairs"]] == p
    assert all(pair["within_margin"] for pair in after["pairs"])
    assert {pair["verdict"] for pair in after["pairs"]} <= {"better", "worse", "equivalent"}
    assert tudui("report", "again", "--metric", "nll").code == 0
    assert {pair["margin"] for pair in values_of("again")["pairs"]}.isdisjoint({0.9, 0.01})


@pytest.mark.parametrize(
    "flags",
    [
        ("--until-decided", "--seeds", "3"),
        ("--until-decided", "--max-seeds", "2"),
        ("--max-seeds", "5"),
        ("--margin", "1"),
        ("--margin", "0"),
        ("--family", "loss"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(flags, tudui):
    tudui("compare-losses", *flags, "-o", "new").refused(2)
    assert not Path("new").exists()


@pytest.mark.slow
def test_a_number_of_seeds_that_is_chosen_after_a_report_is_named(compared, tudui):
    shutil.copytree(compared, "again", symlinks=True)
    assert values_of("again")["warnings"] == []
    answer = tudui("compare-losses", *PLAN, "--seeds", "2", "-o", "again")
    assert answer.code == 0, answer.err
    (warning,) = values_of("again")["warnings"]
    assert "with 3 seeds" in warning
    assert warning in answer.out
    assert tudui("report", "again").code == 0
    assert values_of("again")["warnings"] == [warning]
    assert tudui("compare-losses", *PLAN, "--seeds", "3", "-o", "again").code == 0
    assert "with 2 and 3 seeds" in values_of("again")["warnings"][0]


UNTIL = (
    "comparison:\n  baseline: mse\n  until_decided: true\n  max_seeds: 4\n  metric: nll\n  margin: 1.0e-6\n"
    "  variants:\n    mse: mse\n    nearly: {name: mse, scale: 1.001}\n    ce: ce\n"
    "train: {epochs: 1}\nlog: {every: 5}\n"
)


@pytest.mark.slow
def test_seeds_are_added_until_each_comparison_is_decided(tmp_path, tudui):
    Path("plan.yaml").write_text(UNTIL)
    command = ("compare-losses", "-c", "plan.yaml", "--lr", "same", "--executor", "stacked", "-o", "until")
    answer = tudui(*command)
    assert answer.code == 0, answer.err
    values = values_of("until")
    seeds = {row["variant"]: len(row["seeds"]) for row in values["rows"]}
    pairs = {pair["variant"]: (pair["verdict"], pair["n"]) for pair in values["pairs"]}
    assert pairs == {"nearly": ("not_distinguishable", 4), "ce": ("better", 3)}
    assert seeds == {"mse": 4, "nearly": 4, "ce": 3}
    assert values["correction"]["looks"] == [3, 4]
    assert all(pair["p_holm"] > pair["p"] for pair in values["pairs"])
    shutil.rmtree("until/runs/nearly-seed3")  # as if it had been cut
    assert tudui("report", "until").code == 2
    assert tudui(*command).code == 0
    again = values_of("until")
    assert {**again, "timing": None} == {**values, "timing": None}
    assert "at most 12 runs" in tudui(*command, "--dry-run").out


@pytest.mark.parametrize("kind", ["compared", "angles"])
def test_the_script_in_the_docs_computes_the_same_numbers(kind, request):
    command = [sys.executable, "-c", (script := check_script()), "again"]
    assert len(script.strip().splitlines()) <= 33
    shutil.copytree(request.getfixturevalue(kind), "again", symlinks=True)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "the same: 2 comparisons\n"
    file = Path("again/comparison.json")
    values = values_of("again")
    for name in ("p", "p_holm"):
        pairs = [values["pairs"][0] | {name: 0.9 * values["pairs"][0][name]}, *values["pairs"][1:]]
        file.write_text(json.dumps(values | {"pairs": pairs}))
        assert subprocess.run(command, capture_output=True, check=False).returncode == 1
