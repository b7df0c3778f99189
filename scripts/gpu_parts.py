"""What `gpu_check.py` measures, each part in a process of its own: `gpu_parts.py PART WORK OUT [--quick]`.

A figure is printed as a line of JSON as soon as it is known, so that a part that is cut keeps what it had. WORK is a
folder for data and runs, OUT one for results. Without a GPU the same code runs on the CPU, and nothing is captured.
"""

import itertools
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_paths import Paths, bench_config, data_set
from cifar_archive import ARCHIVE, ROOT, write_batches
from gpu_table import BATCHES
from torch.utils.flop_counter import FlopCounterMode

from tudui.config import Config
from tudui.config.shipped import find_config
from tudui.data import Dataset, load_data
from tudui.losses import build_loss
from tudui.networks import Shape, build_network
from tudui.training.device import hardware, set_up, versions
from tudui.training.engine import fit_together, predict
from tudui.training.state import new_state
from tudui.training.step import WARM_UPS, Lockstep, Training

CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA else "cpu"
NVIDIA_SMI = shutil.which("nvidia-smi") if CUDA else None
IMAGES, EVERY = 46_080, 30  # whole batches of every size, whole log intervals in every epoch
LOSSES, SEEDS = ("ce", "mse", "l1", "huber"), 5
TARGET = 0.70
GIB = 2**30


def tell(**figures: Any) -> None:
    """Print figures for `gpu_check.py`."""
    print(json.dumps(figures), flush=True)


def check(**checks: bool) -> None:
    """Print what must be true; `gpu_check.py` fails if it is not."""
    tell(checks=checks)


def wait() -> None:
    """Wait until the device has done everything."""
    if CUDA:
        torch.cuda.synchronize()


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds that work takes on the device."""
    wait()
    started = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - started


def median_of(work: Callable[[], object], repeats: int) -> float:
    """Return the median seconds of work, after two times that do not count."""
    return statistics.median([seconds_of(work) for _ in range(repeats + 2)][2:])


class Check:
    """The parts. Each is a method whose name is that of the part."""

    def __init__(self, work: Path, out: Path, *, quick: bool) -> None:
        self.work, self.out, self.quick = work, out, quick
        self.data_dir = work / "data"

    # -- what is measured against ---------------------------------------------------------------------------------

    def machine(self) -> None:
        """The card, its two limits, and what a step needs of both at the least."""
        config = bench_config("auto", 64, device=DEVICE)
        tell(hardware=hardware(config), versions=versions(), cuda=torch.version.cuda, card=hardware(config)["gpu"])
        if NVIDIA_SMI:
            query = [NVIDIA_SMI, "--query-gpu=driver_version,memory.total", "--format=csv,noheader"]
            tell(driver=subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip())
        rates = {}
        for name, kind in (("bf16", torch.bfloat16), ("tf32", torch.float32), ("fp32", torch.float32)):
            torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
            size = 8192 if CUDA else 512
            left, right = (torch.randn(size, size, device=DEVICE).to(kind) for _ in range(2))
            rates[name] = 2 * size**3 / median_of(partial(torch.mm, left, right), 10)
        tell(operations_per_second=rates)
        source = torch.empty(4 * GIB if CUDA else GIB // 16, dtype=torch.uint8, device=DEVICE).random_()
        target = torch.empty_like(source)
        tell(bytes_per_second=2 * source.numel() / median_of(partial(target.copy_, source), 10))
        tell(step=least_of_a_step())

    def tests(self) -> None:
        """The tests that need a GPU; without one they are skipped."""
        files = [path for path in sorted((ROOT / "tests").glob("test_*.py")) if "mark.gpu" in path.read_text()]
        report = self.work / "tests.xml"
        command = [sys.executable, "-m", "pytest", "-m", "gpu", "-p", "no:cacheprovider", "--junitxml", report, *files]
        # other versions may warn of other things than the project's own environment
        done = subprocess.run([*command, "-W", "default"], cwd=ROOT, stdout=sys.stderr, check=False)
        suite = ElementTree.parse(report).getroot().find("testsuite").attrib
        number, failed, left_out = (int(suite[name]) for name in ("tests", "failures", "skipped"))
        failed += int(suite["errors"])
        tell(tests=number, passed=number - failed - left_out, exit_code=done.returncode)
        check(none_fails=done.returncode == 0 and number > 0, none_is_skipped=not (CUDA and left_out))

    def data(self) -> None:
        """CIFAR-10's images, decoded from the archive; random bytes if it is not here."""
        sizes = (1_280, 200) if self.quick else (50_000, 10_000)
        seconds = seconds_of(lambda: write_batches(self.data_dir, *sizes))
        tell(train=sizes[0], test=sizes[1], real=ARCHIVE.exists(), seconds=seconds)

    # -- speed ----------------------------------------------------------------------------------------------------

    def speed(self) -> None:
        """Images per second of loops and steps, alternating; peak memory of each."""
        rounds, number, every = (1, 320, 5) if self.quick else (3, IMAGES, EVERY)
        for batch in BATCHES[:1] if self.quick else BATCHES:
            paths = self._paths(batch, number, every)
            steps = number // batch
            ways = {
                "plain": partial(go_on, plain(paths), steps),
                "eager": partial(go_on, loop(paths, captured=False), steps // every),
                "loop": partial(go_on, loop(paths, captured=True), steps // every),
                "logged": partial(go_on, paths.losses("logged"), steps // every),
                "bare": partial(go_on, bare(paths), steps),
            }
            peaks = {name: peak_memory(work) for name, work in ways.items()}  # the first time is not timed
            seconds: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(rounds):
                for name, work in ways.items():
                    seconds[name].append(seconds_of(work))
            rates = {name: [steps * batch / each for each in found] for name, found in seconds.items()}
            tell(**{f"batch_{batch}": {"images_per_second": rates, "peak_bytes": peaks}})

    def whole(self) -> None:
        """`tudui train` of two shipped configs: seconds in the loop, wall seconds, test accuracy, use of the GPU."""
        found: dict[str, list[dict[str, Any]]] = {"cifar10": [], "cifar10-long": []}
        for seed in range(1 if self.quick else 3):
            for name, runs in found.items():
                with Watch() as watch:
                    wall, result = self._train(
                        f"{name}-{seed}", "--config", name, "--data-dir", self.data_dir, "--seed", seed,
                        *(("--epochs", 1) if self.quick else ()),
                    )  # fmt: skip
                runs.append({
                    "seconds_in_loop": result["timing"]["seconds"], "wall_seconds": wall,
                    "accuracy": result["test"]["accuracy"], "epochs": result["epochs"], **watch.highest(),
                })  # fmt: skip
                tell(**found)

    def target(self) -> None:
        """Seconds in the loop until 70 % of the test images are right, captures included; the clock stops to look."""
        config = self._config("cifar10", "target", 128)
        data = load_data(config.data, config.seed).to(torch.device(DEVICE))
        every = max(1, len(data.train) // 128 // 4)
        config = config.model_copy(update={"log": config.log.model_copy(update={"every": every})})
        runs = []
        for _ in range(1 if self.quick else 3):  # in the first one, libraries are loaded too
            run = training(config, data)
            spent, began, curve = 0.0, time.perf_counter(), []
            for _ in fit_together([run]):
                spent += time.perf_counter() - began
                right = data.task.metrics[0].of(predict(run.state.network, data.test), data.test.targets)
                curve.append((spent, float(right.float().mean())))
                wait()
                began = time.perf_counter()
            first = next((seconds for seconds, accuracy in curve if accuracy >= TARGET), None)
            runs.append({"seconds_to_target": first, "last_accuracy": curve[-1][1], "curve": curve})
            tell(target=TARGET, runs=runs)

    def lockstep(self) -> None:
        """4 losses x 5 seeds together, against one run, and against the same runs one after another."""
        data = data_set(*self._images(256 if self.quick else None)).to(torch.device(DEVICE))
        seeds = range(1 if self.quick else SEEDS)
        settings = {"device": DEVICE, "log.every": 50, "train.epochs": 1 if self.quick else 6}

        def runs(losses: Sequence[str], seeds: Sequence[int]) -> list[Training]:
            configs = [bench_config("auto", 128, loss=name, seed=seed, **settings) for name in losses for seed in seeds]
            set_up(configs[0])
            return [training(config, data) for config in configs]

        def seconds(trainings: list[Training]) -> dict[str, float]:
            """Seconds with the captures, and of the epochs after the first one."""
            began = time.perf_counter()
            ends = [
                time.perf_counter() - began
                for events in fit_together(trainings)
                if any(event is not None and event.epoch_done for event in events)
            ]
            return {"seconds": ends[-1], "after_first_epoch": ends[-1] - ends[0]}

        if not self.quick:
            seconds(runs(LOSSES[:1], [0]))  # libraries are loaded
        found: dict[str, Any] = {"number": len(LOSSES) * len(seeds), "one": [], "together": []}
        for _ in range(1 if self.quick else 2):
            found["one"].append(seconds(runs(LOSSES[:1], [0])))
            together = runs(LOSSES, seeds)
            found["peak_bytes"] = peak_memory(lambda them=together: found["together"].append(seconds(them)))
            tell(**found)
        began = time.perf_counter()
        for number, (name, seed) in enumerate(itertools.product(LOSSES, seeds), start=1):
            seconds(runs([name], [seed]))
            tell(one_after_another={"runs": number, "seconds": time.perf_counter() - began})

    # -- right results --------------------------------------------------------------------------------------------

    def rounding(self) -> None:
        """The same run on CPU and GPU in fp32: losses and test accuracy within rounding."""
        epochs = 1 if self.quick else 5
        flags = (
            "--config", "digits", "--epochs", epochs, "--precision", "fp32", "--set", "log.every=1",
            "--set", "log.sinks=[]",
        )  # fmt: skip
        devices = {"on-cpu": "cpu", "on-gpu": DEVICE}
        cpu, gpu = (self._train(name, *flags, "--device", device)[1] for name, device in devices.items())
        losses = [[event["loss"] for event in self._record(name) if event["event"] == "StepEnd"] for name in devices]
        apart = [abs(ours - theirs) / theirs for ours, theirs in zip(*losses, strict=True)]
        points = 100 * abs(cpu["test"]["accuracy"] - gpu["test"]["accuracy"])
        tell(
            first_loss_apart=apart[0],
            first_20_apart=max(apart[:20]),
            last_loss_apart=apart[-1],
            accuracy_points_apart=points,
        )
        # matrix units round fp32 to 10 bits (tf32) and small differences grow from step to step
        check(first_loss_is_the_same=apart[0] < 1e-3, accuracy_is_the_same=points <= 1.5)

    def exact(self) -> None:
        """`deterministic: true` twice, and again with a SIGKILL in the middle: the same, bit for bit."""
        flags = (
            "--config", "digits", "--epochs", 3 if self.quick else 40, "--device", DEVICE,
            "--set", "deterministic=true", "--set", "log.every=1", "--set", "log.sinks=[]",
        )  # fmt: skip
        for name in ("once", "again"):
            self._train(name, *flags)
        check(deterministic_runs_are_equal=self._same("once", "again"))
        folder = self.work / "killed"
        with subprocess.Popen(tudui("train", *flags, "--quiet", "--run-dir", folder), stdout=sys.stderr) as process:
            while process.poll() is None and not (folder / "checkpoints" / "last.pt").exists():
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
        killed = process.returncode == -signal.SIGKILL and not (folder / "result.json").exists()
        subprocess.run(tudui("train", "--resume", folder, "--quiet"), stdout=sys.stderr, check=True)
        check(was_killed=killed, resumed_run_is_equal=self._same("once", "killed"))

    def full_memory(self) -> None:
        """A run that does not fit on the GPU ends in one line that says so."""
        if not CUDA:
            tell(skipped="needs a GPU")
            return
        taken = []
        while torch.cuda.mem_get_info()[0] > 4 * GIB:
            taken.append(torch.empty(GIB, dtype=torch.uint8, device=DEVICE))
        command = tudui(
            "train", "--config", "cifar10", "--data-dir", self.data_dir, "--batch-size", 37_500,
            "--epochs", 1, "--quiet", "--run-dir", self.work / "full",
        )  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = done.stderr.strip().splitlines()
        tell(exit_code=done.returncode, lines=lines[-8:], gib_taken=len(taken))
        check(
            fails_with_a_code=done.returncode > 0, one_line_says_so="memory is full" in (lines or [""])[-1],
            no_traceback="Traceback" not in done.stderr,
        )  # fmt: skip

    def profile(self) -> None:
        """What the time of the loop goes to: torch's profiler, in OUT/profile.txt; how busy the device is."""
        from torch.profiler import ProfilerActivity, profile

        kind = ProfilerActivity.CUDA if CUDA else ProfilerActivity.CPU
        texts = []
        for batch in BATCHES[:1] if self.quick else BATCHES:
            number, every = (320, 5) if self.quick else (IMAGES, EVERY)
            events = loop(self._paths(batch, number, every), captured=True)
            go_on(events, number // batch // every)  # the capture
            with profile(activities=[kind]) as found:
                seconds = seconds_of(lambda events=events: go_on(events, 2))
            rows = found.key_averages()
            name = f"self_{'device' if CUDA else 'cpu'}_time_total"
            # what the processor did to start a kernel also counts the kernel's time
            busy = sum(getattr(row, name) for row in rows if str(row.device_type).endswith(kind.name)) / 1e6
            texts.append(f"batch size {batch}\n{rows.table(sort_by=name, row_limit=25, max_name_column_width=90)}")
            (self.out / "profile.txt").write_text("\n\n".join(texts))
            tell(**{f"batch_{batch}": {"steps": 2 * every, "seconds": seconds, "busy": busy / seconds}})

    # -- what they share ------------------------------------------------------------------------------------------

    def _images(self, number: int | None) -> tuple[np.ndarray, np.ndarray]:
        images, labels = (np.load(self.data_dir / f"{name}.npy") for name in ("images", "labels"))
        return images[:number], labels[:number]

    def _paths(self, batch: int, number: int, every: int) -> Paths:
        settings = {"device": DEVICE, "log.every": every, "train.epochs": 1_000}
        paths = Paths(*self._images(number), "auto", batch, **settings)
        set_up(paths.config)
        return paths

    def _config(self, name: str, run: str, batch: int) -> Config:
        settings = {"device": DEVICE, "data.dir": str(self.data_dir), **({"train.epochs": 1} if self.quick else {})}
        config = bench_config("auto", batch, file=find_config(name), **settings)
        set_up(config)
        return config

    def _train(self, run: str, *flags: object) -> tuple[float, dict[str, Any]]:
        """Return the wall seconds of `tudui train`, and the run's result."""
        folder, began = self.work / run, time.perf_counter()
        subprocess.run(tudui("train", *flags, "--quiet", "--run-dir", folder), stdout=sys.stderr, check=True)
        return time.perf_counter() - began, json.loads((folder / "result.json").read_text())

    def _record(self, run: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.work / run / "metrics.jsonl").read_text().splitlines()]

    def _same(self, one: str, other: str) -> bool:
        """Return whether two runs have the same weights and losses."""
        ours, theirs = (
            torch.load(self.work / run / "checkpoints" / "last.pt", map_location="cpu")["state"]["model"]
            for run in (one, other)
        )
        losses = [[event.get("loss") for event in self._record(run)] for run in (one, other)]
        return losses[0] == losses[1] and all(torch.equal(ours[name], theirs[name]) for name in ours)


class Watch:
    """What `nvidia-smi` says of the GPU while something runs."""

    def __enter__(self) -> "Watch":
        self.process = None
        if NVIDIA_SMI:
            query = "--query-gpu=utilization.gpu,memory.used"
            command = [NVIDIA_SMI, query, "--format=csv,noheader,nounits", "--loop-ms=50"]
            self.output = tempfile.TemporaryFile("w+")
            self.process = subprocess.Popen(command, stdout=self.output)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait()

    def highest(self) -> dict[str, Any]:
        """Return the highest use in percent and of memory in MiB, of the whole card."""
        if not self.process:
            return {}
        self.output.seek(0)
        samples = [re.fullmatch(r"(\d+), (\d+)\n", line) for line in self.output]  # "[N/A]" where nothing is known
        uses, sizes = ([int(found[number]) for found in samples if found] for number in (1, 2))
        return {"highest_use_percent": max(uses, default=None), "highest_mib": max(sizes, default=None)}


def tudui(*words: object) -> list[str]:
    """Return a command of Tudui's."""
    return [sys.executable, "-m", "tudui", *map(str, words)]


def training(config: Config, data: Dataset) -> Training:
    """Return a run before its first step."""
    loss = build_loss(config.loss, data.task)
    return Training(new_state(config, data), data, loss, config)


def loop(paths: Paths, *, captured: bool) -> Iterator[object]:
    """Yield the log points of Tudui's loop, its step captured if that is possible, or never."""
    run = training(paths.config, paths.data)
    lockstep = Lockstep([run])
    lockstep.captured = lockstep.captured and captured
    return fit_together([run], lockstep)


def plain(paths: Paths) -> Iterator[None]:
    """Do the steps of a loop as one writes it by hand, the images on the device: torch's optimizer, flips alone."""
    state = new_state(paths.config, paths.data)
    network, store, labels = state.network, paths.data.train.store, paths.data.train.targets
    optimizer = torch.optim.SGD(network.model.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    while True:
        order = torch.randperm(len(labels), device=store.device)
        for rows in order.split(paths.batch):
            images = store[rows].float().div_(127.5).sub_(1.0)
            flips = torch.rand(len(rows), 1, 1, 1, device=store.device) < 0.5
            images = torch.where(flips, images.flip(3), images).contiguous(memory_format=torch.channels_last)
            with network.arithmetic():
                logits = network.model(images)
            loss = torch.nn.functional.cross_entropy(logits.float(), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield


def bare(paths: Paths) -> Iterator[None]:
    """Do the step on one fixed batch, as a CUDA graph where there is CUDA."""
    step: Callable[[], object] = paths.step(new_state(paths.config, paths.data))
    if CUDA:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            go_on(iter(step, None), WARM_UPS)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        step = graph.replay
    while True:
        step()
        yield


def go_on(steps: Iterator[object], number: int) -> None:
    """Take so many from what must not end before."""
    for _ in range(number):
        next(steps)


def peak_memory(work: Callable[[], object]) -> int | None:
    """Return the bytes on the GPU that work takes at its highest, above what is there before."""
    if not CUDA:
        work()
        return None
    wait()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    wait()
    return torch.cuda.max_memory_allocated() - before


def least_of_a_step() -> dict[str, int]:
    """Return the operations per image, and the bytes per image and per step that no step can do without.

    Operations: forward and backward of the network. Bytes, activations in bf16: every layer reads its input and writes
    its output; backward, it reads the gradient of its output and its input and writes the gradient of its input. Per
    step: weights are read twice and written, gradients and momentum written and read, in fp32. Batches are left out.
    """
    model, number = build_network(bench_config("auto", 64).network, Shape((3, 32, 32), 10), seed=0), 8
    sizes: list[tuple[int, int]] = []
    for layer in model:
        layer.register_forward_hook(
            lambda _, given, made: sizes.append((given[0].numel() // number, made.numel() // number))
        )
    with FlopCounterMode(display=False) as counter:
        model(torch.randn(number, 3, 32, 32)).sum().backward()
    moved = [size for layer, size in zip(model, sizes, strict=True) if not isinstance(layer, torch.nn.Flatten)]
    values = sum(3 * given + 2 * made for given, made in moved) - moved[0][0]  # the images need no gradient
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {
        "operations_per_image": counter.get_total_flops() // number,
        "bytes_per_image": 2 * values,
        "bytes_per_step": 7 * 4 * parameters,
    }


PARTS = [name for name, value in vars(Check).items() if callable(value) and not name.startswith("_")]

if __name__ == "__main__":
    os.environ.setdefault("TUDUI_CACHE", str(Path(sys.argv[2]) / "cache"))
    getattr(Check(Path(sys.argv[2]), Path(sys.argv[3]), quick="--quick" in sys.argv), sys.argv[1])()
