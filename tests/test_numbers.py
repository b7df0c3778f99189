"""Numbers as targets: the task, its data and outliers, and one run through every command."""

import csv
import json
import random
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn import metrics as of_sklearn
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression, QuantileRegressor

from tests.conftest import put_package, quick_config
from tests.test_run import cut_at, record, weights
from tudui.config import load_config, parse_set
from tudui.config.data_sets import data_sets
from tudui.data import load_data
from tudui.data.dataset import Preparation, Split
from tudui.errors import DataError, Interrupted, UsageError
from tudui.exported import read_safetensors
from tudui.run import train
from tudui.tasks import Numbers, outliers, scores_of, task_from
from tudui.tasks.outliers import with_outliers
from tudui.tasks.scaling import nice_tenth, scaling

TABLE = ("data.name=diabetes", "log.sinks=[]", "loss=l1", "optimizer.lr=0.05")


def settings(*texts):
    return load_config(None, [parse_set(text) for text in texts]).config


def data_of(*texts):
    config = settings(*texts)
    return load_data(config.data, config.seed)


@pytest.fixture
def fitted():
    """A task of two columns with a location and a scale, and outputs and targets of 200 rows."""
    generator = torch.Generator().manual_seed(3)
    outputs = torch.randn(200, 2, generator=generator)
    targets = torch.tensor([100.0, -5.0]) + torch.tensor([20.0, 0.5]) * torch.randn(200, 2, generator=generator)
    task = Numbers(names=("height", "weight"), units=("cm", ""))
    return task.fitted(targets, targets, "here", settings().data), outputs, targets


# Task


def test_scores_of_one_column_are_scikit_learns(fitted):
    _, outputs, targets = fitted
    targets = targets[:, :1]
    task = Numbers(names=("height",), units=("cm",)).fitted(targets, targets, "here", settings("data.tolerance=7").data)
    found = scores_of(task, outputs[:, :1], targets)
    predicted, true = task.predicted(outputs[:, :1]).double().numpy(), targets.double().numpy()
    errors = np.abs(predicted - true)
    expected = {
        "absolute_error": of_sklearn.mean_absolute_error(true, predicted),
        "squared_error": of_sklearn.mean_squared_error(true, predicted),
        "within": (errors <= 7).mean(),
        "rmse": of_sklearn.root_mean_squared_error(true, predicted),
        "r2": of_sklearn.r2_score(true, predicted),
        "median_absolute_error": of_sklearn.median_absolute_error(true, predicted),
        "error_q90": np.quantile(errors, 0.9),
        "bias": (predicted - true).mean(),
    }
    assert found == pytest.approx(expected, rel=1e-5)


def test_with_several_columns_the_first_metric_is_in_scaled_units_and_each_has_its_own(fitted):
    task, outputs, targets = fitted
    found = scores_of(task, outputs, targets)
    low, middle, high = np.quantile(targets.numpy(), [0.25, 0.5, 0.75], axis=0)
    assert task.location == pytest.approx(middle, rel=1e-6)
    assert task.scale == pytest.approx(high - low, rel=1e-6)
    errors = np.abs(outputs.numpy() * (high - low) + middle - targets.numpy())
    assert found["absolute_error.height"] == pytest.approx(errors[:, 0].mean(), rel=1e-5)
    assert found["absolute_error.weight"] == pytest.approx(errors[:, 1].mean(), rel=1e-5)
    assert found["absolute_error"] == pytest.approx((errors / (high - low)).mean(), rel=1e-5)
    assert [metric.unit.value for metric in task.metrics] == ["", "", "%", "cm", ""]
    true, predicted = targets.numpy(), task.predicted(outputs).numpy()
    assert found["r2"] == pytest.approx(of_sklearn.r2_score(true, predicted), rel=1e-4)


def test_a_task_comes_back_from_its_plain_values(fitted):
    task, _, _ = fitted
    assert task_from(json.loads(json.dumps(task.about())), "here") == task
    for change in (
        {"scale": "1"}, {"scale": [1.0]}, {"scale": []}, {"scale": [0.0, 1.0]}, {"location": [float("nan"), 0.0]},
        {"tolerance": [-1.0, 1.0]}, {"units": ["cm"]}, {"names": []}, {"names": ["a"] * 101},
    ):  # fmt: skip
        with pytest.raises(DataError, match="its task is damaged"):
            task_from({**task.about(), **change}, "here")


def test_a_constant_training_target_is_refused_also_without_a_scale():
    targets = torch.zeros(40, 1)
    data = settings("data.target_scale=none").data
    with pytest.raises(DataError, match="the same in every training row"):
        Numbers(names=("height",)).fitted(targets, targets, "here", data)


@pytest.mark.parametrize(("kind", "location", "scale"), [("none", 0, 1), ("standardize", 21.4, 39.8), ("robust", 2, 4)])
def test_scales(kind, location, scale):
    values = torch.tensor([[0.0], [0.0], [2.0], [4.0], [101.0]])
    found = scaling(values, kind)
    assert found == (pytest.approx((location,), rel=1e-3), pytest.approx((scale,), rel=1e-3))


def test_a_column_that_is_mostly_the_same_is_scaled_by_its_deviation():
    values = torch.zeros(100, 1)
    values[:3] = 10
    assert scaling(values, "robust")[1] == pytest.approx((values.numpy().std(),))


def test_a_tolerance_is_near_a_tenth_of_the_spread():
    assert [nice_tenth(spread) for spread in (45, 124, 3e6, 0.0021)] == [5, 10, 200_000, 0.0002]


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        (torch.zeros(30, 1), "height is 0 in every row"),
        (torch.arange(19.0)[:, None], "19 rows are too few"),
        (torch.arange(30)[:, None], "must be float32"),
        (torch.arange(30.0), "must be float32"),
        (torch.arange(60.0).view(30, 2), "must be float32"),
        (torch.cat([torch.arange(29.0), torch.tensor([float("inf")])])[:, None], "height of row 29 is inf"),
        (torch.cat([torch.tensor([float("nan")]), torch.arange(29.0)])[:, None], "height of row 0 is nan"),
    ],
)
def test_targets_that_cannot_be_used(targets, says):
    with pytest.raises(DataError, match=f"^here: .*{says}"):
        Numbers(names=("height",)).check(targets, "here")


def test_a_constant_prediction_is_noticed(fitted):
    task, outputs, targets = fitted
    assert task.collapse(outputs) is None
    same = torch.ones(200, 2)
    assert task.collapse(same) == "predicted as " + ", ".join(
        task.unit_of(k).text(value) for k, value in enumerate(task.predicted(same)[0].tolist())
    )
    assert task.missing(task.scaled(targets), targets) is None
    assert "not smaller than that of predicting" in task.missing(same, targets)


def test_residuals_are_exact_far_from_0():
    targets = 1e6 + torch.arange(40.0)[:, None]
    task = Numbers(names=("year",)).fitted(targets, targets, "here", settings().data)
    assert task.residuals(task.scaled(targets), targets).abs().max() == 0


# Data


def test_diabetes_is_scikit_learns():
    data = data_of("data.name=diabetes")
    theirs = load_diabetes(scaled=False)
    store, rows = data.train.store.numpy(), [split.rows.numpy() for split in data.splits().values()]
    assert np.array_equal(store, theirs.data.astype(np.float32))
    assert sorted(np.concatenate(rows)) == list(range(442))
    for split in data.splits().values():
        assert np.array_equal(split.targets[:, 0].numpy(), theirs.target[split.rows].astype(np.float32))
    prepared = data.preparation(data.train.store[data.train.rows]).numpy()
    assert np.abs(prepared.mean(0)).max() < 1e-5
    assert np.abs(prepared.std(0) - 1).max() < 1e-5


def test_rotated_digits_are_the_digits_turned_by_the_target():
    from scipy.ndimage import rotate

    data, plain = data_of("data.name=rotated-digits"), data_of()
    angles = torch.cat([split.targets[:, 0] for split in data.splits().values()]).numpy()
    assert -45 <= angles.min() < -44
    assert 44 < angles.max() <= 45
    assert abs(angles.mean()) < 1.5
    split = data.test
    for row, angle in zip(split.rows[:5].tolist(), split.targets[:5, 0].tolist(), strict=True):
        image = plain.train.store[row, 0].double().numpy()
        ours, theirs = data.train.store[row, 0].double().numpy(), rotate(image, angle, reshape=False, order=1)
        assert np.abs(ours - theirs).mean() < 6
        assert np.abs(ours - rotate(image, -angle, reshape=False, order=1)).mean() > 12
    again = data_of("data.name=rotated-digits", "seed=1")
    assert torch.equal(again.test.rows, split.rows)
    assert torch.equal(again.test.targets, split.targets)


def test_splits_have_the_same_share_of_every_tenth():
    data = data_of("data.name=rotated-digits")
    tenths = torch.cat([split.targets[:, 0] for split in data.splits().values()]).quantile(torch.linspace(0, 1, 11))
    for split in data.splits().values():
        counts = torch.histogram(split.targets[:, 0], tenths)[0]
        assert counts.max() - counts.min() <= max(4, 0.03 * len(split))


def test_one_hot_columns_stay_as_they_are():
    store = torch.tensor([[0.0, 5.0, 7.0], [1.0, 9.0, 7.0], [1.0, 1.0, 7.0]])
    split = Split(store, torch.arange(3), torch.zeros(3, 1), torch.arange(3))
    preparation = Preparation.standardizing(split)
    assert preparation.mean == (0.0, 5.0, 7.0)
    assert preparation.std == (1.0, pytest.approx(np.std([5, 9, 1])), 1.0)
    assert torch.equal(preparation(store)[:, 0], store[:, 0])


def test_features_far_from_0_are_standardized_exactly():
    store = (1e7 + torch.arange(100.0))[:, None]
    split = Split(store, torch.arange(100), torch.zeros(100, 1), torch.arange(100))
    preparation = Preparation.standardizing(split)
    assert preparation.mean[0] == pytest.approx(1e7 + 49.5, abs=1e-3)
    assert preparation.std[0] == pytest.approx(np.arange(100).std(), rel=1e-6)


@pytest.mark.parametrize("kind", ["shift", "scale", "swap"])
def test_outliers_are_nested_and_of_the_training_only(kind):
    targets = {name: torch.randn(number, 1) for name, number in (("train", 500), ("validation", 50), ("test", 60))}
    chosen = {}
    for share in (0.1, 0.2, 0.5):
        data = settings("data.name=diabetes", f"data.outliers={share}", f"data.outlier_kind={kind}").data
        given = with_outliers(targets, {}, ("a",), data, 0)
        assert given.keys() == {"train", "validation"}
        for name, wrong in given.items():
            spoiled = (wrong != targets[name])[:, 0]
            assert int(spoiled.sum()) == pytest.approx(share * len(wrong), abs=1)
            before = chosen.get(name, (torch.zeros_like(spoiled), wrong))
            assert not (before[0] & ~spoiled).any()
            assert torch.equal(wrong[before[0]], before[1][before[0]])
            chosen[name] = spoiled, wrong
    low, middle, high = np.quantile(targets["train"].numpy(), [0.25, 0.5, 0.75])
    spoiled, wrong = chosen["train"]
    true, wrong = targets["train"][spoiled].numpy(), wrong[spoiled].numpy()
    if kind == "shift":
        assert wrong == pytest.approx(true + 5 * (high - low), rel=1e-4)
    elif kind == "scale":
        assert wrong == pytest.approx(middle + 5 * (true - middle), rel=1e-3, abs=1e-4)
    else:
        assert np.isin(wrong, targets["train"].numpy()).all()


def test_outliers_of_a_manifest_are_those_of_the_run(angles, tudui, tmp_path):
    manifest, flags = f"{angles}/outliers.json", ("--data", "rotated-digits", "-e", "1", "-q", "--set", "log.sinks=[]")
    by_manifest = ("--set", f"data.outlier_manifest={manifest}")
    first, again = (
        data_of("data.name=rotated-digits", text) for text in ("data.outliers=0.1", f"data.outlier_manifest={manifest}")
    )
    for name in ("train", "validation", "test"):
        assert torch.equal(first.splits()[name].targets, again.splits()[name].targets)
    assert tudui("train", *flags, *by_manifest, "-o", "again").code == 0
    ours, theirs = (json.loads((tmp_path / run / "outliers.json").read_text()) for run in ("again", angles))
    assert ours["kind"] == "manifest"
    assert all(ours[key] == theirs[key] for key in ("index", "true", "given", "sha256"))
    assert record(tmp_path / "again")[0]["outliers"]["spoiled"] == record(tmp_path / angles)[0]["outliers"]["spoiled"]

    for change in ({"given": theirs["given"][1:]}, {"index": None}, {"format": 2}, {"targets": ["other"]}, {}):
        damaged = {**theirs, **change} if change else []
        Path("changed.json").write_text(json.dumps(damaged))
        answer = tudui("train", *flags, "--set", "data.outlier_manifest=changed.json", "-o", "no")
        assert (answer.code, "not a whole manifest of angle" in answer.err) == (3, True)
    tested = int(first.test.index[0])
    for change, says in (
        ({"index": [tested, *theirs["index"][1:]]}, f"row {tested} is not a training or validation row"),
        ({"true": [[0.5], *theirs["true"][1:]]}, f"row {theirs['index'][0]} has another target"),
    ):
        damaged = {**theirs, **change}
        Path("changed.json").write_text(json.dumps(damaged | {"sha256": outliers._digest(damaged)}))
        answer = tudui("train", *flags, "--set", "data.outlier_manifest=changed.json", "-o", "no")
        assert (answer.code, says in answer.err) == (3, True)
    both = tudui("train", *flags, *by_manifest, "--set", "data.outliers=0.1", "-o", "no")
    assert both.code == 2


def test_outliers_change_neither_test_nor_other_draws():
    clean, spoiled = data_of("data.name=diabetes"), data_of("data.name=diabetes", "data.outliers=0.2")
    assert torch.equal(clean.test.targets, spoiled.test.targets)
    assert torch.equal(clean.train.rows, spoiled.train.rows)
    assert torch.equal(spoiled.train.clean, clean.train.targets)
    other = data_of("data.name=diabetes", "data.outliers=0.2", "data.noise_seed=1")
    assert not torch.equal(other.train.targets, spoiled.train.targets)


# Runs


def test_a_run_on_a_table(tudui):
    answer = tudui("train", "--data", "diabetes", "--loss", "huber", "--lr", "0.1", "-e", "30", "-o", "run", "--json")
    assert answer.code == 0
    result = answer.json()
    assert result["task"]["names"] == ["progression"]
    assert result["images"] == {"train": 312, "validation": 40, "test": 90}
    assert 38 < result["test"]["absolute_error"] < 52
    assert result["best"].keys() == {"epoch", "validation_absolute_error", "test_absolute_error"}
    assert "delta = " in answer.err
    config = load_config(None, [parse_set("data.name=diabetes"), parse_set("optimizer.lr=1")]).config
    assert (config.loss.name, config.network.name) == ("huber", "mlp")
    (started, *_) = record(Path("run"))
    assert started["residuals"]["delta"] == f"{result['task']['scale'][0]:.1f}"


@pytest.fixture
def angles(tudui):
    """A run on rotated digits, of two epochs."""
    flags = ("--loss", "l1", "--lr", "0.02", "-e", "2", "--set", "data.outliers=0.1", "--set", "train.threads=1")
    assert tudui("train", "--data", "rotated-digits", *flags, "-o", "run", "-q").code == 0
    return "run"


def test_every_command_on_a_run_of_numbers(angles, tudui, tmp_path):
    result = json.loads((tmp_path / angles / "result.json").read_text())
    score = result["test"]["absolute_error"]
    assert result["train"]["clean"]["images"] + result["train"]["flipped"]["images"] == result["images"]["train"]
    assert result["train"]["flipped"]["absolute_error"] > 150
    assert result["train"]["flipped"]["true_absolute_error"] < 40
    assert tudui("evaluate", angles, "--json").json()["absolute_error"] == pytest.approx(score, rel=1e-5)
    shown = tudui("evaluate", angles).out
    assert f"absolute error {score:.2f} degrees" in shown
    (row,) = tudui("runs", ".", "--json").json()["runs"]
    assert (row["metric"], row["unit"], row["test"]) == ("absolute_error", "degrees", score)
    assert f"{score:.5g} degrees" in tudui("runs", ".").out

    assert tudui("predict", angles, "--split", "test", "--out", "test.csv").code == 0
    with Path("test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    errors = [abs(float(row["angle"]) - float(row["angle_true"])) for row in rows]
    assert np.mean(errors) == pytest.approx(score, rel=1e-4)
    assert {row["angle_unit"] for row in rows} == {"degrees"}
    first = tudui("predict", angles, "--split", "test", "--json").json()["predictions"][0]
    assert first["values"][0]["value"] == pytest.approx(float(rows[0]["angle"]), rel=1e-5)

    with np.load(f"{angles}/predictions.npz") as saved:
        assert saved["predicted"].shape == saved["label"].shape == (360, 1)
        assert np.abs(saved["predicted"] - saved["label"]).mean() == pytest.approx(score, rel=1e-5)
    listed = json.loads((tmp_path / angles / "outliers.json").read_text())
    assert len(listed["index"]) == round(0.1 * 1297) + round(0.1 * 140)
    spread = np.subtract(listed["given"], listed["true"])
    assert spread == pytest.approx(np.full_like(spread, spread[0]), rel=1e-4)


def test_tensorboard_shows_residuals_and_images(angles, tmp_path):
    from PIL import Image

    from tests.test_tensorboard import read

    found = read(tmp_path / angles)
    result = json.loads((tmp_path / angles / "result.json").read_text())
    assert found.Scalars("absolute_error/test")[-1].value == pytest.approx(result["test"]["absolute_error"], rel=1e-5)
    histogram = found.Histograms("residuals_angle/test")[-1].histogram_value
    assert histogram.num == 360
    with np.load(f"{angles}/predictions.npz") as saved:
        residuals = saved["predicted"] - saved["label"]
    assert (histogram.min, histogram.max) == pytest.approx((residuals.min(), residuals.max()), rel=1e-4)
    for tag in ("predicted_over_true_angle/test", "predictions/validation", "worst/test"):
        (*_, last) = found.Images(tag)
        image = Image.open(BytesIO(last.encoded_image_string))
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 10, tag
    event = next(one for one in record(tmp_path / angles) if one["event"] == "Evaluated" and one["split"] == "test")
    assert event["details"]["worst"]["position"] == np.abs(residuals[:, 0]).argsort(kind="stable")[::-1][:16].tolist()


def test_an_exported_file_gives_values_in_the_unit(angles, tudui):
    onnxruntime = pytest.importorskip("onnxruntime")
    for format in ("safetensors", "onnx"):
        assert tudui("export", angles, "--out", f"model.{format}").code == 0
    data = data_of("data.name=rotated-digits")
    images = data.test.images[:7]
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    (values,) = session.run(["values"], {"images": images.numpy()})
    expected = [row["values"][0]["value"] for row in tudui("predict", angles, "--split", "test", "--json").json()[
        "predictions"][:7]]  # fmt: skip
    assert values[:, 0] == pytest.approx(expected, rel=1e-3, abs=1e-3)
    _, about = read_safetensors(Path("model.safetensors"))
    assert about.task["units"] == ["degrees"]
    again = tudui("evaluate", "model.safetensors", "--data", "rotated-digits", "--json").json()
    score = tudui("evaluate", angles, "--json").json()["absolute_error"]
    assert again["absolute_error"] == pytest.approx(score, rel=1e-4)
    text = Path("model.safetensors.md").read_text(encoding="utf-8")
    assert f"test samples: {score:.2f} degrees" in text
    assert "**outliers on purpose**" in text
    refused = tudui("evaluate", "model.safetensors", "--data", "digits")
    assert (refused.code, "predicts numbers" in refused.err) == (5, True)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(TABLE, id="table"),
        pytest.param(("data.name=rotated-digits", "data.outliers=0.2", "loss=huber", "optimizer.lr=0.02"), id="images"),
    ],
)
def test_a_run_that_was_cut_is_resumed_exactly(more, tmp_path):
    config = quick_config(*more, "train.batch_size=128", "log.every=1", "checkpoint.every=2")
    train(config, tmp_path / "uncut")
    for number in (1, 3):
        run = tmp_path / f"cut{number}"
        with pytest.raises(Interrupted):
            train(config, run, sinks=[cut_at(number)])
        train(config, run, resume=True)
        ours, theirs = record(run), record(tmp_path / "uncut")
        theirs[0]["name"] = ours[0]["name"]
        assert ours == theirs
        for name in ("last.pt", "best.pt"):
            cut, whole = weights(run, name), weights(tmp_path / "uncut", name)
            assert cut.task == whole.task
            assert cut.task.scale
            for key, tensor in whole.state["model"].items():
                assert torch.equal(cut.state["model"][key], tensor)
        with np.load(run / "predictions.npz") as cut_file, np.load(tmp_path / "uncut" / "predictions.npz") as file:
            assert all(np.array_equal(cut_file[key], file[key]) for key in file)


def test_early_stopping_and_the_best_weights_go_by_the_smallest_error(tmp_path):
    config = quick_config(*TABLE, "optimizer.lr=0.3", "train.epochs=60", "train.early_stopping=3")
    result = train(config, tmp_path / "run").values
    scores = {
        event["epoch"]: event["scores"]["absolute_error"]
        for event in record(tmp_path / "run")
        if event["event"] == "Evaluated" and event["split"] == "validation" and event["weights"] == "last"
    }
    best = min(scores, key=scores.get)
    assert result["best"]["epoch"] == best
    assert result["best"]["validation_absolute_error"] == scores[best]
    assert result["epochs"] == best + 3 < 60


def test_a_collapse_and_a_divergence_are_said(tudui):
    flags = ("--data", "diabetes", "--loss", "mse", "-e", "8", "--set", "log.sinks=[]")
    answer = tudui("train", *flags, "--lr", "0.1", "--set", "optimizer.weight_decay=5")
    assert re.search(r"every validation row is predicted as 1\d\d\.\d ", answer.out)
    assert "on the 90 test rows, the error is not smaller than that of predicting 136.0" in answer.out
    answer = tudui("train", *flags, "--lr", "1e6", "--set", "train.clip=null")
    assert answer.code == 4


ALL = (
    "data.name=diabetes", "network=linear", "data.validation=0", "optimizer.weight_decay=0", "train.clip=null",
    "train.epochs=600", "train.batch_size=352", "log.every=1000", "log.sinks=[]", "checkpoint.every=100000",
    "checkpoint.best=false", "optimizer.lr=0.1", "train.threads=1", "device=cpu", "log.details_every=1000000",
)  # fmt: skip


@pytest.mark.parametrize("loss", ["mse", "l1", "huber"])
def test_a_linear_network_agrees_with_scikit_learn_and_scipy(loss, tmp_path, tudui):
    train(settings(*ALL, f"loss={loss}"), tmp_path / "run")
    data = data_of("data.name=diabetes", "data.validation=0")
    features = data.preparation(data.train.store[data.train.rows]).double().numpy()
    true = data.train.targets[:, 0].double().numpy()
    found = tudui("predict", "run", "--split", "train", "--json").json()["predictions"]
    predicted = np.array([row["values"][0]["value"] for row in found])

    def error(residual):
        size = np.abs(residual) / data.task.scale[0]
        huber = np.where(size <= 1, size**2 / 2, size - 0.5)
        return {"mse": size**2, "l1": size, "huber": huber}[loss].mean()

    if loss == "huber":
        whole = np.c_[features, np.ones(len(true))]
        start = np.r_[np.zeros(10), true.mean()]
        expected = whole @ minimize(lambda weight: error(whole @ weight - true), start, method="BFGS").x
    elif loss == "mse":
        expected = LinearRegression().fit(features, true).predict(features)
    else:
        expected = QuantileRegressor(alpha=0, solver="highs").fit(features, true).predict(features)
    assert error(predicted - true) == pytest.approx(error(expected - true), rel=1e-3)
    assert np.abs(predicted - expected).max() < 2  # of targets from 25 to 346


# Bad input


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (("--loss", "ce", "--data", "diabetes"), 2, "these fit: cauchy, huber, l1, log_cosh, mse, quantile, smooth_l1"),
        (("--loss", "cauchy", "--data", "digits"), 2, "cauchy is a loss for numbers"),
        (("--data", "diabetes", "--set", "data.label_noise=0.2"), 2, "data.outliers"),
        (("--data", "digits", "--set", "data.outliers=0.2"), 2, "data.label_noise"),
        (("--data", "diabetes", "--network", "tudui"), 2, "this data set is a table"),
        (("--data", "diabetes", "--network", "resnet20"), 2, "mlp or linear"),
        (("--data", "diabetes", "--size", "64"), 2, "data.size"),
        (("--data", "diabetes", "--set", "data.augment.flip=true"), 2, "data.augment"),
        (("--data", "diabetes", "--set", "loss.form=plain"), 2, "loss.form"),
        (("--data", "diabetes", "--set", "loss.input=probabilities"), 2, "loss.input"),
        (("--data", "diabetes", "--set", "data.outliers=1"), 3, "every training target is an outlier"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(flags, code, says, tudui):
    answer = tudui("train", *flags, "--lr", "0.1")
    assert answer.code == code
    errors = [line for line in answer.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert says in errors[0]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--data", "diabetes", "--label-noise", "0.2"), "use outliers"),
        (("--outliers", "0.2"), "use label_noise"),
        (("--data", "diabetes", "--losses", "mse,ce"), "ce is a loss for classes"),
        (("--data", "diabetes", "--outliers", "0.1", "--label-noise", "0.1"), "set one"),
        (("--data", "diabetes", "--set", "data.outliers=0.1"), "use --outliers 0.1"),
        (("--data", "diabetes", "--metric", "rmse"), "metrics: absolute_error, squared_error, within"),
    ],
)
def test_a_comparison_that_does_not_fit_is_refused(flags, says, tudui):
    answer = tudui("compare-losses", *flags, "-e", "1", "-o", "out")
    assert answer.code == 2
    assert says in answer.err


def test_damaged_details_of_a_record_are_refused(fitted):
    task, outputs, targets = fitted
    whole = json.loads(json.dumps(task.details(outputs, targets)))
    task.check_details(whole, "here")
    for change in (
        {"residuals": {}},
        {"worst": {"position": [-1], "predicted": []}},
        {"predicted_over_true": {**whole["predicted_over_true"], "height": {"range": [0, 1], "cells": [[1, 2]]}}},
    ):
        with pytest.raises(DataError, match="damaged"):
            task.check_details({**whole, **change}, "here")


def test_spoiling_classes_with_outliers_raises():
    with pytest.raises(UsageError, match=r"data\.label_noise"):
        data_of("data.outliers=0.1")


# Comparison


def test_a_comparison_with_outliers(tudui, tmp_path):
    flags = ("--data", "diabetes", "--lr", "same", "--set", "optimizer.lr=0.1", "--seeds", "3", "-e", "5")
    answer = tudui("compare-losses", *flags, "--outliers", "0,0.2", "--set", "log.sinks=[]", "-o", "out", "--json")
    assert answer.code == 0, answer.err
    found = answer.json()
    assert found["metric"] == "absolute_error"
    assert [(row["variant"], row["outliers"]) for row in found["rows"]] == [
        (loss, share) for share in (0.0, 0.2) for loss in ("mse", "l1", "huber")
    ]
    assert {(pair["variant"], pair["baseline"], pair["outliers"]) for pair in found["pairs"]} == {
        (loss, "mse", share) for share in (0.0, 0.2) for loss in ("l1", "huber")
    }
    assert "label_noise" not in found["rows"][0].keys() | found["pairs"][0].keys()
    verdicts = {(pair["variant"], pair["outliers"]): pair["verdict"] for pair in found["pairs"]}
    assert verdicts["l1", 0.2] == "better"
    row = found["rows"][0]
    results = [json.loads((tmp_path / f"out/runs/mse-seed{seed}/result.json").read_text()) for seed in range(3)]
    assert row["metrics"]["absolute_error"]["values"] == pytest.approx(
        [result["test"]["absolute_error"] for result in results], rel=1e-6
    )
    assert row["figures"]["rmse"]["mean"] == pytest.approx(np.mean([one["test"]["rmse"] for one in results]))
    assert row["metrics"]["absolute_error"]["interval"][0] < row["metrics"]["absolute_error"]["mean"]
    spoiled = json.loads((tmp_path / "out/runs/mse-outliers20-seed0/outliers.json").read_text())
    assert spoiled["share"] == 0.2

    other = tudui("report", "out", "--metric", "squared_error", "--json").json()
    assert other["pairs"][0]["metric"] == "squared_error"
    with Path("out/comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["outliers"] for row in rows] == ["0.0"] * 3 + ["0.2"] * 3
    assert float(rows[0]["absolute_error_mean"]) == row["metrics"]["absolute_error"]["mean"]
    text = (tmp_path / "out/report.md").read_text()
    assert "20 % outliers" in text
    assert "label" not in text.partition("Settings of every run")[0]


def test_the_same_loss_twice_is_identical(tudui):
    variants = "{one: {name: l1}, two: {name: l1}}"
    flags = ("--set", f"comparison.variants={variants}", "--set", "comparison.baseline=one", "--lr", "same")
    answer = tudui(
        "compare-losses", "--data", "diabetes", *flags, "--set", "optimizer.lr=0.1", "--seeds", "2", "-e", "2",
        "--set", "log.sinks=[]", "-o", "out", "--json",
    )  # fmt: skip
    assert [pair["verdict"] for pair in answer.json()["pairs"]] == ["identical"]


def test_pairs_of_real_numbers_are_not_rounded():
    """Differences far below 1 have a variance, and the interval that a paired t test gives if only seeds vary."""
    from scipy import stats

    from tudui.comparison.statistics import mean_squares, pair

    metric = Numbers(names=("angle",)).metrics[0]
    rng = np.random.default_rng(0)
    baseline = (0.1 * rng.random((5, 200))).astype(np.float32)
    variant = baseline + 0.001 * rng.random((5, 1)).astype(np.float32)
    found = pair(baseline, variant, metric)
    differences = (variant.astype(float) - baseline.astype(float)).mean(1)
    assert found.difference == pytest.approx(differences.mean(), rel=1e-6)
    low, high = stats.t.interval(0.95, 4, differences.mean(), stats.sem(differences))
    assert found.interval_seeds_only == pytest.approx((low, high), rel=1e-6)
    assert all(square > 0 for square in mean_squares(variant))


def test_a_run_whose_manifest_is_missing_still_resumes(tmp_path):
    config = quick_config(*TABLE, "data.outliers=0.1")
    with pytest.raises(Interrupted):
        train(config, tmp_path / "run", sinks=[cut_at(1)])
    shutil.rmtree(tmp_path / "run" / "tensorboard", ignore_errors=True)
    (tmp_path / "run" / "outliers.json").unlink()
    assert train(config, tmp_path / "run", resume=True).status == "finished"


TWO_COLUMNS = """
import torch
from tudui.data import Source
from tudui.tasks import Numbers

def read(config):
    generator = torch.Generator().manual_seed(0)
    store = torch.randn(400, 3, generator=generator)
    targets = store @ torch.tensor([[100.0, 0.1], [0.0, 0.3], [50.0, 0.0]]) + torch.tensor([1000.0, -2.0])
    task = Numbers(names=("price / $", "=weight"), units=("$", "kg"))
    return Source(store, targets, task, {"train": torch.arange(400)}, features=("a", "b", "c"))
"""


@pytest.fixture
def two_columns(tmp_path, monkeypatch):
    """A data set of another package: a table with two linear targets of very different sizes."""
    (tmp_path / "two_columns.py").write_text(TWO_COLUMNS)
    put_package(tmp_path, "[tudui.data_sets]\npair = two_columns:read [numbers,table]\n")
    monkeypatch.syspath_prepend(tmp_path)
    data_sets.cache_clear()
    yield "pair"
    data_sets.cache_clear()
    sys.modules.pop("two_columns", None)


def test_a_data_set_of_another_package_with_two_targets(two_columns, tudui, tmp_path):
    flags = ("--network", "linear", "-e", "40", "--lr", "0.1", "--set", "train.early_stopping=20")
    answer = tudui("train", "--data", two_columns, *flags, "-o", "run", "--json")
    assert answer.code == 0, answer.err
    test = answer.json()["test"]
    assert test["absolute_error.price-"] < 5
    assert test["absolute_error.=weight"] < 0.01
    assert test["r2"] > 0.999
    assert test["absolute_error"] < 0.02
    config = (tmp_path / "run" / "config.yaml").read_text()
    assert "name: huber" in config

    assert tudui("predict", "run", "--split", "test", "--out", "out.csv").code == 0
    with Path("out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0])
    assert names[:4] == ["path", "price / $", "price / $_unit", "price / $_true"]
    assert names[4].startswith("'")  # no formula in a spreadsheet
    errors = [abs(float(row[names[1]]) - float(row[names[3]])) for row in rows]
    assert np.mean(errors) == pytest.approx(test["absolute_error.price-"], rel=1e-3)
    assert tudui("export", "run", "--out", "run.safetensors").code == 0
    assert "1,000" not in tudui("evaluate", "run").out
    checked = tudui("data", "check", two_columns, "--json").json()
    assert checked["targets"]["train"].keys() == {"price / $", "=weight"}

    compared = tudui(
        "compare-losses", "--data", two_columns, "--network", "linear", "--seeds", "2", "-e", "2", "--metric",
        "absolute_error.=weight", "--set", "log.sinks=[]", "-o", "out", "--json",
    ).json()  # fmt: skip
    assert compared["metric"] == "absolute_error.=weight"
    assert (tmp_path / "out" / "report.html").exists()


def damaged(value, rng):
    """Return plain values with one of them replaced, removed or added, at a random place."""
    odd = [None, -1, 0, 1e308, float("nan"), "", "a", [], {}, [[1]], True, 2**70]
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        return {**value, key: damaged(value[key], rng)} if rng.random() < 0.9 else {"more": 1, **value}
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        return [*value[:place], *([damaged(value[place], rng)] if rng.random() < 0.8 else []), *value[place + 1 :]]
    return rng.choice(odd)


def test_damaged_values_give_a_result_or_a_named_error(fitted):
    task, outputs, targets = fitted
    details, about, rng = task.details(outputs, targets), task.about(), random.Random(0)
    for _ in range(2000):
        with suppress(DataError):
            task.check_details({**details, "residuals": damaged(details["residuals"], rng)}, "here")
            task.check_details({**details, "worst": damaged(details["worst"], rng)}, "here")
        with suppress(DataError):
            key = rng.choice(list(about))
            found = task_from({**about, key: damaged(about[key], rng)}, "here")
            scores = scores_of(found, outputs[:, : found.outputs], targets[:, : found.outputs])
            [metric.unit.text(scores[metric.name]) for metric in found.metrics]


def test_runs_in_lockstep_are_those_of_single_runs(tudui, tmp_path):
    flags = ("--data", "diabetes", "--seeds", "2", "-e", "2", "--set", "log.sinks=[]")
    for executor in ("stacked", "local"):
        assert tudui("compare-losses", *flags, "--executor", executor, "-o", executor, "--jobs", "2").code == 0
    stacked, local = (
        json.loads((tmp_path / executor / "comparison.json").read_text()) for executor in ("stacked", "local")
    )
    for one, other in zip(stacked["rows"], local["rows"], strict=True):
        assert one["metrics"] == other["metrics"]


@pytest.mark.slow
def test_several_processes_train_the_same_network(tmp_path, tudui):
    flags = ["train", "--data", "diabetes", "--loss", "l1", "-e", "4", "--device", "cpu", "--set", "data.outliers=0.1"]
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--module", "tudui"]
    done = subprocess.run([*start, *flags, "-o", "two"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert tudui(*flags, "-o", "one").code == 0
    one, two = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("one", "two"))
    assert two["hardware"]["processes"] == 2
    assert two["test"] == pytest.approx(one["test"], rel=1e-4)


@pytest.mark.slow
def test_outliers_hurt_mse_most_huber_less_and_l1_hardly(tmp_path):
    errors = {}
    for loss in ("mse", "huber", "l1"):
        config = settings("data.name=rotated-digits", f"loss={loss}", "data.outliers=0.2", "log.sinks=[]")
        errors[loss] = train(config, tmp_path / loss).values["test"]["absolute_error"]
    assert errors["l1"] < 6
    assert errors["l1"] < errors["huber"] / 2
    assert errors["huber"] < errors["mse"] / 2


OWN = """
import numpy as np

def data():
    images = np.random.default_rng(0).random((100, 8, 8))
    return images, images.mean((1, 2))
"""


def test_data_of_the_user_with_fractions_as_labels(tudui):
    Path("mine.py").write_text(OWN)
    flags = ("--data", "mine.py:data", "--network", "linear", "--lr", "0.01", "-e", "2", "-b", "16")
    answer = tudui("train", *flags, "--loss", "log_cosh", "-o", "run", "--json")
    assert answer.code == 0, answer.err
    assert answer.json()["task"]["kind"] == "numbers"
    assert answer.json()["test"]["absolute_error"] < 0.2
    refused = tudui("train", *flags, "-o", "no")
    assert (refused.code, "ce is a loss for classes, and the targets are numbers" in refused.err) == (2, True)


def test_samples_of_a_table_are_called_rows(tudui):
    answer = tudui("train", "--data", "diabetes", "-o", "run", "-e", "1", "--set", "log.sinks=[]")
    shown = answer.out + answer.err
    assert re.search(r"^rows: \d+ train", shown, re.MULTILINE)
    assert len(re.findall(r"[\d,]+ rows/s$", shown, re.MULTILINE)) == 2  # of the epoch, and of the run
    commands = [("evaluate", "run"), ("network", "show", "mlp", "--data", "diabetes")]
    assert not [text for text in (shown, *(tudui(*command).out for command in commands)) if "image" in text]
