"""A run in MLflow: settings as parameters, loss and scores as metrics by step.

The variable MLFLOW_TRACKING_URI names the store; without it, that is the file mlflow.db in the working directory.
"""

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from time import time

from tudui.config.load import flatten
from tudui.data.cache import cache_folder
from tudui.errors import UsageError
from tudui.events import Evaluated, Event, RunEnded, StepEnd
from tudui.files import disk_errors, opened, write_text
from tudui.sinks import RunInfo, Sink
from tudui.text import in_a_line

STORE, EXPERIMENT = "sqlite:///mlflow.db", "tudui"


@contextmanager
def open_sink(run: RunInfo) -> Iterator[Sink]:
    """Write events to a run of the experiment `tudui`; a resumed run continues its own."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing leaves the machine
    try:
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param
        from mlflow.exceptions import MlflowException
    except ImportError:
        raise UsageError("sink mlflow: MLflow is not installed; type: pip install 'tudui[mlflow]'") from None
    store, file = os.environ.get("MLFLOW_TRACKING_URI", STORE), run.folder / "run_id"
    try:
        with _one_at_a_time():
            client = MlflowClient(store)
            found = client.get_experiment_by_name(EXPERIMENT)
            experiment = found.experiment_id if found else client.create_experiment(EXPERIMENT)
    except MlflowException as error:
        raise UsageError(f"sink mlflow: {store}: {in_a_line(error)}; check MLFLOW_TRACKING_URI") from None
    number = _read(file) if run.last_step else ""
    if number:
        client.update_run(number, status="RUNNING")
    else:
        number = client.create_run(experiment, run_name=run.folder.parent.name).info.run_id
        run.folder.mkdir(exist_ok=True)
        write_text(file, number)
        client.log_batch(number, params=[Param(key, str(value)) for key, value in flatten(run.config).items()])
    status = "KILLED"

    def log(values: Mapping[str, float], step: int) -> None:
        now = int(1000 * time())
        client.log_batch(number, metrics=[Metric(name, value, now, step) for name, value in values.items()])

    def emit(event: Event) -> None:
        nonlocal status
        match event:
            case StepEnd():
                scores = {f"{name}/train": value for name, value in event.scores.items()}
                log({"loss/train": event.loss, **scores, "learning_rate": event.learning_rate}, event.step)
            case Evaluated(weights="last"):
                log({f"{name}/{event.split}": value for name, value in event.values().items()}, event.step)
            case RunEnded():
                status = "FINISHED" if event.status == "finished" else "FAILED"

    try:
        yield emit
    finally:
        client.set_terminated(number, status)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Wait until no other run opens a store: two that create the tables of mlflow.db together break it."""
    with disk_errors(cache_folder()):
        cache_folder().mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(cache_folder() / "mlflow.lock", timeout=600, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")  # ends with the connection
        yield


def _read(file: Path) -> str:
    """Return the number of the MLflow run that a resumed run continues; nothing if it has none."""
    if not file.is_file():
        return ""
    with opened(file, "r", encoding="utf-8") as text:
        number = text.read(100)
    return number if re.fullmatch("[0-9a-f]{32}", number) else ""
