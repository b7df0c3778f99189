"""Comparisons on a Ray cluster: nodes and workers that die, signals, mistakes; the numbers are the local executor's."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.conftest import QUICK_FLAGS as QUICK
from tests.conftest import ROOT, TUDUI, wait_for
from tests.test_comparison import NO_TENSORBOARD, outcome
from tudui.comparison.compare import compare
from tudui.config import parse_set
from tudui.config.plan import load_plan

ON_RAY = (*TUDUI, "compare-losses", "--executor", "ray")
MARK = "TUDUI_RAY_TEST"  # in the environment of every process that a test starts


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path_factory):
    """Ray's sockets need a short path; its processes find this package and are known by a mark."""
    short = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    monkeypatch.setenv("RAY_TMPDIR", short)
    monkeypatch.setenv("TMPDIR", short)  # where tasks have their run folders
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv(MARK, short)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    yield
    shutil.rmtree(short, ignore_errors=True)


def needs_ray():
    return pytest.importorskip("ray", reason="Ray is not installed: pip install ray")


def start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [*ON_RAY, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def tasks_below(pid: int) -> list[int]:
    """The worker processes of a node's raylet that are doing a run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and (entry / "cmdline").read_bytes().startswith(b"ray::tudui"):
                found.append(int(entry.name))
        except OSError:  # it has ended
            continue
    return found


def marked() -> dict[int, str]:
    """The processes, other than this one, that carry the test's mark."""
    mark, found = f"{MARK}={os.environ[MARK]}".encode(), {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes():
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def results(folder: str) -> list[Path]:
    return list(Path(folder).glob("runs/*/result.json"))


def test_without_ray_it_says_what_to_install(tudui, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not there
    monkeypatch.delitem(sys.modules, "tudui.comparison.executors.on_ray", raising=False)
    answer = tudui("compare-losses", "--executor", "ray", *QUICK)
    assert answer.code == 2
    assert answer.err == "error: --executor ray: Ray is not installed; install it with: pip install ray\n"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--ray-address", "10.0.0.1:6379"), "error: --ray-address 10.0.0.1:6379: only with --executor ray\n"),
        (("--executor", "ray", "--jobs", "2"), "jobs: on Ray the cluster decides"),
    ],
)
def test_flags_that_do_not_fit_are_refused(flags, says, tudui):
    answer = tudui("compare-losses", *flags)
    assert answer.code == 2
    assert says in answer.err
    assert not Path("runs").exists()


def test_a_dry_run_needs_no_cluster(tudui):
    answer = tudui("compare-losses", "--executor", "ray", "--ray-address", "10.0.0.1:6379", "--dry-run")
    assert answer.code == 0, answer.err
    assert "20 runs, on Ray, in runs/compare-digits" in answer.out
    assert "one after another" in answer.out


@pytest.mark.slow
def test_an_address_where_nothing_answers(tmp_path):
    needs_ray()
    with socket.socket() as taken:  # bound and not listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            [*ON_RAY, "--ray-address", address, *QUICK], capture_output=True, text=True, check=False, timeout=60
        )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: --ray-address {address}: nothing answers there")
    assert len(done.stderr.splitlines()) == 1
    assert not list(Path().glob("runs/*"))


@pytest.mark.slow
def test_the_progress_of_every_run_is_seen_while_it_goes_on():
    needs_ray()
    plan, seen = load_plan(None, [parse_set("train.epochs=4"), parse_set("comparison.seeds=1")]), []
    compare(plan, Path("seen"), executor="ray", jobs=1, listener=seen.append, command="")
    assert len(results("seen")) == 4
    for run in results("seen"):
        of_run = [progress for progress in seen if progress.run == run.parent.name]
        assert len({progress.fraction for progress in of_run}) > 2
        assert [progress.done for progress in of_run] == [""] * (len(of_run) - 1) + ["finished"]
        assert any(progress.validation for progress in of_run)


@pytest.mark.slow
def test_a_node_and_a_worker_that_die_change_nothing(compared, tmp_path):
    """12 runs on two nodes; the second is killed in the middle of a run, and then the first one's worker."""
    needs_ray()
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        other = cluster.add_node(num_cpus=1)
        large = subprocess.run(
            [*ON_RAY, "--ray-address", cluster.address, *QUICK, "--set", "train.threads=2", "-o", "large"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert large.returncode == 2
        assert large.stderr.startswith("error: --executor ray: a run needs 2 CPU, which no node of the cluster has")
        process = start(
            "--ray-address", cluster.address, "--losses", "ce,mse", "--seeds", "3", "--label-noise", "0,0.4",
            *QUICK, "--json", "-o", "clustered",
        )  # fmt: skip
        wait_for(lambda: len(results("clustered")) >= 2, process)
        for node in (other, cluster.head_node):
            raylet = node.all_processes["raylet"][0].process.pid
            (worker,) = wait_for(lambda raylet=raylet: tasks_below(raylet), process)
            os.kill(worker, signal.SIGSTOP)  # so that its run cannot end first
            assert tasks_below(raylet) == [worker]
            if node is other:
                cluster.remove_node(node, allow_graceful=False)
            os.kill(worker, signal.SIGKILL)
        assert len(results("clustered")) < 11
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert json.loads(out)["folder"] == "clustered"
        assert "raylet" not in err
        assert outcome(Path("clustered")) == outcome(compared)
        assert not list(Path("clustered/runs").glob("*.part"))
        assert Path("clustered/runs/ce-seed0/checkpoints/last.pt").exists()
        assert list(Path("clustered/runs/ce-seed0/tensorboard").iterdir())
    finally:
        cluster.shutdown()


@pytest.mark.slow
def test_ctrl_c_stops_everything_and_the_runs_go_on_elsewhere(tmp_path, tudui):
    """On a Ray of its own; the signal reaches the whole process group, as in a terminal."""
    needs_ray()
    command = ("--losses", "ce,mse", "--seeds", "1", "-e", "6", "--set", "device=cpu", *NO_TENSORBOARD)
    process = start(*command, "-o", "stopped")
    wait_for(lambda: list(Path(os.environ["TMPDIR"]).glob("tudui-*/*/checkpoints/last.pt")), process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "stopped, everything saved; to resume, type: tudui compare-losses" in err
    assert "Traceback" not in out + err
    deadline = time.monotonic() + 10
    while left := marked():
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    assert not results("stopped")
    cut = list(Path("stopped/runs").glob("*/checkpoints/last.pt"))
    assert cut
    lines = (cut[0].parent.parent / "metrics.jsonl").read_text()
    assert tudui("compare-losses", *command, "-o", "stopped").code == 0
    assert (cut[0].parent.parent / "metrics.jsonl").read_text().startswith(lines)
    assert tudui("compare-losses", *command, "-o", "uncut").code == 0
    assert outcome(Path("stopped")) == outcome(Path("uncut"))


@pytest.mark.slow
def test_what_is_wrong_on_a_node_is_one_line_with_its_exit_code(class_folders):
    """The images vanish after the first run."""
    needs_ray()
    process = start(
        "--data", f"folder:{class_folders}", "--seeds", "8", "--set", "train.batch_size=8", *QUICK, "-o", "lost"
    )
    wait_for(lambda: results("lost"), process)
    shutil.rmtree(class_folders)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert err.splitlines()[-1].startswith("error: ")
    assert "pictures" in err
    assert "Traceback" not in err
    assert 1 <= len(results("lost")) < 32


@pytest.mark.slow
def test_a_ray_of_its_own_is_for_this_machine_and_imports_nothing_from_here(tmp_path):
    needs_ray()
    psutil = pytest.importorskip("psutil")
    folder = tmp_path / "received"
    folder.mkdir()
    for name in ("numpy", "json", "tempfile", "torch"):
        (folder / f"{name}.py").write_text("import posix\nposix.mkdir('executed')\n")
    process = subprocess.Popen(
        [sys.executable, "-P", *ON_RAY[1:], "--losses", "ce", "--seeds", "1", "-e", "20", "--set", "device=cpu"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    wait_for(lambda: list(Path(os.environ["TMPDIR"]).glob("tudui-*/*/checkpoints/last.pt")), process)
    pids = marked()
    addresses = {
        found.laddr.ip.removeprefix("::ffff:")
        for found in psutil.net_connections("inet")
        if found.pid in pids and found.status == "LISTEN"
    }
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert addresses == {"127.0.0.1"}
    assert not list(tmp_path.rglob("executed"))


@pytest.mark.slow
def test_links_in_a_run_from_others_are_not_followed(compared, tmp_path):
    needs_ray()
    shutil.copytree(compared, tmp_path / "received", symlinks=True)
    run = tmp_path / "received" / "runs" / "ce-seed0"
    (run / "result.json").unlink()
    (tmp_path / "key").write_text("mine\n")
    (run / "checkpoints" / "key").symlink_to(tmp_path / "key")
    process = start("--losses", "ce,mse", "--seeds", "3", "--label-noise", "0,0.4", *QUICK, "-o", "received")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 6, err
    assert "checkpoints/key: " in err
    assert (run / "checkpoints" / "key").is_symlink()


@pytest.mark.slow
def test_own_losses_and_sinks_travel_to_the_nodes():
    needs_ray()
    Path("sub").mkdir()
    Path("sub/own.py").write_text(
        "def far(outputs, targets):\n"
        "    return -outputs.softmax(1)[range(len(targets)), targets]\n\n\n"
        "def steps(run):\n"
        "    run.folder.mkdir()\n"
        "    return lambda event: (run.folder / 'last').write_text(str(event.step))\n"
    )
    process = start(
        "--losses", "ce,sub/own.py:far", "--lr", "same", "--set", "optimizer.lr=0.05", "--seeds", "1",
        "--sink", "sub/own.py:steps", *QUICK, "-o", "own",
    )  # fmt: skip
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert len(results("own")) == 2
    assert Path("own/runs/own.py-far-seed0/own.py-steps/last").read_text() == "20"
