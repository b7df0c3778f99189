"""Fuzzing of weights, of checkpoints, and of the files in a run's folder."""

import io
import shutil
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import fuzz_damage as damage
import torch
from fuzz_case import Target
from fuzz_data import digits, photograph
from rich.console import Console
from torch import Tensor, nn

from tudui.comparison.collect import collect
from tudui.comparison.compare import RUNS, compare, read_comparison
from tudui.comparison.done import read_run
from tudui.config import load_config, parse_set
from tudui.config.again import PLAN
from tudui.config.plan import load_plan
from tudui.data import dataset_of
from tudui.files import json_text
from tudui.inference.export import export_model
from tudui.inference.predict import ImageFile, Prediction, predict_files
from tudui.inference.runs import runs
from tudui.networks import NetworkParameters, Shape, build_network
from tudui.report import terminal
from tudui.run.prepare import prepare
from tudui.run.stages import Run
from tudui.run_folder import RunFolder
from tudui.training.checkpoint import LAST, newest_checkpoint
from tudui.training.device import resolve_machine
from tudui.weights import Weights, read_weights


class Network(nn.Module):
    """A network as a script of one's own saves it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 5, 1, 2), nn.MaxPool2d(2), nn.Conv2d(32, 32, 5, 1, 2), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5, 1, 2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1024, 64), nn.Linear(64, 10),
        )  # fmt: skip


def _saved(value: Any, **settings: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **settings)
    return file.getvalue()


def _tudui() -> dict[str, torch.Tensor]:
    network = build_network(NetworkParameters(name="tudui"), Shape((3, 32, 32), 10), seed=0)
    return network.half().state_dict()


def weights(folder: Path) -> Target:
    """Bytes damaged after the file was saved: refused, or the very same weights."""
    seeds = [_saved(_tudui()), _saved(Network()), _checkpoint(folder)]
    path = folder / "weights.pt"
    known = []
    for seed in seeds:
        path.write_bytes(seed)
        known.append(read_weights(path).tensors)

    def read(content: bytes) -> None:
        path.write_bytes(content)
        tensors = read_weights(path).tensors
        assert any(_same(tensors, other) for other in known), "damaged weights were taken for whole"

    return Target(seeds, damage.bytes_damage, read)


def exported(folder: Path) -> Target:
    """A safetensors file damaged after it was exported: refused, or the very same weights and names."""
    path = folder / "model.safetensors"
    export_model(comparison_of(folder) / RUNS / "ce-seed0", path, format="safetensors")
    whole, known = path.read_bytes(), read_weights(path)

    def read(content: bytes) -> None:
        path.write_bytes(content)
        found = read_weights(path)
        _check(found)
        assert _same(found.tensors, known.tensors), "damaged weights were taken for whole"
        assert found.classes is None or found == replace(known, tensors=found.tensors), "other names or preparation"

    return Target([whole], damage.front_damage, read)


def weights_values(folder: Path) -> Target:
    """Files that are whole but hold something else, as far as the network's answer."""
    picture = folder / "picture.png"
    photograph(0).save(picture)
    path = folder / "weights.pt"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        weights = read_weights(path)
        _check(weights)
        (found,) = predict_files(weights, [ImageFile(picture)])
        assert isinstance(found, Prediction), "the picture was not read"

    seeds = [_saved(_tudui()), _saved({"model": Network().state_dict()}), _checkpoint(folder)]
    export_model(comparison_of(folder) / RUNS / "ce-seed0", folder / "model.pt", format="torch")
    return Target([*seeds, (folder / "model.pt").read_bytes()], damage.saved_values_damage, read)


def weights_old(folder: Path) -> Target:
    """The format before PyTorch 1.6, which has no checksums."""
    path = folder / "weights.pt"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        _check(read_weights(path))

    old = {"_use_new_zipfile_serialization": False}  # a pickle before the numbers, and lengths among them
    return Target([_saved(_tudui(), **old)], damage.header_damage, read)


def _check(weights: Weights) -> None:
    with torch.inference_mode():
        assert weights.model()(torch.zeros(1, 3, 32, 32)).shape == (1, weights.number_of_classes)
    assert all(tensor.isfinite().all() for tensor in weights.tensors.values())


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _checkpoint(folder: Path) -> bytes:
    return (comparison_of(folder) / RUNS / "ce-seed0" / "checkpoints" / LAST).read_bytes()


def checkpoint_bytes(folder: Path) -> Target:
    """Bytes damaged after the checkpoint was saved: refused, or the very same state."""
    whole = _checkpoint(folder)
    (folder / LAST).write_bytes(whole)
    known, _ = newest_checkpoint(folder)
    assert known

    def read(content: bytes) -> None:
        (folder / LAST).write_bytes(content)
        found, _ = newest_checkpoint(folder)
        assert found
        assert _same(vars(found), vars(known)), "a damaged checkpoint was taken for whole"

    return Target([whole], damage.bytes_damage, read)


def resume(folder: Path) -> Target:
    """A checkpoint that is whole but holds something else, in a run that goes on from it."""
    place = RunFolder(folder / "resumed")
    shutil.copytree(comparison_of(folder) / RUNS / "ce-seed0", place.root)
    config, _ = resolve_machine(load_config(place.config).config)
    run = Run(prepare(config, dataset_of(digits(), config.data, config.seed)), place)
    kept = {path: path.read_bytes() for path in (place.record, place.result, place.predictions, place.config)}

    def read(content: bytes) -> None:
        for path, whole in kept.items():
            path.write_bytes(whole)
        place.checkpoints.mkdir(exist_ok=True)
        (place.checkpoints / LAST).write_bytes(content)
        run.restore()
        assert kept[place.record].startswith(place.record.read_bytes()), "the record is not the one that was cut back"
        assert run.state.progress.step >= 0

    return Target([_checkpoint(folder)], damage.saved_values_damage, read)


# a run's own files


@cache
def comparison_of(folder: Path) -> Path:
    """Two losses and two seeds, trained for one epoch."""
    settings = (
        "comparison.variants=[ce, mse]", "comparison.seeds=2", "train.epochs=1", "log.every=5", "log.sinks=[]",
        "log.details_every=2", "device=cpu",
    )  # fmt: skip
    plan = load_plan(None, [parse_set(text) for text in settings])
    compare(plan, folder / "compared", executor="stacked", jobs=4, listener=lambda _: None, command="tudui")
    return folder / "compared"


def of_a_run(folder: Path, *, name: str, how: damage.Damage) -> Target:
    """A file of one run, read by the table of runs, the report and a run that is to go on."""
    compared = comparison_of(folder)
    place = RunFolder(compared / RUNS / "ce-seed0")
    path = place.root / name
    whole = path.read_bytes()
    config = load_config(place.config).config
    comparison = read_comparison(compared)
    plan = load_plan(compared / PLAN)
    records = [run for row in comparison.rows for run in row.runs]
    (planned,) = [run.planned for run in records if run.planned.name == place.root.name]

    def read(content: bytes) -> None:
        path.write_bytes(content)
        try:
            if name != "predictions.npz":
                json_text([asdict(row) for row in runs(place.root)])
            if name == "config.yaml":
                place.check_same(config)
            found = read_run(planned, compared / RUNS)
            others = [found if run.planned is planned else run for run in records]
            again = collect(plan, others, folder=compared, command="tudui")
            json_text(again.values)
            terminal(again, Console(file=io.StringIO(), width=100))
        finally:
            path.write_bytes(whole)

    return Target([whole], how, read)
