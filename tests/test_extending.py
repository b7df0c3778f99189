"""docs/extending.md: its packages are built and installed by pip, its commands and its script run as they stand."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, TUDUI, put_package, quick_config
from tudui.config import load_config
from tudui.config.overrides import parse_set
from tudui.errors import ConfigError
from tudui.run.train import train

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
@pytest.mark.parametrize("package", ["power", "bend", "stripes", "scores"])
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
    elif package == "scores":
        rows = Path("runs/with-scores/scores/scores.tudui.csv").read_text().splitlines()
        assert [row.rpartition(",")[0] for row in rows[:3]] == ["1,validation", "2,validation", "2,test"]
        failed = run([*TUDUI, "train", "--set", "log.sinks=[score]"])
        assert failed.returncode == 2
        assert "unknown sink 'score'; did you mean 'scores'?; known: mlflow, tensorboard, scores" in failed.stderr
    else:
        accuracy = re.search(r"test accuracy ([\d.]+) %", done.stdout)
        assert float(accuracy[1]) > 90
        part = {"bend": ("--set", "network=bent"), "stripes": ("--data", "stripe")}[package]
        assert f"did you mean '{package}'" in run([*TUDUI, "train", *part]).stderr


@pytest.mark.slow
def test_the_sink(run):
    done = run([sys.executable, "accuracy.py"])
    assert done.returncode == 0, done.stderr
    rows = Path("accuracy.csv").read_text().splitlines()
    assert rows[0] == "epoch,split,accuracy,nll"
    assert [row.split(",")[:2] for row in rows[1:3]] == [["1", "validation"], ["2", "validation"]]
    assert any(row.startswith("2,test,") for row in rows)


@pytest.fixture
def scores(tmp_path, monkeypatch):
    """The page's sink, found as an installed one is."""
    put_package(tmp_path / "site", "[tudui.sinks]\nscores = tudui_scores:open_sink\n")
    (tmp_path / "site" / "tudui_scores.py").write_text(FILES["scores/tudui_scores.py"])
    monkeypatch.syspath_prepend(tmp_path / "site")


def test_a_resumed_run_truncates_the_files_of_a_sink_and_no_others(scores, tmp_path):
    config = quick_config("train.epochs=3", "log.sinks=[scores, scores]", "schedule=constant")
    assert config.log.sinks == ("scores",)
    run = tmp_path / "run"
    train(config, run)
    written = (run / "scores" / "scores.tudui.csv").read_text()
    (run / "scores" / "mine.csv").write_text("a file of the user")
    (run / "result.json").unlink()  # as if it was killed after its last checkpoint but one
    (run / "checkpoints" / "previous.pt").replace(run / "checkpoints" / "last.pt")
    train(config, run, resume=True)
    assert (run / "scores" / "scores.tudui.csv").read_text() == written
    assert [line.split(",")[0] for line in written.splitlines()] == ["1", "2", "3", "3"]
    assert (run / "scores" / "mine.csv").read_text() == "a file of the user"
    assert not (run / "tensorboard").exists()


def test_sinks_are_named(scores, tmp_path, tudui):
    for sinks in ("[nothing]", "[tensorbord]", "scores"):
        with pytest.raises(ConfigError, match=r"log\.sinks"):
            load_config(None, [parse_set(f"log.sinks={sinks}")])
    old = tmp_path / "old.yaml"
    old.write_text("log:\n  tensorboard: false\n")
    loaded = load_config(old)
    assert loaded.config.log.sinks == ()
    assert loaded.notes == (f"{old}:2:3: log.tensorboard is now log.sinks: []",)
    old.write_text("log:\n  tensorboard: true\n  sinks: []\n")
    both = load_config(old)
    assert both.config.log.sinks == ()
    assert both.notes == (f"{old}:2:3: log.tensorboard is ignored beside log.sinks",)
    assert both.notes[0] in tudui("config", "validate", old).err


def test_a_sink_that_cannot_be_imported_leaves_no_run(tmp_path, monkeypatch):
    put_package(tmp_path / "site", "[tudui.sinks]\nscores = not_there:open_sink\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(ConfigError, match=r"entry point tudui\.sinks: scores = not_there:open_sink: failed to load"):
        train(quick_config("log.sinks=[scores]"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
