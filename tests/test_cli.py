"""Commands as a user types them: what they print, where, and with which exit code."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TUDUI, record
from tests.test_security import plugin, with_packages
from tudui import __version__
from tudui.cli.compare import compare_losses_command
from tudui.cli.flags import FLAGS, keys_of, setting
from tudui.cli.train import train_command

FAST = ("-e", "1", "--set", "train.threads=1")


def test_version_and_no_arguments(tudui):
    assert tudui("--version").out.strip() == f"tudui {__version__}"
    assert "Where to start" in tudui().out


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["mse", "l1", "huber"])
def test_training_on_digits_reaches_97_percent(loss, tudui):
    """The first promise: each loss, by its own defaults, in seconds; ce is held to its band, in test_docs.py."""
    answer = tudui("train", "--loss", loss)
    assert answer.code == 0
    result = json.loads(Path(f"runs/digits-{loss}-seed0/result.json").read_text())
    assert result["test"]["accuracy"] >= 0.97
    assert f"tensorboard runs/digits-{loss}-seed0" in answer.out


def test_plain_lines_where_there_is_no_terminal(tudui):
    answer = tudui("train", "--config", "digits", "-e", "2")
    lines = answer.out.splitlines()
    assert "loss ce, 145,578 parameters, 10 classes" in lines[0]
    assert [line[:11] for line in lines if line.startswith("epoch")] == ["epoch   1/2", "epoch   2/2"]
    assert "validation" in lines[3]
    assert "\x1b" not in answer.out
    assert "test accuracy" in answer.out


def test_json_is_one_object_and_nothing_else(tudui):
    answer = tudui("train", *FAST, "--json")
    result = answer.json()
    assert result["status"] == "finished"
    assert result["run"] == "runs/digits-ce-seed0"
    assert "epoch" in answer.err
    assert tudui("train", *FAST, "--json", "--quiet").err == ""


def test_new_folders_get_readable_names(tudui, class_folders):
    for _ in range(2):
        tudui("train", *FAST, "-q")
    tudui("train", *FAST, "-q", "--loss", "huber", "--seed", "3", "--data", f"folder:{class_folders}", "-b", "8")
    assert sorted(path.name for path in Path("runs").iterdir()) == [
        "digits-ce-seed0", "digits-ce-seed0-2", "pictures-huber-seed3"
    ]  # fmt: skip


def test_dry_run_checks_and_writes_nothing(tudui, tmp_path):
    answer = tudui("train", "--loss", "huber", "--dry-run")
    assert answer.code == 0
    for part in ("1,295 train", "[64, 3, 32, 32]", "huber = ", "learning_rate", "nothing was written"):
        assert part in answer.out
    assert not list(tmp_path.iterdir())
    assert tudui("train", "--dry-run", "--json").json()["steps"] == 200
    assert tudui("train", "--dry-run", "--data", "folder:nowhere").code == 3


def test_dry_run_checks_the_folder_as_the_real_thing_does(tudui, tmp_path, trained):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").touch()
    (tmp_path / "file").touch()
    shutil.copytree(trained, "cut")
    Path("cut/result.json").unlink()
    shutil.copytree("cut", "damaged")
    for name in ("last.pt", "previous.pt"):
        Path("damaged/checkpoints", name).write_bytes(b"")
    shutil.copytree("cut", "torn")
    os.truncate("torn/metrics.jsonl", 100)
    shutil.copytree("cut", "linked")
    Path("linked/label_noise.json").symlink_to(tmp_path / "file")
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    for flags, code in (
        (["-o", "mine"], 2), (["-o", trained], 2), (["-o", "file"], 6), (["-o", "file/run"], 6), (["-o", "cut"], 2),
        (["--resume", trained], 2), (["--resume", "mine"], 2), (["--resume", "damaged"], 5),
        (["--resume", "linked"], 6), (["--resume", "torn"], 6), (["--resume", "cut"], 0),
        (["-o", "new/run", "-e", "1"], 0),
    ):  # fmt: skip
        dry = tudui("train", *flags, "--dry-run")
        assert dry.code == code, (flags, dry.err)
        assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    for flags in (["-o", "mine"], ["--resume", "damaged"], ["--resume", "linked"], ["--resume", "torn"]):
        assert tudui("train", *flags, "--dry-run") == tudui("train", *flags)


def test_runs_that_leads_nowhere_is_one_line(tudui, tmp_path):
    Path("runs").symlink_to(tmp_path / "unmounted" / "runs")
    for arguments in (["train", "-e", "1"], ["compare-losses", "-e", "1", "--seeds", "1"]):
        for dry in ([], ["--dry-run"]):
            answer = tudui(*arguments, *dry)
            assert answer.code == 6
            assert answer.err.splitlines()[-1].startswith("error: runs")


def test_a_dry_comparison_in_the_place_of_a_file_is_refused(tudui, tmp_path):
    (tmp_path / "file").touch()
    assert tudui("compare-losses", "--out", "file/deeper", "--dry-run").code == 6


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["train", "--init-from", ""], "--init-from"),
        (["train", "--data-dir="], "--data-dir"),
        (["train", "-o", ""], "-o"),
        (["compare-losses", "--executor", "ray", "--ray-address", ""], "--ray-address"),
        (["report", ""], "argument"),
        (["train", "--set", 'train.init_from=""'], "train.init_from"),
    ],
)
def test_an_empty_value_is_refused(command, named, tudui, tmp_path):
    """Often an unset variable of a script; as a path it would mean the working directory."""
    tudui(*command).refused(2, named)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["train", "compare-losses", "config show", "data check"])
def test_an_empty_name_of_a_config_is_refused(command, tudui):
    tudui(*command.split(), "--config", "").refused(2)


def test_print_batches_shows_outputs_targets_and_loss(tudui):
    answer = tudui("train", "--print-batches", "2", "-b", "4", "--dry-run")
    assert answer.out.count("outputs [4, 10]") == 2
    assert answer.out.count("targets") == 2
    losses = [float(line.removeprefix("loss ")) for line in answer.out.splitlines() if line.startswith("loss 2")]
    assert len(losses) == 2
    assert losses == pytest.approx([2.3, 2.3], abs=0.3)  # -log(1/10), before any step


def test_flags_reach_the_config(tudui):
    answer = tudui(
        "train", "-l", "huber", "-e", 1, "-b", 32, "--lr", "0.003", "--seed", 5, "--device", "cpu",
        "--precision", "bf16", "-s", "schedule=constant", "-o", "here", "-q",
    )  # fmt: skip
    assert answer.code == 0
    config = record(Path("here"))[0]["config"]
    assert config["loss"]["name"] == "huber"
    assert (config["train"]["epochs"], config["train"]["batch_size"], config["seed"]) == (1, 32, 5)
    assert (config["optimizer"]["lr"], config["precision"], config["schedule"]["name"]) == (0.003, "bf16", "constant")


@pytest.mark.parametrize("key", FLAGS)
def test_a_flags_help_and_default_are_the_schemas(key, tudui):
    """Each flag is in the help of the commands that have it, with the words of the schema."""
    words, default = setting(key).description.partition("; null")[0], setting(key).get_default()
    commands = {"train": train_command, "compare-losses": compare_losses_command}
    having = [name for name, command in commands.items() if key in keys_of(command)]
    assert having
    for name in having:
        shown = " ".join(re.sub("[│\n]", " ", tudui(name, "--help").out).split())
        assert f"{FLAGS[key].name} " in shown
        assert words[1:] in shown
        if isinstance(default, int) and not isinstance(default, bool):
            assert f"{words[1:]}. [default: {default}]" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--loss", "Cross-Entropy"],
        ["train", "--loss", "CrossEntropyLoss"],
        ["train", "--set", "optimiser.lr=1"],
        ["train", "--loss", "hubber"],
        ["train", "--config", "cifar"],
        ["train", "--data", "cifar-10"],
        ["train", "--lr", "fast"],
        ["train", "--epochs", "0"],
        ["train", "--set", "train.epoch=3"],
        ["train", "--set", "train.epochs"],
        ["train", "--lr", "0.1", "--set", "optimizer.lr=0.2"],
        ["train", "--precision", "fp64"],
        ["train", "--batch-size", "5000", "--dry-run"],
        ["runs", "nowhere"],
        ["runs", ".", "--sort", "acuracy"],
        ["config", "copy", "nothing"],
        ["data", "check", "digit"],
        ["train", "--loss", "huber", "--set", "loss.name=l1"],
        ["train", "--set", "loss=[ce]"],
    ],
    ids=" ".join,
)
def test_mistakes_end_with_code_2_and_one_line(arguments, tudui, sentence):
    answer = tudui(*arguments)
    answer.refused(2)
    assert answer.out == ""
    sentence(answer.err)


def test_a_gpu_that_is_not_there(tudui):
    tudui("train", "--device", "cuda:55", "--dry-run").refused(2, "error: --device cuda:55: ")


def test_runs_lists_sorts_and_writes_csv(tudui, trained):
    parent = trained.parent
    tudui("train", "-o", parent / "weak", "-l", "mse", "--lr", "0.0001", *FAST, "-q")
    tudui("train", "-o", parent / "broken", "-l", "mse", "--lr", "1e6", "-q", "-s", "train.clip=null")
    (parent / "begun").mkdir()
    for name in ("config.yaml", "metrics.jsonl"):
        (parent / "begun" / name).write_bytes((trained / name).read_bytes())
    rows = list(csv.DictReader(io.StringIO(tudui("runs", parent, "--sort", "test", "--csv").out)))
    assert [row["name"] for row in rows][:2] == ["digits-ce-seed0", "weak"]
    found = {row["name"]: row for row in rows}
    assert found["broken"]["status"] == "diverged"
    assert found["begun"]["status"] == "not finished"
    assert found["begun"]["epochs"] == "4"
    assert float(found["digits-ce-seed0"]["test"]) > float(found["weak"]["test"])
    table = tudui("runs", parent)
    assert "diverged" in table.out
    assert len(tudui("runs", parent, "--json").json()["runs"]) == 4


def test_data_check_counts_classes(tudui):
    answer = tudui("data", "check", "digits")
    assert answer.code == 0
    assert "1,295" in answer.out
    assert sum(tudui("data", "check", "digits", "--json").json()["images"]["test"].values()) == 359
    assert "folder:PATH" in tudui("data", "list").out


def test_config_list_names_every_shipped_config(tudui):
    answer = tudui("config", "list")
    assert {line.split()[0] for line in answer.out.splitlines()[1:]} == {
        "cifar10", "cifar10-long", "course", "digits", "compare", "compare-cifar10", "problems", "regression",
    }  # fmt: skip


def test_no_traceback_from_the_real_process(tmp_path):
    done = subprocess.run([*TUDUI, "train", "--loss", "hubr"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: --loss hubr: ")


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (("loss", "plot", "mse", "--out", "plot.png"), "plot.png"),
        (("line-fit", "--out", "fit"), "fit/fits.png"),
        (("line-fit", "--choose-delta", "1,2", "--out", "fit"), "fit/delta.json"),
        (("backward", "depth", "--depth", "2", "--out", "depth.png"), "depth.png"),
        (("config", "copy", "digits"), "digits.yaml"),
    ],
)
def test_no_command_replaces_a_file_unasked(command, file, tudui):
    path, beside = Path(file), Path(f"{file}.part")
    path.parent.mkdir(exist_ok=True)
    for mine in (path, beside):
        mine.write_text("mine")
    before = sorted(Path().rglob("*"))
    answer = tudui(*command)
    assert answer.code == 2
    assert f"{file}: already exists" in answer.err
    assert path.read_text() == "mine"
    assert sorted(Path().rglob("*")) == before
    assert tudui(*command, "--overwrite").code == 0
    assert path.read_bytes() != b"mine"
    assert beside.read_text() == "mine"


LONG, NOT_UTF8 = "x" * 300, os.fsdecode(b"\xff")


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "-e", "1", "-o"), ("train", "--resume"), ("train", "--config"), ("train", "--init-from"),
        ("compare-losses", "--dry-run", "-o"), ("report",), ("runs",), ("tensorboard",), ("export",),
        ("evaluate", "--data", "digits"), ("config", "validate"), ("config", "copy", "digits"), ("data", "check"),
        ("predict", "none.pt"), ("backward", "depth", "--out"),
    ],
)  # fmt: skip
def test_a_path_that_no_system_takes_is_one_line(arguments, tudui):
    for path in (LONG, "a/" * 3000):
        answer = tudui(*arguments, path)
        assert answer.code in (2, 3, 5, 6)
        assert answer.err.count("\n") == 1
        assert answer.err.startswith("error: ")


def test_folders_deeper_than_pythons_stack_are_one_line(tudui):
    answer = tudui("train", "-e", "1", "-o", "a/" * 1900)  # the system takes such a path
    answer.refused(2)


def test_a_backend_that_matplotlib_does_not_know_changes_nothing(tmp_path):
    command = [sys.executable, "-P", "-m", "tudui", "loss", "plot", "l1", "--out", "plot.png"]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "MPLBACKEND": "unknown"}, check=True)
    assert (tmp_path / "plot.png").exists()


def test_text_that_is_not_utf_8_is_one_line(tudui):
    tudui("train", "-e", "1", "-o", NOT_UTF8).refused(2, r"\udcff")


@pytest.mark.parametrize("setting", ["optimizer.lr=1e39", "optimizer.lr=0x" + "f" * 400, "train.clip=1e300"])
def test_a_number_beyond_32_bits_is_one_line(setting, tudui):
    tudui("train", "--dry-run", "--set", setting).refused(2, f"error: --set {setting[:12]}")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize(
    ("streams", "code", "lines"),
    [("> /dev/full", 6, 1), ("2> /dev/full", 0, 0), (">&-", 0, 0), ("<&- >&- 2>&-", 0, 0), ("| head -1", 0, 0)],
)
def test_a_console_that_cannot_be_written_ends_nothing(streams, code, lines):
    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$@" {streams}', "bash", *TUDUI, "loss", "list"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == lines
    assert done.stderr.startswith("error: stdout: " if lines else "")


def test_a_bug_shows_its_traceback_and_asks_for_a_report(tmp_path):
    """A loss of another package without a model of its parameters is nothing that Tudui expects."""
    plugin(tmp_path / "packages", "broken")
    with (tmp_path / "packages" / "evil_loss.py").open("a") as file:
        file.write("SPEC = replace(SPEC, parameters=None)\n")
    done = with_packages(tmp_path / "packages", "loss", "list")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "report" in done.stderr.splitlines()[-1]


def test_parameters_of_a_loss_are_typed_with_its_name(tudui):
    """They arrive as --set would set them, and `config show` names the flag as their origin."""
    typed = tudui("train", "--loss", "sce:alpha=0.2;beta=2", *FAST, "-o", "typed", "--json").json()
    set_so = ("--loss", "sce", "--set", "loss.alpha=0.2", "--set", "loss.beta=2")
    assert tudui("train", *set_so, *FAST, "-o", "set", "--json").json()["test"] == typed["test"]
    assert typed["test"] != tudui("train", "--loss", "sce", *FAST, "-o", "defaults", "--json").json()["test"]
    shown = tudui("config", "show", "--loss", "huber:delta=0.5", "--provenance").out
    assert re.search(r"delta: 0.5 +# --loss huber:delta=0.5", shown)


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        ("huber:delta=", "NAME:a=1;b=2"),
        ("huber:delta=1;delta=2", "each once"),
        ("hubber:delta=1", "did you mean 'huber'"),
        ("ce:delta=1", "delta: unknown key"),
        ("huber:delta=-1", "greater than 0"),
        ("huber:delta=x", "valid number"),
    ],
)
def test_wrong_parameters_of_a_loss(loss, says, tudui):
    for command, flag in (("train", "--loss"), ("compare-losses", "--losses")):
        answer = tudui(command, flag, loss)
        assert answer.code == 2
        assert says in answer.err
    assert tudui("loss", "value", loss, "-i", "1,2", "-t", "1").code == 2


def test_a_parameter_of_a_loss_is_given_once(tudui):
    for arguments in (
        ("train", "--loss", "huber:delta=1", "--set", "loss.delta=2"),
        ("loss", "value", "huber:delta=1", "--delta", "2", "-i", "1", "-t", "2"),
        ("line-fit", "--losses", "huber:delta=1", "--delta", "2"),
    ):
        answer = tudui(*arguments)
        assert answer.code == 2
        assert "loss.delta: set twice" in answer.err


@pytest.mark.slow
def test_losses_with_parameters_are_compared(tudui):
    losses = "ce,gce:q=0.5,gce:q=0.9,sce:alpha=0.2;beta=2"
    plan = ("compare-losses", "--losses", losses, "--baseline", "gce:q=0.5", "--seeds", "1", "-e", "1", "-o", "out")
    answer = tudui(*plan, "--set", "device=cpu", "--json")
    assert answer.code == 0
    names = ["ce", "gce-q=0.5", "gce-q=0.9", "sce-alpha=0.2-beta=2"]
    assert [row["variant"] for row in answer.json()["rows"]] == names
    assert {pair["baseline"] for pair in answer.json()["pairs"]} == {"gce-q=0.5"}
    q = [json.loads(next(Path("out").rglob(f"*{name}*/result.json")).read_text()) for name in names[1:3]]
    assert q[0]["test"]["loss"] != q[1]["test"]["loss"]
    twice = tudui("compare-losses", "--losses", "gce:q=0.5,gce:q=0.5")
    assert twice.code == 2
    assert "gce-q=0.5 given twice" in twice.err


def test_the_lab_takes_losses_with_parameters(tudui):
    """Huber by hand: 0.5 * (|r| - 0.25) for residuals 1 and 2, with delta 0.5."""
    found = tudui("loss", "value", "huber:delta=0.5", "-i", "1,2", "-t", "0,0", "--json").json()
    assert found["terms"] == [0.375, 0.875]
    assert found["parameters"] == {"delta": 0.5}
    fits = tudui("line-fit", "--losses", "huber:delta=0.5,huber:delta=2,huber,mse", "--json").json()["fits"]
    assert list(fits) == ["huber:delta=0.5", "huber:delta=2", "huber δ=2", "mse"]
    assert fits["huber:delta=2"]["optimum"] == fits["huber δ=2"]["optimum"] != fits["huber:delta=0.5"]["optimum"]
