"""Every network as an ONNX file, and the model card that says how to load it."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from tests.conftest import QUICK_FLAGS, photograph
from tudui.config import config_from, own_code
from tudui.data import load_data
from tudui.weights import read_weights

CODE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes, width=8):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.block = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
        self.pool = nn.AdaptiveAvgPool2d(5)  # no divisor of 16
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(25 * width, num_classes)

    def features(self, images):
        values = self.stem(images)
        return self.pool(values + self.block(values)).flatten(1)

    def forward(self, images):
        return self.head(self.drop(self.features(images)))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rows = nn.LSTM(96, 8, batch_first=True)
        self.head = nn.Linear(8, 10)

    def forward(self, images):
        return self.head(self.rows(images.permute(0, 2, 1, 3).flatten(2))[0][:, -1])


class ByValue(Net):
    def forward(self, images):
        values = self.features(images)
        if values.sum() > 0:
            values = -values
        return self.head(values)


class ByNumber(Net):
    def forward(self, images):
        values = self.features(images)
        return self.head(values if images.shape[0] == 1 else -values)


class OneNumber(Net):
    def forward(self, images):
        return torch.cat([self.head(self.features(image[None])) for image in images])


class Operation(Net):
    def forward(self, images):
        return self.head(self.features(images)) + torch.linalg.svdvals(images[:, 0, :10, :10].contiguous())


def chain(outputs):
    return nn.Sequential(nn.Sequential(nn.Flatten(), nn.Dropout(0.5)), nn.Linear(3072, outputs))
"""
LINE = CODE.splitlines().index("        if values.sum() > 0:") + 1
OPTIONS = {
    "tudui": (),
    "resnet20": ("--size", "16"),
    "mlp": (),
    "linear": ("--size", "8"),
    "torchvision:resnet18": ("--size", "40"),
    "net.py:Net": ("--set", "network.width=4"),
    "net.py:Recurrent": (),
    "net.py:chain": (),
}


@pytest.fixture
def trained_network(tudui):
    """Return a function that trains a network for one epoch, and gives the flags that name it again."""

    def train(network, *options):
        own_code._modules.clear()  # one of the same content has the path of another test's file
        Path("net.py").write_text(CODE)
        done = tudui("train", "--network", network, *options, "--lr", "0.01", *QUICK_FLAGS, "--run-dir", "run")
        assert done.code == 0, done.err
        return ("--network", network) if network.startswith("net.py") else ()

    return train


def program_of(card):
    """Run the program of a model card; return the class and the probability that it prints, or None if it has none."""
    (block,) = re.findall(r"^```python\n(.*?)^```", Path(card).read_text(), flags=re.DOTALL | re.MULTILINE) or [None]
    if block is None:
        return None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block, card, "exec"), {})
    name, probability = printed.getvalue().split()
    return name, float(probability)


@pytest.mark.parametrize("network", OPTIONS)
def test_every_network_is_exported(network, trained_network, tudui, tmp_path, capfd):
    flags = trained_network(network, *OPTIONS[network])
    capfd.readouterr()
    for file in ("net.onnx", "net.pt"):
        done = tudui("export", "run", *flags, "--out", file)
        assert (done.code, done.err) == (0, "")
    assert capfd.readouterr() == ("", "")
    weights = read_weights(Path("run"))
    images = load_data(config_from(weights.config, "run").data, 0).test.images[:7]
    with torch.inference_mode():
        expected = weights.model()(weights.preparation(images)).numpy()
    session = onnxruntime.InferenceSession("net.onnx", providers=["CPUExecutionProvider"])
    for number in (1, 7):
        logits, probabilities = session.run(None, {"images": images[:number].numpy()})
        assert np.abs(logits - expected[:number]).max() < 1e-4 * max(1, np.abs(expected).max())
        assert probabilities.sum(1) == pytest.approx(np.ones(number), abs=1e-5)
    assert str(tmp_path).encode() not in Path("net.onnx").read_bytes()
    photograph(3).save("picture.png")
    (predicted,) = tudui("predict", "run", "picture.png", *flags, "--json").json()["predictions"]
    best = predicted["classes"][0]
    for file in ("net.onnx", "net.pt"):
        card = Path(f"{file}.md").read_text()
        assert f"- network: {network}, " in card
        side = weights.shape.input[1]
        assert f"- input: uint8 RGB, {side} x {side}; prepared as (pixel / 255 - mean) / std per channel" in card
        assert str(tmp_path) not in card
        if (found := program_of(f"{file}.md")) is None:
            assert (network, file) == ("resnet20", "net.pt")
            assert "export the network with `--format onnx`" in card
            continue
        assert found == (best["name"], pytest.approx(best["probability"], abs=1e-4))


@pytest.mark.parametrize(
    ("network", "code", "says"),
    [
        ("ByValue", 2, rf"cannot translate net.py:ByValue: .*net\.py:{LINE}: .*data-dependent"),
        ("Operation", 2, r"cannot translate net.py:Operation: .*svd"),
        ("OneNumber", 2, r"net.py:OneNumber takes one number of images only"),
        ("ByNumber", 5, r"its logits differ by up to"),
    ],
)
def test_what_onnx_cannot_say_is_one_line(network, code, says, trained_network, tudui, capfd):
    flags = trained_network(f"net.py:{network}")
    capfd.readouterr()
    done = tudui("export", "run", *flags, "--format", "onnx")
    done.refused(code)
    assert re.search(says, done.err)
    assert re.search(r"; (use --format safetensors|try another --format)\n$", done.err)
    assert capfd.readouterr() == ("", "")
    assert not list(Path().glob("run.onnx*"))
    assert tudui("export", "run", *flags, "--format", "safetensors").code == 0
