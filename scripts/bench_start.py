"""From typing `tudui train` to its first step, and what a command without training costs."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cifar_archive import write_folder

TUDUI = [sys.executable, "-m", "tudui"]
EMPTY = """
import typer
app = typer.Typer()
@app.command()
def first() -> None: ...
@app.command()
def second() -> None: ...
app()
"""
TORCH_AND_DATA = """
import sys, time
import torch
from tudui.config import load_config, parse_set
from tudui.data import load_data
load_data(load_config(None, [parse_set(text) for text in sys.argv[2:]]).config.data, 0)
print(time.time() - float(sys.argv[1]))
"""
LAPS = """
import sys, time, json
laps, last = {}, float(sys.argv[1])
def lap(name):
    global last
    now = time.time()
    laps[name], last = now - last, now
lap("Python starts")
import tudui.cli
lap("the command line is imported")
from tudui.config import load_config, parse_set
config = load_config(None, [parse_set(text) for text in sys.argv[2:]]).config
lap("the config is read")
import torch
lap("torch is imported")
from pathlib import Path
from tudui.data import load_data
from tudui.run import Run
from tudui.run.prepare import prepare
from tudui.run_folder import RunFolder
from tudui.training.device import resolve_machine, set_up
from tudui.training.engine import fit
lap("the loop is imported")
config, _ = resolve_machine(config)
set_up(config)
data = load_data(config.data, config.seed)
lap("the data is read")
run = Run(prepare(config, data), RunFolder(Path()))
from tudui.training.hashes import begun_from
begun_from(config, data, run.state.network.model)
lap("network and hashes are made")
import tudui.sinks.named.tensorboard
lap("TensorBoard is imported")
next(fit(run.state, data, run.loss, config))
lap("the first step")
print(json.dumps(laps))
"""


def start(*, quick: bool) -> dict[str, list[dict[str, Any]]]:
    """Return seconds, medians of alternating calls."""
    rounds = 1 if quick else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["TUDUI_CACHE"] = str(folder / "cache")
        found = {"a command that does not train": _commands(rounds)}
        if not quick:
            write_folder(folder / "images", 50_000)
        for data in ("digits", *([] if quick else [f"folder:{folder / 'images'}"])):
            settings = (f"data.name={data}", "log.every=1", "train.batch_size=16", "device=cpu")
            _told(TORCH_AND_DATA, settings)  # decodes and caches
            title = "digits" if data == "digits" else "a folder of 50,000 images, cached"
            found[f"until the first step of {title}"] = _until_first_step(folder, settings, rounds)
        return found


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _told(script: str, settings: tuple[str, ...]) -> str:
    """Return what a script prints that is told when it was started."""
    command = [sys.executable, "-c", script, str(time.time()), *settings]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _commands(rounds: int) -> list[dict[str, Any]]:
    commands = {
        "an empty Typer app --help": [sys.executable, "-c", EMPTY, "--help"],
        "tudui --help": [*TUDUI, "--help"],
        "tudui loss list": [*TUDUI, "loss", "list"],
        "import torch": [sys.executable, "-c", "import torch"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            times[name].append(_seconds(command))
    medians = {name: statistics.median(found) for name, found in times.items()}
    first = next(iter(medians.values()))
    return [{"command": name, "seconds": median, "quotient": median / first} for name, median in medians.items()]


def _first_step(folder: Path, settings: tuple[str, ...]) -> float:
    """Return the seconds from the start of `tudui train` until the first step is in the record."""
    with tempfile.TemporaryDirectory(dir=folder) as run:
        flags = [flag for setting in settings for flag in ("--set", setting)]
        record = Path(run) / "run" / "metrics.jsonl"
        started = time.perf_counter()
        process = subprocess.Popen([*TUDUI, "train", "-q", "-o", str(record.parent), *flags])
        while not (record.exists() and b'"StepEnd"' in record.read_bytes()):
            assert process.poll() is None, "the run ended before its first step"
            time.sleep(0.002)
        seconds = time.perf_counter() - started
        process.terminate()
        process.wait()
        return seconds


def _until_first_step(folder: Path, settings: tuple[str, ...], rounds: int) -> list[dict[str, Any]]:
    whole, least = [], []
    laps: dict[str, list[float]] = {}
    for _ in range(rounds):
        least.append(float(_told(TORCH_AND_DATA, settings)))  # without the process's end
        whole.append(_first_step(folder, settings))
        for name, seconds in json.loads(_told(LAPS, settings)).items():
            laps.setdefault(name, []).append(seconds)
    reference = statistics.median(least)
    rows = {
        "import torch and read the data, alone": reference,
        "tudui train until its first step": statistics.median(whole),
        **{f"on its own: {name}": statistics.median(found) for name, found in laps.items()},
    }
    return [{"what": name, "seconds": seconds, "quotient": seconds / reference} for name, seconds in rows.items()]
