"""`train`: connects config, data, loop, checkpoints and sinks."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tudui.config import Config
from tudui.config.again import check_allowed, resuming
from tudui.config.dump import to_yaml
from tudui.config.load import located
from tudui.data import read_source
from tudui.data.cache import check_cached
from tudui.distributed import World, check_shares, connect
from tudui.errors import Interrupted
from tudui.events import Warned
from tudui.files import json_text, opened, write_text
from tudui.invocation import speaks_for_its_machine
from tudui.run.disk import check_space, disk_need
from tudui.run.prepare import load_datasets, prepare
from tudui.run.stages import Run
from tudui.run_folder import RunFolder, RunResult
from tudui.signals import StopRequest, stop_on_signal
from tudui.sinks import Sink
from tudui.sinks.jsonl import jsonl_sink
from tudui.sinks.several import Sinks
from tudui.training.checkpoint import LAST
from tudui.training.device import memory_errors, resolve_machine
from tudui.training.engine import fit_together
from tudui.training.state import normalised_apart


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run to train: its config, folder and listeners."""

    config: Config
    run_dir: Path
    resume: bool = False
    restart: bool = False  # a resumed run begins again from its first step
    sinks: Iterable[Sink] = ()
    pictures: bool = False  # drawn at the end, as `log.pictures` says
    provenance: Mapping[str, str] | None = None  # key -> why it has its value, for the comments in config.yaml


def train(config: Config, run_dir: Path, **options: Any) -> RunResult:
    """Train, with other fields of Job as `options`; Interrupted after Ctrl-C or SIGTERM, with the state saved."""
    (result,) = train_together([Job(config=config, run_dir=run_dir, **options)])
    return result


def train_together(jobs: Sequence[Job], request: StopRequest | None = None) -> list[RunResult]:
    """Train one run, or several in lockstep with the results of single runs; they must be at the same step.

    A caller that handles signals itself passes its `request`.
    """
    results: dict[int, RunResult] = {}
    for job in jobs:
        check_shares(job.config.train)
    with connect() as world, ExitStack() as stack, memory_errors():
        with world.agreeing():
            if world.size > 1 and speaks_for_its_machine():  # download and decode once per machine
                read_source(jobs[0].config.data)
        with world.agreeing():
            runs = _set_up(jobs, world, stack)
        for run in runs:
            run.share_state()
        request = request or stack.enter_context(stop_on_signal())
        for run in runs:
            run.begin()
            _warn_of_more_processes(run)
        for events in fit_together([run.training for run in runs]):
            check_cached()
            active = [(number, runs[number], event) for number, event in enumerate(events) if event]
            for _, run, event in active:
                run.take(event)
            stopped_by = world.largest(request.signal_number or 0)  # the same answer in all processes
            for number, run, _ in active:
                stopped = world.largest(int(run.emit.stopped))  # by a sink, which only the first process has
                if run.diverged or (not stopped_by and (stopped or run.is_over())):
                    run.save(LAST)
                    results[number] = run.end()
            if stopped_by and len(results) < len(runs):
                raise _interrupted([run for n, run in enumerate(runs) if n not in results], stopped_by)
        return [results.get(number) or run.end() for number, run in enumerate(runs)]


def _set_up(jobs: Sequence[Job], world: World, stack: ExitStack) -> list[Run]:
    """Return runs at their last checkpoints, or before their first step; write the resolved configs."""
    resolved = [(job, RunFolder(job.run_dir), *resolve_machine(located(job.config))) for job in jobs]
    for job, folder, config, reasons in resolved:
        if world.is_first:
            stack.enter_context(folder.claimed(config, resume=job.resume, restart=job.restart))
            if not folder.config.exists():
                write_text(folder.config, to_yaml(config, {**(job.provenance or {}), **reasons}))
        check_allowed(config)
    datasets = load_datasets([config for _, _, config, _ in resolved])
    runs: list[Run] = []
    for (job, folder, config, reasons), data in zip(resolved, datasets, strict=True):
        cautions = [text for text in reasons.values() if not text.startswith("auto")]
        training = prepare(config, data, world)
        cautions += normalised_apart(training.state.network, world)
        run = Run(training, folder, cautions=cautions)
        run.pictures = job.pictures
        runs.append(run)
        if world.is_first:
            if job.resume:
                run.restore(restart=job.restart)
            else:
                check_space(disk_need(config, training.state, data, whole=False), folder.root)
                run.initialise()
            record = stack.enter_context(jsonl_sink(folder.record))
            run.emit = Sinks([record], run.open_sinks(stack), job.sinks)
    return runs


def _warn_of_more_processes(run: Run) -> None:
    """Warn in a resumed run that began with fewer processes, if they normalise apart; its record says so only once."""
    if run.state.progress.step and run.world.is_first:
        for message in normalised_apart(run.state.network, run.world):
            with opened(run.folder.record) as lines:
                known = any(json_text(message).encode() in line for line in lines if b'"Warned"' in line)
            if not known:
                run.emit(Warned(step=run.state.progress.step, message=message))


def _interrupted(runs: Sequence[Run], signal_number: int) -> Interrupted:
    for run in runs:
        run.save(LAST)
    first = runs[0]
    text = (
        f"stopped at step {first.state.progress.step} of {first.state.steps_planned}, everything saved; "
        f"resume with: {resuming(first.folder.root)}"
    )
    return Interrupted(text if first.world.is_first else "", signal_number=signal_number)
