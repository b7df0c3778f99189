"""Dashboards of others: MLflow in a local store, read by its own client; Weights & Biases offline."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import QUICK_FLAGS, ROOT, TUDUI, record

READ = """
import json, sys
from mlflow import MlflowClient

client = MlflowClient("sqlite:///mlflow.db")
(experiment,) = [one for one in client.search_experiments() if one.name == "tudui"]
runs = {}
for run in client.search_runs([experiment.experiment_id]):
    metrics = {
        name: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }
    runs[run.info.run_name] = {"status": run.info.status, "params": run.data.params, "metrics": metrics}
json.dump(runs, sys.stdout)
"""
RUN = (*QUICK_FLAGS, "--set", "train.threads=1", "--set", "schedule=constant")


def done(*words: str) -> str:
    """Return the output of a command in a process of its own: MLflow's imports warn."""
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mlflow") is None, reason="MLflow is not installed: pip install 'tudui[mlflow]'")
def test_a_run_that_resumes_is_one_run_in_the_store():
    done(*TUDUI, "train", *RUN, "--sink", "mlflow", "--run-dir", "first")
    done(*TUDUI, "train", "--resume", "first", "--epochs", "2")
    plan = ("--losses", "ce,mse", "--seeds", "2", "--jobs", "2", *QUICK_FLAGS, "--sink", "mlflow", "--out", "c")
    done(*TUDUI, "compare-losses", *plan)
    runs = json.loads(done(sys.executable, "-c", READ))
    assert {*runs} == {"first", "ce-seed0", "ce-seed1", "mse-seed0", "mse-seed1"}
    assert {found["status"] for found in runs.values()} == {"FINISHED"}
    found = runs["first"]
    assert found["params"]["loss.name"] == "ce"
    events = record(Path("first"))
    steps = {event["step"]: event["loss"] for event in events if event["event"] == "StepEnd"}
    assert dict(found["metrics"]["loss/train"]) == steps
    for split in ("validation", "test"):
        scores = [
            [event["step"], event["scores"]["accuracy"]]
            for event in events
            if event["event"] == "Evaluated" and event["split"] == split and event["weights"] == "last"
        ]
        assert scores[-1] in found["metrics"][f"accuracy/{split}"]


@pytest.mark.skipif(find_spec("mlflow") is not None, reason="MLflow is installed")
def test_without_mlflow_it_says_what_to_install(tudui):
    answer = tudui("train", *RUN, "--sink", "mlflow", "--run-dir", "run")
    assert (answer.code, answer.err.count("\n"), "pip install 'tudui[mlflow]'" in answer.err) == (2, 1, True)
    assert not Path("run").exists()


@pytest.mark.slow
@pytest.mark.skipif(find_spec("wandb") is None, reason="Weights & Biases is not installed: pip install wandb")
def test_the_pages_sink_for_weights_and_biases(monkeypatch):
    (code,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "dashboards.md").read_text(), flags=re.M | re.S)
    Path("board.py").write_text(code)
    monkeypatch.setenv("WANDB_MODE", "offline")
    done(*TUDUI, "train", *RUN, "--sink", "board.py:board", "--run-dir", "run")
    assert "dropped_sinks" not in json.loads(Path("run/result.json").read_text())
    (written,) = Path("wandb").glob("offline-run-*/*.wandb")
    content = written.read_bytes()
    assert all(name.encode() in content for name in ("loss/train", "accuracy/validation", "accuracy/test"))
