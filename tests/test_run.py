"""Runs: what lies in the folder, and that a run cut anywhere goes on as if it had not been cut."""

import json
import operator
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from tests.conftest import DIGITS, ROOT, TUDUI, photograph, quick_config, record, wait_for
from tudui.config import load_config
from tudui.errors import DataError, DiskError, Interrupted, UsageError
from tudui.events import StepEnd, Warned
from tudui.losses import LossSpec, loss_specs
from tudui.run import train
from tudui.training.checkpoint import load_checkpoint

# few images, so that a run takes a moment; also the backward of fp16 convolutions is slow on a CPU
SMALL = ("data.name=folder:pictures", "train.batch_size=4", "log.every=3", "log.sinks=[]")

# everything that has a state: momenta, augmentation, clipping, a schedule, early stopping, fp16's scaler
RICH = (
    "optimizer={name: adamw, lr: 0.002}", "schedule={name: step, every: 1, warmup: 0.5}", "train.clip=1",
    "data.augment={flip: true, shift: 2, crop: [0.5, 1]}", "train.drop_last=false", "train.batch_size=6",
    "checkpoint.every=2", "train.epochs=3",
)  # fmt: skip

FP16 = ("precision=fp16", "loss=huber")


def cut_at(number: int):
    """Return a sink that asks for a stop at the n-th yield, as Ctrl-C does."""
    seen = 0

    def sink(event):
        nonlocal seen
        if isinstance(event, StepEnd):
            seen += 1
            if seen == number:
                signal.raise_signal(signal.SIGINT)

    return sink


def weights(run_dir, name="last.pt"):
    return load_checkpoint(run_dir / "checkpoints" / name)


def assert_same_run(run_dir, uncut):
    ours, theirs = record(run_dir), record(uncut)
    theirs[0]["name"] = ours[0]["name"]
    assert ours == theirs
    for name in ("last.pt", "best.pt"):
        cut, whole = weights(run_dir, name).state, weights(uncut, name).state
        for part in ("model", "progress", "scaler"):
            cut_values, whole_values = cut[part] or {}, whole[part] or {}
            assert cut_values.keys() == whole_values.keys()
            for key in cut_values.keys() - {"seconds"}:
                same = torch.equal if isinstance(cut_values[key], torch.Tensor) else operator.eq
                assert same(cut_values[key], whole_values[key]), (name, key)
    with np.load(run_dir / "predictions.npz") as cut_file, np.load(uncut / "predictions.npz") as whole_file:
        for key in ("index", "label", "probabilities"):
            assert np.array_equal(cut_file[key], whole_file[key])
    assert not list(run_dir.rglob("*.part"))


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param((), id="plain"),
        pytest.param(RICH, id="rich"),
        pytest.param(FP16, id="fp16", marks=pytest.mark.slow),
    ],
)
def test_cut_at_every_yield_and_resumed(settings, tmp_path, class_folders):
    config = quick_config(*SMALL, *settings)
    uncut = tmp_path / "uncut"
    train(config, uncut)
    yields = sum(event["event"] == "StepEnd" for event in record(uncut))
    assert yields >= 6
    for number in range(1, yields + 1):
        run_dir = tmp_path / f"cut{number}"
        with pytest.raises(Interrupted):
            train(config, run_dir, sinks=[cut_at(number)])
        assert not (run_dir / "result.json").exists()
        result = train(config, run_dir, resume=True)
        assert result.status == "finished"
        assert_same_run(run_dir, uncut)


@pytest.mark.slow
def test_cut_again_and_again(tmp_path):
    config = quick_config("log.sinks=[]")
    uncut, run_dir = tmp_path / "uncut", tmp_path / "cut"
    train(config, uncut)
    for attempt in range(20):
        try:
            train(config, run_dir, resume=attempt > 0, sinks=[cut_at(1)])
        except Interrupted:
            continue
        break
    assert attempt == 8
    assert_same_run(run_dir, uncut)


def start(*arguments):
    return subprocess.Popen(
        [*TUDUI, "train", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_lines(path, number, process):
    wait_for(lambda: path.exists() and len(path.read_text().splitlines()) >= number, process)


@pytest.mark.slow
def test_a_killed_run_is_resumed_exactly(tmp_path, tudui):
    arguments = [
        text for setting in ("train.epochs=4", "log.every=5", "train.threads=1") for text in ("--set", setting)
    ]
    assert tudui("train", "-o", tmp_path / "uncut", *arguments).code == 0
    process = start("-o", tmp_path / "killed", *arguments)
    wait_for_lines(tmp_path / "killed" / "metrics.jsonl", 9, process)
    process.kill()
    process.communicate()
    assert tudui("train", "--resume", tmp_path / "killed").code == 0
    assert_same_run(tmp_path / "killed", tmp_path / "uncut")


@pytest.mark.slow
def test_killed_again_and_again_it_ends_as_if_it_had_not_been(tmp_path):
    """A short form of fuzz/crash_test.py; its long form is in docs/reliability.md."""
    command = [sys.executable, str(ROOT / "fuzz" / "crash_test.py"), "--kills", "5", "--out", "crash", "--",
               "train", "--config", "digits", "-e", "30", "--set", "log.every=5"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 kills" in done.stdout
    assert "nothing differs, nothing is left over" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_and_say_how_to_go_on(number, code, tmp_path):
    process = start("-o", tmp_path / "run", "-e", "50")
    wait_for_lines(tmp_path / "run" / "metrics.jsonl", 5, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert f"train --resume {tmp_path / 'run'}" in err
    assert ("Ctrl-C" in err) == (number == signal.SIGINT)
    assert "Traceback" not in out + err
    steps = [event["step"] for event in record(tmp_path / "run") if event["event"] == "StepEnd"]
    assert weights(tmp_path / "run").state["progress"]["step"] == steps[-1]


def test_ctrl_c_while_the_command_line_is_imported_is_no_traceback():
    code = """
import signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Finder())
from tudui.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.slow
def test_killed_before_the_first_save_resumes_from_step_0(tmp_path):
    """As a kill leaves it: with the checkpoint of step 0, and the lines written since."""
    config = quick_config("checkpoint.every=2")
    train(config, tmp_path / "uncut")
    before = []

    def copy_it(event):
        if isinstance(event, StepEnd) and event.step == 15:
            before.append(shutil.copytree(tmp_path / "run", tmp_path / "cut"))

    train(config, tmp_path / "run", sinks=[copy_it])
    assert weights(tmp_path / "cut").state["progress"]["step"] == 0
    assert len(record(tmp_path / "cut")) > 2
    train(config, tmp_path / "cut", resume=True)
    assert_same_run(tmp_path / "cut", tmp_path / "uncut")


ALL_CHECKPOINTS = tuple(f"checkpoints/{name}.pt" for name in ("last", "previous", "best"))


@pytest.mark.slow
@pytest.mark.parametrize("lost", [ALL_CHECKPOINTS[:2], ALL_CHECKPOINTS, (*ALL_CHECKPOINTS, "metrics.jsonl")])
def test_a_run_that_lost_its_checkpoints_keeps_the_rest(lost, tmp_path, tudui):
    """As a copy without its largest files, or a cleaned disk."""
    config, run = quick_config("train.epochs=3"), tmp_path / "run"
    train(config, tmp_path / "uncut")
    with pytest.raises(Interrupted):
        train(config, run, sinks=[cut_at(7)])
    for name in lost:
        (run / name).unlink()

    def content():
        return {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "run.lock"}

    before = content()
    tudui("train", "--resume", run).refused(5, f"train --resume {run} --restart")
    assert content() == before
    assert tudui("train", "--resume", run, "--restart").code == 0
    assert_same_run(run, tmp_path / "uncut")
    assert tudui("train", "--restart").code == 2


@pytest.mark.slow
def test_a_finished_run_begins_again_with_more_epochs(tmp_path, tudui):
    """Its config.yaml then has them too."""
    overrides = ("schedule.name=constant", "log.tensorboard=false")
    train(quick_config(*overrides, "train.epochs=2"), tmp_path / "uncut")
    train(quick_config(*overrides, "train.epochs=1"), tmp_path / "run")
    for name in (*ALL_CHECKPOINTS, "metrics.jsonl"):
        (tmp_path / "run" / name).unlink()
    before = (tmp_path / "run" / "result.json").read_bytes()
    assert tudui("train", "--resume", "run", "-e", "2").code == 5
    assert (tmp_path / "run" / "result.json").read_bytes() == before
    assert tudui("train", "--resume", "run", "-e", "2", "--restart").code == 0
    assert load_config(tmp_path / "run" / "config.yaml").config.train.epochs == 2
    assert_same_run(tmp_path / "run", tmp_path / "uncut")
    assert tudui("train", "--resume", "run", "--restart").code == 0
    assert_same_run(tmp_path / "run", tmp_path / "uncut")


def test_a_finished_run_with_other_epochs_in_its_config_did_not_stop_early(tmp_path, tudui):
    train(quick_config("schedule.name=constant", "train.epochs=1"), tmp_path / "run")
    file = tmp_path / "run" / "config.yaml"
    file.write_text(file.read_text().replace("epochs: 1", "epochs: 2"))
    answer = tudui("train", "--resume", "run")
    assert answer.code == 2
    assert "early stopping" not in answer.err
    assert "(epochs: 1)" in answer.err
    assert tudui("train", "--resume", "run", "--epochs", "4").code == 0


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ("batch_size: 4", "batch_size: 2", "train.batch_size"),
        ("label_smoothing: 0.0", "label_smoothing: 0.1", "loss.label_smoothing"),
        ("epochs: 2", "epochs: 3", "epoch 2"),
        ("lr: 0.1", "lr: 0.2", "optimizer.lr"),
        ("seed: 0", "seed: 1", "seed"),  # and so the split: the images are not what changed
        ("validation: 0.1", "validation: 0.5", "data.validation"),
        ("every: 3", "every: 2", None),
        ("/pictures", "/moved", None),
    ],
)
def test_an_edited_config_is_refused_on_resume(before, after, key, tmp_path, tudui, class_folders):
    """What leaves the trajectory alone may be edited; anything else would make the config a lie about the run."""
    with pytest.raises(Interrupted):
        train(quick_config(*SMALL), tmp_path / "run", sinks=[cut_at(4)])
    class_folders.rename("moved" if "moved" in after else "pictures")
    file, lines = tmp_path / "run" / "config.yaml", (tmp_path / "run" / "metrics.jsonl").read_bytes()
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))
    answer = tudui("train", "--resume", "run")
    if key is None:
        assert answer.code == 0
        return
    answer.refused(2, key)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == lines


def test_a_broken_last_checkpoint_falls_back_to_the_one_before(tmp_path, class_folders):
    config = quick_config(*SMALL, "train.epochs=3")
    train(config, tmp_path / "uncut")
    with pytest.raises(Interrupted):
        train(config, tmp_path / "cut", sinks=[cut_at(7)])
    last = tmp_path / "cut" / "checkpoints" / "last.pt"
    last.write_bytes(last.read_bytes()[:5000])
    heard = []
    train(config, tmp_path / "cut", resume=True, sinks=[heard.append])
    warnings = [event.message for event in heard if isinstance(event, Warned)]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{last}: ")
    assert warnings[0].endswith(str(last.with_name("previous.pt")))
    assert_same_run(tmp_path / "cut", tmp_path / "uncut")


def test_the_run_folder_holds_what_the_design_names(trained):
    names = {path.relative_to(trained).as_posix() for path in trained.rglob("*") if path.is_file()}
    assert {name for name in names if not name.startswith("tensorboard/")} == {
        "config.yaml", "metrics.jsonl", "result.json", "predictions.npz", "run.lock",
        "checkpoints/last.pt", "checkpoints/previous.pt", "checkpoints/best.pt",
    }  # fmt: skip
    assert len(list((trained / "tensorboard").iterdir())) == 1
    result = json.loads((trained / "result.json").read_text())
    assert result["status"] == "finished"
    assert (result["seed"], result["loss"], result["epochs"], result["steps"]) == (0, "ce", 4, 80)
    assert result["timing"].keys() == {"seconds", "images_per_second"}
    for split in ("validation", "test"):
        assert {"accuracy", "nll", "ece", "loss"} <= result[split].keys()
    assert result["best"].keys() == {"epoch", "validation_accuracy", "test_accuracy"}
    assert {"torch", "tudui"} <= result["versions"].keys()
    assert result["hardware"]["threads"] == 1
    assert load_config(trained / "config.yaml").config.optimizer.lr == quick_config().optimizer.lr
    with np.load(trained / "predictions.npz") as file:
        assert file["probabilities"].dtype == np.float16
        accuracy = (file["probabilities"].argmax(1) == file["label"]).mean()
    assert accuracy == pytest.approx(result["test"]["accuracy"], abs=1 / 359 + 1e-9)  # float16 may make a tie
    last = record(trained)[-1]
    assert last["event"] == "RunEnded"
    assert "NaN" not in (trained / "metrics.jsonl").read_text()


def test_the_same_config_gives_the_same_run(tmp_path):
    config = quick_config("train.epochs=1")
    for name in ("first", "second"):
        train(config, tmp_path / name)
    assert_same_run(tmp_path / "first", tmp_path / "second")
    train(quick_config("train.epochs=1", "seed=1"), tmp_path / "other")
    assert record(tmp_path / "other")[3:] != record(tmp_path / "first")[3:]


def test_a_begun_a_finished_and_another_run_are_refused(tmp_path, trained, tudui, sentence):
    config = quick_config("train.epochs=4")
    with pytest.raises(UsageError) as error:
        train(config, trained)
    sentence(error.value)
    with pytest.raises(UsageError) as error:
        train(config, trained, resume=True)
    sentence(error.value)
    with pytest.raises(Interrupted):
        train(config, tmp_path / "cut", sinks=[cut_at(2)])
    with pytest.raises(UsageError) as error:
        train(config, tmp_path / "cut")
    sentence(error.value)
    with pytest.raises(UsageError) as error:
        train(quick_config("train.epochs=4", "seed=1"), tmp_path / "cut", resume=True)
    sentence(error.value)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("mine")
    with pytest.raises(UsageError) as error:
        train(config, tmp_path / "letters")
    sentence(error.value)
    answer = tudui("train", "--resume", tmp_path / "cut", "--lr", "0.1", "--loss", "mse")
    assert answer.code == 2
    sentence(answer.err)
    assert tudui("train", "--resume", tmp_path / "nowhere").code == 2


def test_only_a_constant_schedule_can_be_extended(tmp_path, tudui, class_folders, sentence):
    fixed = ["--data", "folder:pictures", "-b", "4"]
    fixed += [
        text for setting in ("schedule=constant", "log.every=3", "train.threads=1") for text in ("--set", setting)
    ]
    assert tudui("train", "-o", "long", "-e", 3, *fixed).code == 0
    assert tudui("train", "-o", "short", "-e", 2, *fixed).code == 0
    assert tudui("train", "--resume", "short", "-e", 3).code == 0
    short, long = record(tmp_path / "short"), record(tmp_path / "long")
    for event in (*short, *long):
        event.pop("epochs_planned", None)
        event.pop("steps_planned", None)
    assert short[1:] == long[1:]
    assert tudui("train", "-o", "cycle", "-e", 2, *fixed[:4]).code == 0
    answer = tudui("train", "--resume", "cycle", "-e", 3)
    assert answer.code == 2
    sentence(answer.err)


def test_divergence_ends_with_code_4_and_an_intact_record(tmp_path, tudui):
    answer = tudui("train", "-o", "run", "--loss", "mse", "--lr", "1e6", "-e", 3, "-s", "train.clip=null", "--json")
    assert answer.code == 4
    assert "train.clip=1" in answer.err
    assert answer.json()["status"] == "diverged"
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["status"] == "diverged"
    assert result["test"] is None
    events = record(tmp_path / "run")
    assert events[-1]["event"] == "RunEnded"
    assert events[-2]["diverged"]["step"] == result["diverged"]["step"]


@pytest.mark.slow
@pytest.mark.parametrize("validation", ["0.1", "0"])
def test_divergence_in_the_last_step_is_divergence(validation, tudui):
    """No loss is computed after that step but those of the evaluation."""
    last_step = ["-e", 1, "-s", "train.batch_size=1000", "-s", "optimizer={name: sgd, lr: 1e38}",
                 "-s", "schedule=constant",
                 "-s", f"data.validation={validation}"]  # fmt: skip
    answer = tudui("train", "-o", "run", *last_step, "--json")
    assert answer.code == 4
    assert "diverged at step 1:" in answer.err
    result = answer.json()
    assert (result["status"], result["test"], result["diverged"]["step"]) == ("diverged", None, 1)
    assert [event["event"] for event in record(Path("run")) if event["event"] != "Warned"] == [
        "RunStarted", "StepEnd", "RunEnded"
    ]  # fmt: skip
    many = ["--losses", "ce,mse", "--seeds", "2", "--lr", "same", "--executor", "stacked", "-o", "both"]
    answers = [tudui("compare-losses", *many, *last_step) for _ in range(2)]  # the second one reads what is there
    assert [answer.code for answer in answers] == [0, 0]
    assert "diverged" in answers[1].out


def test_collapse_is_a_warning_with_what_to_try(tmp_path):
    heard = []
    train(quick_config("optimizer={name: sgd, lr: 0.05, weight_decay: 5}"), tmp_path / "run", sinks=[heard.append])
    collapsed = [event.message for event in heard if isinstance(event, Warned) and "collapsed" in event.message]
    assert len(collapsed) == 1
    assert "--lr" in collapsed[0]


def test_early_stopping(tmp_path, class_folders):
    config = quick_config(*SMALL, "train.epochs=50", "train.early_stopping=3", "optimizer.lr=0.02")
    result = train(config, tmp_path / "run")
    assert result.values["epochs"] == result.values["best"]["epoch"] + 3 < 50


def test_an_early_stop_saves_its_last_weights_and_resumes(tmp_path, class_folders):
    # nothing is learnt, so the run stops after its third epoch, which no interval saves
    config = quick_config(
        *SMALL, "train.epochs=50", "train.early_stopping=2", "checkpoint.every=7", "optimizer.lr=1e-12"
    )
    result = train(config, tmp_path / "uncut")
    assert result.values["epochs"] == 3
    assert weights(tmp_path / "uncut").state["progress"]["epoch"] == 3
    with pytest.raises(Interrupted):
        train(config, tmp_path / "cut", sinks=[cut_at(9)])  # at the very end of the last epoch
    train(config, tmp_path / "cut", resume=True)
    assert_same_run(tmp_path / "cut", tmp_path / "uncut")


@pytest.mark.parametrize("epochs", [50, 3], ids=["before the last epoch", "with the last epoch"])
def test_a_run_that_stopped_early_is_not_extended(epochs, tmp_path, class_folders, tudui):
    config = quick_config(
        *SMALL, f"train.epochs={epochs}", "train.early_stopping=2", "optimizer.lr=1e-12", "schedule=constant"
    )
    assert train(config, tmp_path / "run").values["epochs"] == 3
    files = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.*") if path.suffix != ".lock"}
    for flags in (["--epochs", 100], ["--epochs", 100, "--dry-run"], *([[]] if epochs > 3 else [])):
        answer = tudui("train", "--resume", "run", *flags)
        assert answer.code == 2
        assert "early stopping ended this run after epoch 3" in answer.err
    assert {path: path.read_bytes() for path in files} == files


def test_without_validation_the_best_is_the_last(tmp_path):
    result = train(quick_config("data.validation=0"), tmp_path / "run")
    assert result.values["validation"] is None
    assert result.values["best"] == {
        "epoch": 2, "validation_accuracy": None, "test_accuracy": result.values["test"]["accuracy"]
    }  # fmt: skip


def test_the_best_weights_are_scored_apart(tmp_path, class_folders):
    run_dir = tmp_path / "run"
    result = train(quick_config(*SMALL, "train.epochs=8", "optimizer.lr=0.01", "schedule=constant"), run_dir)
    evaluated = [event for event in record(run_dir) if event["event"] == "Evaluated"]
    validation = {event["epoch"]: event["scores"]["accuracy"] for event in evaluated if event["split"] == "validation"}
    best = max(validation, key=lambda epoch: (validation[epoch], -epoch))
    assert result.values["best"]["epoch"] == best
    assert result.values["best"]["validation_accuracy"] == validation[best]
    assert weights(run_dir, "best.pt").state["progress"]["epoch"] == best
    assert sum(event["split"] == "test" for event in evaluated) == (1 if best == 8 else 2)


def test_init_from_starts_with_the_weights(tmp_path, trained, tudui):
    answer = tudui("train", "-o", "run", "--init-from", trained, "-e", 1, "--lr", "1e-9", "--json")
    assert answer.code == 0
    before = json.loads((trained / "result.json").read_text())["test"]["accuracy"]
    assert answer.json()["test"]["accuracy"] == before


def test_early_stopping_needs_validation(tudui, sentence):
    answer = tudui("train", "-s", "train.early_stopping=2", "-s", "data.validation=0", "--dry-run")
    assert answer.code == 2
    sentence(answer.err)


def test_a_folder_that_cannot_be_made(tmp_path, tudui, sentence):
    (tmp_path / "file").write_text("in the way")
    answer = tudui("train", "-o", "file/run")
    assert answer.code == 6
    sentence(answer.err)
    (tmp_path / "runs").write_text("in the way")
    assert tudui("train").code == 6


def test_other_data_is_refused_on_resume(tmp_path, class_folders, sentence):
    config = quick_config("data.name=folder:pictures", "train.batch_size=8", "log.every=1")
    with pytest.raises(Interrupted):
        train(config, tmp_path / "run", sinks=[cut_at(2)])
    for number, path in enumerate(class_folders.rglob("*.png")):
        photograph(100 + number).save(path)
    with pytest.raises(DataError) as error:
        train(config, tmp_path / "run", resume=True)
    sentence(error.value)


def test_a_record_shorter_than_its_checkpoint_is_refused(tmp_path, sentence):
    config = quick_config()
    with pytest.raises(Interrupted):
        train(config, tmp_path / "run", sinks=[cut_at(5)])
    file = tmp_path / "run" / "metrics.jsonl"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(DiskError) as error:
        train(config, tmp_path / "run", resume=True)
    sentence(error.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a GPU that is not there")
def test_a_mistake_takes_no_name(tudui):
    assert tudui("train", "--device", "cuda").code == 2
    assert not list(Path().glob("runs/*"))
    assert tudui("train", "-e", 1, "-q").code == 0
    assert [path.name for path in Path("runs").iterdir()] == ["digits-ce-seed0"]


@pytest.mark.slow
def test_what_a_run_recorded_does_not_depend_on_how_it_was_called(tmp_path):
    for name in ("one", "other"):
        command = [*TUDUI, "train", "-o", name, "-e", "1", "--batch-size", "800", "--set", "log.sinks=[]"]
        subprocess.run(command, capture_output=True, check=True)
    recorded = [
        [event["message"] for event in record(tmp_path / name) if event["event"] == "Warned"]
        for name in ("one", "other")
    ]
    assert recorded[0] == recorded[1]
    assert "train.drop_last=false" in recorded[0][0]


def test_a_full_gpu_is_told_in_a_line(monkeypatch, tudui):
    def build(parameters, classes):
        def loss(logits, labels):  # what torch raises where a GPU's memory does not suffice
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

        return loss

    monkeypatch.setitem(loss_specs(), "large", LossSpec(name="large", formula="", build=build))
    answer = tudui("train", "--loss", "large", "--lr", 0.1)
    assert answer.code == 2
    assert "CUDA out of memory" in answer.err.splitlines()[-1]


def test_a_folder_of_the_users_stays(tudui):
    Path("mine").mkdir()
    for folder in ("mine", "new"):
        assert tudui("train", "--data", "folder:nowhere", "-o", folder).code == 3
    assert [path.name for path in Path().iterdir()] == ["mine"]
    assert not list(Path("mine").iterdir())


def test_files_of_the_user_stay_in_a_run(tmp_path):
    with pytest.raises(Interrupted):
        train(quick_config("train.epochs=1"), tmp_path, sinks=[cut_at(2)])
    names = ("a.part", "checkpoints/last.pt.part", "checkpoints/a.pt", "tensorboard/notes")
    mine = [tmp_path / name for name in names]
    left = [tmp_path / name / ".tudui-0123456789abcdef.part" for name in (".", "checkpoints")]
    for path in (*mine, *left):
        path.write_text("mine")
    train(quick_config("train.epochs=1"), tmp_path, resume=True)
    assert [path for path in left if path.exists()] == []
    assert [path.read_text() for path in mine] == ["mine"] * len(mine)


@pytest.fixture
def unequal_folders(tmp_path):
    """62 pictures of three classes, 40 of the first and 2 of the last."""
    root = tmp_path / "unequal"
    for label, (digit, count) in {"one": (1, 40), "seven": (7, 20), "nine": (9, 3)}.items():
        (root / label).mkdir(parents=True)
        for number in np.flatnonzero(DIGITS.target == digit)[:count]:
            photograph(number).save(root / label / f"{number}.png")
    return root


@pytest.mark.slow
def test_unequal_classes_are_scored_by_balanced_accuracy_in_every_table(unequal_folders, tudui):
    data = ("--data", f"folder:{unequal_folders}", "-e", "1", "--set", "device=cpu", "--set", "train.batch_size=8")
    answer = tudui("train", *data, "-o", "run")
    test = json.loads(Path("run/result.json").read_text())["test"]
    (line,) = (line for line in answer.out.splitlines() if line.startswith("test   "))
    assert f"{100 * test['balanced_accuracy']:.2f} %" in line
    answer = tudui("compare-losses", *data, "--losses", "ce,mse", "--seeds", "1", "-o", "out")
    rows = json.loads(Path("out/comparison.json").read_text())["rows"]
    (line,) = (line for line in answer.out.splitlines() if line.startswith("balanced accuracy"))
    written = [row["figures"]["balanced_accuracy"]["mean"] for row in rows]
    assert line == f"balanced accuracy %: ce {100 * written[0]:.2f}, mse {100 * written[1]:.2f}"
    assert "balanced_accuracy_mean" in Path("out/comparison.csv").read_text()
    assert "balanced accuracy" in Path("out/report.md").read_text()
    assert "balanced accuracy" in tudui("evaluate", "run").out
    assert "balanced" not in tudui("train", "-e", "1", "--set", "train.threads=1").out


def test_classes_that_are_never_predicted_are_named_at_the_end(unequal_folders, tudui):
    answer = tudui("train", "--data", f"folder:{unequal_folders}", "-b", "8", "-e", "1", "--lr", "1e-5", "-o", "run")
    with np.load("run/predictions.npz") as test:
        lacking = sorted({*test["label"].tolist()} - {*test["predicted"].tolist()})
    assert lacking
    named = ", ".join(["nine", "one", "seven"][number] for number in lacking)
    (said,) = (event["message"] for event in record(Path("run")) if "never predicted" in event.get("message", ""))
    assert said == f"on the 13 test images, classes never predicted: {named}"
    assert said in " ".join(answer.out.split())


def test_memorised_training_images_are_pointed_out(class_folders, tudui):
    settings = ("-b", "8", "--lr", "0.05", "--set", "data.validation=0.4", "--set", "data.label_noise=0.5")
    for epochs, said in (("1", False), ("40", True)):
        answer = tudui("train", "--data", f"folder:{class_folders}", *settings, "-e", epochs, "-o", f"run{epochs}")
        assert ("is far above that of validation" in answer.out) == said
        last = [event for event in record(Path(f"run{epochs}")) if event["event"] == "StepEnd" and event["epoch_done"]][
            -1
        ]
        validation = json.loads(Path(f"run{epochs}/result.json").read_text())["validation"]["accuracy"]
        assert (last["epoch_scores"]["accuracy"] > validation + 0.3) == said


def test_the_accuracy_of_few_test_images_has_an_interval(tudui):
    answer = tudui("train", "-e", "1", "--set", "train.threads=1", "-o", "run")
    result = json.loads(Path("run/result.json").read_text())
    images, accuracy = result["images"]["test"], result["test"]["accuracy"]
    low, high = binomtest(round(accuracy * images), images).proportion_ci(0.95, method="wilson")
    assert f"95 % interval {100 * low:.1f} to {100 * high:.1f} % with {images} test images" in answer.out
