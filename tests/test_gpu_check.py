"""The check of a GPU works without one and keeps what it has if it is cut; what travels to such a machine is packed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, SHARED

sys.path.insert(0, str(ROOT / "scripts"))  # as Python does for a script that is run

PARTS = [
    "machine", "tests", "data", "speed", "target", "lockstep", "exact", "rounding", "full_memory", "profile", "whole",
]  # fmt: skip
PERFORMANCE = (ROOT / "docs" / "performance.md").read_text()


def run(command: str, *arguments: object, **environment: object) -> subprocess.CompletedProcess[str]:
    words = [str(ROOT / "scripts" / command), *map(str, arguments)]
    env = {**os.environ, "PYTHON": sys.executable, **{name: str(value) for name, value in environment.items()}}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=env)


def table_rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


@pytest.mark.slow
def test_the_check_measures_every_part_on_a_cpu(tmp_path):
    done = run("gpu_check.sh", "--quick", OUT=tmp_path, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "log.txt").read_text()
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "gpu-check.json", "log.txt", "profile.txt"
    ]  # fmt: skip
    content = json.loads((tmp_path / "gpu-check.json").read_text())
    parts = content["parts"]
    assert list(parts) == PARTS
    assert {name for name, part in parts.items() if part["status"] != "done"} == {"full_memory"}
    assert parts["full_memory"]["status"] == "skipped"
    figures = {name: part["figures"] for name, part in parts.items()}
    assert figures["tests"]["passed"] == 0
    assert figures["tests"]["tests"] >= 3

    step = figures["machine"]["step"]
    # a product is 2 operations; backward takes twice the forward's, but the images need no gradient
    forward = 2 * (1024 * 32 * 75 + 256 * 32 * 800 + 64 * 64 * 800 + 1024 * 64 + 64 * 10)
    assert step["operations_per_image"] == 3 * forward - 2 * 1024 * 32 * 75
    assert all(rate > 0 for rate in figures["machine"]["operations_per_second"].values())

    (measured,) = (value for name, value in figures["speed"].items() if name == "batch_64")
    assert measured["images_per_second"].keys() == {"plain", "eager", "loop", "logged", "bare"}
    assert all(rate > 0 for rates in measured["images_per_second"].values() for rate in rates)
    for (whole,) in figures["whole"].values():
        assert whole["epochs"] == 1
        assert 0 < whole["seconds_in_loop"] < whole["wall_seconds"]
    (target,) = figures["target"]["runs"]
    assert [seconds for seconds, _ in target["curve"]] == sorted(seconds for seconds, _ in target["curve"])
    assert figures["lockstep"]["one_after_another"]["runs"] == figures["lockstep"]["number"] == 4
    assert parts["exact"]["checks"] == {
        "deterministic_runs_are_equal": True, "was_killed": True, "resumed_run_is_equal": True
    }  # fmt: skip
    assert figures["rounding"]["first_loss_apart"] == 0  # CPU and CPU
    assert figures["profile"]["batch_64"]["busy"] > 0
    assert "batch size 64" in (tmp_path / "profile.txt").read_text()

    from gpu_table import tables

    printed = run("gpu_check.sh", "--table", tmp_path / "gpu-check.json").stdout
    assert printed == tables(content) + "\n"
    assert all(
        set(row[2:]) == {"not measured"} for row in table_rows(printed) if row[-1] not in ("---", "512", "measured")
    )
    figures["machine"]["card"] = "a GPU"  # what is filled in where there is one
    filled = {row[0]: row[2:] for row in table_rows(tables(content))}
    assert re.fullmatch(r"[\d,]+ \([\d.]+\)", filled["Tudui's loop, images/s (times the limit's seconds)"][0])
    without = {words for words, cells in filled.items() if cells[0] == "not measured"}
    assert without == {
        "peak memory of the loop, its data left out", "highest memory in use on the card",
        "highest use that `nvidia-smi` saw", "peak memory in lockstep, the data left out",
        "70 % test accuracy by `cifar10`, in the loop, fastest run", "the slowest of 3 runs",
        "a full memory is reported in one line", "the same without the first epoch, which captures",
    }  # fmt: skip  # one epoch, whose images cannot be learnt that fast


def test_the_docs_have_the_rows_of_the_table():
    from gpu_table import tables

    section = PERFORMANCE.partition("\n## GPU\n")[2].partition("\n## ")[0]
    assert [row[:2] for row in table_rows(section)] == [row[:2] for row in table_rows(tables({}))]


@pytest.mark.slow
def test_a_part_that_is_cut_or_fails_keeps_its_figures(tmp_path):
    from gpu_check import Report, run_part

    report, log = Report(tmp_path / "gpu-check.json", quick=False), tmp_path / "log.txt"
    endless = """sleep 1000 & echo "{\\"child\\": $!}"; wait"""
    run_part(report, "endless", 3, ["bash", "-c", endless], log)
    run_part(report, "broken", 60, ["bash", "-c", """echo '{"found": 2}'; echo why >&2; exit 3"""], log)
    run_part(report, "wrong", 60, ["bash", "-c", """echo '{"checks": {"right": false}}'"""], log)
    run_part(report, "late", 0, ["false"], log)
    parts = json.loads((tmp_path / "gpu-check.json").read_text())["parts"]
    assert [part["status"] for part in parts.values()] == ["took too long", "failed", "done", "no time left"]
    child = parts["endless"]["figures"].pop("child")
    assert [part["figures"] for part in parts.values()] == [{}, {"found": 2}, {}, {}]
    left = Path(f"/proc/{child}/cmdline")
    assert not left.exists() or "sleep" not in left.read_text()
    assert parts["broken"]["exit_code"] == 3
    assert parts["broken"]["last_lines"][-1] == "why"
    assert not any(report.is_good(name) for name in parts)


@pytest.mark.slow
def test_what_travels_is_packed_in_a_fresh_clone(tmp_path):
    index = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", tmp_path, "annotated-types"]
    if subprocess.run(index, capture_output=True, check=False).returncode:
        pytest.skip("no package index can be reached here")
    clone = tmp_path / "tudui"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    if SHARED.exists():
        (tmp_path / "shared").symlink_to(SHARED)

    def pack(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [clone / "scripts" / "gpu_pack.sh", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert "tudui is neither packed" in pack("--check").stdout
    done = pack()
    assert done.returncode == 0, done.stdout + done.stderr
    folder = clone / "gpu-pack"
    wheels = {path.name.split("-")[0]: path for path in (folder / "wheels").iterdir()}
    assert {"tudui", "pydantic", "pydantic_core", "ruamel_yaml"} <= set(wheels)
    assert not {"torch", "numpy", "scipy"} & set(wheels)
    assert re.search(r"cp312-cp312-.*manylinux.*x86_64", wheels["pydantic_core"].name)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 60 * 2**20
    assert (folder / "cifar10-jpeg.tar.gz").exists() == (SHARED / "data" / "cifar10-jpeg.tar.gz").exists()

    assert pack("--check").returncode == 0
    wheels["pydantic_core"].unlink()
    have = tmp_path / "have.txt"
    have.write_text((clone / "scripts" / "gpu_packages.txt").read_text().replace("torch==2.11.0", "torch==2.1.0+cu121"))
    said = pack("--check", "--have", have)
    assert said.returncode == 1
    assert [line.split()[1].partition("=")[0] for line in said.stdout.splitlines() if line.startswith("wrong")] == [
        "pydantic-core", "torch>"
    ]  # fmt: skip
