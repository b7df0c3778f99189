"""docs/extending.md: its packages are built and installed by pip, its commands and its script run as they stand."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, TUDUI

PAGE = (ROOT / "docs" / "extending.md").read_text()
FILES = dict(re.findall(r"`([\w/]+\.\w+)`:\n\n```\w+\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL))
BLOCKS = re.findall(r"^```console\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def run(tmp_path):
    """Install the page's packages named, if any, and return what runs a command with them."""
    for name, content in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    path = os.pathsep.join([str(tmp_path / "site"), str(ROOT)])

    def run(command: list[str], *packages: str) -> subprocess.CompletedProcess:
        if packages and not (tmp_path / "site").exists():
            subprocess.run(
                [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
                 "--target", "site", *packages],
                check=True,
            )  # fmt: skip
        return subprocess.run(
            command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
        )

    return run


@pytest.mark.slow
@pytest.mark.parametrize("package", ["power", "bend", "stripes"])
def test_the_commands_of_a_package(package, run):
    (commands,) = [block.splitlines() for block in BLOCKS if package in block]
    assert len(commands) == 2
    for line in commands:
        short = ["-e", "2"] if " train " in line else []
        done = run([*TUDUI, *shlex.split(line)[1:], *short], f"./{package}")
        assert done.returncode == 0, done.stderr
        assert package in done.stdout
    if package == "power":
        failed = run([*TUDUI, "train", "--loss", "power", "--set", "loss.power=-1"])
        assert failed.returncode == 2
        assert "loss.power: should be greater than 0 (got -1)" in failed.stderr
    else:
        accuracy = re.search(r"test accuracy ([\d.]+) %", done.stdout)
        assert float(accuracy[1]) > 90
        part = {"bend": ("--set", "network=bent"), "stripes": ("--data", "stripe")}[package]
        assert f"did you mean '{package}'?" in run([*TUDUI, "train", *part]).stderr


def test_the_sink(run):
    done = run([sys.executable, "accuracy.py"])
    assert done.returncode == 0, done.stderr
    rows = Path("accuracy.csv").read_text().splitlines()
    assert rows[0] == "epoch,split,accuracy,nll"
    assert [row.split(",")[:2] for row in rows[1:3]] == [["1", "validation"], ["2", "validation"]]
    assert any(row.startswith("2,test,") for row in rows)
