"""Runs in lockstep are what they are alone; on a GPU, a captured step is what the eager one is."""

import time

import pytest
import torch

from tests.conftest import quick_config, record
from tudui.data import load_data
from tudui.events import StepEnd, to_json
from tudui.files import json_text
from tudui.losses import build_loss
from tudui.run import Job, train, train_together
from tudui.training.device import resolve_machine, set_up
from tudui.training.engine import fit, fit_together
from tudui.training.state import new_state
from tudui.training.step import Training

# what a comparison varies, and what it does not
RUNS = (
    ("loss=ce",),
    ("loss=mse", "seed=1", "optimizer.lr=0.02"),
    ("loss=huber", "data.label_noise=0.4", "train.clip=0.1"),
    ("loss=l1", "seed=2", "train.clip=null", "optimizer.lr=0.005"),
)
SHARED = ("data.augment={flip: true, shift: 2}", "train.drop_last=false", "log.every=7")


def training(*settings: str) -> Training:
    config, _ = resolve_machine(quick_config(*settings))
    set_up(config)
    data = load_data(config.data, config.seed).to(torch.device(config.device))
    loss = build_loss(config.loss, data.task)
    return Training(new_state(config, data), data, loss, config)


def alone(*settings: str) -> tuple[Training, list[StepEnd]]:
    run = training(*settings)
    return run, list(fit(run.state, run.data, run.loss, run.config))


def told(events) -> list[str]:
    return [json_text({**to_json(event), "timing": {}}) for event in events]  # as text, NaN equals NaN


def weights(run: Training) -> list[torch.Tensor]:
    return [tensor.detach().cpu() for tensor in run.state.optimizer.tensors()]


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "epochs"), [("sgd", 2), ("adamw", 1)])
def test_runs_in_lockstep_are_what_they_are_alone(optimizer, epochs):
    shared = (*SHARED, f"optimizer.name={optimizer}", f"train.epochs={epochs}")
    together = [training(*shared, *settings) for settings in RUNS]
    events = list(zip(*fit_together(together), strict=True))
    for run, seen, settings in zip(together, events, RUNS, strict=True):
        single, expected = alone(*shared, *settings)
        assert told(seen) == told(expected)
        assert all(torch.equal(a, b) for a, b in zip(weights(run), weights(single), strict=True))
        assert run.state.progress.epoch == epochs


@pytest.mark.slow
def test_a_run_that_diverges_leaves_the_others_alone():
    wild = ("loss=mse", "optimizer.lr=1e6", "schedule=constant", "train.clip=null")
    tame = ("schedule=constant", "optimizer.lr=0.01")
    together = [training(*wild), training(*tame)]
    events = list(fit_together(together))
    seen = [event for event, _ in events if event is not None]
    assert seen[-1].diverged
    assert told(seen) == told(alone(*wild)[1])
    assert told(event for _, event in events) == told(alone(*tame)[1])


def test_a_run_that_is_over_takes_no_further_step():
    together = [training("seed=1"), training()]
    seen = []
    for first, second in fit_together(together):
        seen.append((first, second))
        if first is not None and first.epoch_done:  # as early stopping ends a run
            together[0].over = True
            frozen = [tensor.clone() for tensor in weights(together[0])]
    assert [first is None for first, _ in seen] == [False] * 4 + [True] * 4
    assert all(torch.equal(a, b) for a, b in zip(frozen, weights(together[0]), strict=True))
    assert told(second for _, second in seen) == told(alone()[1])


@pytest.mark.parametrize(
    ("section", "kind", "settings"),
    [
        ("{name: sgd}", torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}),
        ("{name: sgd, momentum: 0, nesterov: false}", torch.optim.SGD, {"weight_decay": 5e-4}),
        ("{name: adam}", torch.optim.Adam, {}),
        ("{name: adamw}", torch.optim.AdamW, {}),
    ],
)
def test_optimizers_are_torchs(section, kind, settings):
    run, other = (training(f"optimizer={section[:-1]}, lr: 0.01}}").state for _ in range(2))
    model, optimizer = run.network.model, other.optimizer
    theirs = kind(list(model.parameters()), 0.01, **settings)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        for ours, parameter in zip(optimizer.parameters, model.parameters(), strict=True):
            gradient = torch.empty_like(parameter).copy_(torch.randn(parameter.shape, generator=generator))
            ours.grad, parameter.grad = gradient.clone(), gradient.clone()
        optimizer.step()
        theirs.step()
    for ours, parameter in zip(optimizer.parameters, model.parameters(), strict=True):
        assert torch.allclose(ours, parameter, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_runs_trained_together_end_as_they_do_alone(tmp_path):
    """One diverges, one is stopped early, one does its epochs."""
    shared = ("schedule=constant", "train.early_stopping=1", "train.epochs=5", "log.sinks=[]")
    kinds = {
        "diverges": ("loss=mse", "optimizer.lr=1e6", "train.clip=null"),
        "stops": ("optimizer.lr=1e-9",),
        "finishes": ("optimizer.lr=0.01", "seed=1"),
    }
    configs = {name: quick_config(*shared, *settings) for name, settings in kinds.items()}
    jobs = [Job(config=config, run_dir=tmp_path / "together" / name) for name, config in configs.items()]
    results = dict(zip(configs, train_together(jobs), strict=True))
    for name, config in configs.items():
        alone = train(config, tmp_path / "alone" / name)
        assert results[name].status == alone.status
        assert record(tmp_path / "together" / name) == record(tmp_path / "alone" / name)
    assert [results[name].status for name in kinds] == ["diverged", "finished", "finished"]
    assert results["stops"].values["epochs"] == 2
    assert results["finishes"].values["epochs"] > 2


def test_the_seconds_of_a_stack_add_up_to_the_time_that_went_by():
    together = [training("seed=1"), training()]
    started = time.perf_counter()
    for _ in fit_together(together):
        pass
    assert sum(run.state.progress.seconds for run in together) <= time.perf_counter() - started
