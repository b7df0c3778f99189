"""`tudui.train`, and what a run would be."""

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING, Any

from tudui.api.configs import NOTHING, Named, Settings, load
from tudui.api.console import messages, note
from tudui.config import Config, Loaded
from tudui.config.dump import worth_a_comment
from tudui.errors import Interrupted, UsageError, WorkerError
from tudui.invocation import is_first_process, training_command
from tudui.run_folder import RunResult, new_run_folder
from tudui.sinks import Sink

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor


def train(
    config: Loaded | Config | Mapping[str, Any] | Named | None = None,
    overrides: Settings = NOTHING,
    *,
    run_dir: Named | None = None,
    resume: Named | None = None,
    sinks: Iterable[Sink] = (),
    progress: "bool | Console" = True,
) -> RunResult:
    """Train, and leave a run folder: `train("digits", {"loss": "huber", "train.epochs": 3})`.

    `config` is a shipped config's name, a YAML file, a mapping or a Config; `overrides` are settings by dotted key, as
    behind `--set`. What `load` returned is taken as it is, and its notes are not told again. Without `run_dir`, a new
    folder below runs/. `resume` names an interrupted run, which ends as if it had not been. Each of `sinks` is called
    with every event. Progress is shown on stderr, or on the console that is given.

    A run that diverges returns so. TuduiError says what is wrong; Interrupted, after Ctrl-C, that everything is saved.
    """
    if resume is not None and run_dir is not None:
        raise UsageError(f"resume={str(resume)!r}: goes on with that run's config, in its folder; leave others out")
    loaded = load(config, overrides, resume=resume)
    from tudui.run import train as train_run
    from tudui.sinks.console import console_sink

    with ExitStack() as stack:
        given = resume if run_dir is None else run_dir
        folder = stack.enter_context(new_run_folder(loaded.config)) if given is None else Path(given)
        if progress and is_first_process():
            for text in () if loaded is config else loaded.notes:
                note(text)
            console = messages() if progress is True else progress
            sinks = [stack.enter_context(console_sink(console)), *sinks]
        provenance = worth_a_comment(loaded.provenance)
        try:
            return train_run(loaded.config, folder, resume=resume is not None, sinks=sinks, provenance=provenance)
        except Interrupted as error:
            if is_first_process():
                error.add_note(f"from Python: tudui.train(resume={str(folder)!r})")
            raise
        except WorkerError as error:
            raise WorkerError(f"{error}; {_way_on(folder)}") from None
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted; {_way_on(folder)}", signal_number=SIGINT) from None


def rehearse(
    config: Loaded | Config | Mapping[str, Any] | Named | None = None, overrides: Settings = NOTHING
) -> dict[str, Any]:
    """Check config, data, shapes and one step of a run, and return what was found; nothing is written."""
    loaded = load(config, overrides)
    from tudui.rehearsal import check

    return check(loaded.config)


def first_batches(
    config: Loaded | Config | Mapping[str, Any] | Named | None = None, overrides: Settings = NOTHING, *, count: int = 1
) -> "Iterator[tuple[Tensor, Tensor, float]]":
    """Return outputs [B, K], targets [B] and the mean loss of the first batches, as the untrained network sees them."""
    loaded = load(config, overrides)
    from tudui.rehearsal import first_batches as batches

    return batches(loaded.config, count)


def _way_on(folder: Path) -> str:
    """Return what comes next for a run that ended without saving."""
    if int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) < int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")):
        return "torchrun starts the job again"
    if is_first_process() and not any((folder / "checkpoints").glob("*.pt")):
        return "it had saved nothing yet"
    return (
        f"go on from its last checkpoint with: {training_command()} --resume "
        f"{shlex.quote(str(folder)) if is_first_process() else 'RUN'}"
    )
