"""Files that are taken for weights: read if they hold some, else named for what they are, with the next step."""

import argparse
import datetime
import gzip
import io
import pathlib
import warnings
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from tests.conftest import tudui_network
from tudui.errors import WeightsError
from tudui.weights import read_weights

NETWORK = tudui_network(10, seed=3)
STATE = NETWORK.state_dict()


def saved(value, **settings) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **settings)
    return file.getvalue()


def stepped() -> dict:
    optimizer = torch.optim.Adam(NETWORK.parameters())
    NETWORK(torch.zeros(1, 3, 32, 32)).sum().backward()
    with torch.no_grad():
        before = [parameter.clone() for parameter in NETWORK.parameters()]
    optimizer.step()
    with torch.no_grad():
        for parameter, old in zip(NETWORK.parameters(), before, strict=True):
            parameter.copy_(old)
    return optimizer.state_dict()


def scripted() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):  # it is deprecated, and learners have such files
        torch.jit.save(torch.jit.trace(NETWORK, torch.zeros(1, 3, 32, 32)), file)
    return file.getvalue()


def zipped(**contents: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file.getvalue()


HELD = {
    **{name: {name: STATE, "epoch": 3} for name in ("net", "network", "model", "weights", "mine")},
    "module in a dict": {"net": NETWORK, "optimizer": stepped()},
    "deeper": {"checkpoint": {"model": STATE, "optimizer": stepped()}, "epoch": 3},
    "DataParallel": nn.DataParallel(NETWORK),
    "DataParallel in a dict": {"model": nn.DataParallel(NETWORK)},
    "numbers of NumPy": {"model": STATE, "best": np.float64(0.5), "epoch": np.int64(3), "all": np.arange(3.0)},
    "beside": {
        "net": STATE, "args": argparse.Namespace(lr=0.1), "out": pathlib.Path("runs"), "at": datetime.datetime.min,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", HELD)
def test_weights_beside_other_values_are_read(name, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(saved(HELD[name]))
    tensors = read_weights(path).tensors
    assert all(torch.equal(tensors[key], STATE[key]) for key in STATE)


WHOLE = saved({"model": STATE})
OLD = saved({"model": STATE}, _use_new_zipfile_serialization=False)
OTHERS = {
    "TorchScript": (scripted(), "is TorchScript"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git lfs pull"),
    "page": (b"\n<!DOCTYPE html>\n<html><title>Sign in</title></html>", "is a web page"),
    "answer": (b'{"message": "Not Found"}', "is a text file"),
    "half": (WHOLE[: len(WHOLE) // 2], "half a download"),
    "all but the end": (WHOLE[:-3], "half a download"),
    "half, old": (OLD[: len(OLD) // 2], "half a download"),
    "start, old": (OLD[:300], "half a download"),
    "empty": (b"", "is empty"),
    "gzip": (gzip.compress(WHOLE), "gzip archive; unpack it"),
    "zip": (zipped(weights=WHOLE), "zip archive without weights of torch (weights); unpack it"),
    "optimizer": (saved(stepped()), "state of an optimizer"),
    "two": (saved({"one": STATE, "two": STATE}), "several names (one, two)"),
    "list": (saved([1, 2]), "contains a list"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_named_for_what_they_are(name, tmp_path, tudui):
    content, what = OTHERS[name]
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as error:
        read_weights(path)
    assert what in str(error.value)
    assert "damaged" not in str(error.value)
    answer = tudui("evaluate", path, "--data", "digits")
    assert (answer.code, answer.err.count("\n")) == (5, 1)


def test_what_stands_beside_weights_runs_nothing(tmp_path):
    class Evil:
        def __reduce__(self):
            return exec, ("raise SystemExit('ran')",)

    torch.save({"model": STATE, "args": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match="refused, because it contains"):
        read_weights(tmp_path / "evil.pth")
