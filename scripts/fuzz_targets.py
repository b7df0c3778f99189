"""What reads a user's files, each with real files to begin from, a way to damage them, and what must then be true.

A case passes where the file is refused by a `TuduiError`, or read with a right result. Used by `fuzz.py` and the tests.
"""

import faulthandler
import io
import json
import pickle
import signal
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import fuzz_damage as damage
import numpy as np
import torch
from PIL import Image
from rich.console import Console
from sklearn.datasets import load_digits
from torch import Tensor, nn

from tudui.comparison.collect import collect
from tudui.comparison.compare import PLAN, RUNS, compare, read_comparison
from tudui.comparison.done import read_run
from tudui.comparison.report import terminal
from tudui.config import Config, load_config, parse_set
from tudui.config.dump import to_yaml
from tudui.config.plan import load_plan, plan_yaml
from tudui.config.schema import DataConfig
from tudui.config.shipped import shipped_configs, shipped_plans
from tudui.data import dataset_of, read_source
from tudui.data.cache import cache_folder
from tudui.data.folder import decode_image, read_folder
from tudui.data.label_noise import manifest
from tudui.data.torchvision_sets import read_torchvision_set
from tudui.errors import TuduiError
from tudui.files import json_text
from tudui.inference.predict import predict_files
from tudui.inference.runs import list_runs
from tudui.lab.choice import choose_loss
from tudui.lab.line_fit.data import csv_data
from tudui.lab.line_fit.optimum import best_line
from tudui.lab.line_fit.steps import descend
from tudui.lab.reading import read_numbers
from tudui.model import Tudui
from tudui.run.stages import Run
from tudui.run_folder import RunFolder
from tudui.training.checkpoint import LAST, newest_checkpoint
from tudui.training.device import resolve_machine
from tudui.weights import Weights, read_weights

SECONDS = 10  # a case that takes longer hangs


class Hang(BaseException):
    """A case that did not end in time; no `except Exception` keeps it."""


class Target(NamedTuple):
    """One reader."""

    seeds: list[bytes]
    damage: damage.Damage
    read: Callable[[bytes], None]  # a TuduiError refuses; an assertion fails where the result is wrong


def passes(target: Target, content: bytes) -> bool:
    """Return whether the content was accepted; raise where it was neither read rightly nor refused clearly."""
    try:
        with _time_limit():
            target.read(content)
    except TuduiError as error:
        lines = str(error).splitlines()
        assert lines, "an error without a word"
        assert all(line.strip() for line in lines), f"an error with an empty line: {error}"
        return False
    return True


@contextmanager
def _time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    faulthandler.dump_traceback_later(3 * SECONDS, exit=True)  # where it hangs outside of Python
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# config


def _config(folder: Path) -> Target:
    path = folder / "config.yaml"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        config = load_config(path).config
        path.write_text(to_yaml(config))
        assert load_config(path).config == config

    return Target([path.read_bytes() for path in shipped_configs().values()], damage.text_damage, read)


def _plan(folder: Path) -> Target:
    path = folder / "plan.yaml"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        plan = load_plan(path)
        path.write_text(plan_yaml(plan))
        assert load_plan(path).comparison == plan.comparison

    return Target([path.read_bytes() for path in shipped_plans().values()], damage.text_damage, read)


def _override(folder: Path) -> Target:
    def read(content: bytes) -> None:
        load_config(None, [parse_set(content.decode(errors="surrogateescape"))])

    texts = ("optimizer.lr=0.1", "loss={name: huber, delta: 2}", "data.augment.flip=true", "train.clip=null", "loss=ce")
    return Target([text.encode() for text in texts], damage.text_damage, read)


# weights and checkpoints


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


def _weights(folder: Path) -> Target:
    """Bytes damaged after the file was saved: refused, or the very same weights."""
    seeds = [_saved(Tudui(10).half().state_dict()), _saved(Network()), _checkpoint(folder)]
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


def _weights_values(folder: Path) -> Target:
    """Files that are whole but hold something else, as far as the network's answer."""
    picture = folder / "picture.png"
    _photograph(0).save(picture)
    path = folder / "weights.pt"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        _check(read_weights(path))
        predict_files(path, [picture])

    seeds = [_saved(Tudui(10).half().state_dict()), _saved({"model": Network().state_dict()}), _checkpoint(folder)]
    return Target(seeds, damage.saved_values_damage, read)


def _weights_old(folder: Path) -> Target:
    """The format before PyTorch 1.6, which has no checksums."""
    path = folder / "weights.pt"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        _check(read_weights(path))

    old = {"_use_new_zipfile_serialization": False}  # a pickle before the numbers, and lengths among them
    return Target([_saved(Tudui(10).half().state_dict(), **old)], damage.header_damage, read)


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
    return (_comparison(folder) / RUNS / "ce-seed0" / "checkpoints" / LAST).read_bytes()


def _checkpoint_bytes(folder: Path) -> Target:
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


def _resume(folder: Path) -> Target:
    """A checkpoint that is whole but holds something else, in a run that goes on from it."""
    place = RunFolder(_comparison(folder) / RUNS / "ce-seed0")
    config, _ = resolve_machine(load_config(place.config).config)
    run = Run(config, place, dataset_of(_digits(), config.data, config.seed))
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
def _comparison(folder: Path) -> Path:
    """Two losses and two seeds, trained for one epoch."""
    settings = (
        "comparison.variants=[ce, mse]", "comparison.seeds=2", "train.epochs=1", "log.every=5", "log.tensorboard=false",
        "log.details_every=2", "device=cpu",
    )  # fmt: skip
    plan = load_plan(None, [parse_set(text) for text in settings])
    compare(plan, folder / "compared", executor="stacked", jobs=4, listener=lambda _: None, command="tudui")
    return folder / "compared"


def _of_a_run(folder: Path, *, name: str, how: damage.Damage) -> Target:
    """A file of one run, read by the table of runs, the report and a run that is to go on."""
    compared = _comparison(folder)
    place = RunFolder(compared / RUNS / "ce-seed0")
    path = place.root / name
    whole = path.read_bytes()
    config = load_config(place.config).config
    comparison = read_comparison(compared)
    plan = load_plan(compared / PLAN)
    records = [run for cell in comparison.cells for run in cell.runs]
    (planned,) = [run.planned for run in records if run.planned.name == place.root.name]

    def read(content: bytes) -> None:
        path.write_bytes(content)
        try:
            if name != "predictions.npz":
                json_text([asdict(row) for row in list_runs(place.root)])
            if name == "config.yaml":
                place.check_same(config)
            found = read_run(planned, compared / RUNS)
            others = [found if run.planned is planned else run for run in records]
            values = collect(plan, others, command="tudui").values
            json_text(values)
            terminal(replace(comparison, values=values), Console(file=io.StringIO(), width=100))
        finally:
            path.write_bytes(whole)

    return Target([whole], how, read)


# data


@cache
def _digits() -> Any:
    return read_source(DataConfig())


def _photograph(number: int) -> Image.Image:
    """A real digit as a 40x32 picture."""
    digit = np.kron(load_digits().images[number] * 15, np.ones((4, 5))).astype(np.uint8)
    return Image.fromarray(digit).convert("RGB")


def _image(folder: Path) -> Target:
    path = folder / "image"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of what it mends
            pixels = decode_image(path)
        assert pixels.dtype == np.uint8
        assert pixels.shape == (3, 32, 32)

    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        ("png", "RGB", {}), ("png", "RGBA", {}), ("png", "P", {"transparency": 3}), ("png", "I;16", {}), ("gif", "P", {}),
        ("jpeg", "RGB", {"exif": exif}), ("jpeg", "L", {"progressive": True}), ("jpeg", "CMYK", {}), ("webp", "RGB", {}),
        ("webp", "RGBA", {"lossless": True}), ("bmp", "RGB", {}), ("ppm", "RGB", {}), ("tiff", "RGB", {}),
        ("tiff", "RGB", {"compression": "tiff_lzw"}), ("tiff", "L", {"compression": "tiff_adobe_deflate"}),
        ("tiff", "RGB", {"compression": "jpeg"}), ("tiff", "1", {"compression": "group4"}), ("tiff", "F", {}),
    ]  # fmt: skip
    seeds = []
    for kind, mode, settings in kinds:
        file = io.BytesIO()
        grey = _photograph(3).convert("L")
        picture = Image.fromarray(np.asarray(grey, np.uint16) * 257) if mode == "I;16" else _photograph(3).convert(mode)
        picture.save(file, kind, **settings)
        seeds.append(file.getvalue())
    return Target(seeds, damage.bytes_damage, read)


def _folder_cache(folder: Path) -> Target:
    """The cache of a folder of images: what is damaged is made again."""
    root = folder / "pictures"
    for number in range(8):
        (root / str(number % 2)).mkdir(parents=True, exist_ok=True)
        _photograph(number).save(root / str(number % 2) / f"{number}.png")
    (root / "0" / "bad.png").write_text("no image")
    config = DataConfig(name=f"folder:{root}", on_bad_image="skip")
    expected = read_folder(root, config)
    (entry,) = [path for path in (cache_folder() / "folders").iterdir() if "pictures" in _described(path)]
    images, description = (entry / "images.npy").read_bytes(), (entry / "description.json").read_bytes()

    def read(content: bytes) -> None:
        of_images = len(content) > 1_000
        entry.mkdir(exist_ok=True)
        (entry / "images.npy").write_bytes(content if of_images else images)
        (entry / "description.json").write_bytes(description if of_images else content)
        found = read_folder(root, config)
        assert torch.equal(found.store, expected.store)
        assert torch.equal(found.labels, expected.labels)

    return Target([images, description], damage.bytes_damage, read)


def _described(entry: Path) -> str:
    return (entry / "description.json").read_text()


def _cifar(folder: Path) -> Target:
    root = folder / "cifar-10-batches-py"
    root.mkdir(exist_ok=True)
    digits = load_digits()
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        pixels = np.repeat(np.kron(digits.images[:3] * 15, np.ones((4, 4)))[:, None], 3, axis=1).reshape(3, -1)
        batch = {"data": pixels.astype(np.uint8), "labels": digits.target[:3].tolist(), "filenames": []}
        (root / name).write_bytes(pickle.dumps(batch, protocol=2))
    (root / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"n{number}" for number in range(10)]}, protocol=2))
    whole = (root / "data_batch_1").read_bytes()

    def read(content: bytes) -> None:
        (root / "data_batch_1").write_bytes(content)
        source = read_torchvision_set(DataConfig(name="cifar10", dir=str(folder)))
        assert "data_batch_1" in source.notes[0]
        assert source.store.shape[1:] == (3, 32, 32)
        assert len(source.store) == len(source.labels)

    return Target([whole], damage.header_damage, read)


def _mnist(folder: Path) -> Target:
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    images = np.pad(np.kron(digits.images[:5] * 15, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    for part in ("train", "t10k"):
        header = struct.pack(">IIII", 2051, *images.shape)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        labels = digits.target[:5].astype(np.uint8).tobytes()
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, 5) + labels)
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    kept = [(raw / name).read_bytes() for name in names]

    def read(content: bytes) -> None:
        of_images = len(content) > 500
        (raw / names[0]).write_bytes(content if of_images else kept[0])
        (raw / names[1]).write_bytes(kept[1] if of_images else content)
        source = read_torchvision_set(DataConfig(name="mnist", dir=str(folder)))
        assert source.store.shape == (len(source.labels), 3, 32, 32)
        assert 0 <= int(source.labels.min()) <= int(source.labels.max()) <= 9

    return Target(kept, damage.header_damage, read)


# numbers


def _line_fit_csv(folder: Path) -> Target:
    path = folder / "points.csv"
    losses = [choose_loss(name) for name in ("mse", "mae", "huber")]

    def read(content: bytes) -> None:
        path.write_bytes(content)
        data = csv_data(path)
        for loss in losses:
            best = best_line(loss, data.x, data.y)
            assert np.isfinite([best.intercept, best.slope, best.loss]).all()
            descend(loss, data, steps=20, rate=0.01)

    rows = "".join(f"{x},{2 * x + x % 3}\n" for x in range(1, 9))
    seeds = [f"x,y\n{rows}", f"\ufeffY,name, X \n{rows.replace(',', ',a,')}", 'x,y\r\n"1","2"\r\n3,4e0\r\n5.5,-6\r\n']
    return Target([seed.encode() for seed in seeds], damage.text_damage, read)


def _numbers(folder: Path) -> Target:
    suffixes = {b"\x93": ".npy", b"[": ".json"}

    def read(content: bytes) -> None:
        path = folder / f"numbers{suffixes.get(content[:1], '.csv')}"
        path.write_bytes(content)
        values = read_numbers(str(path), flag="--logits")
        assert values.dtype == np.float64
        assert np.isfinite(values).all()

    file = io.BytesIO()
    np.save(file, np.arange(6.0).reshape(2, 3))
    seeds = [file.getvalue(), b"[[1, 2.5, -3e-2], [4, 5, 6]]", b"1,2,3\n4,5,6\n"]
    return Target(seeds, damage.text_damage, read)


def _noise_matrix(folder: Path) -> Target:
    path = folder / "matrix.csv"
    config = DataConfig(label_noise=0.5, noise_kind="asymmetric", noise_matrix=str(path))

    def read(content: bytes) -> None:
        path.write_bytes(content)
        labels = dataset_of(_digits(), config, 0).train.labels
        assert 0 <= int(labels.min()) <= int(labels.max()) <= 9

    rows = "\n".join(",".join("0.91" if row == column else "0.01" for column in range(10)) for row in range(10))
    return Target([rows.encode()], damage.text_damage, read)


def _noise_manifest(folder: Path) -> Target:
    path = folder / "label_noise.json"
    config = DataConfig(label_noise=0.05)
    data = dataset_of(_digits(), config, 0)
    listed = manifest(config, 0, data.classes, data.splits())

    def read(content: bytes) -> None:
        path.write_bytes(content)
        again = dataset_of(_digits(), DataConfig(noise_manifest=str(path)), 0)
        assert torch.equal(again.train.labels, data.train.labels), "other wrong labels than the file was made with"

    return Target([json.dumps(listed).encode()], damage.json_damage, read)


TARGETS: dict[str, Callable[[Path], Target]] = {
    "config": _config,
    "plan": _plan,
    "override": _override,
    "weights": _weights,
    "weights-values": _weights_values,
    "weights-old": _weights_old,
    "checkpoint": _checkpoint_bytes,
    "resume": _resume,
    "run-config": partial(_of_a_run, name="config.yaml", how=damage.text_damage),
    "metrics": partial(_of_a_run, name="metrics.jsonl", how=damage.json_damage),
    "result": partial(_of_a_run, name="result.json", how=damage.json_damage),
    "predictions": partial(_of_a_run, name="predictions.npz", how=damage.arrays_damage),
    "image": _image,
    "folder-cache": _folder_cache,
    "cifar": _cifar,
    "mnist": _mnist,
    "line-fit-csv": _line_fit_csv,
    "numbers": _numbers,
    "noise-matrix": _noise_matrix,
    "noise-manifest": _noise_manifest,
}
__all__ = ["TARGETS", "Config", "Random", "Target", "passes"]
