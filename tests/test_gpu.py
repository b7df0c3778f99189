"""On a GPU every loss, a user's own code, numbers and comparisons give what a CPU gives, within rounding."""

import json
import math

import pytest
import torch

from tests.conftest import quick_config, record
from tests.test_lockstep import RUNS, SHARED, alone, told, training, weights
from tudui.data import load_data
from tudui.data.stream import fits
from tudui.losses import loss_specs
from tudui.run.prepare import prepare
from tudui.training.engine import fit, fit_together, predict
from tudui.training.step import Lockstep

pytestmark = pytest.mark.gpu

SETTINGS = {
    "classes": ("data.name=digits",),
    "numbers": ("data.name=diabetes", "data.outliers=0.1", "optimizer.lr=0.01"),
}
KINDS = [(task, spec.name) for spec in loss_specs().values() for task in spec.tasks]

OWN = """
import torch
from torch import nn


class Counts(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))

    def forward(self, images):
        self.calls += self.training
        outputs = self.layers(images)
        if outputs.abs().max().item() > 1e6:  # a graph cannot hold this
            raise ValueError("too large")
        return outputs * (2 if self.calls % 2 else 1)  # nor this


def loss(outputs, targets):
    if targets.max().item() > 9:
        raise ValueError("no such class")
    return nn.functional.cross_entropy(outputs, targets, reduction="none")
"""


@pytest.mark.parametrize(("task", "loss"), KINDS)
def test_each_loss_can_be_captured_and_is_what_it_is_on_a_cpu(task, loss):
    shared = (*SETTINGS[task], f"loss={loss}", "precision=fp32", "train.epochs=1", "log.every=2")
    runs = {device: training(*shared, f"device={device}") for device in ("cpu", "cuda")}
    events = {device: [event for (event,) in fit_together([run])] for device, run in runs.items()}
    assert Lockstep([runs["cuda"]]).captured
    for ours, theirs in zip(events["cuda"][:2], events["cpu"][:2], strict=True):
        assert math.isclose(ours.loss, theirs.loss, rel_tol=5e-3)  # matrix units round fp32 to 10 bits
        assert ours.gradient_norm == pytest.approx(theirs.gradient_norm, rel=5e-2, abs=1e-5)


def test_own_code_does_on_a_gpu_what_it_does_on_a_cpu(tmp_path, tudui):
    (tmp_path / "own.py").write_text(OWN)
    shared = (
        "--network",
        "own.py:Counts",
        "--loss",
        "own.py:loss",
        "--lr",
        "0.01",
        "--data",
        "digits",
        "-e",
        "1",
        "-q",
    )
    for device in ("cpu", "cuda"):
        flags = ("--device", device, "--run-dir", device, "--precision", "fp32", "--set", "log.every=1")
        done = tudui("train", *shared, *flags)
        assert done.code == 0, done.err
    losses = {
        device: [event["loss"] for event in record(tmp_path / device) if event["event"] == "StepEnd"]
        for device in ("cpu", "cuda")
    }
    assert losses["cuda"][:8] == pytest.approx(losses["cpu"][:8], rel=2e-2)


def test_numbers_are_trained_compared_evaluated_and_predicted_on_a_gpu(tmp_path, tudui):
    shared = ("--data", "diabetes", "--set", "log.sinks=[]")
    flags = ("--losses", "mse,l1", "--seeds", "2", "-e", "2", "--executor", "stacked", "-o", "compared")
    compared = tudui("compare-losses", *shared, "--set", "device=cuda", *flags)
    assert compared.code == 0, compared.err
    for device in ("cpu", "cuda"):
        done = tudui("train", *shared[:2], "--device", device, "--loss", "huber", "-e", "5", "-o", device, "-q")
        assert done.code == 0, done.err
    cpu, gpu = (json.loads((tmp_path / device / "result.json").read_text()) for device in ("cpu", "cuda"))
    assert gpu["test"]["absolute_error"] == pytest.approx(cpu["test"]["absolute_error"], rel=0.05)
    evaluated = tudui("evaluate", "cuda")
    assert evaluated.code == 0, evaluated.err


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_captured_step_is_the_eager_one(precision):
    shared = (*SHARED, "device=cuda", f"precision={precision}")
    captured = [training(*shared, *settings) for settings in RUNS]
    events = list(zip(*fit_together(captured), strict=True))
    tolerance = 1e-3 if precision == "fp32" else 3e-2
    for run, seen, settings in zip(captured, events, RUNS, strict=True):
        eager = training(*shared, *settings)
        lockstep = Lockstep([eager])
        lockstep.captured = False
        expected = list(fit_together([eager], lockstep))
        first = [(ours.loss, theirs.loss) for ours, (theirs,) in zip(seen, expected, strict=True)][:2]
        assert all(math.isclose(ours, theirs, rel_tol=tolerance) for ours, theirs in first)
        assert seen[0].gradient_norm == pytest.approx(expected[0][0].gradient_norm, rel=10 * tolerance)
        assert seen[0].update_ratio == pytest.approx(expected[0][0].update_ratio, rel=10 * tolerance)
        spread = {name: counted.total_of_squares for name, counted in seen[-1].histograms.items() if "gradient" in name}
        last = {name: norm for name, norm in seen[-1].gradient_norm.items() if name != "total"}
        assert all(0 < spread[f"gradient/{name}"] < 100 * norm**2 for name, norm in last.items() if norm > 0)
        assert seen[-1].epoch_scores["accuracy"] == pytest.approx(expected[-1][0].epoch_scores["accuracy"], abs=0.03)
        assert run.state.progress.step == eager.state.progress.step


def test_deterministic_runs_on_a_gpu_are_the_same_bit_for_bit():
    settings = (*SHARED, "device=cuda", "precision=bf16", "deterministic=true")
    (first, events), (second, again) = alone(*settings), alone(*settings)
    assert told(events) == told(again)
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def test_images_that_do_not_fit_on_the_gpu_are_sent_to_it():
    augmented = ("data.augment={flip: true, shift: 2, crop: [0.5, 1]}", "train.drop_last=false", "train.batch_size=60")
    config = quick_config("device=cuda", *augmented)
    data, device = load_data(config.data, 0), torch.device("cuda")
    resident, sent = data.to(device), data.to(device, data.train.store)
    assert (resident.train.streamed, sent.train.streamed) == (False, True)
    assert sent.train.store.device.type == "cpu"
    assert torch.equal(sent.train.take(torch.arange(9, device=device)), resident.train.take(torch.arange(9).cuda()))
    runs = [prepare(config, one) for one in (resident, sent)]
    for one in runs:
        for _ in fit(one.state, one.data, one.loss, one.config):
            pass
    for ours, theirs in zip(weights(runs[1]), weights(runs[0]), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-2, atol=1e-3)  # the one is captured, the other is not
    outputs = [predict(runs[0].state.network, one.test) for one in (resident, sent)]
    assert torch.allclose(*outputs, rtol=1e-3, atol=1e-3)
    assert fits(10**6, device)
    assert not fits(10**15, device)
