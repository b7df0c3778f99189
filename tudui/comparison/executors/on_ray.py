"""On Ray: each run is a task on a node with room for it; its folder is copied there and back."""

import logging
import math
import os
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stdout, suppress
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from shutil import rmtree
from typing import Any

import ray
from ray._private import ray_constants
from ray.exceptions import RayError, TaskCancelledError

from tudui.comparison.executors.job import GRACE, PATIENCE, Failure, Listener, Progress, job_of, stopped
from tudui.comparison.runs import PlannedRun, threads_of
from tudui.config.own_code import OwnFile, allow_again, allowed
from tudui.errors import Interrupted, TuduiError, UsageError, WorkerError, as_tudui_errors
from tudui.files import aside, disk_errors, refuse_links
from tudui.run import train_together
from tudui.signals import stop_on_signal
from tudui.training.device import resolve_machine

LOCAL = "local"  # to Ray, a new cluster on this machine
CONNECT = 5.0  # seconds until an address counts as unreachable
RETRIES = 3  # of a run whose node or worker process died
GPU_SHARE = 0.25  # of a GPU per run, which leaves most of it idle

Files = Mapping[str, bytes]  # a run folder: contents by relative path
Returned = tuple[str, Files]  # "finished", "diverged", or "" if the run was stopped; its folder


class _Board:
    """The latest progress of each run: an actor that tasks write to without waiting, and the command reads."""

    def __init__(self) -> None:
        self.latest: dict[str, Progress] = {}

    def report(self, progress: Progress) -> None:
        self.latest[progress.run] = progress

    def take(self) -> list[Progress]:
        """Return the progress since the last call."""
        latest, self.latest = self.latest, {}
        return list(latest.values())


def on_ray(runs: Sequence[PlannedRun], folder: Path, address: str | None, listener: Listener) -> None:
    """Do the runs on a Ray cluster, as many at a time as it has room for; Interrupted after a signal."""
    # `auto` is resolved here, so that every node computes in the same way
    decided = [replace(run, config=resolve_machine(run.config)[0]) for run in runs]
    with _connected(address or os.environ.get("RAY_ADDRESS") or LOCAL), stop_on_signal() as request:
        config = decided[0].config
        cpus, gpus = float(threads_of(config)), GPU_SHARE if config.device.startswith("cuda") else 0
        _check_room({"CPU": cpus, "GPU": gpus})
        remote = ray.remote(_train).options(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES, name="tudui")
        board: Any = ray.remote(_Board).options(num_cpus=0, max_restarts=-1).remote()

        def submit(run: PlannedRun) -> "ray.ObjectRef[Returned | Failure]":
            return remote.remote(allowed(), run, _read(folder / run.name), str(Path.cwd()), board)

        tasks = {submit(run): run for run in decided}
        failure: TuduiError | None = None
        give_up = math.inf
        while tasks and time.monotonic() < give_up:
            if (request.signal_number is not None or failure) and give_up == math.inf:
                give_up = time.monotonic() + GRACE
                for task in tasks:
                    ray.cancel(task)
            done, _ = ray.wait(list(tasks), timeout=PATIENCE)
            unfinished = {run.name for task, run in tasks.items() if task not in done}
            with suppress(RayError):  # its node died, or it is busy: the next round asks again
                for progress in ray.get(board.take.remote(), timeout=PATIENCE):
                    if progress.run in unfinished:
                        listener(progress)
            for task in done:
                run = tasks.pop(task)
                try:
                    outcome = ray.get(task)
                except TaskCancelledError:
                    continue
                except RayError as error:
                    outcome = WorkerError(f"{run.name}: {_first_line(error)}; run the same command again to resume")
                if isinstance(outcome, TuduiError):
                    failure = failure or outcome
                    continue
                status, files = outcome
                _put(files, folder / run.name)
                if status:
                    listener(Progress(run.name, 1.0, done=status))
                elif give_up == math.inf:  # its node was asked to stop
                    tasks[submit(run)] = run
    if request.signal_number is not None:
        raise stopped(request.signal_number, len(tasks), failure)
    if failure:
        raise failure


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """Connect to a cluster, or start one on this machine, until the block ends; UsageError if there is none."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    where = f"--ray-address {address}"
    if ":" in address:  # Ray would try for a minute, then end this process
        host, _, port = address.removeprefix("ray://").rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT).close()
        except (OSError, ValueError, OverflowError) as error:
            raise UsageError(
                f"{where}: nothing answers there ({error}); start a cluster with `ray start --head`, "
                f"and use the address that it prints"
            ) from None
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):  # Ray prints pages that its logs contain too
        clusters = ray_constants.ENABLE_RAY_CLUSTER
        ray_constants.ENABLE_RAY_CLUSTER = clusters and address != LOCAL  # if not, Ray listens on loopback only
        try:
            with chdir(Path(os.__file__).parent):  # tasks import from the folder in which Ray is started
                ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UsageError(f"{where}: {_first_line(error)}") from None
        finally:
            ray_constants.ENABLE_RAY_CLUSTER = clusters
        try:
            if address == LOCAL and not ip_address(ray.util.get_node_ip_address()).is_loopback:
                raise UsageError("--executor ray: this version of Ray listens on the network; use another --executor")
            yield
        finally:
            ray.shutdown()


def _check_room(needs: Mapping[str, float]) -> None:
    """Raise UsageError if no node has room for a run: Ray would wait silently."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(all(node.get(name, 0) >= amount for name, amount in needs.items()) for node in nodes):
        asked = " and ".join(f"{amount:g} {name}" for name, amount in needs.items() if amount)
        raise UsageError(f"--executor ray: a run needs {asked}, which no node of the cluster has; lower train.threads")


def _train(own: Sequence[OwnFile], run: PlannedRun, files: Files, directory: str, board: Any) -> Returned | Failure:
    """Do a run, or resume it, in a temporary folder, as a task on a node."""
    allow_again(own)
    if Path(directory).is_dir():  # relative paths of images start from the command's folder
        os.chdir(directory)
    with tempfile.TemporaryDirectory(prefix="tudui-") as place:
        _write(files, Path(place) / run.name)
        try:
            with as_tudui_errors():
                (result,) = train_together([job_of(run, Path(place), board.report.remote)])
            status = result.status
        except Interrupted:
            status = ""
        except TuduiError as error:
            return Failure(str(error), error.exit_code)
        return status, _read(Path(place) / run.name)


def _read(folder: Path) -> Files:
    refuse_links(folder)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _write(files: Files, folder: Path) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _put(files: Files, folder: Path) -> None:
    """Write a folder aside and rename it into place; DiskError if that is not possible."""
    if not files:  # stopped before anything was written
        return
    whole = aside(folder)
    with disk_errors(folder):
        _write(files, whole)
        rmtree(folder, ignore_errors=True)  # after a kill here the run starts again
        whole.rename(folder)


def _first_line(error: Exception) -> str:
    return (str(error).strip().partition("\n")[0] or type(error).__name__).rstrip(".")
