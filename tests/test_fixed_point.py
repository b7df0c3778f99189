"""What Tudui computes, as numbers: a change of structure changes none of them.

Keys may move and new ones may come: the lists below say where a number is today. A change that alters numbers on
purpose stores them again, `python -m tests.test_fixed_point`, in its own commit, and names it in CHANGELOG.md.

Training amplifies the last bit of a sum. So everything is computed by kernels that most x86-64 processors have; weights
are compared bit for bit, and numbers to SAME, if torch and processor are those of the stored file. Elsewhere the first
steps are compared to OTHER, and the rest only has to be there.
"""

import contextlib
import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from tests.conftest import ROOT
from tudui.cli import app

STORED = ROOT / "tests" / "fixed_point.json"
LOSSES = ("ce", "huber", "l1")
KERNELS = {"ATEN_CPU_CAPABILITY": "avx2", "DNNL_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "COMPATIBLE"}
SAME, OTHER, FIRST_STEPS = 1e-6, 1e-4, 2  # a mean may be taken in another precision
SETTINGS = ("--set", "log.every=1", "--set", "train.threads=1", "--set", "device=cpu", "--set", "precision=fp32")


def places(text: str) -> dict[str, str]:
    """Return by name here the place in a file, for example `accuracy=scores.accuracy`; one word is both."""
    return {name: place or name for name, _, place in (word.partition("=") for word in text.split())}


# in events of metrics.jsonl
STEP = places(
    "step loss accuracy=scores.accuracy epoch_loss epoch_accuracy=epoch_scores.accuracy learning_rate gradient_norm "
    "update_ratio"
)
EVALUATED = places(
    "split epoch images accuracy=scores.accuracy balanced_accuracy=scores.balanced_accuracy nll=scores.nll "
    "ece=scores.ece loss losses per_class_accuracy=details.per_class_accuracy confusion=details.confusion predicted"
)
# in rows and pairs of comparison.json
ROW = places(
    "loss=variant label_noise learning_rate seeds diverged accuracy accuracy_selected validation_accuracy nll ece "
    "per_class_accuracy losses=loss_values train reach confusion"
)
PAIR = places(
    "loss=variant baseline label_noise difference sd n interval interval_seeds_only p p_holm p_equivalent_holm verdict "
    "flags needed"
)


def tudui(*arguments: str) -> None:
    result = CliRunner().invoke(app, arguments, prog_name="tudui", catch_exceptions=False)
    assert result.exit_code == 0, result.stderr


def all_of(found: list[dict[str, Any]], names: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{name: reduce(getitem, place.split("."), one) for name, place in names.items()} for one in found]


def runs() -> dict[str, Any]:
    return {loss: run_of(loss) for loss in LOSSES}


def run_of(loss: str) -> dict[str, Any]:
    tudui("train", "--config", "digits", "--loss", loss, "-e", "2", "-b", "256", "-q", *SETTINGS, "-o", loss)
    tudui("export", loss, "--out", f"{loss}.safetensors")
    events = [json.loads(line) for line in Path(loss, "metrics.jsonl").read_text().splitlines()]
    tensors = load_file(f"{loss}.safetensors")
    return {
        "steps": all_of([event for event in events if event["event"] == "StepEnd"], STEP),
        "evaluated": all_of([event for event in events if event["event"] == "Evaluated"], EVALUATED),
        "weights": {
            name: {"mean": tensor.mean().item(), "sd": tensor.std().item(), "first": tensor.flatten()[0].item()}
            for name, tensor in sorted(tensors.items())
        },
        "sha256": {
            name: hashlib.sha256(tensor.numpy().tobytes()).hexdigest() for name, tensor in sorted(tensors.items())
        },
    }


def comparison() -> dict[str, Any]:
    flags = ("--losses", "ce,mse", "--seeds", "2", "--label-noise", "0,0.4", "-e", "1", "-o", "compared")
    tudui("compare-losses", *flags, "--set", "train.batch_size=128", *SETTINGS)
    found = json.loads(Path("compared", "comparison.json").read_text())
    return {"rows": all_of(found["rows"], ROW), "pairs": all_of(found["pairs"], PAIR)}


def machine() -> dict[str, str]:
    """Return what the last bit of a weight depends on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {"torch": torch.__version__, "capability": torch.backends.cpu.get_cpu_capability(), "cpu": model}


def differences(found: Any, stored: Any, tolerance: float, where: str = "") -> list[str]:
    """Return where values are not those that are stored; what is found only is new, and no difference."""
    if isinstance(stored, list) and isinstance(found, list):
        changed = [] if len(stored) == len(found) else [f"{where}: {len(found)} values, not {len(stored)}"]
        for number, (one, other) in enumerate(zip(found, stored, strict=False)):
            changed += differences(one, other, tolerance, f"{where}/{number}")
        return changed
    if isinstance(stored, dict) and isinstance(found, dict):
        changed = [f"{where}/{key}: missing" for key in stored if key not in found]
        for key in stored.keys() & found.keys():
            changed += differences(found[key], stored[key], tolerance, f"{where}/{key}")
        return changed
    if isinstance(stored, int | float) and isinstance(found, int | float):
        near = abs(found - stored) <= tolerance * max(1, abs(stored))
    else:
        near = found == stored or tolerance == math.inf
    return [] if near else [f"{where}: {found}, not {stored}"]


def in_a_process(*parts: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tests.test_fixed_point", *parts]
    return subprocess.run(command, cwd=ROOT, env=os.environ | KERNELS, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("part", ["runs", pytest.param("comparison", marks=pytest.mark.slow)])
def test_numbers_are_those_that_are_stored(part):
    done = in_a_process(part)
    assert done.returncode == 0, done.stderr
    found, stored = json.loads(done.stdout), json.loads(STORED.read_text())
    if found["machine"] == stored["machine"]:
        changed = differences(found[part], stored[part], SAME)
    else:
        changed = differences(found[part], stored[part], math.inf)
        for loss, run in stored["runs"].items() if part == "runs" else ():
            changed += differences(found[part][loss]["steps"][:FIRST_STEPS], run["steps"][:FIRST_STEPS], OTHER, loss)
    assert not changed, f"{len(changed)} numbers changed:\n" + "\n".join(changed[:20])


def measured(parts: Iterable[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        return {"machine": machine(), **{part: PARTS[part]() for part in parts}}


PARTS = {"runs": runs, "comparison": comparison}

if __name__ == "__main__":
    if parts := sys.argv[1:]:
        print(json.dumps(measured(parts)))
    else:
        numbers = json.loads(in_a_process(*PARTS).stdout)
        STORED.write_text(json.dumps(numbers, indent=1) + "\n")
