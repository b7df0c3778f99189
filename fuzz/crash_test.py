r"""Kill a command with SIGKILL at random moments and let it go on, again and again; compare with one never killed.

    python fuzz/crash_test.py --kills 200 -- train --config digits -e 200 --set log.every=1
    python fuzz/crash_test.py --kills 50 -- compare-losses --losses ce,mse --seeds 3 -e 3 --label-noise 0,0.4

What follows `--` is the command. Every third kill falls while the process starts or goes on, every third (of a run)
while a checkpoint is being written, the others at any time. Exit code 1 where anything differs apart from times, or a
temporary file is left.
"""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

ALL = {"scalars": 0, "histograms": 0, "images": 0, "compressedHistograms": 0, "tensors": 0}


class Cut:
    """A command in a folder of its own: started, killed, started again."""

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self.folder, self.arguments = folder, arguments
        self.trains = arguments[0] == "train"
        self.target = folder / "out"
        folder.mkdir(parents=True)

    def start(self) -> subprocess.Popen[bytes]:
        """Begin, or go on where something was left."""
        if self.trains and (self.target / "config.yaml").exists():
            command = ["train", "--resume", "out"]
        else:
            command = [*self.arguments, "--run-dir" if self.trains else "--out", "out"]
        with (self.folder / "output.txt").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "tudui", *command], cwd=self.folder, stdout=output, stderr=output
            )

    def finish(self) -> float:
        """Let it run to its end; return the seconds that took."""
        began = time.monotonic()
        if not (self.target / "result.json").exists():
            assert self.start().wait() == 0, f"it fails; see {self.folder}/output.txt"
        return time.monotonic() - began

    def records(self) -> int:
        """Return the bytes of all records."""
        return sum(path.stat().st_size for path in self.target.rglob("metrics.jsonl"))


def moment(chance: random.Random, number: int, cut: Cut, process: subprocess.Popen[bytes], start_up: float) -> str:
    """Wait for the moment of a kill, or for the end of the process; return what the moment was."""
    kind = ("going on", "checkpoint", "anywhere")[number % 3]
    if kind == "checkpoint" and cut.trains:
        checkpoints, until = cut.target / "checkpoints", time.monotonic() + 60
        while process.poll() is None and not any(checkpoints.glob(".tudui-*")) and time.monotonic() < until:
            time.sleep(0.0002)
        time.sleep(chance.choice([0, 0, 0.001, 0.003]))
        return "while a checkpoint was written"
    if kind == "going on":
        wait_for_end(process, chance.uniform(0, 1.3 * start_up))
        return "while it started"
    before = cut.records()
    while process.poll() is None and cut.records() <= before:
        time.sleep(0.01)
    wait_for_end(process, chance.uniform(0, 3))
    return "at any time"


def wait_for_end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait so long, or until the process has ended."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def without_times(value: Any) -> Any:
    """Return plain values apart from what lies under `timing`."""
    if isinstance(value, dict):
        return {key: without_times(inside) for key, inside in value.items() if key != "timing"}
    return [without_times(inside) for inside in value] if isinstance(value, list) else value


def shown(folder: Path) -> dict[str, Any]:
    """Return what TensorBoard reads back, apart from times."""
    read = EventAccumulator(str(folder), size_guidance=ALL).Reload()
    tags = read.Tags()
    found: dict[str, Any] = {}
    for tag in tags["scalars"]:
        if tag != "images_per_second":
            found[tag] = [(event.step, event.value) for event in read.Scalars(tag)]
    for tag in tags["histograms"]:
        found[tag] = [(event.step, event.histogram_value) for event in read.Histograms(tag)]
    for tag in tags["images"]:
        found[tag] = [(event.step, event.encoded_image_string) for event in read.Images(tag)]
    for tag in tags["tensors"]:
        found[tag] = [(event.step, event.tensor_proto.SerializeToString()) for event in read.Tensors(tag)]
    return found


def same(one: Any, other: Any) -> bool:
    """Return whether values are equal, tensors bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def differing(uncut: Path, cut: Path) -> Iterator[str]:
    """Yield what differs between the runs in two folders."""
    for path in sorted(uncut.rglob("metrics.jsonl")):
        run, other = path.parent, cut / path.parent.relative_to(uncut)
        lines, others = ((folder / "metrics.jsonl").read_text().splitlines() for folder in (run, other))
        if [without_times(json.loads(line)) for line in lines] != [without_times(json.loads(line)) for line in others]:
            yield f"{other}/metrics.jsonl"
        if without_times(json.loads((run / "result.json").read_text())) != without_times(
            json.loads((other / "result.json").read_text())
        ):
            yield f"{other}/result.json"
        if shown(run / "tensorboard") != shown(other / "tensorboard"):
            yield f"{other}/tensorboard"
        for name in ("last.pt", "best.pt"):
            saved = [torch.load(folder / "checkpoints" / name)["state"] for folder in (run, other)]
            for state in saved:
                state["progress"].pop("seconds")
            if not same(*saved):
                yield f"{other}/checkpoints/{name}"
    for path in uncut.glob("comparison.json"):
        found = [json.loads(path.read_text()), json.loads((cut / path.name).read_text())]
        if without_times(found[0]) != without_times(found[1]):
            yield str(cut / path.name)
    yield from (f"{path} is left" for path in cut.rglob("*.part"))


def main(
    arguments: Annotated[list[str], typer.Argument()], kills: int = 10, seed: int = 0, out: Path = Path("crash")
) -> None:
    """Run both and say whether they are the same."""
    if out.exists():
        raise typer.BadParameter(f"{out} is there already; name another folder with --out, or remove it")
    chance = random.Random(seed)
    uncut, cut = Cut(out / "uncut", arguments), Cut(out / "cut", arguments)
    began = time.monotonic()
    process = uncut.start()
    while not uncut.records() and process.poll() is None:
        time.sleep(0.01)
    start_up = time.monotonic() - began
    assert process.wait() == 0, f"uncut: exit code {process.returncode}; see {uncut.folder}/output.txt"
    print(f"not killed: {time.monotonic() - began:.1f} s, {start_up:.1f} s until its first event", flush=True)
    counts: dict[str, int] = {}
    number = 0
    while sum(counts.values()) < kills:
        process = cut.start()
        what = moment(chance, number, cut, process, start_up)
        number += 1
        if process.poll() is not None:
            assert process.returncode == 0, f"exit code {process.returncode}; see {cut.folder}/output.txt"
            print("it was done before the last kill", flush=True)
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        counts[what] = counts.get(what, 0) + 1
        if sum(counts.values()) % 10 == 0:
            print(f"{sum(counts.values())} kills in {time.monotonic() - began:.0f} s", flush=True)
    cut.finish()
    different = list(differing(uncut.target, cut.target))
    print(
        f"{sum(counts.values())} kills ({', '.join(f'{count} {what}' for what, count in counts.items())}) "
        f"in {time.monotonic() - began:.0f} s: {'; '.join(different) or 'nothing differs, nothing is left over'}"
    )
    raise typer.Exit(1 if different else 0)


if __name__ == "__main__":
    typer.run(main)
