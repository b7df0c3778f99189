"""The loop: against torch's schedulers and clipping, scikit-learn's metrics, and a loop written by hand."""

import gc
import math
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, recall_score, top_k_accuracy_score
from torch import nn

from tests.conftest import quick_config, tudui_network
from tudui.config.optimizing import ConstantConfig, CosineConfig, OneCycleConfig, StepConfig
from tudui.data import Split, draw_epoch, load_data
from tudui.errors import UsageError
from tudui.losses import build_loss
from tudui.tasks import Classes
from tudui.training.device import native_bf16, resolve_machine
from tudui.training.engine import fit, predict, score
from tudui.training.gradients import histogram, layer_names
from tudui.training.schedule import build_schedule
from tudui.training.state import new_state


def prepared(*settings: str):
    """Return config, data, loss and state of a quick run."""
    config, _ = resolve_machine(quick_config(*settings))
    torch.set_num_threads(config.train.threads)
    data = load_data(config.data, config.seed)
    loss = build_loss(config.loss, data.task)
    return config, data, loss, new_state(config, data)


def test_the_loop_is_the_one_everybody_writes():
    """Losses, gradient norms and final weights equal those of a plain loop, step by step."""
    config, data, loss, state = prepared(
        "log.every=1",
        "train.epochs=1",
        "schedule=constant",
        "train.channels_last=false",
        "optimizer.lr=0.01",
        "train.clip=null",
    )
    events = list(fit(state, data, loss, config))
    model = tudui_network(10, seed=0)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=config.optimizer.lr, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    order = draw_epoch(len(data.train), seed=0, epoch=0, data=config.data).order
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (data.preparation.mean, data.preparation.std))
    for number, event in enumerate(events):
        chosen = order[number * 64 : (number + 1) * 64]
        inputs = (data.train.images[chosen] / 255 - mean) / std
        outputs = model(inputs)
        value = nn.functional.cross_entropy(outputs, data.train.targets[chosen])
        optimizer.zero_grad()
        value.backward()
        before = model.conv1.weight.detach().clone()
        optimizer.step()
        assert event.loss == pytest.approx(value.item(), rel=1e-3)
        assert event.scores["accuracy"] == pytest.approx(
            (outputs.argmax(1) == data.train.targets[chosen]).float().mean().item(), abs=0.02
        )
        assert event.gradient_norm["conv1.weight"] == pytest.approx(model.conv1.weight.grad.norm().item(), rel=1e-2)
        change = (model.conv1.weight - before).norm() / before.norm()
        assert event.update_ratio["conv1.weight"] == pytest.approx(change.item(), rel=1e-2)
        if number == 4:  # rounding grows from here on
            break
    assert [event.step for event in events] == list(range(1, 21))
    assert [event.epoch_done for event in events] == [False] * 19 + [True]


def test_windows_add_up_to_the_epoch():
    config, data, loss, state = prepared("log.every=7", "train.drop_last=false")
    events = list(fit(state, data, loss, config))
    first = [event for event in events if event.epoch == 1]
    assert [event.step for event in first] == [7, 14, 21]
    sizes = np.array([7 * 64, 7 * 64, 1295 - 14 * 64])
    assert first[-1].epoch_loss == pytest.approx(np.dot([event.loss for event in first], sizes) / 1295, rel=1e-6)
    assert first[-1].epoch_scores["accuracy"] == pytest.approx(
        np.dot([event.scores["accuracy"] for event in first], sizes) / 1295
    )
    assert first[-1].histograms.keys() == {
        f"{kind}/{layer}" for kind in ("gradient", "weight") for layer, _ in state.network.model.named_parameters()
    }


def scheduler_rates(make, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for number in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if number + 1 < steps:
            scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("config", "make"),
    [
        (ConstantConfig(name="constant"), lambda o: torch.optim.lr_scheduler.ConstantLR(o, factor=1.0)),
        (
            CosineConfig(name="cosine", final=0.1),
            lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 60, eta_min=0.1),
        ),
        (StepConfig(name="step", every=2, factor=0.3), lambda o: torch.optim.lr_scheduler.StepLR(o, 20, gamma=0.3)),
        (
            OneCycleConfig(peak=0.3, start=0.04, final=0.0004),
            lambda o: torch.optim.lr_scheduler.OneCycleLR(
                o, 1.0, total_steps=60, pct_start=0.3, div_factor=25, final_div_factor=100
            ),
        ),
        (
            OneCycleConfig(shape="linear", peak=0.2, start=0.04, final=0.0004),
            lambda o: torch.optim.lr_scheduler.OneCycleLR(
                o, 1.0, total_steps=60, pct_start=0.2, anneal_strategy="linear", div_factor=25, final_div_factor=100
            ),
        ),
    ],
    ids=["constant", "cosine", "step", "one-cycle", "one-cycle, straight"],
)
def test_schedules_are_torchs(config, make):
    schedule = build_schedule(config, steps=60, steps_per_epoch=10)
    ours, theirs = [schedule(step) for step in range(60)], scheduler_rates(make, 60)
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_warmup_rises_in_a_straight_line():
    schedule = build_schedule(CosineConfig(name="cosine", warmup=0.5), steps=40, steps_per_epoch=10)
    assert [schedule(step) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert schedule(5) == pytest.approx(1.0)
    assert schedule(39) < 0.01


def test_clipping_is_torchs():
    config, data, loss, state = prepared("train.clip=0.5", "log.every=1", "train.epochs=1", "schedule=constant")
    event = next(fit(state, data, loss, config))
    clipped = [parameter.grad.clone() for parameter in state.network.model.parameters()]
    _, _, _, fresh = prepared("train.epochs=1")
    images, labels = draw_epoch(len(data.train), seed=0, epoch=0, data=config.data).batch(data.train, 0, 64)
    loss(fresh.network(images), labels).mean().backward()
    total = nn.utils.clip_grad_norm_(fresh.network.model.parameters(), 0.5)
    assert event.gradient_norm["total"] == pytest.approx(float(total), rel=1e-5)
    for ours, parameter in zip(clipped, fresh.network.model.parameters(), strict=True):
        assert torch.allclose(ours, parameter.grad, rtol=1e-4, atol=1e-8)


@pytest.mark.slow
def test_bf16_learns():
    config, data, loss, state = prepared("precision=bf16", "train.epochs=6")
    events = list(fit(state, data, loss, config))
    assert events[-1].epoch_scores["accuracy"] > 0.9
    assert all(parameter.dtype == torch.float32 for parameter in state.network.model.parameters())


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_close_to_fp32(precision, class_folders):
    # few images: the backward of fp16 convolutions is slow on a CPU
    small = (f"data.name=folder:{class_folders}", "train.batch_size=14", "log.every=1", "train.epochs=1")
    losses = []
    for settings in (small, (*small, f"precision={precision}")):
        config, data, loss, state = prepared(*settings)
        losses.append([event.loss for event in fit(state, data, loss, config)])
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert losses[0] != losses[1]
    assert (state.scaler is not None) == (precision == "fp16")


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_optimizers_learn(optimizer):
    config, data, loss, state = prepared(f"optimizer={optimizer}", "train.epochs=5")
    assert list(fit(state, data, loss, config))[-1].epoch_scores["accuracy"] > 0.9


def test_a_loss_that_explodes_is_located():
    config, data, loss, state = prepared(
        "optimizer.lr=1e6", "schedule=constant", "loss=mse", "train.epochs=9", "train.clip=null"
    )
    events = list(fit(state, data, loss, config))
    diverged = events[-1].diverged
    assert diverged
    assert events[-1].step - 5 < diverged.step <= events[-1].step
    assert diverged.learning_rate == 1e6
    assert diverged.what == "loss"
    assert diverged.layer in layer_names(state.network.model)
    assert len(events) < 9 * 4


def test_a_gradient_that_is_not_finite_names_its_layer():
    config, data, loss, state = prepared("log.every=1")
    state.network.model.conv2.weight.register_hook(lambda gradient: gradient * math.inf)
    diverged = next(fit(state, data, loss, config)).diverged
    assert (diverged.what, diverged.layer, diverged.step) == ("gradient", "conv2.weight", 1)


def test_a_loss_that_is_not_finite_names_the_steepest_layer_of_the_step_before_whatever_is_logged():
    names = []
    for every in (1, 10):
        config, data, loss, state = prepared("loss=mse", "optimizer.lr=1e18", "train.clip=null", f"log.every={every}")
        names.append(list(fit(state, data, loss, config))[-1].diverged.layer)
    assert names[0] is not None
    assert names[0] == names[1]


def test_scores_are_scikit_learns():
    generator = torch.Generator().manual_seed(0)
    logits, labels = 2 * torch.randn(500, 10, generator=generator), torch.randint(9, (500,), generator=generator)
    task = Classes(names=tuple(f"c{number}" for number in range(10)))
    loss = build_loss(quick_config("loss=mse").loss, task)
    found = score(logits, labels, task=task, loss=loss, losses={"mse": loss}, split="test", predictions_shown=7)
    probabilities = logits.double().softmax(1).numpy()
    predicted = probabilities.argmax(1)
    assert found.scores["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    assert found.scores["balanced_accuracy"] == pytest.approx(
        recall_score(labels, predicted, labels=range(9), average="macro"), rel=1e-9
    )  # class 9 has no image
    assert found.scores["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"), rel=1e-9)
    assert found.scores["top5"] == pytest.approx(top_k_accuracy_score(labels, probabilities, k=5, labels=range(10)))
    assert found.scores["nll"] == pytest.approx(log_loss(labels, probabilities, labels=range(10)), rel=1e-5)
    assert np.array_equal(found.details["confusion"], confusion_matrix(labels, predicted, labels=range(10)))
    assert found.details["per_class_accuracy"]["c9"] is None
    assert found.losses["mse"] == found.loss
    assert found.predicted == tuple(predicted[:7])
    confidence, correct = probabilities.max(1), predicted == labels.numpy()
    error = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    assert found.scores["ece"] == pytest.approx(error, abs=1e-5)


def test_evaluation_does_not_depend_on_the_batch():
    _, data, _, state = prepared()
    whole = predict(state.network, data.test)
    test, ones = data.test, [slice(i, i + 1) for i in range(5)]
    images = [Split(test.store, test.rows[one], test.targets[one], test.index[one]) for one in ones]
    alone = [predict(state.network, image) for image in images]
    assert torch.allclose(whole[:5], torch.cat(alone), atol=1e-5)


def test_histograms_count_everything():
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    counted = histogram(values)
    expected, edges = np.histogram(values.numpy(), bins=64)
    assert sum(counted.counts) == 1000
    assert np.abs(np.array(counted.counts) - expected).sum() <= 4  # values on an edge
    assert counted.edges == pytest.approx(edges, rel=1e-5, abs=1e-6)
    assert counted.total_of_squares == pytest.approx(float((values.double() ** 2).sum()), rel=1e-9)
    assert sum(histogram(torch.zeros(5)).counts) == 5
    assert sum(histogram(torch.tensor([1.0, math.nan, math.inf])).counts) == 1
    assert histogram(torch.tensor([math.nan])) is None


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(UsageError, match=r"train\.batch_size: 2000 is more than the 1295 training images"):
        prepared("train.batch_size=2000")


def test_auto_precision_is_bf16_where_the_processor_has_it_and_says_so():
    config, reasons = resolve_machine(quick_config("precision=auto"))
    native = native_bf16("cpu")
    assert config.precision == ("bf16" if native else "fp32")
    assert reasons["precision"].startswith("auto: this processor")
    assert native in reasons["precision"]
    if platform.machine() == "x86_64" and Path("/proc/cpuinfo").exists():
        flags = set(Path("/proc/cpuinfo").read_text().split())
        assert bool(native) == bool(flags & {"avx512_bf16", "amx_bf16"})


def test_a_device_that_is_not_there_is_refused():
    device = "cuda:97"
    with pytest.raises(UsageError, match=rf"--device {device}: there "):
        resolve_machine(quick_config(f"device={device}"))


PAGES = """
import resource, sys, torch
from tests.conftest import tudui_network
from tudui.config import load_config, parse_set
from tudui.training.device import resolve_machine, set_up
torch.set_num_threads(1)
if sys.argv[1] == "kept":
    set_up(resolve_machine(load_config(None, [parse_set("device=cpu"), parse_set("train.threads=1")]).config)[0])
model = tudui_network(10, seed=0).to(memory_format=torch.channels_last)
images = torch.randn(512, 3, 32, 32).contiguous(memory_format=torch.channels_last)
def step():
    model(images).square().mean().backward()
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_a_step_asks_the_system_for_no_new_memory():
    touched = {
        how: int(subprocess.run([sys.executable, "-c", PAGES, how], capture_output=True, check=True).stdout)
        for how in ("kept", "given back")
    }
    # pages of 4 kB in three steps; a system short of memory takes some back from any process
    assert 10 * touched["kept"] < touched["given back"] > 1_000, touched


@pytest.mark.slow
def test_a_log_point_leaves_nothing_behind(tmp_path, class_folders):
    """After 200 and after 400 log points with all sinks, Python holds as many objects and tensors."""
    from tudui.run_folder import RunFolder
    from tudui.sinks import RunInfo, open_sink
    from tudui.sinks.jsonl import jsonl_sink

    small = (
        f"data.name=folder:{class_folders}",
        "train.batch_size=4",
    )  # what stays behind does not depend on the images
    config, data, loss, state = prepared("log.every=1", "train.epochs=1000", "log.details_every=1", *small)
    folder, about = RunFolder(tmp_path), {"config": config, "data": data, "model": state.network.model}
    counts = []
    with (
        jsonl_sink(folder.record) as record,
        open_sink("tensorboard", RunInfo(folder=tmp_path / "tensorboard", last_step=0, **about)) as board,
    ):
        for event in fit(state, data, loss, config):
            record(event)
            board(event)
            if event.step in (200, 400):
                del event
                gc.collect()
                counts.append((len(gc.get_objects()), sum(type(o) is torch.Tensor for o in gc.get_objects())))
                if len(counts) == 2:
                    break
    assert counts[1][0] - counts[0][0] < 200, counts
    assert counts[1][1] == counts[0][1]
