"""Losses and sinks of the user's own, FILE.py:NAME, in runs and comparisons."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tudui as package
from tests.conftest import QUICK_FLAGS, TUDUI, record
from tudui.config import own_code
from tudui.config.plan import variant_name

CODE = r"""
from contextlib import contextmanager
from pathlib import Path

from torch import nn
from torch.nn.functional import one_hot

Path(__file__).with_name("imported").touch()


def cubed(outputs, targets, power=3.0):
    return (outputs.softmax(1) - one_hot(targets, outputs.shape[1])).abs().pow(power).sum(1)


def printed(run):
    return lambda event: print(run.last_step, type(event).__name__)


@contextmanager
def lines(run):
    run.folder.mkdir(exist_ok=True)
    with open(run.folder / "events.tudui.txt", "a", buffering=1) as file:
        yield lambda event: file.write(f"{event.step} {type(event).__name__}\n")


def opens(run):
    raise OSError("no server")


@contextmanager
def closes(run):
    yield lambda event: None
    raise OSError("no server")


def raises(run):
    return lambda event: 1 / 0


def nothing(run):
    pass


class Learned(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Linear(1, 1)


def two_numbers(outputs, targets):
    return outputs.sum(1).repeat(2)
"""
SAME = ("--lr", "same", "--set", "optimizer.lr=0.05")


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    """The user's file, in a process that has not run it."""
    monkeypatch.setattr(own_code, "_files", {})
    monkeypatch.setattr(own_code, "_modules", {})
    path = tmp_path / "sub" / "own.py"
    path.parent.mkdir()
    path.write_text(CODE)
    return path


def forget(file: Path) -> None:
    """Be as a process in which the user has named no file."""
    own_code._files.clear()
    own_code._modules.clear()
    file.with_name("imported").unlink(missing_ok=True)


@pytest.mark.slow
def test_a_comparison_of_own_losses(tudui, file):
    losses = "ce,sub/own.py:cubed,sub/own.py:cubed:power=2"
    command = ["compare-losses", "--losses", losses, *SAME, "--seeds", "2", "--jobs", "2", *QUICK_FLAGS]
    done = subprocess.run([*TUDUI, *command, "--out", "c"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = ["ce", "own.py-cubed", "own.py-cubed-power=2"]
    values = json.loads(Path("c/comparison.json").read_text())
    assert [row["variant"] for row in values["rows"]] == names
    runs = {path.name for path in Path("c/runs").iterdir()}
    assert runs == {f"{name}-seed{seed}" for name in names for seed in (0, 1)}
    config = Path("c/runs/own.py-cubed-power=2-seed0/config.yaml").read_text()
    assert "name: own.py:cubed\n" in config
    assert "power: 2" in config
    assert all(name in Path("c/report.html").read_text() for name in names)

    forget(file)
    before = {path: path.stat().st_mtime_ns for path in Path("c/runs").rglob("*")}
    assert tudui(*command, "--out", "c").code == 0  # everything is done
    assert {path: path.stat().st_mtime_ns for path in Path("c/runs").rglob("*")} == before
    forget(file)
    Path("own.py").write_text(CODE)  # as recorded, in the working directory
    assert tudui("report", "c").code == 0
    assert tudui("runs", "c").code == 0
    for folder in ("c", "new"):
        again = tudui("compare-losses", "--config", "c/plan.yaml", "--out", folder, "--seeds", "3")
        assert (again.code, again.err.count("error:"), "--losses" in again.err) == (2, 1, True)
    assert not Path("new").exists()
    assert not Path("imported").exists()
    assert not file.with_name("imported").exists()

    file.write_text(CODE.replace("power=3.0", "power=4.0"))
    changed = tudui(*command, "--out", "c")
    assert (changed.code, "loss.code" in changed.err) == (2, True)


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        ("huber:delta=0.5; form=plain", "huber-delta=0.5-form=plain"),
        ("own.py:cubed", "own.py-cubed"),
        ("../a b/own.py:cubed:power=2", "own.py-cubed-power=2"),
        ("C:\\a\\own.py:cubed", "own.py-cubed"),
        ("损失 1.py:Δ", "1.py"),
        ("nce+mae", "nce+mae"),
    ],
)
def test_the_name_of_a_variant_is_that_of_a_folder(loss, name):
    assert variant_name(loss) == name


@pytest.mark.slow
def test_from_python_with_names_of_the_users_own():
    variants = {"ce": "ce", "own": "sub/own.py:cubed", "square": {"name": "sub/own.py:cubed", "power": 2}}
    settings = {
        "comparison.variants": variants, "comparison.seeds": 2, "comparison.lr": "same", "optimizer.lr": 0.05,
        "train.epochs": 1, "device": "cpu",
    }  # fmt: skip
    found = package.compare("compare", settings, folder="c", executor="stacked", progress=False)
    assert [row["variant"] for row in found.values["rows"]] == ["ce", "own", "square"]


@pytest.mark.parametrize(
    ("losses", "says"),
    [
        ("ce,sub/none.py:cubed", "sub/none.py cannot be read"),
        ("ce,sub/own.py:cube", "own.py: contains no cube; did you mean 'cubed'?"),
        ("ce,sub/own.py:Learned", "has parameters, which Tudui does not train"),
        ("ce,sub/own.py:two_numbers", "expected one number, or a tensor [B]"),
        ("ce,sub/own.py:cubed:powr=2", "unexpected keyword argument 'powr'"),
        ("sub/own.py:cubed,sub/../sub/own.py:cubed", "given twice"),
        ("ce,sub/own.py:cubed:power", "sub/own.py:cubed:power"),
    ],
)
def test_a_mistake_in_losses_is_one_line(losses, says, tudui):
    answer = tudui("compare-losses", "--losses", losses, *SAME, *QUICK_FLAGS, "--out", "c")
    lines = [line for line in answer.err.splitlines() if line.startswith("error:")]
    assert (answer.code, len(lines)) == (2, 1), answer.err
    assert says in lines[0]
    assert not Path("c").exists()


def test_modules_beside_the_file_are_found_and_replace_none(tudui, file, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("json", "tabnanny", "numpy", "helper_beside"):
        file.with_name(f"{name}.py").write_text(
            f"from pathlib import Path\nPath(__file__).with_name('{name}.run').touch()\n"
        )
    monkeypatch.delitem(sys.modules, "tabnanny", raising=False)
    file.write_text(f"import json, numpy, tabnanny, helper_beside\n{CODE}")
    assert tudui("loss", "value", "sub/own.py:cubed", "-i", "2,1,0", "-t", "0").code == 0
    assert [path.stem for path in file.parent.glob("*.run")] == ["helper_beside"]
    del sys.modules["helper_beside"]


@pytest.mark.parametrize(
    "variants",
    [
        "[ce, {place}:cubed]",
        "{{own: {place}:cubed}}",
        "{{own: {{name: {place}:cubed}}}}",
        "{{own: {{name: {place}:cubed, code: {code}}}}}",
        "{{own: '{place}:cubed:code={code}'}}",
    ],
)
@pytest.mark.parametrize("place", ["own.py", "sub/../sub/own.py", "{absolute}", "link.py"])
def test_a_plan_never_imports(variants, place, tudui, file, tmp_path):
    Path("own.py").write_text(CODE)
    Path("link.py").symlink_to(file)
    code = own_code.OwnFile(str(file), CODE, frozenset()).sha256
    text = variants.format(place=place.format(absolute=file), code=f"'{code}'" if "{{name" in variants else code)
    Path("plan.yaml").write_text(f"comparison:\n  lr: same\n  variants: {text}\noptimizer:\n  lr: 0.05\n")
    for words in (("--dry-run",), ("--out", "c")):
        answer = tudui("compare-losses", "--config", "plan.yaml", *words)
        assert (answer.code, "--set 'comparison.variants=" in answer.err or "--losses" in answer.err) == (2, True)
    tudui("config", "validate", "plan.yaml")
    assert not list(tmp_path.rglob("imported"))


def test_the_lab_knows_an_own_loss(tudui):
    for words in (["sub/own.py:cubed:power=2"], ["sub/own.py:cubed", "--set", "loss.power=2"]):
        found = tudui("loss", "value", *words, "-i", "2,1,0", "-t", "0")
        assert re.search(r"own\.py:cubed, power 2: mean 0\.1801\n$", found.out), found
    curves = tudui("loss", "plot", "sub/own.py:cubed", "mse", "--json").json()
    assert "sub/own.py:cubed" in str(curves)
    checked = tudui(
        "backward", "check", "--loss", "sub/own.py:cubed", "--lr", "0.05", "--entries", "3", "--json"
    ).json()
    assert checked["largest_difference"] < 1e-4
    assert tudui("backward", "by-hand", "--loss", "sub/own.py:cubed").code == 0


# sinks

RUN = (*QUICK_FLAGS, "--set", "train.threads=1", "--run-dir", "run")


def lines_of(run: Path) -> list[str]:
    return (run / "own.py-lines" / "events.tudui.txt").read_text().splitlines()


def test_a_sink_of_a_run_that_resumes(tudui, file):
    assert tudui("train", "--sink", "tensorboard,sub/own.py:lines", "--set", "schedule=constant", *RUN).code == 0
    assert {"tensorboard", "own.py-lines"} <= {path.name for path in Path("run").iterdir()}
    first = lines_of(Path("run"))
    assert (first[0], first[-1]) == ("0 RunStarted", "20 RunEnded")
    forget(file)
    Path("own.py").write_text(CODE)  # as recorded, in the working directory
    for words in (("evaluate", "run"), ("export", "run"), ("runs", "."), ("predict", "run", "--split", "test"),
                  ("tensorboard", "run", "--help")):  # fmt: skip
        assert tudui(*words).code == 0  # none needs the sink
    refused = tudui("train", "--resume", "run", "--epochs", "2")
    assert (refused.code, "PATH/TO/own.py:lines" in refused.err) == (2, True)
    refused = tudui("train", "--config", "run/config.yaml", "--run-dir", "new")
    assert (refused.code, Path("new").exists()) == (2, False)
    assert not Path("imported").exists()
    assert not file.with_name("imported").exists()
    Path("own.py").unlink()
    file.write_text(f"{CODE}\n")  # a sink changes no result, so it may have been edited
    assert tudui("train", "--resume", "run", "--epochs", "2", "--sink", "sub/own.py:lines").code == 0
    assert lines_of(Path("run")) == [f"{event['step']} {event['event']}" for event in record(Path("run"))]
    assert lines_of(Path("run"))[-1] == "40 RunEnded"


def test_a_run_resumes_without_its_sink(tudui, file):
    assert tudui("train", "--sink", "sub/own.py:printed", "--set", "schedule=constant", *RUN).code == 0
    forget(file)
    assert tudui("train", "--resume", "run", "--epochs", "2", "--sink", "tensorboard").code == 0
    assert "sinks: [tensorboard]\n  code: {}" in Path("run/config.yaml").read_text()
    assert not file.with_name("imported").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("sub/none.py:lines", r"sub/none.py cannot be read"),
        ("sub/own.py:line", r"own.py: contains no line; did you mean 'lines'\?"),
        ("sub/own.py:opens", r"own.py:\d+: OSError: no server"),
        ("sub/own.py:nothing", r"own.py:nothing: must return a function of events"),
        ("sub/own.py:lines,nothing", r"unknown sink 'nothing'"),
    ],
)
def test_a_mistake_in_a_sink_is_one_line_and_leaves_no_run(name, says, tudui):
    answer = tudui("train", "--sink", name, *RUN)
    assert (answer.code, answer.err.count("error:")) == (2, 1), answer.err
    assert re.search(says, answer.err)
    assert not Path("run").exists()


def test_a_sink_that_fails_later_does_not_end_the_run(tudui):
    answer = tudui("train", "--sink", "sub/own.py:raises", *RUN)
    assert answer.code == 0
    (dropped,) = json.loads(Path("run/result.json").read_text())["dropped_sinks"]
    assert re.search(r"own\.py:\d+: ZeroDivisionError", dropped)
    answer = tudui("train", "--sink", "sub/own.py:closes", *RUN[:-1], "closed")
    assert answer.code == 2
    assert re.search(r"own\.py:\d+: closing it: OSError: no server\n$", answer.err)
    assert json.loads(Path("closed/result.json").read_text())["status"] == "finished"


@pytest.mark.slow
def test_a_comparisons_runs_have_the_sink(tudui, file):
    command = [*TUDUI, "compare-losses", "--losses", "ce,mse", "--seeds", "2", "--jobs", "2", *QUICK_FLAGS]
    command += ["--sink", "sub/own.py:lines", "--out", "c"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {len(lines_of(path)) for path in Path("c/runs").iterdir()} == {len(lines_of(Path("c/runs/ce-seed0")))}
    file.with_name("imported").unlink()
    Path("own.py").write_text(CODE)
    again = tudui("compare-losses", "--config", "c/plan.yaml", "--out", "new")
    assert (again.code, "--sink PATH/TO/own.py:lines" in again.err) == (2, True)
    assert tudui("report", "c").code == 0
    assert not list(Path().rglob("imported"))


@pytest.mark.parametrize("place", ["own.py", "sub/../sub/own.py", "{absolute}", "link.py"])
@pytest.mark.parametrize("code", [False, True])
def test_a_sink_in_a_yaml_file_never_imports(place, code, tudui, file, tmp_path):
    Path("own.py").write_text(CODE)
    Path("link.py").symlink_to(file)
    name = f"{place.format(absolute=file)}:lines"
    own = own_code.OwnFile(str(file), CODE, frozenset())
    recorded = f", code: {{'{name}': '{own.sha256}'}}" if code else ""
    Path("x.yaml").write_text(f"log: {{sinks: ['{name}']{recorded}}}\n")
    for words in (("train", "--run-dir", "run"), ("compare-losses", "--out", "c")):
        answer = tudui(*words, "--config", "x.yaml")
        assert (answer.code, "--sink" in answer.err) == (2, True), answer.err
        assert not Path(words[-1]).exists()
    assert tudui("config", "validate", "x.yaml").code == (0 if code else 2)
    assert not list(tmp_path.rglob("imported"))
