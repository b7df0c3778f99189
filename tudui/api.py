"""Tudui from Python: what the commands do, as functions. Settings are checked as theirs are, with the same messages."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tudui.config import Config, Override, load_config
from tudui.config.describe import shorten
from tudui.config.dump import worth_a_comment
from tudui.config.plan import load_plan
from tudui.config.shipped import find_config
from tudui.errors import Interrupted, UsageError, did_you_mean
from tudui.invocation import is_first_process
from tudui.losses import registered_here
from tudui.run_folder import RunResult, config_of_run, new_run_folder
from tudui.sinks import Sink

if TYPE_CHECKING:
    from rich.console import Console

    from tudui.inference.scores import Scored
    from tudui.report import Report

Named = str | PathLike[str]
NO_OVERRIDES: Mapping[str, Any] = {}


def train(
    config: Config | Mapping[str, Any] | Named | None = None,
    overrides: Mapping[str, Any] = NO_OVERRIDES,
    *,
    run_dir: Named | None = None,
    resume: Named | None = None,
    sinks: Iterable[Sink] = (),
    progress: bool = True,
) -> RunResult:
    """Train, and leave a run folder: `train("digits", {"loss": "huber", "train.epochs": 3})`.

    `config` is a shipped config's name, a YAML file, a mapping or a Config; `overrides` are settings by dotted key, as
    behind `--set`. Without `run_dir`, a new folder below runs/. `resume` names a run that was cut, which goes on as if
    it had not been. Each of `sinks` is called with every event.

    A run that diverges returns so. TuduiError says what is wrong; Interrupted, after Ctrl-C, that everything is saved.
    """
    console = _console()
    if resume is None:
        loaded = load_config(*_asked(config, overrides))
    elif config is not None or run_dir is not None:
        raise UsageError(f"resume={fspath(resume)!r}: goes on with that run's config, in its folder; leave others out")
    else:
        loaded = config_of_run(Path(resume), _overrides(overrides))
    progress = progress and is_first_process()
    from tudui.run import train as train_run
    from tudui.sinks.console import console_sink

    with ExitStack() as stack:
        given = resume if run_dir is None else run_dir
        folder = stack.enter_context(new_run_folder(loaded.config)) if given is None else Path(given)
        if progress:
            _tell(console, loaded.notes)
            sinks = [stack.enter_context(console_sink(console)), *sinks]
        provenance = worth_a_comment(loaded.provenance)
        try:
            return train_run(loaded.config, folder, resume=resume is not None, sinks=sinks, provenance=provenance)
        except Interrupted as error:
            again = f"; from Python: tudui.train(resume={str(folder)!r})" if is_first_process() else ""
            raise Interrupted(f"{error}{again}", signal_number=error.signal_number) from None


def compare(
    plan: Mapping[str, Any] | Named = "compare",
    overrides: Mapping[str, Any] = NO_OVERRIDES,
    *,
    folder: Named | None = None,
    executor: Literal["auto", "local", "stacked", "ray"] = "auto",
    jobs: int | None = None,
    progress: bool = True,
) -> "Report":
    """Compare losses: `compare(overrides={"comparison.variants": ["ce", "huber"], "comparison.seeds": 3})`.

    `plan` is a shipped plan's name, a YAML file or a mapping; any config of a run is one. Runs that are done in
    the folder, by default one below runs/ for the plan, are not done again. The report is written beside them.

    In `values` of what is returned accuracies are fractions, as in comparison.json. UsageError and DataError say what
    is wrong; Interrupted, after Ctrl-C, that everything is saved: the same call goes on.
    """
    _one_of("executor", executor, ("auto", "local", "stacked", "ray"))
    loaded = load_plan(*_asked(plan, overrides))
    from tudui.comparison import compare as comparison
    from tudui.comparison.dashboards import write_dashboards
    from tudui.comparison.executors import Listener, check_jobs, choose_executor, default_jobs
    from tudui.comparison.progress import progress_display
    from tudui.report import Report, write_report

    check_jobs(executor, jobs)
    folder = Path(folder) if folder is not None else comparison.default_folder(loaded)
    chosen = choose_executor(loaded.base) if executor == "auto" else executor
    if own := registered_here(variant.name for variant in loaded.comparison.variants.values()):
        if executor not in ("auto", "stacked"):
            raise UsageError(
                f"executor={executor!r}: the loss {own[0]} is known to this process alone; "
                f"take executor='stacked', or make it a package of its own"
            )
        chosen = "stacked"
    jobs = jobs or default_jobs(loaded.base, chosen)
    shown = fspath(plan) if isinstance(plan, PathLike) else plan
    command = f"tudui.compare({shown!r}, {dict(overrides)!r}, folder={str(folder)!r})"
    with ExitStack() as stack:
        listener: Listener = _nothing
        if progress:
            console, number = _console(), comparison.number_of_runs(loaded)
            _tell(console, [*loaded.notes, f"{number} runs, in {folder}"])
            listener = stack.enter_context(progress_display(console, number))
        found = comparison.compare(loaded, folder, executor=chosen, jobs=jobs, listener=listener, command=command)
    write_report(found)
    write_dashboards(found)
    return Report(found.values, found.cells, found.folder)


def evaluate(
    weights: Named | RunResult,
    data: str | None = None,
    *,
    split: Literal["train", "validation", "test"] = "test",
    data_dir: Named | None = None,
    normalize: Literal["standardize", "none"] | None = None,
    best: bool = False,
) -> "Scored":
    """Score a run, or a weights file of any script, on a split of its own data or of another data set.

    `normalize` None prepares pixels as in training, or not at all where a file does not say. In `evaluated` of what is
    returned accuracies are fractions, NLL is in nats. WeightsError and DataError say what cannot be used.
    """
    _one_of("split", split, ("train", "validation", "test"))
    _one_of("normalize", normalize, ("standardize", "none"))
    from tudui.inference.scores import evaluate_weights

    path = weights.run_dir if isinstance(weights, RunResult) else Path(weights)
    place = None if data_dir is None else fspath(data_dir)
    scored = evaluate_weights(path, data=data, data_dir=place, split=split, normalize=normalize, best=best)
    _tell(_console(), scored.notes)
    return scored


def _asked(
    config: Config | Mapping[str, Any] | Named | None, overrides: Mapping[str, Any]
) -> tuple[Path | None, list[Override]]:
    """Return the file that is meant, and everything set above it; a setting in both is that of the overrides."""
    if isinstance(config, Config):
        config = config.model_dump(mode="json")
    if isinstance(config, Mapping):
        return None, _overrides({**config, **overrides})
    return None if config is None else find_config(fspath(config), "config"), _overrides(overrides)


def _overrides(settings: Mapping[str, Any]) -> list[Override]:
    if odd := [key for key in settings if not isinstance(key, str)]:
        raise UsageError(f"{odd[0]!r}: a setting's key is text, such as 'train.epochs'")
    return [Override(key, _plain(value), f"{key}={shorten(value)}") for key, value in settings.items()]


def _plain(value: Any) -> Any:
    """Return a copy in the types that YAML has."""
    if isinstance(value, Mapping):
        return {key: _plain(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inside) for inside in value]
    if getattr(value, "shape", None) == ():  # a number of numpy or torch
        return value.item()
    return fspath(value) if isinstance(value, PathLike) else value


def _nothing(_: object) -> None:
    """Listen to nothing."""


def _one_of(name: str, value: str | None, known: Sequence[str]) -> None:
    if value is not None and value not in known:
        raise UsageError(f"{name}={value!r}: must be one of {', '.join(known)}{did_you_mean(value, known)}")


def _console() -> "Console":
    from tudui.sinks.printable import printable_console

    return printable_console(sys.stderr)


def _tell(console: "Console", notes: Iterable[str]) -> None:
    for text in notes:
        console.print(f"note: {text}", markup=False, soft_wrap=True)
