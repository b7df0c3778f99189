"""Folds: every image is a test image once per seed, and the runs of all folds are read as one."""

import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import DIGITS, ROOT, TUDUI, compare_losses, photograph, wait_for, without
from tudui.comparison.collect import collect
from tudui.comparison.done import read_runs
from tudui.comparison.folds import together
from tudui.comparison.runs import given_rates, reported_runs
from tudui.config.plan import load_plan
from tudui.data.split import folds_of
from tudui.errors import DataError
from tudui.tasks import Numbers
from tudui.tasks.classes import balanced_accuracy, calibration_error

FOLDS, SEEDS, IMAGES = 4, 2, 62
LOSSES = {"ce": "ce", "again": "ce", "mse": "mse"}
SMALL = ("network=linear", "optimizer.lr=0.05", "train.batch_size=8", "device=cpu", "log.sinks=[]")
SETTINGS = (*(part for text in SMALL for part in ("-s", text)), "-e", "2")
IN_THIS_PROCESS = (*SETTINGS, "--lr", "same", "--executor", "stacked")


def fill(root: Path, *, classes: int = 3) -> Path:
    """Write pictures of digits in classes of different sizes."""
    for number in range(IMAGES):
        folder = root / "abc"[min(DIGITS.target[number] // 2, classes - 1)]
        folder.mkdir(parents=True, exist_ok=True)
        photograph(number).save(folder / f"{number:02}.png")
    return root


@pytest.fixture(scope="module")
def folded(once) -> Path:
    """A folder with `pictures` and the comparison `compared` in it; ce is in it twice."""

    def compare(folder: Path) -> None:
        fill(folder / "pictures")
        losses = json.dumps({"comparison": {"variants": LOSSES, "seeds": SEEDS}})
        (folder / "plan.yaml").write_text(losses)
        flags = ("-c", "plan.yaml", "--data", "folder:pictures", "--folds", str(FOLDS), *IN_THIS_PROCESS)
        compare_losses(*flags)(folder)

    return once("folded", compare)


def values_of(comparison: Path) -> dict:
    return json.loads((comparison / "comparison.json").read_text())


def predictions(folded: Path, variant: str, seed: int) -> list[dict[str, np.ndarray]]:
    """Return the arrays of each fold's run."""
    runs = folded / "compared" / "runs"
    return [columns(runs / f"{variant}-seed{seed}-fold{fold}") for fold in range(1, FOLDS + 1)]


def columns(run: Path) -> dict[str, np.ndarray]:
    with np.load(run / "predictions.npz") as arrays:
        return dict(arrays)


# the split


@pytest.mark.parametrize("folds", [2, 3, 10])
def test_folds_are_stratified_and_equally_large(folds):
    labels = torch.tensor([0] * 41 + [1] * 7 + [2] * 25)[torch.randperm(73)]
    fold = folds_of(labels, folds)
    assert torch.equal(fold, folds_of(labels, folds))
    assert set(fold.tolist()) == set(range(1, folds + 1))
    assert np.ptp(fold.bincount()[1:].numpy()) <= 1
    for label in range(3):
        assert np.ptp(fold[labels == label].bincount(minlength=folds + 1)[1:].numpy()) <= 1


def test_folds_of_numbers_have_equally_many_of_each_tenth():
    targets = torch.randn(200, 1).exp()
    fold = folds_of(Numbers(names=("y",)).strata(targets), 5)
    smallest = targets[:, 0].argsort()[:20]
    assert fold[smallest].bincount().tolist() == [0, 4, 4, 4, 4, 4]


def test_every_image_is_tested_once_per_seed_by_every_loss(folded):
    expected = None
    for variant in LOSSES:
        for seed in range(SEEDS):
            found = [(run["index"].tolist(), run["label"].tolist()) for run in predictions(folded, variant, seed)]
            assert sorted(index for fold, _ in found for index in fold) == list(range(IMAGES))
            expected = expected or found
            assert found == expected
    assert expected is not None
    for label in range(3):
        assert np.ptp([Counter(labels)[label] for _, labels in expected]) <= 1


# what is computed


def test_scores_are_those_of_all_images(folded):
    values = values_of(folded / "compared")
    assert values["test_images"] == IMAGES
    rows = {row["variant"]: row for row in values["rows"]}
    for variant, row in rows.items():
        runs = [predictions(folded, variant, seed) for seed in range(SEEDS)]
        joined = [{name: np.concatenate([fold[name] for fold in run]) for name in run[0]} for run in runs]
        right = [run["predicted"] == run["label"] for run in joined]
        assert row["accuracy"]["values"] == pytest.approx([one.mean() for one in right])
        assert row["accuracy"]["n"] == SEEDS
        outputs = [(torch.tensor(run["probabilities"]).log(), torch.tensor(run["label"]).long()) for run in joined]
        expected = np.mean([balanced_accuracy(*pair) for pair in outputs])
        assert row["figures"]["balanced_accuracy"]["mean"] == pytest.approx(expected)
        assert row["ece"]["mean"] == pytest.approx(np.mean([calibration_error(*pair) for pair in outputs]))
        assert row["loss_values"]["ce"] == pytest.approx(np.mean([run["nll"].mean() for run in joined]), rel=1e-5)
        confusion = np.zeros((3, 3), int)
        for run in joined:
            np.add.at(confusion, (run["label"], run["predicted"]), 1)
        assert row["confusion"] == confusion.tolist()
    assert rows["ce"]["accuracy"] == rows["again"]["accuracy"]
    assert {pair["variant"]: pair["verdict"] for pair in values["pairs"]}["again"] == "identical"
    difference = rows["mse"]["accuracy"]["mean"] - rows["ce"]["accuracy"]["mean"]
    assert values["pairs"][1]["difference"] == pytest.approx(difference)


def test_every_fold_begins_alike_for_every_loss(folded):
    hashes = values_of(folded / "compared")["hashes"]
    assert len(hashes) == FOLDS * SEEDS
    assert "noise0/seed1/fold3" in hashes
    assert all(isinstance(one, str) for place in hashes.values() for one in place.values())
    assert len({place["test"] for place in hashes.values()}) == FOLDS


def test_the_report_says_what_folds_do_not_tell(folded):
    shown = " ".join((folded / "terminal.txt").read_text().split())
    for text in (shown, (folded / "compared" / "report.md").read_text()):
        assert f"tested once per seed, in {FOLDS} folds" in text
        assert "training on 3/4 of the images" in text


def test_a_run_of_a_fold_is_that_of_a_list_of_its_test_images(folded, tudui):
    """The same images, with the fold's in a column of parts; and `train` on the same fold, whose run is then used."""
    expected = columns(folded / "compared" / "runs" / "mse-seed1-fold2")
    pictures, lines = folded / "pictures", ["file,label,split"]
    files = sorted(pictures.rglob("*.png"))
    for number, file in enumerate(files):
        part = "test" if number in expected["index"] else "train"
        lines.append(f"{file.relative_to(pictures)},{file.parent.name},{part}")
    Path("parts.csv").write_text("\n".join(lines) + "\n")
    same = ("--data", f"folder:{pictures}", "--loss", "mse", "--seed", 1, "-s", "train.threads=1", *SETTINGS)
    assert tudui("train", *same, "--labels", "parts.csv", "--target", "label", "--run-dir", "listed").code == 0
    folds = ("-s", f"data.folds={FOLDS}", "-s", "data.fold=2")
    assert tudui("train", *same, *folds, "--run-dir", "fold").code == 0
    for run in ("listed", "fold"):
        found = columns(Path(run))
        for name in ("label", "predicted", "probabilities", "nll", "index"):
            assert np.array_equal(found[name], expected[name]), (run, name)
    shutil.copytree(pictures, "moved")
    for data in ((), ("--data", "folder:moved")):
        scored = tudui("evaluate", "fold", *data, "--json").json()
        assert scored["images"] == len(expected["label"])
        assert scored["accuracy"] == pytest.approx(expected["accuracy"].mean())
    predicted = tudui("predict", "fold", "--split", "test", "--json").json()["predictions"]
    assert [Path(one["image"]).name for one in predicted] == [files[number].name for number in expected["index"]]


def test_evaluate_on_data_with_a_test_split_uses_that(folded, tudui):
    for part in ("train", "test"):
        shutil.copytree(folded / "pictures", Path("other", part))
    found = tudui("evaluate", folded / "compared" / "runs" / "ce-seed0-fold2", "--data", "folder:other", "--json")
    assert found.json()["images"] == IMAGES


# runs


def test_predictions_are_in_the_order_of_the_data_set(folded, monkeypatch):
    monkeypatch.chdir(folded)
    plan = load_plan(Path("compared/plan.yaml"))
    records = read_runs(reported_runs(plan, given_rates(plan)), Path("compared/runs"))
    expected = ["abc".index(file.parent.name) for file in sorted(Path("pictures").rglob("*.png"))]
    found = together(records, FOLDS)
    assert len(found) == len(LOSSES) * SEEDS
    assert all(run.predictions["label"].tolist() == expected for run in found)
    assert all(set(run.predictions) == {"label", "predicted", "confidence", "accuracy", "nll"} for run in found)
    first = [run.validation for run in records[:FOLDS]]
    assert [score for _, score, _ in found[0].validation] == pytest.approx(
        np.mean([[score for _, score, _ in curve] for curve in first], axis=0)
    )


def test_a_seed_diverged_if_one_of_its_folds_did(folded, monkeypatch):
    monkeypatch.chdir(folded)
    plan = load_plan(Path("compared/plan.yaml"))
    records = read_runs(reported_runs(plan, given_rates(plan)), Path("compared/runs"))
    lost = next(place for place, run in enumerate(records) if run.planned.name == "mse-seed1-fold3")
    records[lost] = replace(records[lost], test=None, predictions={})
    rows = {row.variant: row for row in collect(plan, records, folder=Path("compared"), command="").rows}
    assert (rows["mse"].diverged, rows["ce"].diverged) == ([1], [])
    assert rows["mse"].metrics["accuracy"].n == 1
    assert [run.planned.name for run in rows["mse"].runs] == ["mse-seed0", "mse-seed1"]


def test_folds_with_the_same_images_are_refused(folded, monkeypatch):
    monkeypatch.chdir(folded)
    plan = load_plan(Path("compared/plan.yaml"))
    records = read_runs(reported_runs(plan, given_rates(plan))[:FOLDS], Path("compared/runs"))
    with pytest.raises(DataError, match="same samples"):
        together([records[0], records[0], *records[2:]], FOLDS)


def test_a_stopped_comparison_of_folds_is_that_of_one_that_was_not(folded, tudui):
    shutil.copytree(folded / "pictures", "pictures")
    losses = ("--losses", "ce,mse", "--seeds", "1", "--data", "folder:pictures", "--folds", "3")
    asked = ["compare-losses", *losses, *IN_THIS_PROCESS, "-e", "40", "-o"]
    process = subprocess.Popen([*TUDUI, *asked, "cut"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: list(Path().glob("cut/runs/*-fold2/checkpoints/last.pt")), process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert Path("cut/runs/ce-seed0-fold1/result.json").exists()
    assert not Path("cut/runs/ce-seed0-fold3/result.json").exists()
    assert tudui(*asked, "cut").code == 0
    assert tudui(*asked, "whole").code == 0
    cut, whole = (without(values_of(Path(name)), "timing", "command") for name in ("cut", "whole"))
    assert cut == whole


def test_seeds_until_decided_label_noise_and_what_scores_vary_with(folded, tudui):
    more = ("--until-decided", "--max-seeds", 4, "--label-noise", "0,0.4", "--explain-variance")
    asked = ("compare-losses", "--losses", "ce,l1", "--folds", 2, *more, *IN_THIS_PROCESS, "-e", 1)
    asked += ("--data", f"folder:{folded / 'pictures'}", "-o", "more")
    planned = tudui(*asked, "--dry-run", "--json").json()["runs"]
    assert planned == 2 * (2 * 2 * 4 + 7 * (3 * 2 * 2 + 2))  # of weights, order, split; and wrong labels of one level
    values = tudui(*asked, "--json").json()
    assert {tuple(row["seeds"]) for row in values["rows"]} <= {(0, 1, 2), (0, 1, 2, 3)}
    (noisy,) = values["wrong_labels"].values()
    images = noisy[0]["images"]
    assert images["train"] + images["validation"] == IMAGES  # each is trained on in one of two folds
    assert {len(one["components"]) for one in values["variance"]} == {5, 6}


def test_folds_of_a_table_of_numbers(tudui):
    values = tudui(
        "compare-losses", "--data", "diabetes", "--losses", "mse,huber", "--folds", 3, "--seeds", 2, "--outliers",
        "0,0.2", "-s", "log.sinks=[]", "-s", "device=cpu", "-e", 2, "--executor", "stacked", "-o", "numbers", "--json",
    ).json()  # fmt: skip
    assert values["test_images"] == 442
    row = values["rows"][0]
    runs = [[columns(Path(f"numbers/runs/mse-seed{seed}-fold{k}")) for k in (1, 2, 3)] for seed in (0, 1)]
    errors = [np.concatenate([fold["predicted"] - fold["label"] for fold in run]).astype(float) for run in runs]
    assert row["metrics"]["absolute_error"]["values"] == pytest.approx([np.abs(one).mean() for one in errors], rel=1e-5)
    expected = np.mean([np.sqrt(np.square(one).mean()) for one in errors])
    assert row["figures"]["rmse"]["mean"] == pytest.approx(expected, rel=1e-5)


# what is refused


@pytest.mark.parametrize(
    ("command", "code", "named"),
    [
        ("compare-losses --data folder:pictures --folds 1", 2, "data.folds"),
        ("compare-losses --data folder:pictures --folds 11", 2, "data.folds"),
        ("compare-losses --data folder:pictures --folds 3 --lr tuned", 2, "--lr recipe or same"),
        ("compare-losses --data folder:pictures --folds 3 --set data.fold=2", 2, "data.fold"),
        ("compare-losses --data digits --folds 10 --seeds 1000 --losses ce,mse", 2, "20,000 runs"),
        ("compare-losses --data folder:pictures --folds 3 --set data.noise_manifest=a.json", 2, "data.noise_manifest"),
        ("train --data folder:pictures --set data.fold=2", 2, "data.folds"),
        ("train --data folder:pictures --set data.folds=3 --set data.fold=4", 2, "there are 3 folds"),
        ("compare-losses --data folder:parts --folds 3", 3, "test images of its own"),
        ("train --data folder:alone --set data.folds=3", 3, "class b is in only one of the images"),
    ],
)
def test_what_folds_cannot_do_is_said_in_one_line(command, code, named, folded, tudui):
    for place in ("pictures", "parts/train", "parts/test", "alone"):
        shutil.copytree(folded / "pictures", place)
    for file in sorted(Path("alone/b").iterdir())[1:]:
        file.unlink()
    tudui(*command.split()).refused(code, named)
    assert not list(Path().glob("runs/*"))


def test_verdicts_hold_for_these_training_images_alone():
    """A short form of the simulation: an effect of a seed in each fold is in the interval, one of training is not."""
    script = [sys.executable, ROOT / "experiments" / "simulate_folds.py", "--reports", "500", "--images", "300"]
    subprocess.run([*script, "--setting", "usual", "--out", "found.json"], check=True, capture_output=True)
    of_seeds = {row["seeds"]: row["false"] for row in json.loads(Path("found.json").read_text())["rows"]}
    assert all(share < 0.08 for neither, of_seed, *_ in of_seeds.values() for share in (neither, of_seed))
    assert of_seeds[10][3] > 0.15
