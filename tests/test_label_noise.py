"""Wrong labels on purpose: how many, which, nested, never in test, and a manifest that brings them back."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import quick_config
from tudui.config import load_config, parse_set
from tudui.config.plan import load_plan
from tudui.config.schema import DataConfig
from tudui.data import load_data
from tudui.errors import DataError
from tudui.inference.scores import evaluate_weights
from tudui.record import read_record
from tudui.report.drawing import png
from tudui.run import train
from tudui.tasks.label_noise import flipped

CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def noisy(rate: float, *, seed: int = 0, **settings):
    return load_data(DataConfig(label_noise=rate, **settings), seed)


def wrong(split) -> set[int]:
    return set(split.index[split.targets != split.clean].tolist())


def test_the_rate_is_the_share_of_wrong_labels_in_training_and_validation():
    data = noisy(0.4)
    clean = load_data(DataConfig(), 0)
    for name in ("train", "validation"):
        split, before = data.splits()[name], clean.splits()[name]
        assert torch.equal(split.clean, before.targets)
        assert torch.equal(split.rows, before.rows)  # the same images are held out whatever the labels are
        assert len(wrong(split)) == round(0.4 * len(split))
    assert data.test.clean is None
    assert torch.equal(data.test.targets, clean.test.targets)


def test_each_rate_has_the_nearest_number_of_wrong_labels_and_those_of_every_lower_rate():
    """For each of 1,000 rates, with classes of unequal sizes, some of which stay right."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(10, (317,), generator=generator).clamp(max=7)
    shares = torch.rand(10, 10, generator=generator, dtype=torch.float64)
    shares /= shares.sum(1, keepdim=True)
    shares -= shares.diag().diag()
    shares[3] = 0
    before = labels
    for rate in (step / 1000 for step in range(1001)):
        noisy = flipped(labels, shares, rate=rate, seed=2)
        was_wrong = before != labels
        assert torch.equal(noisy[was_wrong], before[was_wrong])
        expected = rate * shares.sum(1)[labels]
        assert abs(int((noisy != labels).sum()) - float(expected.sum())) <= 0.5 + 1e-9
        for label in range(8):
            members = labels == label
            assert abs(int((noisy != labels)[members].sum()) - float(expected[members].sum())) < 1.5
        before = noisy
    assert 0 < int((before != labels).sum()) < len(labels)


@pytest.mark.parametrize("noise", ["data.label_noise=0.4", "data.noise_manifest=any.json"])
def test_a_recipe_rate_with_wrong_labels_is_noted(noise):
    (note,) = load_config(None, [parse_set(noise)]).notes
    assert "--lr 0.02" in note
    assert not load_config(None, [parse_set(noise), parse_set("optimizer.lr=0.1")]).notes
    assert not load_config(None, [parse_set("data.label_noise=0")]).notes


def test_a_comparison_by_recipe_rates_with_wrong_labels_is_noted():
    noise, tuned = parse_set("comparison.label_noise=[0, 0.4]"), parse_set("comparison.lr=tuned")
    assert len(load_plan(None, [noise]).notes) == 1
    assert not load_plan(None, [noise, tuned]).notes
    assert not load_plan(None, []).notes


def test_seeds_give_different_noise_and_the_same_seed_the_same():
    assert torch.equal(noisy(0.3).train.targets, noisy(0.3).train.targets)
    assert wrong(noisy(0.3).train) != wrong(noisy(0.3, seed=1).train)


def test_symmetric_noise_spreads_evenly_over_the_other_classes():
    labels = torch.zeros(90_000, dtype=torch.int64)
    shares = (torch.ones(10, 10, dtype=torch.float64) - torch.eye(10)) / 9
    counts = torch.bincount(flipped(labels, shares, rate=1.0, seed=1), minlength=10)
    assert counts[0] == 0
    # nine counts of 10,000 expected: a chi-squared with 8 degrees of freedom passes 26.1 once in a thousand
    assert float(((counts[1:] - 10_000) ** 2 / 10_000).sum()) < 26.1


def test_the_usual_pairs_of_digits():
    split = noisy(0.4, noise_kind="asymmetric").train
    pairs = {2: 7, 3: 8, 5: 6, 6: 5, 7: 1}
    changed = split.targets != split.clean
    for label in range(10):
        members = split.clean == label
        given = set(split.targets[members & changed].tolist())
        assert given == ({pairs[label]} if label in pairs else set())
        expected = 0.4 * int(members.sum()) if label in pairs else 0
        assert int((members & changed).sum()) == pytest.approx(expected, abs=1)


def test_the_usual_pairs_of_cifar10():
    from tudui.tasks.label_noise import _wrong_shares

    shares = _wrong_shares(DataConfig(label_noise=0.4, noise_kind="asymmetric"), CIFAR)
    pairs = {(CIFAR[row], CIFAR[column]) for row, column in shares.nonzero().tolist()}
    assert pairs == {
        ("truck", "automobile"), ("bird", "airplane"), ("deer", "horse"), ("cat", "dog"), ("dog", "cat"),
    }  # fmt: skip


def test_a_confusion_matrix_from_a_file(tmp_path):
    matrix = np.eye(10)
    matrix[3] = [0, 0, 0, 0.5, 0, 0.125, 0, 0, 0.375, 0]
    np.savetxt(tmp_path / "matrix.csv", matrix, delimiter=",")
    split = noisy(1.0, noise_kind="asymmetric", noise_matrix="matrix.csv").train
    threes = split.clean == 3
    share = torch.bincount(split.targets[threes], minlength=10) / int(threes.sum())
    assert share[3] == pytest.approx(0.5, abs=0.01)
    assert set(split.targets[threes].tolist()) == {3, 5, 8}
    assert share[8] > share[5]
    assert torch.equal(split.targets[~threes], split.clean[~threes])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,0\n0,1\n", "must be 10 rows of 10 numbers"),
        ("\n".join(["0.5" + ",0" * 9] * 10), r"row 1 must be shares that sum to 1 \(sum 0.5\)"),
        ("\n".join(["-1,2" + ",0" * 8] * 10), "row 1 must be shares"),
        ("a,b\n", "must be numbers separated by commas"),
        ("\n".join(["nan" + ",0" * 9] * 10), "row 1 must be shares"),
    ],
)
def test_bad_matrices_are_refused(text, says, tmp_path):
    Path("matrix.csv").write_text(text)
    with pytest.raises(DataError, match=says):
        noisy(0.5, noise_kind="asymmetric", noise_matrix="matrix.csv")
    with pytest.raises(DataError, match="cannot be read"):
        noisy(0.5, noise_kind="asymmetric", noise_matrix="missing.csv")


def test_asymmetric_noise_of_unknown_classes_asks_for_a_matrix(class_folders):
    with pytest.raises(DataError, match=r"no pairs.*even, odd.*data\.noise_matrix"):
        noisy(0.2, name=f"folder:{class_folders}", noise_kind="asymmetric")


def test_the_manifest_brings_the_same_labels_back(tmp_path, tudui):
    """A run with noise leaves a manifest; another run that loads it learns from the same labels."""
    train(quick_config("data.label_noise=0.3", "log.sinks=[]", "train.epochs=1"), tmp_path / "first")
    listed = json.loads(Path("first/label_noise.json").read_text())
    data = noisy(0.3)
    assert set(listed["index"]) == wrong(data.train) | wrong(data.validation)
    assert all(true != given for true, given in zip(listed["true"], listed["given"], strict=True))
    again = load_data(DataConfig(noise_manifest="first/label_noise.json"), 0)
    assert torch.equal(again.train.targets, data.train.targets)
    assert torch.equal(again.validation.targets, data.validation.targets)
    answer = tudui(
        "train", "-e", 1, "-q", "-o", "second", "--set", "data.noise_manifest=first/label_noise.json",
        "--set", "train.threads=1", "--set", "log.every=5", "--set", "log.sinks=[]",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    first, second = (json.loads(Path(name, "result.json").read_text()) for name in ("first", "second"))
    assert first["test"] == second["test"]
    assert json.loads(Path("second/label_noise.json").read_text())["sha256"] == listed["sha256"]


def test_bad_manifests_are_refused(tmp_path):
    train(quick_config("data.label_noise=0.3", "log.sinks=[]", "train.epochs=1"), tmp_path / "run")
    good = json.loads(Path("run/label_noise.json").read_text())
    some = dict(good, index=good["index"][1:], true=good["true"][1:], given=good["given"][1:])
    bad = {
        "its sha256 does not match": some,
        "not a manifest of format 1": dict(good, format=2),
        "must be lists of integers": dict(good, index=[1.5]),
        "not JSON": "{",
    }
    for says, values in bad.items():
        Path("bad.json").write_text(values if isinstance(values, str) else json.dumps(values))
        with pytest.raises(DataError, match=says):
            load_data(DataConfig(noise_manifest="bad.json"), 0)
    with pytest.raises(DataError, match="cannot be read"):
        load_data(DataConfig(noise_manifest="missing.json"), 0)


def test_a_manifest_of_other_data_is_refused(tmp_path, class_folders):
    train(quick_config("data.label_noise=0.3", "log.sinks=[]", "train.epochs=1"), tmp_path / "run")
    with pytest.raises(DataError, match="made for the classes 0, 1, 2"):
        load_data(DataConfig(name=f"folder:{class_folders}", noise_manifest="run/label_noise.json"), 0)


@pytest.mark.slow
def test_what_was_learned_of_right_and_of_wrong_labels_is_reported_apart(tmp_path):
    config = quick_config("data.label_noise=0.3", "train.epochs=4")
    learned = train(config, tmp_path / "run").values["train"]
    split = noisy(0.3).train
    assert learned["flipped"]["images"] == len(wrong(split))
    assert learned["clean"]["images"] == len(split) - len(wrong(split))
    # after 4 epochs the network has learned the digits and not yet the wrong labels by heart
    assert learned["clean"]["accuracy"] > 0.8 > 0.3 > learned["flipped"]["accuracy"]
    assert learned["flipped"]["true_accuracy"] > 0.7
    assert train(quick_config("train.epochs=1"), tmp_path / "clean").values["train"] is None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["data.label_noise=1.5"], "data.label_noise: should be less than or equal to 1"),
        (["data.noise_matrix=m.csv"], "a matrix needs data.noise_kind=asymmetric"),
        (["data.noise_manifest=m.json", "data.label_noise=0.1"], "set only one of them"),
        (["data.noise_kind=symetric"], "did you mean 'symmetric'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, says, tudui):
    answer = tudui("config", "show", *[word for text in settings for word in ("--set", text)])
    assert answer.code == 2
    assert says in answer.err


def test_the_data_of_the_training_is_scored_with_its_wrong_labels_also_if_it_is_named(tmp_path):
    train(quick_config("data.label_noise=0.3", "log.sinks=[]", "train.epochs=1"), tmp_path / "run")
    clean = load_data(DataConfig(), 0).train.targets.bincount().tolist()
    found = evaluate_weights(tmp_path / "run", data="digits", split="train").evaluated
    assert [sum(row) for row in found.details["confusion"]] != clean
    own = evaluate_weights(tmp_path / "run", split="train").evaluated
    assert own.details == found.details


def write_matrix(path: Path = Path("matrix.csv")) -> np.ndarray:
    """Write a matrix by which 40 % of the labels of each digit become the next one."""
    matrix = 0.6 * np.eye(10) + 0.4 * np.roll(np.eye(10), 1, axis=1)
    np.savetxt(path, matrix, fmt="%g", delimiter=",")
    return matrix


@pytest.mark.parametrize(
    ("settings", "kind", "shares", "pair"),
    [
        (("data.noise_kind=asymmetric", "data.noise_matrix=matrix.csv", "data.label_noise=1"), "matrix", 0.4, (3, 4)),
        (("data.noise_kind=asymmetric", "data.noise_matrix=matrix.csv", "data.label_noise=0.5"), "matrix", 0.2, (3, 4)),
        (("data.noise_kind=asymmetric", "data.label_noise=0.4"), "asymmetric", 0.2, (3, 8)),
        (("data.label_noise=0.4",), "symmetric", 0.4, None),
    ],
)
def test_the_wrong_labels_are_counted_in_the_record(settings, kind, shares, pair, tmp_path, tudui):
    matrix = write_matrix()
    flags = [word for text in settings for word in ("--set", text)]
    rehearsed = tudui("train", "-e", 1, "--dry-run", "--json", *flags).json()
    assert rehearsed["wrong_labels"].startswith(f"{kind}, level ")
    share = re.search(r"([\d.]+) % of 1,295 train", rehearsed["wrong_labels"])
    assert float(share[1]) == pytest.approx(100 * shares, abs=1)
    config = quick_config(*settings, "log.tensorboard=false", "train.epochs=1")
    train(config, tmp_path / "run")
    (started, *_) = read_record(tmp_path / "run" / "metrics.jsonl")
    found, data = started.wrong_labels, load_data(config.data, 0)
    assert found.kind == kind
    for name in ("train", "validation"):
        split = data.splits()[name]
        assert (found.images[name], found.wrong[name]) == (len(split), len(wrong(split)))
        assert found.share(name) == pytest.approx(shares, abs=0.03)
    assert sum(count for _, _, count in found.cells) == sum(found.images.values())
    assert sum(count for true, given, count in found.cells if true != given) == sum(found.wrong.values())
    if pair:
        assert any((true, given) == pair for true, given, _ in found.cells)
    if kind == "matrix":
        assert np.array(found.matrix) == pytest.approx(matrix)
        assert found.sha256 == hashlib.sha256(Path("matrix.csv").read_bytes()).hexdigest()
    assert tudui("export", "run", "-o", "model.safetensors").code == 0
    assert f"{kind}, level " in Path("model.safetensors.md").read_text()


@pytest.mark.slow
def test_a_report_shows_the_share_that_is_wrong_and_not_the_level(tmp_path, tudui, monkeypatch):
    write_matrix()
    ticks = []

    def watched(figure):
        ticks.extend(axes.get_xticks().tolist() for axes in figure.axes if "made wrong" in axes.get_xlabel())
        return png(figure)

    monkeypatch.setattr("tudui.report.pictures.png", watched)
    answer = tudui(
        "compare-losses", "--losses", "ce,mse", "--seeds", 1, "--label-noise", "0,1", "-e", 1, "-o", "found",
        "--set", "data.noise_kind=asymmetric", "--set", "data.noise_matrix=matrix.csv", "--set", "device=cpu",
        "--executor", "stacked",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    values = json.loads(Path("found/comparison.json").read_text())
    (labels,) = values["wrong_labels"]["labels-noise100"]
    assert labels["wrong"]["train"] / labels["images"]["train"] == pytest.approx(0.4, abs=0.01)
    assert labels["kind"] == "matrix"
    report = Path("found/report.md").read_text()
    for text in (answer.out, report):
        assert "100 %" not in text
        share = re.search(r"([\d.]+) % of labels wrong \(matrix 1\)", text)
        assert float(share[1]) == pytest.approx(40, abs=1)
    assert re.search(r"3 → 4 (39|4[01])", report)
    assert labels["sha256"] in report
    assert "0,0,0,0.6,0.4" in report
    assert list(Path("found").rglob("labels-noise100.png"))
    assert ticks == [[0, pytest.approx(40, abs=1)]]
