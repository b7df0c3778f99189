"""`tudui.train`."""

import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING, Any

from tudui.api.configs import NOTHING, Named, Settings, Source, load
from tudui.api.console import console_on
from tudui.config.again import own_settings, resuming
from tudui.config.dump import worth_a_comment
from tudui.errors import Interrupted, UsageError, WorkerError
from tudui.invocation import is_first_process
from tudui.run import train as train_run
from tudui.run_folder import RunResult, new_run_folder
from tudui.sinks import Sink
from tudui.sinks.console import console_sink

if TYPE_CHECKING:
    from rich.console import Console


def train(
    config: Source = None,
    overrides: Settings = NOTHING,
    *,
    run_dir: Named | None = None,
    resume: Named | None = None,
    restart: bool = False,
    sinks: Iterable[Sink] = (),
    progress: "bool | Console" = True,
) -> RunResult:
    """Train, and leave a run folder: `train("digits", {"loss": "huber", "train.epochs": 3})`.

    `config` is a shipped config's name, a YAML file, a mapping, a Config, or what `load` returned; `overrides` are
    settings by dotted key, as in `--set`. Without `run_dir`, the run gets a new folder below runs/. `resume` names an
    interrupted run; its result is identical to that of an uninterrupted one. With `restart` it begins again from its
    first step. Each of `sinks` is called with every event. Progress is shown on stderr, or on the given console.

    A diverged run is returned, not raised. TuduiError says what is wrong; Interrupted means that everything is saved.
    """
    if restart and resume is None:
        raise UsageError("restart: needs the run to start again; give its folder with resume")
    if resume is not None and run_dir is not None:
        raise UsageError(f"resume={str(resume)!r}: uses that run's config and folder; leave run_dir out")
    loaded = load(config, overrides, resume=resume)
    with ExitStack() as stack:
        given = resume if run_dir is None else run_dir
        folder = stack.enter_context(new_run_folder(loaded.config)) if given is None else Path(given)
        if progress and is_first_process():
            console = console_on(stderr=True) if progress is True else progress
            sinks = [stack.enter_context(console_sink(console)), *sinks]
        provenance = worth_a_comment(loaded.provenance)
        try:
            options: Any = {
                "resume": resume is not None,
                "restart": restart,
                "provenance": provenance,
                "pictures": True,
            }
            return train_run(loaded.config, folder, sinks=sinks, **options)
        except Interrupted as error:
            if is_first_process():
                again = "".join(f", overrides={own!r}" for own in [own_settings(loaded.config)] if own)
                error.add_note(f"from Python: tudui.train(resume={str(folder)!r}{again})")
            raise
        except WorkerError as error:
            raise WorkerError(f"{error}; {_next_step(folder)}") from None
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted; {_next_step(folder)}", signal_number=SIGINT) from None


def _next_step(folder: Path) -> str:
    """Return what to do with a run that ended without saving."""
    if int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) < int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")):
        return "torchrun restarts the job"
    if is_first_process() and not any((folder / "checkpoints").glob("*.pt")):
        return "no checkpoint was saved yet"
    return f"resume from its last checkpoint with: {resuming(folder if is_first_process() else Path('RUN'))}"
