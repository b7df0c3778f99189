"""Several processes of one run: the same trajectory, whoever dies, and whoever asks them to stop."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import record, wait_for
from tudui.training.checkpoint import load_checkpoint

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
TRAIN = ["-m", "tudui", "train", "--config", "digits", "-e", "2", "--set", "device=cpu", "--set", "train.threads=1",
         "--set", "precision=fp32"]  # fmt: skip
SLOWLY = ("--lr", "0.002")  # so that rounding does not grow from step to step
WHOLE = {"RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}
SMOOTH = (*SLOWLY, "--set", "checkpoint.best=false")  # nor decides which of two epochs was the better one


def launch(*arguments: object, torchrun: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start `tudui train` in two processes."""
    return subprocess.Popen(
        [*TORCHRUN, *torchrun, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == code, output
    return output


def alone(*arguments: object) -> None:
    subprocess.run([sys.executable, *map(str, arguments)], check=True, capture_output=True)


def ranks(folder: Path) -> dict[int, int]:
    """Return the process of each rank that trains into the folder from here: other workers use the same names."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command, here = (place / "cmdline").read_bytes(), (place / "cwd").readlink() == Path.cwd()
            environment = dict(entry.partition(b"=")[::2] for entry in (place / "environ").read_bytes().split(b"\0"))
        except OSError:
            continue
        if here and folder.name.encode() in command and b"RANK" in environment:
            found[int(environment[b"RANK"])] = int(place.name)
    return found


def assert_the_same_trajectory(one: Path, other: Path) -> None:
    """Losses, norms, scores and weights are equal up to rounding."""
    for mine, theirs in zip(record(one), record(other), strict=True):
        assert mine["event"] == theirs["event"]
        for key in ("step", "epoch", "loss", "accuracy", "absolute_error", "epoch_loss", "nll", "learning_rate"):
            if key in theirs:
                close = 0.01 if key == "accuracy" else 2e-5  # of images, one may lie on the border
                assert mine[key] == pytest.approx(theirs[key], rel=1e-4, abs=close), key
    weights, others = (load_checkpoint(folder / "checkpoints" / "last.pt").state["model"] for folder in (one, other))
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, others[name], rtol=1e-4, atol=1e-5)
    images = [np.load(folder / "predictions.npz")["index"] for folder in (one, other)]
    assert (images[0] == images[1]).all()


RECIPES = {
    "as it is": SMOOTH,
    "everything at once": (
        *SMOOTH,
        "--loss", "huber", "--set", "train.clip=0.1", "--set", "data.label_noise=0.3", "--set", "data.augment.shift=2",
        "--set", "data.augment.flip=true",
    ),
    "numbers": (*SMOOTH, "--data", "rotated-digits", "--loss", "huber", "--set", "data.outliers=0.1"),
    "selected on validation": (*SLOWLY, "--set", "train.early_stopping=1", "-e", "4"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_two_processes_are_one(name, tmp_path):
    flags = (*TRAIN, "--set", "log.every=5", *RECIPES[name])
    alone(*flags, "-o", "one")
    finish(launch(*flags, "-o", "two"))
    assert_the_same_trajectory(Path("one"), Path("two"))
    results = [json.loads((Path(folder) / "result.json").read_text()) for folder in ("one", "two")]
    assert results[1]["hardware"]["processes"] == 2
    metric = "absolute_error" if name == "numbers" else "accuracy"
    assert results[0]["test"][metric] == pytest.approx(results[1]["test"][metric], abs=0.01)


@pytest.mark.slow
def test_two_machines_are_one(tmp_path):
    """Two torchruns, as two machines have them."""
    flags = (*TRAIN, *SMOOTH)
    alone(*flags, "-o", "one")
    nodes = ("--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", "29563")
    other = launch(*flags, "-o", "two", torchrun=(*nodes, "--node-rank", "1"))
    finish(launch(*flags, "-o", "two", torchrun=(*nodes, "--node-rank", "0")))
    finish(other)
    assert_the_same_trajectory(Path("one"), Path("two"))


@pytest.mark.slow
def test_machines_with_different_configs_are_refused(tmp_path):
    """Before the loop, with the keys that differ; data.dir may differ."""
    nodes = ("--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", "29564")
    settings = ("optimizer.lr=0.003", "loss.label_smoothing=0.1", "train.early_stopping=2", "data.augment.shift=1")
    different = [word for setting in settings for word in ("--set", setting)]
    other = launch(*TRAIN, *different, "--data-dir", "here", "-o", "two", torchrun=(*nodes, "--node-rank", "1"))
    first = launch(*TRAIN, "--lr", "0.002", "-o", "two", torchrun=(*nodes, "--node-rank", "0"))
    output = finish(first, code=1)
    finish(other, code=1)
    assert output.count("this process and the first have different settings") == 1
    said = set(re.findall(r"[(,] ?([a-z_.]+) \S+ not ", output))
    assert said == {setting.partition("=")[0] for setting in settings}
    assert not Path("two").exists()


@pytest.mark.slow
@pytest.mark.parametrize("first", [1, 2])
def test_a_checkpoint_of_two_goes_on_with_one_and_back(first, tmp_path):
    flags = (*TRAIN, "-e", "4", "--set", "log.every=1", *SMOOTH)
    alone(*flags, "-o", "whole")
    command = [*(TORCHRUN if first == 2 else [sys.executable]), *map(str, flags), "-o", "cut"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(lambda: Path("cut/checkpoints/last.pt").exists(), process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert "everything saved" in output
    assert not Path("cut/result.json").exists()
    resume = ("-m", "tudui", "train", "--resume", "cut")
    if first == 2:
        alone(*resume)
    else:
        finish(launch(*resume))
    assert_the_same_trajectory(Path("whole"), Path("cut"))


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("-b", "63"), "train.batch_size: 63 is not a multiple of 2 processes; set it to 62 or 64"),
        (("--set", "train.drop_last=false"), "train.drop_last: 2 processes cannot share"),
    ],
)
def test_what_cannot_be_shared_is_refused_before_anything_starts(flags, says, tudui, monkeypatch):
    for name, value in {"WORLD_SIZE": "2", **WHOLE}.items():
        monkeypatch.setenv(name, value)
    answer = tudui("train", "--config", "digits", *flags, "-o", "run")
    assert answer.code == 2
    assert says in answer.err
    assert not Path("run").exists()


@pytest.mark.parametrize(
    "given",
    [{}, {"RANK": "0"}, {**WHOLE, "RANK": "2"}, {**WHOLE, "MASTER_PORT": "x"}, {**WHOLE, "MASTER_PORT": "99999"}],
)
def test_world_size_without_the_rest_of_torchruns_environment_is_one_line(given, tudui, monkeypatch):
    for name, value in {"WORLD_SIZE": "2", **given}.items():
        monkeypatch.setenv(name, value)
    for arguments in (["train", "-e", "1"], ["train", "--dry-run"], ["compare-losses", "--dry-run"]):
        tudui(*arguments).refused(2, "unset WORLD_SIZE")
    assert not any(Path("runs").glob("*"))
    assert tudui("loss", "list").code == 0


def test_a_port_in_use_is_one_line(tudui, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for name, value in {"WORLD_SIZE": "2", **WHOLE, "MASTER_PORT": port}.items():
            monkeypatch.setenv(name, value)
        answer = tudui("train", "--config", "digits", "-o", "run")
    answer.refused(7, f":{port} ")
    assert not Path("run").exists()


def test_a_restart_must_find_its_run(tudui, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "1")
    answer = tudui("train", "--config", "digits")
    assert answer.code == 2
    assert "name the run's folder with --run-dir" in answer.err


def test_a_comparison_is_not_for_torchrun(tudui, monkeypatch):
    for name, value in {"WORLD_SIZE": "2", **WHOLE}.items():
        monkeypatch.setenv(name, value)
    answer = tudui("compare-losses", "--losses", "ce,mse")
    assert answer.code == 2
    assert "run it without torchrun" in answer.err


@pytest.mark.slow
def test_a_run_that_diverges_ends_everywhere_and_batches_are_printed_once(tmp_path):
    output = finish(
        launch(*TRAIN, "--print-batches", "1", "--lr", "1e9", "--set", "train.clip=null", "-o", "run"), code=1
    )
    assert output.count("batch 1: outputs") == 1
    assert output.count("diverged at step") == 1
    assert json.loads(Path("run/result.json").read_text())["status"] == "diverged"


@pytest.mark.slow
def test_what_is_wrong_is_said_once(tmp_path):
    output = finish(launch(*TRAIN, "--data", f"folder:{tmp_path / 'nothing'}", "-o", "run"), code=1)
    assert output.count("no such folder") == 1
    assert not Path("run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_is_named_and_the_job_ends(victim, tmp_path):
    process = launch(*TRAIN, "-e", "200", "-o", "killed")
    wait_for(lambda: Path("killed/checkpoints/previous.pt").exists(), process)  # an epoch is done
    pids = ranks(Path("killed"))
    os.kill(pids[victim], signal.SIGKILL)
    killed = time.monotonic()
    output = finish(process, code=1)
    assert time.monotonic() - killed < 20
    survivor = 1 - victim
    assert re.search(
        rf"error: rank {survivor} stops: rank {victim} \(process {pids[victim]} on .*\) ended; resume from", output
    )
    assert load_checkpoint(Path("killed/checkpoints/last.pt")).state["progress"]["epoch"] > 0
    assert not ranks(Path("killed"))


@pytest.mark.slow
def test_torchrun_carries_on_by_itself(tmp_path):
    flags = (*TRAIN, "-e", "6", *SMOOTH)
    alone(*flags, "-o", "whole")
    process = launch(*flags, "-o", "again", torchrun=("--max-restarts", "1"))
    wait_for(lambda: Path("again/checkpoints/last.pt").exists(), process)
    os.kill(ranks(Path("again"))[1], signal.SIGKILL)
    finish(process)
    assert_the_same_trajectory(Path("whole"), Path("again"))


@pytest.mark.slow
def test_ctrl_c_twice_leaves_no_process_and_a_whole_checkpoint(tmp_path):
    process = launch(*TRAIN, "-e", "200", "--set", "log.every=1000", "-o", "twice")
    wait_for(lambda: Path("twice/checkpoints/last.pt").exists(), process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.02)  # signals of one kind do not queue
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert "everything saved" not in output
    assert "interrupted; resume from its last checkpoint with: torchrun ... -m tudui train --resume twice" in output
    assert not ranks(Path("twice"))
    load_checkpoint(Path("twice/checkpoints/last.pt"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_all_processes_with_everything_saved(number, tmp_path):
    process = launch(*TRAIN, "-e", "200", "-o", "stopped")
    wait_for(lambda: Path("stopped/checkpoints/last.pt").exists(), process)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert output.count("everything saved; resume with") == 1
    assert not ranks(Path("stopped"))
    saved = load_checkpoint(Path("stopped/checkpoints/last.pt"))
    assert saved.lengths["metrics.jsonl"] == Path("stopped/metrics.jsonl").stat().st_size


ONE_SIDED = """
import os
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3072, 10)
        self.extra = nn.Parameter(torch.ones(10))

    def forward(self, images):
        outputs = self.head(images.flatten(1))
        return outputs + 0 * self.extra if os.environ["RANK"] == "1" else outputs
"""


@pytest.mark.slow
def test_a_parameter_that_one_process_uses_is_updated_in_all(tmp_path):
    """Its gradient is 0, and weight decay shrinks it: the first process saves what the second would have done."""
    Path("net.py").write_text(ONE_SIDED)
    flags = ("--network", "net.py:Net", "-e", "1", "--set", "optimizer.weight_decay=0.5", "--lr", "0.01")
    finish(launch(*TRAIN, *flags, "-o", "two"))
    extra = load_checkpoint(Path("two") / "checkpoints" / "last.pt").state["model"]["extra"]
    assert (extra < 0.99).all()


NORMALISED = """
import os
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=4)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4 * 8 * 8, 10)

    def forward(self, images):
        if not self.training:
            torch.save(self.norm.state_dict(), f"{os.environ['WHERE']}-rank{os.environ['RANK']}.pt")
        return self.head(F.dropout(F.relu(self.norm(self.stem(images))).flatten(1), 0.2, self.training))
"""


def assert_warned_once_after_more_processes(own):
    """A run of one process, resumed with two and again with two."""
    flags = (*TRAIN, *own, "--lr", "0.01", "--set", "schedule=constant", "-o", "grown")
    alone = [sys.executable, *flags, "-e", "1"]
    subprocess.run(alone, check=True, env=os.environ | {"WHERE": "grown", "RANK": "0"}, capture_output=True)
    for epochs in ("2", "3"):
        finish(launch("-m", "tudui", "train", "--resume", "grown", *own, "--epochs", epochs))
    warned = [event for event in record(Path("grown")) if event["event"] == "Warned"]
    (apart,) = [event for event in warned if "normalises its own share" in event["message"]]
    assert apart["step"] > 0


@pytest.mark.slow
def test_running_means_are_the_first_processs_and_a_cut_run_resumes_bit_for_bit(tmp_path, monkeypatch):
    Path("net.py").write_text(NORMALISED)
    own = ("--network", "net.py:Net")
    flags = (*TRAIN, *own, "--lr", "0.01", "--set", "log.every=1", "--set", "checkpoint.best=false")
    monkeypatch.setenv("WHERE", "whole")
    finish(launch(*flags, "-o", "whole"))
    first, second = (torch.load(f"whole-rank{rank}.pt") for rank in (0, 1))
    weights = load_checkpoint(Path("whole/checkpoints/last.pt")).state["model"]
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name])
        assert torch.equal(tensor, weights[f"norm.{name}"])
    warned = [event["message"] for event in record(Path("whole")) if event["event"] == "Warned"]
    assert sum("2 processes normalises its own share of a batch (norm)" in message for message in warned) == 1
    assert_warned_once_after_more_processes(own)
    monkeypatch.setenv("WHERE", "cut")
    process = launch(*flags, "-o", "cut")
    wait_for(lambda: Path("cut/checkpoints/last.pt").exists(), process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert "everything saved" in output
    assert not Path("cut/result.json").exists()
    finish(launch("-m", "tudui", "train", "--resume", "cut", *own))
    assert record(Path("cut"))[1:] == record(Path("whole"))[1:]
    resumed = load_checkpoint(Path("cut/checkpoints/last.pt")).state["model"]
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in weights.items())
