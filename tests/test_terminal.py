"""What a user meets in the terminal: where to start, help and its examples, completion, `tudui doctor`, pipes."""

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import torch
from typer.main import get_command

from scripts.release_check import commands
from tests.conftest import TUDUI, photograph, put_package
from tests.test_data import write_cifar
from tests.test_networks import course_network
from tudui.cli import app
from tudui.cli.hints import KEYS, VALUES
from tudui.config import Config
from tudui.config.describe import known_keys


def examples(command) -> list[str]:
    return [line.strip() for line in (command.epilog or "").splitlines()[1:]]


ALL = list(commands(get_command(app)))
EXAMPLES = [  # the server itself is tested in test_dashboards.py
    (name, example) for name, command in ALL if name != "tensorboard" for example in examples(command)
]


@pytest.mark.parametrize(("name", "command"), ALL)
def test_help_ends_with_two_examples(name, command, tudui):
    assert len(examples(command)) == 2
    shown = tudui(*name.split(), "--help").out.rstrip().splitlines()
    assert [line.strip() for line in shown[-2:]] == examples(command)


@pytest.fixture
def what_examples_name(trained, compared, class_folders, tmp_path):
    for place in ("copy", "cache/datasets"):
        write_cifar(tmp_path / place / "cifar-10-batches-py", count=60)
    shutil.copytree(trained, "runs/digits-ce-seed0")
    for name in ("COMPARISON", "OTHER"):
        shutil.copytree(compared, name, symlinks=True)
    for name in ("my-images", "photos"):
        shutil.copytree(class_folders, name)
    torch.save(course_network(), "tudui_9.pth")
    photograph(7).save("seven.png")
    Path("mine.yaml").write_text("loss: huber\n")
    rows = [f"{number},{number % 7},{('iris', 'rose')[number % 2]}\n" for number in range(40)]
    Path("flowers.csv").write_text("".join(["height,petals,species\n", *rows]))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_every_example_of_a_help_text(name, example, what_examples_name, tudui):
    words = shlex.split(example.partition(" > ")[0])[1:]
    if words[0] == "train":
        words += ["-e", "1", "-b", "16"]
    if words[0] == "compare-losses":
        words += ["-e", "1", "--seeds", "1"] if "--seeds" not in words else ["-e", "1"]
    if words[:2] == ["config", "copy"]:
        Path("mine.yaml").unlink()
    answer = tudui(*("copy" if word == "DIR" else word for word in words))
    assert answer.code == 0, answer.err
    assert answer.out


def test_tudui_alone_says_where_to_start(tudui):
    answer = tudui()
    assert answer.code == 0
    for name in get_command(app).commands:
        assert name in answer.out
    assert "tudui train --loss ce" in answer.out
    assert max(len(line) for line in answer.out.splitlines() if "PATH;" not in line) <= 80


def completed(words: str, point: str = "") -> list[str]:
    """Return what bash is offered, by the way that the installed completion asks."""
    line = f"tudui {words}"
    environment = {
        **os.environ, "_TUDUI_COMPLETE": "complete_bash", "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", "from tudui.cli import main; main()"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("tr", ["train"]),
        ("train --loss hu", ["huber"]),
        ("train --data cifar100", ["cifar100"]),
        ("train --config cou", ["course"]),
        ("train --set train.epo", ["train.epochs="]),
        ("evaluate runs/dig", ["runs/digits-ce-seed0"]),
    ],
)
def test_completion(words, offered, trained):
    shutil.copytree(trained, "runs/digits-ce-seed0")
    assert completed(words) == offered


def test_doctor(tudui, monkeypatch, tmp_path):
    answer = tudui("doctor")
    assert answer.code == 0, answer.out
    for part in ("torch", "precision cpu", "digits", "cache", "nothing is wrong"):
        assert part in answer.out
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TUDUI_CACHE", str(tmp_path / "file" / "cache"))
    broken = tudui("doctor", "--json")
    assert broken.code == 2
    found = broken.json()
    assert not found["well"]
    assert [finding["name"] for finding in found["findings"] if finding["state"] == "wrong"]
    assert all(finding["next"] for finding in found["findings"] if finding["state"] == "wrong")
    assert broken.err.count("\n") == 1  # also where stdout cannot be seen
    assert "cache" in broken.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["trian"], "tudui trian: no such command; did you mean 'train'?"),
        (["train", "--los", "ce"], "did you mean '--loss'?"),
        (["train", "--epochs", "x"], "--epochs x: should be a valid integer"),
        (["loss", "value", "l1"], "see: tudui loss value --help"),
        (["evaluate", "RUN", "--split", "tset"], "did you mean 'test'?"),
        (["train", "--set", "train.lr=3"], "did you mean 'optimizer.lr'?"),
    ],
)
def test_mistakes_in_flags_are_one_line(arguments, says, tudui):
    answer = tudui(*arguments)
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert line.startswith("error: ")
    assert says in line


@pytest.mark.parametrize(
    ("typed", "use"),
    [
        ("train --learning-rate 0.1", "--lr 0.1"),
        ("train --learning_rate=0.1", "--lr 0.1"),
        ("train -lr 0.1", "--lr"),
        ("train --cuda", "--device cuda"),
        ("train --no-cuda", "--device cpu"),
        ("train --optimizer adam", "--set optimizer.name=adam"),
        ("train --momentum 0.8", "--set optimizer.momentum=0.8"),
        ("train --model tudui", "--network tudui"),
        ("train --label-noise 0.4", "--set data.label_noise=0.4"),
        ("train --loss huber --delta 0.5", "--loss huber:delta=0.5"),
        ("train --loss sce --beta 2", "--loss sce:beta=2"),
        ("train --batch 32", "--batch-size 32"),
        ("train --img-size 32", "--size 32"),
        ("train --patience 3", "--set train.early_stopping=3"),
        ("compare-losses --delta 0.5", "--losses huber:delta=0.5"),
        ("compare-losses --noise 0.4", "--label-noise 0.4"),
        ("evaluate RUN --dataset digits", "--data digits"),
    ],
)
def test_an_option_of_another_tool_is_answered_with_ours(typed, use, tudui):
    answer = tudui(*typed.split())
    assert answer.code == 2
    assert answer.err.rstrip().endswith(f"no such option; use {use}")
    if not typed.startswith("evaluate") and "cuda" not in use:
        value = " 0.1" if use == "--lr" else ""
        assert tudui(typed.split()[0], *f"{use}{value}".split(), "--dry-run").code == 0


@pytest.mark.parametrize(
    ("typed", "never"),
    [
        ("train --num-workers 2", "--set"),
        ("train --seeds 3", "'--seed'"),
        ("train --losses ce", "'--loss'"),
        ("train --xyz 3", "did you mean"),
        ("evaluate RUN --cuda", "did you mean"),
        ("line-fit --epochs 3", "use"),
    ],
)
def test_the_most_similar_option_is_no_answer_if_it_is_another_thing(typed, never, tudui):
    answer = tudui(*typed.split())
    assert answer.code == 2
    assert "no such option; " in answer.err
    assert never not in answer.err


def test_every_hint_names_a_setting_that_exists():
    assert {*KEYS.values(), *(key for key, _ in VALUES.values())} <= {*known_keys(Config), "loss", "network"}


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["compare-losses", "--label-noise", "0,40"], "for 40 % give 0.4"),
        (["train", "--set", "data.validation=10"], "for 10 % give 0.1"),
    ],
)
def test_a_percentage_where_a_share_is_needed(arguments, remedy, tudui):
    answer = tudui(*arguments)
    assert answer.code == 2
    assert remedy in answer.err


def test_a_pipe_does_not_break_names(trained, monkeypatch):
    monkeypatch.delenv("COLUMNS")
    name = "a-run-of-a-name-that-is-longer-than-a-table-in-eighty-columns-would-have-room-for"
    shutil.copytree(trained, f"runs/{name}")
    shown = subprocess.run([*TUDUI, "runs"], capture_output=True, text=True, check=True).stdout
    assert name in shown
    assert "4/4" in shown
    assert "\x1b" not in shown


def test_in_a_pipe_lines_are_whole_and_end_where_their_words_end(tudui, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert (
        "note: mse is half the mean square; rate x largest eigenvalue is 1.43, stable below 2\n"
        in tudui("line-fit").err
    )
    monkeypatch.delenv("COLUMNS")
    lines = tudui("doctor").out.splitlines()
    assert len(lines) > 10
    assert lines == [line.rstrip() for line in lines]


def on_a_terminal(*arguments: str, columns: int) -> str:
    """What a command writes on a terminal, escape sequences and all."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        [*TUDUI, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env={**environment, "TERM": "xterm"}
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # how the end of a terminal shows
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert process.wait() == 0
    return shown.decode()


@pytest.mark.slow
def test_a_terminal_breaks_lines_between_words():
    shown = on_a_terminal("line-fit", columns=60)
    assert (
        "\x1b[33mnote: \x1b[0mmse is half the mean square; rate x largest eigenvalue\r\nis 1.43, stable below 2"
        in shown
    )


@pytest.mark.slow
def test_a_bar_on_a_terminal_of_eighty_columns():
    shown = on_a_terminal("train", "-e", "2", columns=80)
    bar = re.sub(r"\x1b\[[^m]*m", "", shown[shown.rindex("epoch 2/2 ") :]).splitlines()[0]
    assert re.fullmatch(r"epoch 2/2 .+% loss \S+ accuracy \S+ % \S+ img/s \S+ left *", bar)


def test_completion_is_silent_where_a_package_is_broken(tmp_path, monkeypatch):
    put_package(tmp_path, "[tudui.losses]\nodd = nothing_there:SPEC\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    assert completed("train --set train.epo") == []
    assert completed("train --loss od") == ["odd"]  # its name is known, and training says what is wrong with it


def test_a_host_that_cannot_be_one(trained, tudui):
    tudui("tensorboard", trained, "--host", "a..b").refused(2, "error: --host a..b: ")


@pytest.mark.slow
@pytest.mark.parametrize("command", [("line-fit",), ("loss", "value", "--help"), ("backward", "by-hand")])
def test_a_pipe_that_knows_few_characters(command):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*TUDUI, *command], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr


def test_runs_keep_their_names_and_show_what_differs(trained):
    """Runs of one name differ by a rate; as columns get fewer, others are left out and no name is cut."""
    long = "a-folder/of-runs/with-a-longer-name"
    for name, rate in (("digits", "0.02"), ("digits-2", "0.03"), (long, "0.04")):
        shutil.copytree(trained, f"runs/{name}")
        file = Path(f"runs/{name}/config.yaml")
        file.write_text(re.sub(r"(?m)^  lr: .*$", f"  lr: {rate}", file.read_text()))
    for columns in (40, 80, 120):
        screen = re.sub(r"\x1b\[[0-9;]*m", "", on_a_terminal("runs", columns=columns))
        lines = screen.splitlines()
        for name, rate in (("digits", "0.02"), ("digits-2", "0.03"), (long, "0.04")):
            assert any(line.startswith(f"{name} ") and f"lr {rate}" in line for line in lines)
        assert "…" not in screen
        assert ("seed" in screen) == (columns == 120)
        assert columns == 40 or all(len(line.rstrip()) <= columns for line in lines)
