"""Comparisons: the plan, what is held equal, that runs survive, and what comes out of them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from tests import forked
from tests.conftest import QUICK_FLAGS as QUICK
from tests.conftest import ROOT, TUDUI, check_script, quick_config, wait_for, without
from tudui import losses
from tudui.comparison.compare import compare
from tudui.comparison.runs import given_rates, reported_runs
from tudui.comparison.tuning import Search, _beyond, _curve
from tudui.config import load_config, parse_set, shipped_configs
from tudui.config.plan import load_plan, plan_yaml
from tudui.config.shipped import shipped_plans
from tudui.errors import ConfigError, Interrupted
from tudui.tasks.classes import ACCURACY
from tudui.training.checkpoint import load_checkpoint

NO_TENSORBOARD = ("--set", "log.sinks=[]")
IN_THIS_PROCESS = (*NO_TENSORBOARD, "--executor", "stacked")  # no worker has to import torch


def plan_of(*settings: str):
    return load_plan(None, [parse_set(f"comparison.{text}") for text in settings])


def values_of(folder: Path) -> dict:
    return json.loads((folder / "comparison.json").read_text())


def outcome(folder: Path) -> dict:
    return without(values_of(folder), "timing", "command")


# the plan


def test_mae_is_l1_everywhere_and_its_form_on_probabilities_has_a_name_of_its_own(tudui):
    variants = plan_of("variants=[ce, mae, l1, probability_mae, nce+mae]").comparison.variants
    assert list(variants) == ["ce", "mae", "l1", "probability_mae", "nce+mae"]
    assert variants["mae"] == variants["l1"] == load_config(None, [parse_set("loss=mae")]).config.loss
    found = variants["probability_mae"]
    assert (found.name, found.input, found.classes, found.true_class_weight) == ("l1", "probabilities", "sum", 1.0)
    values = [tudui("loss", "value", name, "-i", "1,2,3", "-t", "1,2,5", "--json").json() for name in ("mae", "l1")]
    assert values[0]["value"] == values[1]["value"]
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    assert torch.equal(losses.get("mae")(logits, labels), losses.get("l1")(logits, labels))
    expected = 2 * (1 - logits.softmax(1)[torch.arange(4), labels])
    assert torch.allclose(losses.get("probability_mae")(logits, labels), expected, atol=1e-6)


@pytest.mark.parametrize(
    "variants", ["[ce, mae]", "{ce: ce, mae: mae}", "{mae: {name: l1, input: probabilities, true_class_weight: 1.0}}"]
)
def test_an_old_plan_that_names_mae_is_refused(variants, tudui):
    Path("plan.yaml").write_text(f"comparison:\n  variants: {variants}\n")
    tudui("compare-losses", "--config", "plan.yaml", "--dry-run").refused(2, "plan.yaml:2:", "probability_mae")


def test_a_plan_that_was_written_with_mae_is_read_again():
    plan = plan_of("variants=[ce, mae]")
    Path("plan.yaml").write_text(plan_yaml(plan))
    assert load_plan(Path("plan.yaml")).comparison == plan.comparison


def test_variants_are_named_loss_sections():
    plan = plan_of("variants={soft: {name: gce, q: 0.3}, hard: {name: gce, q: 1.0}, ce: ce}", "baseline=hard")
    assert [variant.q for variant in (plan.comparison.variants["soft"], plan.comparison.variants["hard"])] == [0.3, 1.0]


def test_forms_put_the_plain_form_beside_the_recipe_where_there_is_one():
    both = plan_of("variants=[ce, mse, probability_mae]", "forms=[recipe, plain]").comparison.variants
    assert list(both) == ["ce", "mse", "mse-plain", "probability_mae"]
    assert both["mse-plain"].classes == "mean"
    assert list(plan_of("variants=[ce, mse]", "forms=[plain]").comparison.variants) == ["ce", "mse-plain"]


def test_rates_by_recipe_or_all_the_same():
    rates = given_rates(plan_of("variants=[ce, l1]"))
    assert rates == {("ce", 0.0): 0.1, ("l1", 0.0): 0.05}
    same = load_plan(None, [parse_set("comparison.lr=same"), parse_set("optimizer.lr=0.03")])
    assert set(given_rates(same).values()) == {0.03}
    assert set(given_rates(plan_of("lr=same", "baseline=l1")).values()) == {0.05}


def test_runs_of_one_seed_differ_in_loss_and_rate_alone():
    plan = plan_of("variants=[ce, l1]", "seeds=2", "label_noise=[0, 0.2]")
    runs = reported_runs(plan, given_rates(plan))
    assert len(runs) == 8
    assert len({run.name for run in runs}) == 8
    assert runs[0].name == "ce-seed0"
    assert runs[3].name == "l1-noise20-seed0"
    first, second = (run.config.model_dump(exclude={"loss": True, "optimizer": {"lr"}}) for run in runs[:2])
    assert first == second
    assert runs[0].config.train.threads == 1
    tuned = next(iter(Search(plan_of("lr=tuned", "seeds=9"), Path("nowhere"))))
    assert len(tuned) == 4 * 5 * 2  # losses, rates, seeds
    assert not {run.seed for run in tuned} & {run.seed for run in reported_runs(plan, given_rates(plan))}


def test_a_plan_is_written_as_it_is_read(tmp_path):
    plan = plan_of("variants={ce: ce, q5: {name: gce, q: 0.5}}", "forms=[recipe, plain]", "label_noise=[0, 0.2]")
    Path("plan.yaml").write_text(plan_yaml(plan))
    again = load_plan(Path("plan.yaml"))
    assert again.comparison == plan.comparison
    assert again.base == plan.base


@pytest.mark.parametrize(
    "text",
    [
        "comparison:\n  variants: [ce, hubr]\n",
        "comparison:\n  seeds: 0\n",
        "comparison:\n  sead: 3\n",
        "comparison:\n  baseline: l2\n",
        "comparison:\n  variants: {a/b: ce}\n",
        "comparison:\n  variants: {h: {name: huber, delta: 0}}\n",
        "comparison:\n  variants: [ce, ce]\n",
        "comparison:\n  variants: []\n",
        "comparison:\n  label_noise: [0.2, 0.2]\n",
        "comparison:\n  label_noise: [1.2]\n",
        "comparison: 3\n",
        "data:\n  label_noise: 0.4\n",
        "comparison:\n  lr: tuned\ndata:\n  validation: 0\n",
        "comparison:\n  lr: tuned\nseed: 1000000\n",
        "comparison:\n  lr: tuned\n  tuning_seeds: 1\n",
        "optimizer: adam\ncomparison:\n  variants: [ce, probability_mae]\n",
        "comparison:\n  lr: best\ntrain:\n  epoch: 1\n",
    ],
    ids=lambda text: " ".join(text.split()),
)
def test_mistakes_in_a_plan_are_named_with_their_place(text, tudui, sentence):
    Path("plan.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        given_rates(load_plan(Path("plan.yaml")))
    sentence(error.value)
    answer = tudui("compare-losses", "--config", "plan.yaml")
    assert answer.code == 2
    assert "Traceback" not in answer.err


def test_a_plan_is_no_config_of_a_run(tudui, sentence):
    answer = tudui("train", "--config", "compare")
    assert answer.code == 2
    sentence(answer.err)
    assert "compare: fine" in tudui("config", "validate", "compare", "compare-cifar10").out


def test_a_config_of_a_run_is_a_plan(tudui):
    assert list(load_plan(shipped_configs()["cifar10"]).comparison.variants) == ["ce", "mse", "l1", "huber"]
    assert set(shipped_plans()) == {"compare", "compare-cifar10", "problems", "regression"}


def test_a_dry_run_says_what_would_be_done_and_how_long_it_takes(tudui):
    answer = tudui(
        "compare-losses", "--dry-run", "--losses", "ce,probability_mae", "--lr", "tuned", "--label-noise", "0,0.4"
    )
    assert answer.code == 0, answer.err
    assert "probability_mae: l1, recipe form (input probabilities, true_class_weight 1.0)" in answer.out
    assert "60 runs" in answer.out  # 2 losses, 2 noise levels, 5 seeds and 5 rates with 2 each
    assert "; more if the best rate of a loss is the lowest or the highest that was tried" in answer.out
    assert not Path("runs").exists()


def test_a_dry_run_counts_every_run_if_rates_past_the_ends_are_counted_or_none_is_tried(tudui):
    for flags in (("--lr", "same"), ("--losses", "huber,mse", "--tune", "lr,loss.delta")):
        assert "; more" not in tudui("compare-losses", "--dry-run", *flags).out


def test_a_dry_run_does_no_sink_that_may_write_elsewhere_and_needs_no_temporary_folder(tudui, tmp_path, monkeypatch):
    Path("own.py").write_text("def told(event):\n    open('told', 'w').close()\n")
    command = ("compare-losses", "--dry-run", "--json", "--data", "diabetes", "--set", "log.sinks=[own.py:told]")
    whole = tudui(*command).json()["seconds"]
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert tudui(*command).json()["seconds"] > 0
    assert whole > 0
    assert [path.name for path in tmp_path.iterdir()] == ["own.py"]


# what is held equal


def test_every_variant_of_a_seed_began_from_the_same(compared):
    """The hashes are those of the runs' own tensors, and as many as there are seeds and noise levels."""
    values = values_of(compared)
    assert len(values["hashes"]) == 6
    for place, hashes in values["hashes"].items():
        for name, value in hashes.items():
            assert isinstance(value, str), f"{place}: {name} differs between variants"
            assert len(value) == 64
    by = {
        name: {hashes[name] for hashes in values["hashes"].values()} for name in ("initial_weights", "labels", "test")
    }
    assert len(by["initial_weights"]) == 3  # one per seed, whatever the labels
    assert len(by["labels"]) == 6
    assert len(by["test"]) == 1
    for run in ("ce-seed1", "mse-seed1"):
        begun = json.loads((compared / "runs" / run / "metrics.jsonl").read_text().splitlines()[0])
        assert begun["hashes"] == values["hashes"]["noise0/seed1"]


def test_the_hashes_tell_when_something_was_not_equal(tmp_path, compared):
    """What makes the test above able to fail: another seed, order or label is another hash."""
    seen = values_of(compared)["hashes"]
    first, second = seen["noise0/seed0"], seen["noise0/seed1"]
    for name in ("initial_weights", "order_and_augmentation", "labels", "data"):
        assert first[name] != second[name]
    assert seen["noise40/seed0"]["labels"] != first["labels"]
    assert seen["noise40/seed0"]["order_and_augmentation"] == first["order_and_augmentation"]


# what comes out


def test_rows_and_pairs_are_those_of_the_runs(compared):
    values = values_of(compared)
    assert [row["name"] for row in values["rows"]] == ["ce", "mse", "ce-noise40", "mse-noise40"]
    for row in values["rows"]:
        results = [json.loads((compared / "runs" / f"{row['name']}-seed{seed}" / "result.json").read_text())
                   for seed in range(3)]  # fmt: skip
        accuracies = [result["test"]["accuracy"] for result in results]
        assert row["accuracy"]["values"] == accuracies
        assert row["accuracy"]["mean"] == pytest.approx(np.mean(accuracies), rel=1e-12)
        assert row["accuracy"]["sd"] == pytest.approx(np.std(accuracies, ddof=1), rel=1e-9)
        assert row["accuracy"]["n"] == 3
        assert row["accuracy_selected"]["mean"] == pytest.approx(
            np.mean([result["best"]["test_accuracy"] for result in results])
        )
        assert set(row["loss_values"]) >= {"ce", "mse", "l1", "huber", "gce"}
        assert (row["train"] is None) == (row["label_noise"] == 0)
        assert np.sum(row["confusion"]) == 3 * values["test_images"]
    ce, mse = (np.array(row["accuracy"]["values"]) for row in values["rows"][:2])
    pair = values["pairs"][0]
    assert pair["difference"] == pytest.approx(np.mean(mse - ce), abs=1e-12)
    assert pair["p"] >= stats.ttest_rel(mse, ce).pvalue  # which takes these test images as given
    assert len(values["pairs"]) == 2
    p, other = (pair["p"] for pair in values["pairs"])
    assert pair["p_holm"] == pytest.approx(2 * p if p <= other else max(p, 2 * other))


def test_every_metric_and_figure_is_that_of_the_runs(compared):
    values = values_of(compared)
    assert values["format"] == 3
    for row in values["rows"]:
        places = [compared / "runs" / f"{row['name']}-seed{seed}" for seed in range(3)]
        assert list(row["metrics"]) == ["accuracy", "top5", "nll"]
        for name, found in row["metrics"].items():
            columns = [np.load(place / "predictions.npz")[name].mean(dtype=float) for place in places]
            assert found["values"] == pytest.approx(columns)
            assert (found["mean"], found["sd"]) == pytest.approx((np.mean(columns), np.std(columns, ddof=1)), rel=1e-6)
            assert found["interval"][0] < found["mean"] < found["interval"][1]
        tests = [json.loads((place / "result.json").read_text())["test"] for place in places]
        assert set(row["figures"]) == {"balanced_accuracy", "macro_f1", "ece"}
        for name, found in row["figures"].items():
            assert (found["mean"], found["n"]) == (pytest.approx(np.mean([test[name] for test in tests])), 3)
        assert row["accuracy"] == row["metrics"]["accuracy"]


@pytest.mark.slow
def test_a_metric_is_named_for_the_verdicts_alone(compared, tmp_path, tudui):
    shutil.copytree(compared, "again", symlinks=True)
    before, plan = values_of(compared), Path("again/plan.yaml").read_bytes()
    Path("again/pictures/mine.png").touch()
    assert {pair["metric"] for pair in before["pairs"]} == {"accuracy"}
    answer = tudui("report", "again", "--metric", "nll")
    assert answer.code == 0, answer.err
    after = values_of(Path("again"))
    assert after["rows"] == before["rows"]
    shown = re.findall(r"\(pictures/(.+)\.png\)", Path("again/report.md").read_text())
    assert {path.stem for path in Path("again/pictures").iterdir()} == {*shown, "mine"}
    assert {"nll", "nll-over-noise"} < set(shown)
    assert Path("again/plan.yaml").read_bytes() == plan
    ce, mse = (np.array(row["metrics"]["nll"]["values"]) for row in after["rows"][:2])
    pair = after["pairs"][0]
    assert (pair["metric"], pair["difference"]) == ("nll", pytest.approx(np.mean(mse - ce)))
    assert pair["p"] >= stats.ttest_rel(mse, ce).pvalue
    assert (pair["verdict"], pair["within_margin"], pair["flags"]) == ("worse", False, [])  # mse: other logits
    assert pair["difference"] > 0
    command = ("compare-losses", "--losses", "ce,mse", "--seeds", 3, "--label-noise", "0,0.4", "--metric", "top5")
    runs = {path: path.stat().st_mtime_ns for path in Path("again/runs").glob("*/result.json")}
    assert tudui(*command, *QUICK, "-o", "again").code == 0
    assert {path: path.stat().st_mtime_ns for path in Path("again/runs").glob("*/result.json")} == runs
    assert load_plan(Path("again/plan.yaml")).comparison.metric == "top5"
    assert {pair["metric"] for pair in values_of(Path("again"))["pairs"]} == {"top5"}


@pytest.mark.parametrize("metric", ["ece", "acuracy", "macro_f1"])
def test_a_figure_or_an_unknown_name_gives_no_verdict(metric, compared, tudui):
    for command in (["report", compared], ["compare-losses", "-o", "new"], ["compare-losses", "-n"]):
        answer = tudui(*command, "--metric", metric)
        assert answer.code == 2
        assert "metrics: accuracy, top5, nll" in answer.err
    assert not Path("new").exists()


def test_two_classes_have_no_top5(class_folders, tudui):
    answer = tudui("compare-losses", "--data", f"folder:{class_folders}", "--metric", "top5", "-o", "new")
    assert answer.code == 2
    assert "metrics: accuracy, nll" in answer.err
    assert not Path("new").exists()


def begun(compared: Path, name: str, *, gone: int) -> None:
    """Copy the comparison as if its last runs had not been done."""
    shutil.copytree(compared, name, symlinks=True)
    for run in sorted(Path(name, "runs").iterdir())[-gone:]:
        shutil.rmtree(run)


@pytest.mark.slow
def test_one_after_another_is_side_by_side(compared, tmp_path, tudui):
    begun(compared, "one", gone=4)
    answer = tudui(
        "compare-losses", "--losses", "ce,mse", "--seeds", 3, "--label-noise", "0,0.4", "--jobs", 1,
        *QUICK, "-o", "one",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert outcome(Path("one")) == outcome(compared)


@pytest.mark.slow
def test_in_lockstep_is_side_by_side(compared, tmp_path, tudui):
    """4 runs in stacks of 3 and 1; then again, with one run gone and one that was cut before its last line."""
    command = (
        "compare-losses", "--losses", "ce,mse", "--seeds", 3, "--label-noise", "0,0.4", "--executor", "stacked",
        "--jobs", 3, *QUICK, "-o", "stacked",
    )  # fmt: skip
    assert "12 runs, 3 in lockstep" in tudui(*command, "--dry-run").out
    begun(compared, "stacked", gone=4)
    answer = tudui(*command)
    assert answer.code == 0, answer.err
    assert outcome(Path("stacked")) == outcome(compared)
    shutil.rmtree("stacked/runs/mse-seed2")
    Path("stacked/runs/ce-seed1/result.json").unlink()
    assert tudui(*command).code == 0
    assert outcome(Path("stacked")) == outcome(compared)


@pytest.mark.slow
def test_a_stack_that_is_stopped_goes_on_with_either_executor(tmp_path, tudui):
    command = ["compare-losses", "--losses", "ce,mse", "--seeds", "1", "-e", "8", *NO_TENSORBOARD]
    process = subprocess.Popen(
        [*TUDUI, *command, "--executor", "stacked", "-o", "cut"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(Path("cut/runs/mse-seed0/checkpoints/last.pt").exists, process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "everything saved; to resume, type: tudui compare-losses" in said
    assert not list(Path("cut/runs").glob("*/result.json"))
    assert tudui(*command, "-o", "cut").code == 0
    assert tudui(*command, "--executor", "stacked", "-o", "uncut").code == 0
    assert outcome(Path("cut")) == outcome(Path("uncut"))


def test_auto_is_local_on_a_cpu():
    from tudui.comparison.executors import choose_executor

    assert choose_executor(quick_config("device=cpu")) == "local"


@pytest.mark.slow
def test_called_again_it_goes_on_and_repeats_nothing(compared, tmp_path, tudui, sentence):
    shutil.copytree(compared, "again", symlinks=True)
    shutil.rmtree("again/runs/mse-seed2")
    kept = Path("again/runs/ce-seed0/metrics.jsonl")
    before = kept.stat().st_mtime_ns
    command = ("compare-losses", "--losses", "ce,mse", "--label-noise", "0,0.4", *QUICK, "-o", "again")  # fmt: skip
    assert tudui(*command, "--seeds", 3).code == 0
    assert kept.stat().st_mtime_ns == before
    assert outcome(Path("again")) == outcome(compared)
    more = tudui(*command, "--seeds", 4, "--losses", "ce")  # another seed, another set of losses
    assert more.code == 0, more.err
    assert values_of(Path("again"))["rows"][0]["accuracy"]["n"] == 4
    other = tudui(*command, "--seeds", 3, "--set", "train.batch_size=32")
    assert other.code == 2
    sentence(other.err)


def test_a_diverged_run_is_a_row(tmp_path, tudui):
    answer = tudui(
        "compare-losses", "--losses", "ce,mse", "--seeds", 2, "--lr", "same", "--set", "optimizer.lr=1e18",
        "--set", "train.clip=null", *QUICK, *IN_THIS_PROCESS, "-o", "wild",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    values = values_of(Path("wild"))
    assert [row["diverged"] for row in values["rows"]] == [[0, 1], [0, 1]]
    assert values["rows"][0]["accuracy"] is None
    pair = values["pairs"][0]
    assert (pair["verdict"], pair["flags"], pair["difference"], pair["n"]) == ("no_verdict", ["diverged"], None, 0)
    assert (values["rows"][0]["metrics"], values["rows"][0]["figures"]) == ({}, {})


@pytest.mark.slow
def test_the_same_function_twice_is_not_a_difference_and_a_crippled_one_is(tmp_path, tudui):
    """Huber with a huge delta and twice its scale is MSE; a rate 100 times too small learns only some classes."""
    Path("plan.yaml").write_text(
        "comparison:\n  baseline: mse\n  seeds: 3\n  variants:\n    mse: mse\n"
        "    huge: {name: huber, delta: 1.0e6, scale: 2.0}\n    crippled: {name: mse, scale: 0.01}\n"
        "train: {epochs: 1, clip: null}\noptimizer: {lr: 0.01}\n"
    )
    answer = tudui("compare-losses", "-c", "plan.yaml", "--lr", "same", *IN_THIS_PROCESS, "-o", "same")
    assert answer.code == 0, answer.err
    pairs = {pair["variant"]: pair for pair in values_of(Path("same"))["pairs"]}
    assert pairs["huge"]["verdict"] in ("identical", "not_distinguishable")
    crippled = pairs["crippled"]
    assert crippled["p_holm"] < 0.05
    assert crippled["interval"][1] < 0
    assert (crippled["verdict"], crippled["flags"]) == ("unstable", ["lost_class"])


@pytest.mark.slow
def test_tuned_rates_are_chosen_on_validation_and_the_curve_is_kept(tmp_path, tudui):
    """mse is far below its best rate at 0.001, so rates past that end are tried until the third."""
    command = (
        "compare-losses", "--losses", "ce,mse", "--seeds", 2, "--lr", "tuned",
        "--set", "comparison.rates=[0.001, 0.0001]", *QUICK, *IN_THIS_PROCESS, "-o", "tuned",
    )  # fmt: skip
    answer = tudui(*command)
    assert answer.code == 0, answer.err
    values = values_of(Path("tuned"))
    for curve, row in zip(values["tuning"], values["rows"], strict=True):
        assert curve["rates"] == [0.0001, 0.001, 0.002, 0.005, 0.01]
        means = [sum(scores) / 2 for scores in curve["validation_accuracy"]]
        assert means[curve["rates"].index(curve["chosen"])] == max(means)
        assert curve["chosen"] == row["learning_rate"]
        assert curve["at_the_edge"] == (curve["chosen"] in (0.0001, 0.01))
        for rate, scores in zip(curve["rates"], curve["validation_accuracy"], strict=True):
            folders = [Path(f"tuned/tuning/{row['variant']}-lr{rate:g}-seed{seed}") for seed in (1_000_000, 1_000_001)]
            found = [json.loads((folder / "result.json").read_text())["validation"]["accuracy"] for folder in folders]
            assert scores == found
        assert not set(row["seeds"]) & {1_000_000, 1_000_001}
    command_of_docs = [sys.executable, "-c", check_script(), "tuned"]
    done = subprocess.run(command_of_docs, capture_output=True, text=True, check=True)
    assert done.stdout == "the same: 1 comparisons\n"
    before = outcome(Path("tuned"))
    shutil.rmtree("tuned/tuning/mse-lr0.01-seed1000001")  # of the last round
    assert tudui("report", "tuned").code == 2
    assert tudui(*command).code == 0
    assert outcome(Path("tuned")) == before


@pytest.mark.parametrize(
    ("scores", "chosen", "beyond"),
    [
        ({0.02: [0.5], 0.1: [0.6], 0.05: [0.7]}, 0.05, None),
        ({0.02: [0.7, 0.5], 0.05: [0.5, 0.6], 0.1: [0.4, 0.4]}, 0.02, 0.01),
        ({0.02: [0.1], 0.05: [0.6], 0.1: [0.7]}, 0.1, 0.2),
        ({0.003: [0.1], 0.03: [0.6]}, 0.03, 0.05),
        ({0.003: [0.7], 0.03: [0.6]}, 0.003, 0.002),
        ({0.02: [0.6], 0.05: [0.6], 0.1: [0.6]}, 0.05, None),  # of equally good ones, that in the middle
    ],
)
def test_the_best_rate_and_the_next_one_past_an_end(scores, chosen, beyond):
    curve = _curve("ce", 0.0, scores, ACCURACY)
    assert (curve.chosen, _beyond(curve) if curve.at_the_edge else None) == (chosen, beyond)


TUNE = (
    "compare-losses", "--data", "rotated-digits", "--network", "linear", "--losses", "mse,huber,quantile", "--seeds", 2,
    "--tune", "lr,loss.delta,loss.tau", "--outliers", "0,0.2", "--set", "comparison.rates=[0.02, 0.05]",
    "--set", "comparison.tune_values={delta: [0.2, 1], tau: [0.4, 0.6, 0.5]}", *QUICK, *IN_THIS_PROCESS,
)  # fmt: skip


@pytest.mark.slow
def test_settings_of_losses_are_tuned_with_as_many_runs_for_each(tmp_path, tudui):
    """Two rates, three past an end, and 2 + 3 values: 10 settings for each loss, also for mse, which has none."""
    answer = tudui(*TUNE, "-o", "out")
    assert answer.code == 0, answer.err
    values = values_of(Path("out"))
    names = {path.name for path in Path("out/tuning").iterdir()}
    scores = {}
    for name in names:
        scores.setdefault(name.rpartition("-seed")[0], []).append(
            json.loads(Path("out/tuning", name, "result.json").read_text())["validation"]["absolute_error"]
        )
    for curve, row in zip(values["tuning"], values["rows"], strict=True):
        mine = {name: found for name, found in scores.items() if name.split("-lr")[0] == row["name"]}
        assert (curve["runs"], len(mine), {len(found) for found in mine.values()}) == (20, 10, {2})
        parameter = {"mse": None, "huber": "delta", "quantile": "tau"}[row["variant"]]
        ending = f"-{parameter}{row['loss'][parameter]:g}" if parameter else ""
        means = {name: sum(found) for name, found in mine.items()}
        assert means[f"{row['name']}-lr{row['learning_rate']:.10g}{ending}"] == min(means.values())
        assert curve["parameters"] == ({parameter: row["loss"][parameter]} if parameter else {})
        assert [one["name"] for one in curve["over"]] == [parameter] * bool(parameter)
        for one in curve["over"]:
            assert one["values"] == {"delta": [0.2, 1], "tau": [0.4, 0.5, 0.6]}[parameter]
            for value, found in zip(one["values"], one["validation_absolute_error"], strict=True):
                assert sorted(found) == sorted(mine[f"{row['name']}-lr{one['rate']:.10g}-{parameter}{value:g}"])
    page = Path("out/report.html").read_text()
    assert "Sensitivity to delta" in page
    assert "20 tuning runs" in page

    before = outcome(Path("out"))
    for name in sorted(names)[::7]:  # of several rounds
        shutil.rmtree(Path("out/tuning", name))
    assert tudui("report", "out").code == 2
    assert tudui(*TUNE, "-o", "out").code == 0
    assert outcome(Path("out")) == before
    assert {path.name for path in Path("out/tuning").iterdir()} == names


def test_tune_lr_is_lr_tuned():
    tuned, same = plan_of("tune=[lr]"), plan_of("lr=tuned")
    assert tuned.comparison == same.comparison
    assert tuned.comparison.settings_to_try == 5
    both = plan_of("variants=[ce, huber]", "tune=[lr, loss.delta]")
    assert (both.comparison.lr, both.comparison.settings_to_try) == ("tuned", 5 + 3 + 4)
    Path("plan.yaml").write_text(plan_yaml(both))
    assert load_plan(Path("plan.yaml")).comparison == both.comparison


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("tune=[lr, loss.delta] variants=[ce, mse]", "delta"),
        ("tune=[lr, loss.form] variants=[ce, huber]", "form"),
        ("tune=[lr, loss.name] variants=[ce, huber]", "name"),
        ("tune=[lr, loss.q] variants=[ce, gce]", "comparison.tune_values.q"),
        ("tune=[lr, loss.q] variants=[ce, gce] tune_values.q=[0.5,2]", "2 for gce"),
        ("tune=[lr, loss.delta] variants=[ce, huber] tune_values.delta=[1,1]", "twice"),
        ("tune=[lr, loss.delta] variants=[ce, huber] tune_values.delta=[]", "tune_values"),
        ("tune=[lr, loss.delta] variants=[ce, huber] tune_values.q=[0.5]", "tune_values: q"),
        ("tune=[lr, loss.delta] variants=[ce, huber] tune_values=3", "tune_values"),
        ("tune=[loss.delta] variants=[ce, huber]", "lr,loss.delta"),
        ("tune=[lr, train.epochs]", "train.epochs"),
        ("tune=[lr, lr]", "twice"),
        ("tune=[lr, 3]", "tune"),
        ("tune=[lr] lr=same", "lr is same"),
    ],
)
def test_what_cannot_be_tuned_is_one_line(settings, named, tudui):
    starts = r" (?=(?:variants|tune_values|lr)[.=])"
    flags = [part for setting in re.split(starts, settings) for part in ("--set", f"comparison.{setting}")]
    tudui("compare-losses", "--dry-run", *flags).refused(2, named)


def test_json_is_one_object(compared, tudui):
    answer = tudui("report", compared, "--json")
    assert answer.json()["rows"] == values_of(compared)["rows"]
    assert tudui("report", "nowhere").code == 2


def test_one_seed_has_no_interval_and_says_so(tmp_path, tudui):
    assert tudui("compare-losses", "--losses", "ce,mse", "--seeds", 1, *QUICK, *IN_THIS_PROCESS, "-o", "one").code == 0
    values = values_of(Path("one"))
    assert values["rows"][0]["accuracy"]["interval"] is None
    assert values["pairs"][0]["p"] is None
    assert values["pairs"][0]["verdict"] == "no_verdict"


# runs that survive


@pytest.mark.slow
def test_a_second_process_on_the_same_comparison_is_refused(compared, tudui):
    from tudui.files import locked

    with locked(compared / "comparison.lock", what="a comparison"):
        done = forked.command("compare-losses", "--losses", "ce,mse", *QUICK, "-o", compared)
    assert done.code == 6
    assert f"process {os.getpid()}" in done.err


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def assert_gone(pids: list[int]):
    """Processes end within seconds: the last to go is multiprocessing's own tracker."""
    deadline = time.monotonic() + 5
    while left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_stop_all_runs_with_everything_saved(jobs, number, code, tmp_path):
    command = [*TUDUI, "compare-losses", "--losses", "ce,mse", "--seeds", "2", "--jobs", str(jobs), "-o", "stopped",
               "-e", "200"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    saved = [Path(f"stopped/runs/{name}-seed0/checkpoints/last.pt") for name in ("ce", "mse")[:jobs]]
    wait_for(lambda: all(path.exists() for path in saved), process)
    workers = children(process.pid)
    assert workers
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "everything saved; to resume, type: tudui compare-losses" in said
    assert "Traceback" not in said
    assert_gone(workers)


def test_a_worker_that_does_not_save_in_time_is_reported(tmp_path, monkeypatch):
    """With no time at all, no worker gets to its next log point."""
    monkeypatch.setattr("tudui.comparison.executors.local.GRACE", 0.0)
    settings = ("comparison.variants=[ce, mse]", "comparison.seeds=1", "train.epochs=200")
    with pytest.raises(Interrupted) as error:
        compare(
            load_plan(None, [parse_set(text) for text in settings]), tmp_path / "both", executor="local", jobs=1,
            listener=lambda progress: signal.raise_signal(signal.SIGTERM), command="tudui compare-losses",
        )  # fmt: skip
    assert error.value.exit_code == 143
    assert "everything saved" not in str(error.value)
    assert "1 of the runs did not save" in str(error.value)


def states(pids: list[int]) -> set[str]:
    """What processes do: T if they are stopped."""
    return {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in pids}


@pytest.mark.slow
def test_ctrl_z_pauses_the_workers_too(tmp_path):
    command = [*TUDUI, "compare-losses", "--losses", "ce,mse", "--seeds", "1", "--jobs", "2", "-o", "paused",
               "-e", "500"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(list(Path().glob("paused/runs/*/checkpoints/last.pt"))) == 2, process)
    workers = [pid for pid in children(process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(workers) == 2
    try:
        process.send_signal(signal.SIGTSTP)
        wait_for(lambda: states([process.pid, *workers]) == {"T"}, process)
        process.send_signal(signal.SIGCONT)
        wait_for(lambda: "T" not in states([process.pid, *workers]), process)
        process.send_signal(signal.SIGTSTP)
        wait_for(lambda: states([process.pid, *workers]) == {"T"}, process)
    finally:
        process.kill()
        process.wait()
    assert_gone(workers)


@pytest.mark.slow
def test_ctrl_c_twice_ends_all_processes_at_once(tmp_path):
    command = [*TUDUI, "compare-losses", "--losses", "ce,mse", "--seeds", "1", "--jobs", "2", "-o", "stopped",
               "-e", "200", "--set", "log.every=1000"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: list(Path().glob("stopped/runs/*/checkpoints/last.pt")), process)
    workers = children(process.pid)
    process.send_signal(signal.SIGINT)
    time.sleep(0.02)  # signals of one kind do not queue
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert ", type: tudui compare-losses" in said
    assert_gone(workers)
    for path in Path().glob("stopped/runs/*/checkpoints/last.pt"):
        load_checkpoint(path)


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_numbers(tmp_path):
    """A short form of fuzz/crash_test.py; its long form is in docs/reliability.md."""
    command = [sys.executable, str(ROOT / "fuzz" / "crash_test.py"), "--kills", "5", "--out", "crash", "--",
               "compare-losses", "--losses", "ce,mse", "--seeds", "2", "-e", "8", "--label-noise", "0,0.4"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 kills" in done.stdout
    assert "nothing differs, nothing is left over" in done.stdout


@pytest.mark.slow
def test_workers_die_with_a_parent_that_is_killed(tmp_path):
    command = [*TUDUI, "compare-losses", "--losses", "ce,mse", "--seeds", "1", "-e", "500", "-o", "killed"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: list(Path().glob("killed/runs/*/checkpoints/last.pt")), process)
    workers = children(process.pid)
    assert len(workers) >= 2
    process.kill()
    process.wait()
    assert_gone(workers)


def test_a_refused_call_changes_nothing(compared, tmp_path, tudui, sentence):
    shutil.copytree(compared, "kept", symlinks=True)
    plan = Path("kept/plan.yaml").read_text()
    command = ("compare-losses", "--losses", "ce,mse", "--seeds", 3, "--label-noise", "0,0.4", "-o", "kept")
    answer = tudui(*command, "-e", 2, *QUICK[2:])
    assert answer.code == 2
    sentence(answer.err)
    assert Path("kept/plan.yaml").read_text() == plan
    Path("mine").mkdir()
    Path("mine/tensorboard").mkdir()
    Path("mine/plan.yaml").write_text("# my own\n")
    answer = tudui("compare-losses", "-o", "mine")
    assert answer.code == 2
    sentence(answer.err)
    assert Path("mine/plan.yaml").read_text() == "# my own\n"


def test_a_report_of_runs_that_are_not_the_plans_is_refused(compared, tmp_path, tudui, sentence):
    shutil.copytree(compared, "mixed", symlinks=True)
    plan = Path("mixed/plan.yaml")
    plan.write_text(plan.read_text().replace("  epochs: 1\n", "  epochs: 2\n"))
    answer = tudui("report", "mixed")
    assert answer.code == 2
    sentence(answer.err)


def test_what_a_run_warned_of_is_in_the_report(tmp_path, tudui):
    Path("plan.yaml").write_text(
        "comparison:\n  seeds: 1\n  variants: {ce: ce, odd: {name: huber, input: probabilities}}\ntrain: {epochs: 1}\n"
    )
    answer = tudui("compare-losses", "-c", "plan.yaml", *IN_THIS_PROCESS, "-o", "warned")
    assert answer.code == 0, answer.err
    assert "is exactly MSE/2" in " ".join(answer.out.split())
    assert any("is exactly MSE/2" in text for text in values_of(Path("warned"))["warnings"])
    assert "is exactly MSE/2" in Path("warned/report.md").read_text()


def test_reading_a_comparison_that_is_not_done_says_how_to_go_on(compared, tmp_path, tudui):
    shutil.copytree(compared, "cut", symlinks=True)
    (Path("cut") / "runs" / "mse-seed1" / "result.json").unlink()
    answer = tudui("report", "cut")
    assert answer.code == 2
    assert "1 of 12 runs are not done (for example mse-seed1)" in answer.err
    assert answer.err.endswith(": tudui compare-losses --config cut/plan.yaml --out cut\n")


def test_loading_a_plan_needs_no_torch(tmp_path):
    script = "import sys; from tudui.config.plan import load_plan; load_plan(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_first_comparison_that_fails_leaves_only_what_was_there(tudui, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to("mine")
    for out, stays in (("mine", True), ("link", True), ("new", False)):
        answer = tudui("compare-losses", "--data", "folder:nowhere", "-o", out)
        assert answer.code == 3
        assert answer.err.startswith("error: nowhere: no such folder")
        assert (tmp_path / out).is_dir() == stays


def test_a_dry_run_as_json(tudui, tmp_path):
    answer = tudui("compare-losses", "--dry-run", "--json", "-o", "out")
    values = answer.json()
    assert (values["folder"], values["executor"], values["runs"]) == ("out", "local", 20)
    assert values["seconds"] > 0
    assert 20 * 3 * 1_100_000 < values["bytes"] < 20 * 8_000_000
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_else_is_refused_before_anything_is_said(trained, tudui):
    for flags in (("--dry-run",), ()):
        answer = tudui("compare-losses", "-o", trained, *flags)
        assert answer.code == 2
        assert answer.out == ""
        assert "not empty and not a comparison" in answer.err


@pytest.mark.slow
def test_each_plan_has_a_folder_of_its_own(tudui):
    """More seeds are the same plan; other losses, noise or a baseline are another one, with another report."""

    def folder(*arguments: str) -> str:
        return tudui("compare-losses", *arguments, "--dry-run", "--json").json()["folder"]

    plans = [(), ("--losses", "ce,mse"), ("--label-noise", "0.2"), ("--baseline", "mse"), ("--lr", "tuned")]
    assert len({folder(*plan) for plan in plans}) == len(plans)
    assert folder("--losses", "ce,mse", "--seeds", "2") == folder("--losses", "ce,mse", "--seeds", "3")


def test_a_run_that_lost_its_checkpoints_and_predictions_keeps_its_result(tudui):
    command = ("compare-losses", "--losses", "ce,mse", "--seeds", "1", *QUICK, *IN_THIS_PROCESS, "--out", "c")
    assert tudui(*command).code == 0
    run = Path("c/runs/mse-seed0")
    shutil.rmtree(run / "checkpoints")
    (run / "predictions.npz").unlink()
    before = (run / "result.json").read_bytes()
    assert tudui(*command).code == 5
    assert (run / "result.json").read_bytes() == before


@pytest.mark.parametrize(("data", "ends"), [("diabetes", r"absolute error \d+\.\d"), ("digits", r"accuracy \d+\.\d %")])
def test_the_progress_of_a_run_has_its_score_in_its_unit(data, ends):
    settings = ("data.name={}", "train.epochs=1", "comparison.seeds=1", "comparison.variants=[mse]", "log.sinks=[]")
    plan, seen = load_plan(None, [parse_set(setting.format(data)) for setting in settings]), []
    compare(plan, Path("seen"), executor="stacked", jobs=1, listener=seen.append, command="")
    shown = {progress.validation for progress in seen} - {""}
    assert shown
    assert all(re.fullmatch(ends, text) for text in shown)
