"""Tudui from Python: the functions are the commands."""

import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

import tudui
from tests.conftest import ROOT, photograph, record
from tests.test_networks import course_network
from tudui.api import backward, configs, lab
from tudui.api.comparing import read_comparison, report
from tudui.api.runs import runs
from tudui.errors import UsageError

QUICK = {"train.epochs": 1, "log.every": 5, "train.threads": 1, "device": "cpu"}


@pytest.fixture
def tudui_command(request):
    """The fixture `tudui`, whose name is that of the package here."""
    return request.getfixturevalue("tudui")


def test_a_run_in_a_thread_is_that_of_the_command(tudui_command):
    results, settings = [], QUICK | {"train.epochs": np.int64(1), "seed": 3}  # which a key of `config` also says
    thread = threading.Thread(
        target=lambda: results.append(
            tudui.train({"loss": "huber", "seed": 2}, settings, sinks=[results.append], progress=False)
        )
    )
    thread.start()
    thread.join()
    run = results[-1]
    assert run.run_dir == Path("runs/digits-huber-seed3")
    assert [type(event).__name__ for event in results[:-1]] == [line["event"] for line in run.metrics()]
    assert tudui.evaluate(run).evaluated.scores["accuracy"] == run.test_accuracy
    flags = [flag for key, value in QUICK.items() for flag in ("--set", f"{key}={value}")]
    assert (
        tudui_command("train", "--loss", "huber", "--seed", 3, *flags, "-o", run.run_dir.with_name("typed")).code == 0
    )
    typed, called = record(Path("runs/typed")), record(run.run_dir)
    assert (typed[0].pop("name"), called[0].pop("name")) == ("typed", "digits-huber-seed3")
    assert typed == called


def test_a_stopped_run_goes_on():
    def stop(event):
        if type(event).__name__ == "StepEnd" and not stopped:
            stopped.append(event)
            signal.raise_signal(signal.SIGINT)

    stopped = []
    with pytest.raises(tudui.TuduiError, match=r"from Python: tudui.train\(resume='cut'\)") as error:
        tudui.train("digits", QUICK, run_dir="cut", sinks=[stop], progress=False)
    assert error.value.exit_code == 130
    again = tudui.train(resume="cut", progress=False)
    whole = tudui.train("digits", QUICK, run_dir="whole", progress=False)
    assert again.values["test"] == whole.values["test"]


def test_evaluate_tells_what_the_command_tells(trained, capsys):
    tudui.evaluate(trained / "checkpoints" / "last.pt", normalize="none")
    assert capsys.readouterr().err == ""
    torch.save(course_network().state_dict(), "weights.pt")
    tudui.evaluate("weights.pt", data="digits")
    assert "note: pixels in [0, 1], as in the course's scripts" in capsys.readouterr().err


def test_what_commands_do_with_weights_is_there_from_python(trained, tudui_command, tmp_path):
    photograph(7).save("seven.png")
    (prediction,) = tudui.predict(trained, ["seven.png"], top=2)
    typed = tudui_command("predict", trained, "seven.png", "--top", 2, "--json").json()["predictions"][0]["classes"]
    assert [{"name": name, "probability": share} for name, share in prediction.classes] == typed
    done = tudui.export(trained, "model.safetensors")
    assert done.check.passed
    assert done.card.is_file()
    with pytest.raises(tudui.TuduiError, match="already exists"):
        tudui.export(trained, "model.safetensors")
    (row,) = runs(trained)
    assert row.test == tudui.evaluate(trained).evaluated.scores["accuracy"]


def test_a_report_is_written_again_from_python(compared, tmp_path):
    shutil.copytree(compared, "compared", symlinks=True)
    Path("compared/report.html").unlink()
    assert report("compared").values == read_comparison(Path("compared")).values
    assert Path("compared/report.html").is_file()


def test_the_lab_from_python_is_that_of_the_commands(tudui_command):
    found = lab.loss_value("huber", [1, 2, 3], np.array([1.0, 2.0, 8.0]), {"delta": 2})
    assert found.value == pytest.approx(2 * (5 - 1) / 3)
    typed = tudui_command("loss", "value", "huber", "-i", "1,2,3", "-t", "1,2,8", "--delta", 2, "--json").json()
    assert (typed["value"], typed["input"]) == (found.value, found.inputs.tolist())
    curves = lab.loss_curves(["huber", "l1"], deltas=[1, 2], out="curves.png")
    assert curves.labels == ("huber δ=1", "huber δ=2", "l1")
    assert Path("curves.png").is_file()
    fit = lab.line_fit(losses=["mae"], steps=5)
    assert fit.values()["fits"].keys() == tudui_command("line-fit", "--losses", "mae", "--json").json()["fits"].keys()
    batch = backward.first_batch("digits", {"loss": "mae", "train.batch_size": 2})
    assert batch.config.loss.name == "l1"
    assert backward.by_hand(overrides={"loss": "ce"}, target=1).products


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: tudui.train("digts"), "config digts: no such file or shipped config; did you mean 'digits'"),
        (lambda: tudui.train({"train": {"epochs": 0}}), "train.epochs: should be greater than or equal to 1"),
        (lambda: tudui.losses.get("hubr"), "did you mean 'huber'"),
        (lambda: tudui.losses.get("huber", dleta=2), "did you mean 'delta'"),
        (lambda: tudui.evaluate("run", split="tst"), "did you mean 'test'"),
        (lambda: tudui.compare(executor="locl"), "did you mean 'local'"),
        (lambda: tudui.compare(jobs=-1), "jobs: must be at least 1 (got -1)"),
        (lambda: tudui.compare(executor="ray", jobs=2), "jobs: on Ray the cluster decides"),
        (lambda: tudui.compare(executor="ray", sinks=[print]), "name a sink in log.sinks"),
        (lambda: tudui.train({1: 2}), "1: a setting's key is text"),
    ],
)
def test_mistakes_are_named(call, says):
    with pytest.raises(tudui.TuduiError) as error:
        call()
    assert says in str(error.value)


def test_a_loss_by_name_is_torchs():
    logits, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 0])
    counts = torch.tensor([1.0, 2, 3, 4])
    ours = tudui.losses.get("ce", class_weights="balanced", class_counts=[1, 2, 3, 4])(logits, labels)
    theirs = torch.nn.functional.cross_entropy(logits, labels, 10 / (4 * counts), reduction="none")
    torch.testing.assert_close(ours, theirs)


@pytest.mark.slow
def test_a_script_needs_no_main_guard_and_import_is_light(tmp_path):
    (tmp_path / "script.py").write_text(
        "import sys, tudui\n"
        "assert not {'torch', 'pydantic'} & set(sys.modules)\n"
        "print('once')\n"
        f"settings = {QUICK | {'comparison.variants': ['ce', 'mse'], 'comparison.seeds': 1}}\n"
        "print(tudui.compare(overrides=settings, folder='compared', executor='local', jobs=1, progress=False))\n"
    )
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, check=True)
    assert done.stdout.count("once") == 1
    assert "report: compared/report.html" in done.stdout
    assert done.stderr == ""


REGISTERED = """
import tudui
from tudui.losses import LossSpec

def build(power):
    def of(parameters, task):
        import torch
        def loss(logits, labels):
            residual = logits.softmax(1) - torch.nn.functional.one_hot(labels, task.outputs)
            return residual.abs().pow(power).sum(1)
        return loss
    return of

def refused(call):
    try:
        call()
    except tudui.TuduiError as error:
        print(error)

for power in (1, 3):  # the second replaces the first
    tudui.losses.register(LossSpec(name="of_this_process", formula="sum |p - onehot|^3", build=build(power)))
refused(lambda: tudui.losses.register(LossSpec(name="ce", formula="", build=build(1))))
refused(lambda: tudui.losses.register(LossSpec(name="../ce", formula="", build=build(1))))
settings = SETTINGS
refused(lambda: tudui.compare(overrides=settings, folder="compared", executor="local"))
found = tudui.compare(overrides=settings, folder="compared", progress=False)
print([row["variant"] for row in found.values["rows"]])
import torch
print(tudui.losses.get("of_this_process")(torch.zeros(1, 2), torch.tensor([0])).item())
"""


@pytest.mark.slow
def test_a_loss_that_only_this_process_knows(tmp_path):
    settings = QUICK | {"comparison.variants": ["ce", "of_this_process"], "comparison.seeds": 1, "optimizer.lr": 0.05}
    settings |= {"comparison.lr": "same", "log.sinks": []}
    (tmp_path / "script.py").write_text(REGISTERED.replace("SETTINGS", repr(settings)))
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, check=True)
    installed, unsafe, local, variants, value = done.stdout.splitlines()
    assert "'ce': a loss of this name is installed" in installed
    assert unsafe.startswith("'../ce': a loss's name")
    assert "only this process knows the loss of_this_process; use executor='stacked'" in local
    assert variants == "['ce', 'of_this_process']"
    assert float(value) == 2 * 0.5**3


@pytest.mark.slow
def test_the_notebook_runs(tmp_path):
    subprocess.run([sys.executable, ROOT / "scripts" / "make_notebook.py", tmp_path / "copy.ipynb"], check=True)


@pytest.mark.parametrize(("function", "name"), [(configs.load, "digits"), (configs.plan, "compare")])
def test_settings_beside_a_checked_config_are_refused(function, name):
    checked = function(name)
    assert function(checked) is checked
    with pytest.raises(UsageError):
        function(checked, {"train.epochs": 1})


@pytest.mark.parametrize("data", ["digits", "rotated-digits", "diabetes"])
def test_a_loaded_network_gives_the_predictions_of_its_run(data):
    from tudui.config import load_config
    from tudui.data import load_data

    run = tudui.train({"data": {"name": data}}, QUICK | {"log.pictures": "none"}, progress=False)
    network = tudui.load(run)
    assert not network.training
    config = load_config(run.run_dir / "config.yaml").config
    test = load_data(config.data, config.seed).test
    with torch.inference_mode():
        outputs = network(test.images)
    saved = np.load(run.run_dir / "predictions.npz")["predicted"]
    found = outputs.argmax(1) if data == "digits" else outputs
    np.testing.assert_allclose(found.numpy(), saved, rtol=1e-4, atol=1e-3)
    assert list(network.names) == [str(digit) for digit in range(10)] if data == "digits" else len(network.names) == 1


def test_what_python_shows_of_the_package_is_public():
    assert {name for name in dir(tudui) if not name.startswith("__")} == set(tudui.__all__)
    assert all(getattr(tudui, name) for name in tudui.__all__)


@pytest.mark.parametrize("step", [5, 12, 20, 33])
def test_a_sink_can_end_its_run(step):
    """At a log point in an epoch or at its end; the weights that are scored are those that are saved."""
    seen = []

    def stop(event):
        seen.append(event)
        if type(event).__name__ == "StepEnd" and event.step >= step:
            raise tudui.StopTraining

    run = tudui.train("digits", QUICK | {"train.epochs": 4}, sinks=[stop], progress=False)
    assert run.status == "finished"
    assert run.values["steps"] == -(-step // 5) * 5
    assert type(seen[-1]).__name__ == "RunEnded"
    assert "dropped_sinks" not in run.values
    assert tudui.evaluate(run).evaluated.scores["accuracy"] == run.test_accuracy


COMPARED = QUICK | {"comparison.variants": ["ce", "mse"], "comparison.seeds": 1, "log.sinks": []}


@pytest.mark.parametrize("executor", ["stacked", "local"])
def test_sinks_of_a_comparison_hear_every_event_of_every_run(executor):
    """In this process, also if others train: the function that gives a run's sinks is of the test."""
    heard, together = {}, []

    def sinks_of(run):
        heard[run] = []
        return [heard[run].append, together.append]

    found = tudui.compare(overrides=COMPARED, folder="both", executor=executor, jobs=2, sinks=sinks_of, progress=False)
    assert list(found.values["rows"][0]["seeds"]) == [0]
    assert sorted(heard) == ["ce-seed0", "mse-seed0"]
    for run, events in heard.items():
        lines = record(Path("both", "runs", run))
        assert [type(event).__name__ for event in events] == [line["event"] for line in lines]
        steps = [event.loss for event in events if type(event).__name__ == "StepEnd"]
        assert steps == [line["loss"] for line in lines if line["event"] == "StepEnd"]
    assert len(together) == sum(map(len, heard.values()))
    late = []
    tudui.compare(overrides=COMPARED, folder="both", sinks=[late.append], progress=False)
    assert late == []  # nothing was left to do


def test_a_sink_that_fails_in_a_comparison_is_dropped_and_one_cannot_stop_a_run(capsys):
    def fail(event):
        raise ValueError("no room")

    def stop(event):
        raise tudui.StopTraining

    heard = []
    how = {"executor": "stacked", "progress": False}
    whole = tudui.compare(overrides=COMPARED, folder="whole", **how)
    found = tudui.compare(overrides=COMPARED, folder="failing", sinks=[fail, heard.append], **how)
    assert found.values["rows"][0]["metrics"] == whole.values["rows"][0]["metrics"]
    said = capsys.readouterr().err
    assert [said.count(f"{run}: a sink failed at RunStarted") for run in ("ce-seed0", "mse-seed0")] == [1, 1]
    assert [type(event).__name__ for event in heard].count("RunEnded") == 2
    with pytest.raises(UsageError, match="cannot stop"):
        tudui.compare(overrides=COMPARED, folder="stopped", sinks=[stop], **how)
