"""`tudui loss list` and `tudui loss value`: the tutorial's numbers, scikit-learn's, closed forms, and bad input."""

import json
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error

from tudui.lab.choice import choose_loss
from tudui.lab.values import value_of
from tudui.losses import loss_specs

RANDOM = np.random.default_rng(0)
RESIDUALS = tuple(name for name, spec in loss_specs().items() if spec.elementwise is not None)
OF_CLASSES = tuple(name for name, spec in loss_specs().items() if spec.elementwise is None)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(("l1", "-i", "1,2,3", "-t", "1,2,5"), "0.6667", id="S1"),
        pytest.param(("mae", "-i", "1,2,3", "-t", "1,2,5"), "0.6667", id="S1 by its other name"),
        pytest.param(("l1", "-i", "1,2,3", "-t", "1,2,5", "--reduction", "sum"), "2.0000", id="S2"),
        pytest.param(("mse", "-i", "1,2,3", "-t", "1,2,5"), "1.3333", id="S3"),
        pytest.param(("ce", "-i", "0.1,0.2,0.3", "-t", "1"), "1.1019", id="S12"),
    ],
)
def test_the_tutorials_numbers(tudui, arguments, expected):
    answer = tudui("loss", "value", *arguments)
    assert answer.code == 0
    assert answer.err == ""
    assert answer.out.splitlines()[-1].split()[-1] == expected
    assert f"{tudui('loss', 'value', *arguments, '--json').json()['value']:.4f}" == expected


def test_the_tutorials_shape(tudui, tmp_path):
    """S1 to S3 with the shape (1, 1, 1, 3) of the tutorial, from two kinds of file."""
    (tmp_path / "outputs.json").write_text("[[[[1, 2, 3]]]]")
    np.save(tmp_path / "targets.npy", np.array([1, 2, 5], dtype=np.int32).reshape(1, 1, 1, 3))
    for name, reduction, expected in (("l1", "mean", "0.6667"), ("l1", "sum", "2.0000"), ("mse", "mean", "1.3333")):
        options = ("-i", "outputs.json", "-t", "targets.npy", "-r", reduction)
        found = tudui("loss", "value", name, *options, "--json").json()
        assert f"{found['value']:.4f}" == expected
        assert found["shape"] == [1, 1, 1, 3]
        assert np.shape(found["gradient"]) == (1, 1, 1, 3)


def test_the_table_shows_terms_and_gradients(tudui):
    out = tudui("loss", "value", "l1", "-i", "1,2,3", "-t", "1,2,5").out
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["element", "input", "target", "term", "gradient"]
    assert rows[3] == ["2", "3", "5", "2.0000", "-0.3333"]
    out = tudui("loss", "value", "ce", "-i", "0.1,0.2,0.3;2,0,1", "-t", "1;0").out
    assert "0  1 (true)    0.2  0.3322  1.1019   -0.3339" in out


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_values_and_gradients_against_closed_forms(tudui, tmp_path, reduction):
    inputs, targets = 3 * RANDOM.normal(size=(2, 50))
    np.save(tmp_path / "inputs.npy", inputs)
    np.save(tmp_path / "targets.npy", targets)
    r, delta = inputs - targets, 1.5
    inside = np.abs(r) <= delta
    closed = {
        "l1": (np.abs(r), np.sign(r)),
        "mse": (r**2, 2 * r),
        "huber": (np.where(inside, r**2 / 2, delta * (np.abs(r) - delta / 2)), np.clip(r, -delta, delta)),
    }
    for name, (terms, slopes) in closed.items():
        options = ["--delta", delta] if name == "huber" else []
        found = tudui(
            "loss", "value", name, "-i", "inputs.npy", "-t", "targets.npy", "-r", reduction, *options, "--json"
        ).json()
        share = len(r) if reduction == "mean" else 1
        assert found["terms"] == pytest.approx(terms, rel=1e-12)
        assert found["gradient"] == pytest.approx(slopes / share, rel=1e-12)
        expected = None if reduction == "none" else pytest.approx(terms.sum() / share, rel=1e-12)
        assert found["value"] == expected
    if reduction == "mean":
        for name, metric in (("l1", mean_absolute_error), ("mse", mean_squared_error)):
            value = tudui("loss", "value", name, "-i", "inputs.npy", "-t", "targets.npy", "--json").json()["value"]
            assert value == pytest.approx(metric(targets, inputs), rel=1e-12)


def test_cross_entropy_against_scikit_learn(tudui, tmp_path):
    logits, classes = RANDOM.normal(size=(20, 4)), RANDOM.integers(0, 4, 20)
    (tmp_path / "logits.json").write_text(json.dumps(logits.tolist()))
    (tmp_path / "classes.csv").write_text("\n".join(str(label) for label in classes))
    found = tudui("loss", "value", "ce", "-i", "logits.json", "-t", "classes.csv", "--json").json()
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert found["value"] == pytest.approx(log_loss(classes, p, labels=range(4)), rel=1e-12)
    assert np.array(found["gradient"]) == pytest.approx((p - np.eye(4)[classes]) / 20, rel=1e-9)
    assert np.array(found["probabilities"]) == pytest.approx(p, rel=1e-12)


def test_weights_and_settings_of_a_loss_of_classes(tudui):
    plain = tudui("loss", "value", "ce", "-i", "1,2,4;0,1,0", "-t", "2,1", "--json").json()
    answer = tudui("loss", "value", "ce", "-i", "1,2,4;0,1,0", "-t", "2,1", "--weight", "1,2,4", "--json")
    assert answer.json()["terms"] == pytest.approx(np.array(plain["terms"]) * [4, 2], rel=1e-12)
    assert "divides by the sum of the weights" in answer.err
    smooth = tudui("loss", "value", "ce", "-i", "1,2,4", "-t", "2", "-s", "loss.label_smoothing=0.3", "--json").json()
    logs = np.array([1, 2, 4]) - math.log(math.exp(1) + math.exp(2) + math.exp(4))
    assert smooth["value"] == pytest.approx(-(0.7 * logs[2] + 0.1 * logs.sum()), rel=1e-12)


@pytest.mark.parametrize("name", RESIDUALS)
def test_gradients_of_residual_losses_against_finite_differences(name):
    chosen = choose_loss(name)
    target = torch.from_numpy(RANDOM.normal(size=12))
    # residuals keep clear of kinks, which lie at 0 and at delta
    residual = torch.tensor([-3.0, -2, -1.5, -0.7, -0.4, -0.2, 0.2, 0.4, 0.7, 1.5, 2, 3], dtype=torch.float64)
    prediction = (target + residual).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: chosen.elementwise(x, target), prediction)
    found = value_of(chosen, prediction.detach().numpy(), target.numpy(), reduction="sum")
    (expected,) = torch.autograd.functional.jacobian(lambda x: chosen.elementwise(x, target).sum(), (prediction,))
    assert found.gradient == pytest.approx(expected.numpy())


@pytest.mark.parametrize("name", OF_CLASSES)
def test_gradients_of_losses_of_classes_against_finite_differences(name):
    chosen = choose_loss(name)
    logits, classes = RANDOM.normal(size=(5, 4)), RANDOM.integers(0, 4, 5)
    found = value_of(chosen, logits, classes)
    central = np.zeros_like(logits)
    for place in np.ndindex(logits.shape):
        for sign in (1, -1):
            moved = logits.copy()
            moved[place] += sign * 1e-6
            central[place] += sign * value_of(chosen, moved, classes).value / 2e-6
    assert found.gradient == pytest.approx(central, rel=1e-6, abs=1e-9)


def test_every_registered_loss_is_listed(tudui):
    listed = tudui("loss", "list", "--json").json()["losses"]
    assert [loss["name"] for loss in listed] == sorted(loss_specs())
    text = " ".join(tudui("loss", "list").out.split())
    for loss in listed:
        spec = loss_specs()[loss["name"]]
        assert loss["formula"] == spec.formula
        assert loss["source"] == spec.source
        assert {"form", "robust_to", "compares"} <= set(loss)
        assert {parameter["name"] for parameter in loss["parameters"]} | {"name", "form"} == set(
            spec.parameters.model_fields
        )
        for shown in (spec.title, spec.formula, spec.robust_to, spec.source):
            assert " ".join(shown.split()) in text


L1, CE = ("loss", "value", "l1"), ("loss", "value", "ce")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("loss", "value", "hubber", "-i", "1", "-t", "1"), "unknown loss 'hubber'; did you mean 'huber' (Huber)?"),
        ((*L1, "-i", "", "-t", "1"), "-i is empty"),
        ((*L1, "-i", "1,2", "-t", "1,"), "--target: a number is missing"),
        ((*L1, "-i", "1,nan", "-t", "1,2"), "--input: contains a value that is not finite"),
        ((*L1, "-i", "1,inf", "-t", "1,2"), "not finite"),
        ((*L1, "-i", "1,two", "-t", "1,2"), "--input: 'two' is not a number"),
        ((*L1, "-i", "1,2,3", "-t", "1,2"), "--input has shape [3] and --target [2]"),
        ((*L1, "-i", "1,2;3,4", "-t", "1,2,3,4"), "--input has shape [2, 2] and --target [4]"),
        ((*L1, "-i", "1,2;3", "-t", "1"), "rows differ in length (1 and 2 numbers)"),
        ((*L1, "-i", "1", "-t", "1", "--delta", "2"), "l1 has no parameter delta; losses that have it: huber"),
        ((*L1, "-i", "1", "-t", "1", "--weight", "2"), "l1 has no parameter class_weights; losses that have it: ce"),
        ((*L1, "-i", "1", "-t", "1", "-s", "loss.scale=2"), "scale has no effect on plain numbers"),
        ((*L1, "-i", "1", "-t", "1", "-s", "seed=2"), "only parameters of the loss can be set here"),
        (("loss", "value", "huber", "-i", "1", "-t", "1", "--delta", "-1"), "--delta -1.0: loss.delta: should be grea"),
        (("loss", "value", "huber", "-i", "1", "-t", "1", "--delta", "nan"), "--delta nan: loss.delta"),
        ((*CE, "-i", "1,2,3", "-t", "3"), "--target: 3 is not a class; the 3 logits are for the classes 0 to 2"),
        ((*CE, "-i", "1,2,3", "-t", "-1"), "-1 is not a class"),
        ((*CE, "-i", "1,2,3", "-t", "0.5"), "0.5 is not a class"),
        ((*CE, "-i", "1,2,3", "-t", "0;1"), "--input has shape [1, 3] and --target [2]"),
        ((*CE, "-i", "1;2", "-t", "0;0"), "--input has shape [2, 1]; ce needs rows of at least two logits"),
        ((*L1, "-i", "huge.json", "-t", "1"), "--input huge.json: int too large to convert to float"),
        ((*CE, "-i", "1", "-t", "0"), "needs rows of at least two logits"),
        ((*CE, "-i", "1,2,3", "-t", "0", "--weight", "1,2"), "loss.class_weights: 2 weights for 3 classes"),
        ((*CE, "-i", "1,2,3", "-t", "0", "--weight", "1,2,-1"), "--weight 1,2,-1: every weight must be greater than 0"),
        ((*L1, "-i", "absent.npy", "-t", "1"), "--input absent.npy: cannot be read: No such file"),
        ((*L1, "-i", "bad.npy", "-t", "1"), "--input bad.npy:"),
        ((*L1, "-i", "objects.npy", "-t", "1"), "--input objects.npy: Object arrays cannot be loaded"),
        ((*L1, "-i", "text.npy", "-t", "1"), "must be one array of numbers (got <U1)"),
        ((*L1, "-i", "bad.json", "-t", "1"), "--input bad.json: not JSON"),
        ((*L1, "-i", "text.json", "-t", "1"), "must be a list of numbers, or of lists of them (got str)"),
        ((*L1, "-i", "ragged.json", "-t", "1"), "--input ragged.json:"),
        ((*L1, "-i", "nan.json", "-t", "1"), "not finite"),
        ((*L1, "-i", "empty.json", "-t", "1"), "--input empty.json: contains no numbers"),
        ((*L1, "-i", "empty.csv", "-t", "1"), "--input empty.csv: empty"),
        ((*L1, "-i", "binary.csv", "-t", "1"), "--input binary.csv: not a text file"),
        (("loss", "plot", "huberr"), "did you mean 'huber'"),
        (("loss", "plot", "mse", "--delta", "1"), "mse has no parameter delta"),
        (("loss", "plot", "huber", "--delta", "0.1,-1"), "loss.delta: should be greater than 0"),
        (("loss", "plot", "huber", "--delta", "x"), "--delta: 'x' is not a number"),
        (("loss", "plot", "mse", "--out", "plot.gif"), "--out plot.gif: must end with .png, .svg or .pdf"),
        (("loss", "plot", "mse", "--reach", "0"), "--reach 0: must be from 1e-06 to 1e+06"),
        (("loss", "plot", "mse", "--reach", "1e-320"), "must be from 1e-06 to 1e+06"),
        (("loss", "plot", "mse", "--reach", "1e300"), "--reach 1e+300: must be from 1e-06 to 1e+06"),
    ],
)
def test_bad_input_is_one_clear_line(tudui, tmp_path, arguments, says):
    (tmp_path / "bad.npy").write_bytes(b"not an array")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "text.npy", np.array(["a"]))
    for name, text in (("bad", "[1, 2"), ("text", '["1"]'), ("ragged", "[[1], 2]"), ("nan", "[NaN]"), ("empty", "[]")):
        (tmp_path / f"{name}.json").write_text(text)
    (tmp_path / "huge.json").write_text(f"[1{'0' * 400}]")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "binary.csv").write_bytes(bytes(range(128, 255)))
    answer = tudui(*arguments)
    answer.refused(2, says)
    assert answer.out == ""


def test_an_overflow_is_a_mistake_and_not_a_result(tudui):
    answer = tudui("loss", "value", "mse", "--input", "1e300", "--target=-1e300")
    assert answer.code == 2
    assert "overflows; scale these numbers down" in answer.err
