"""What happens to the disk and the folder of a run: one line or a clean recovery, and nothing is lost."""

import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import TUDUI, command_after, quick_config, record, served, wait_for
from tests.test_run import assert_same_run, cut_at, start, wait_for_lines
from tests.test_tensorboard import check_scalars, read
from tudui.data import load_data
from tudui.errors import Interrupted
from tudui.events import Event, RunStarted
from tudui.files import DiskError, locked
from tudui.run import train
from tudui.run.disk import disk_need
from tudui.training.checkpoint import load_checkpoint
from tudui.training.device import resolve_machine
from tudui.training.state import new_state

pytestmark = pytest.mark.slow

FLAGS = ("-e", "2", "--set", "log.every=5", "--set", "train.threads=1", "--set", "device=cpu")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A file system in memory; called again, it gets other options."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options: str) -> Path:
        again = ["-o", f"remount,{options}"] if os.path.ismount(place) else ["-t", "tmpfs", "-o", options, "none"]
        done = subprocess.run(["mount", *again, str(place)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("a file system can only be mounted by root")
        return place

    yield mount
    if os.path.ismount(place):
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_tensorboard_shows_runs_where_nothing_can_be_written(uncut):
    """It reads them without links and without a process for reading, which need a temporary folder."""
    places = " ".join(place for place in ("/tmp", "/var/tmp", "/usr/tmp") if Path(place).is_dir())
    mounts = (
        'mount --bind "$0" /mnt && cd /mnt && mount -o remount,bind,ro /mnt'
        f' && for place in {places}; do mount -t tmpfs -o ro none $place; done && exec "$@"'
    )
    nowhere = ("unshare", "--mount", "sh", "-c", mounts, str(uncut.parent))
    if subprocess.run([*nowhere, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a file system can only be mounted by root")
    with served(Path("run"), *nowhere) as address, urllib.request.urlopen(f"{address}data/runs") as answer:
        assert len(json.load(answer)) == 1


@pytest.fixture(scope="session")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uncut") / "run"
    train(quick_config("train.epochs=2"), folder)
    return folder


@pytest.mark.parametrize("size", ["1300k", "1500k", "2000k", "2600k", "3700k", "4000k"])
def test_a_full_disk_is_one_line_and_a_resume_when_there_is_room(size, small_disk, tudui, uncut):
    """The disk has room when the run begins, and becomes full later."""
    run = small_disk("size=40m") / "run"

    def shrink(event: Event) -> None:
        if isinstance(event, RunStarted):
            small_disk(f"size={size}")

    with pytest.raises(DiskError, match="No space left on device; ") as full:
        train(quick_config("train.epochs=2"), run, sinks=[shrink])
    assert str(full.value).startswith(str(run))
    assert "\n" not in str(full.value)
    small_disk("size=40m")
    assert tudui("train", "--resume", run).code == 0
    assert_same_run(run, uncut)
    check_scalars(run)


@pytest.mark.parametrize("size", ["16k", "64k", "700k", "3000k"])
@pytest.mark.parametrize("command", ["train", "compare-losses"])
def test_a_disk_that_is_certainly_too_small_is_refused_before_training(command, size, small_disk, tudui):
    run = small_disk(f"size={size}") / "run"
    short = ("--epochs", "2") if command == "train" else ("--seeds", "2")
    for dry in ((), ("--dry-run",)):
        answer = tudui(command, "-o", run, *short, *dry)
        assert answer.code == 6
        errors = [line for line in answer.err.splitlines() if line.startswith("error:")]
        assert len(errors) == 1
        assert errors[0].startswith(f"error: {run}")
    assert not list(run.rglob("*.pt"))
    small_disk("size=300m")
    assert tudui("train", "-o", run, *FLAGS).code == 0


@pytest.mark.parametrize("network", ["tudui", "resnet20", "torchvision:squeezenet1_1"])
def test_the_need_of_a_run_is_known_before_it(network, tmp_path):
    """Within 20 %, each of its parts; checkpoints within 5 %."""
    size = "data.size=32" if network == "tudui" else "data.size=20"
    given = (f"network={network}", "optimizer.lr=0.01", size, "train.epochs=4", "log.every=2", "log.details_every=2")
    config, _ = resolve_machine(quick_config(*given))
    data = load_data(config.data, config.seed)
    need = disk_need(config, new_state(config, data), data)
    train(config, tmp_path / "run")
    files = {file: file.stat().st_size for file in (tmp_path / "run").rglob("*") if file.is_file()}
    checkpoints = [size for file, size in files.items() if file.suffix == ".pt"]
    assert len(checkpoints) == need.kept
    assert checkpoints == pytest.approx([need.checkpoint] * need.kept, rel=0.05)
    assert files[tmp_path / "run" / "metrics.jsonl"] == pytest.approx(need.record, rel=0.2)
    events = sum(size for file, size in files.items() if "tfevents" in file.name)
    assert events == pytest.approx(need.events, rel=0.2)


def test_a_read_only_folder(small_disk, tudui):
    run = small_disk("size=40m") / "run"
    small_disk("ro")
    answer = tudui("train", "-o", run, *FLAGS)
    assert answer.code == 6
    assert f"{run}: cannot be created: Read-only file system; choose another --run-dir" in answer.err


def test_a_folder_that_became_read_only(small_disk, tudui, tmp_path):
    run = small_disk("size=40m") / "run"
    with pytest.raises(Interrupted):
        train(quick_config(), run, sinks=[cut_at(3)])
    small_disk("ro")
    answer = tudui("train", "--resume", run)
    assert answer.code == 6
    assert answer.err.startswith(f"error: {run / 'run.lock'}: cannot be written: Read-only file system")
    small_disk("rw")
    assert tudui("train", "--resume", run).code == 0


@pytest.mark.parametrize("limit", [50_000, 1_000_000])
def test_a_limit_on_the_size_of_files(limit, tmp_path):
    """50 kB: the event file comes to it; 1 MB: a checkpoint does."""
    process = subprocess.run(
        command_after(
            f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))",
            "train", "-o", "run", *FLAGS
        ),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 6, process.stderr
    assert process.stderr.count("\n") == 1
    assert "File too large" in process.stderr
    assert not list(Path("run").rglob("*.part"))


@pytest.mark.parametrize("removed", [True, False], ids=["removed", "moved"])
def test_a_folder_that_goes_while_the_run_goes_on(removed, tmp_path):
    def take_it_away(event: object) -> None:
        if (tmp_path / "run").exists() and len(record(tmp_path / "run")) == 4:
            if removed:
                shutil.rmtree(tmp_path / "run")
            else:
                (tmp_path / "run").rename(tmp_path / "elsewhere")

    with pytest.raises(DiskError, match=r"run/metrics.jsonl: cannot be written: "):
        train(quick_config(), tmp_path / "run", sinks=[take_it_away])
    assert not (tmp_path / "run").exists()
    if not removed:
        assert train(quick_config(), tmp_path / "elsewhere", resume=True).status == "finished"


def test_a_torn_last_line_is_cut_off(tmp_path, uncut):
    with pytest.raises(Interrupted):
        train(quick_config("train.epochs=2"), tmp_path / "run", sinks=[cut_at(5)])
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"event": "StepEnd", "step": 3')
    train(quick_config("train.epochs=2"), tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", uncut)


@pytest.mark.parametrize("again", [("--resume", "run"), ("-o", "run")])
def test_a_second_process_on_one_run_is_refused(again, tudui, tmp_path):
    process = start("-o", "run", "-e", "500")
    try:
        wait_for_lines(Path("run/metrics.jsonl"), 3, process)
        lines = Path("run/config.yaml").read_bytes()
        answer = tudui("train", *again)
        assert answer.code == 6
        assert (
            f"run: this run is in use by another process (process {process.pid} on {socket.gethostname()})"
            in answer.err
        )
        assert Path("run/config.yaml").read_bytes() == lines
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
    with locked(Path("run/run.lock"), what="it is"):  # the lock went with its holder
        pass


def test_a_clock_that_is_set_back(tmp_path, monkeypatch):
    """TensorBoard reads event files in the order of their names, which begin with the time."""
    with pytest.raises(Interrupted):
        train(quick_config(), tmp_path / "run", sinks=[cut_at(5)])
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 30 * 24 * 3600)
    train(quick_config(), tmp_path / "run", resume=True)
    check_scalars(tmp_path / "run")
    steps = [event.step for event in read(tmp_path / "run").Scalars("loss/train")]
    assert steps == sorted(Counter(steps))


def test_ctrl_c_twice_stops_at_once_with_the_last_checkpoint_whole(tmp_path, tudui):
    process = start("-o", "run", "-e", "500", "--set", "log.every=1000", "--set", "train.threads=1")
    wait_for_lines(Path("run/metrics.jsonl"), 6, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.02)  # signals of one kind do not queue
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert not list(Path("run").rglob("*.part"))
    assert load_checkpoint(Path("run/checkpoints/last.pt")).state["progress"]["step"]


def test_a_full_console_ends_no_run(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*TUDUI, "train", "-o", "run", *FLAGS], stdout=full, stderr=full, check=False)
    assert done.returncode == 6  # the run is done, and its output is lost
    assert (tmp_path / "run" / "result.json").exists()


@pytest.mark.parametrize(("console", "code"), [("pipe", 130), ("terminal", 129)])
@pytest.mark.parametrize("command", ["train", "compare-losses"])
def test_a_console_that_is_gone_loses_nothing(command, console, code, tmp_path):
    """Ctrl-C also ends `| tee log`; a terminal that is closed sends SIGHUP, and can no longer be written."""
    reading, writing = os.pipe() if console == "pipe" else pty.openpty()
    os.set_blocking(reading, False)
    own_terminal = "import fcntl, termios; fcntl.ioctl(1, termios.TIOCSCTTY, 0)" if console == "terminal" else "pass"
    runs = ["compare-losses", "--losses", "ce,mse", "--seeds", "1"] if command == "compare-losses" else ["train"]
    process = subprocess.Popen(
        command_after(own_terminal, *runs, "-o", "out", "-e", "500", *FLAGS[2:]),
        stdout=writing, stderr=writing, start_new_session=True,
    )  # fmt: skip
    os.close(writing)

    def look() -> int:
        with suppress(BlockingIOError):  # nothing was printed
            os.read(reading, 100_000)
        return recorded()

    def recorded() -> int:
        return sum(len(path.read_bytes().splitlines()) for path in tmp_path.rglob("metrics.jsonl"))

    try:
        wait_for(lambda: look() > 10, process)
        os.close(reading)
        if console == "pipe":
            before = recorded()
            wait_for(lambda: recorded() > before + 12, process)  # an epoch, of which a line is printed
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == code
    finally:
        process.kill()
        process.wait()
    for path in tmp_path.rglob("metrics.jsonl"):
        steps = [event["step"] for event in record(path.parent) if event["event"] == "StepEnd"]
        assert load_checkpoint(path.parent / "checkpoints" / "last.pt").state["progress"]["step"] == max(steps)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize("streams", ["> /dev/full 2> /dev/full", "<&- >&- 2>&-", "2>&1 | head -1"])
def test_a_run_whose_console_cannot_be_written_finishes(streams, uncut, tmp_path):
    subprocess.run(["bash", "-c", f'"$@" {streams}', "bash", *TUDUI, "train", "-o", "run", *FLAGS], check=False)
    assert_same_run(tmp_path / "run", uncut)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_log_point_opens_nothing_that_stays(tmp_path):
    """The short form of fuzz/soak.py."""
    opened, threads = [], []

    def look(event: object) -> None:
        opened.append(len(list(Path("/proc/self/fd").iterdir())))
        threads.append(len(list(Path("/proc/self/task").iterdir())))

    train(quick_config("train.epochs=6", "log.every=1"), tmp_path / "run", sinks=[look])
    half = len(opened) // 2
    assert max(opened[half:]) <= max(opened[:half])
    assert max(threads[half:]) <= max(threads[:half])
