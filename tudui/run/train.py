"""`train`: the only place that joins config, data, loop, checkpoints and sinks."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tudui.config import Config
from tudui.config.dump import to_yaml
from tudui.data import read_source
from tudui.distributed import World, check_shares, connect
from tudui.errors import Interrupted
from tudui.files import write_text
from tudui.invocation import speaks_for_its_machine, training_command
from tudui.run.prepare import load_datasets, prepare
from tudui.run.stages import Run
from tudui.run_folder import RunFolder, RunResult
from tudui.signals import StopRequest, stop_on_signal
from tudui.sinks import Sink
from tudui.sinks.jsonl import jsonl_sink
from tudui.training.checkpoint import LAST
from tudui.training.device import memory_errors, resolve_machine
from tudui.training.engine import fit_together


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be trained, where to, and who listens."""

    config: Config
    run_dir: Path
    resume: bool = False
    sinks: Iterable[Sink] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)


def train(
    config: Config,
    run_dir: Path,
    *,
    resume: bool = False,
    sinks: Iterable[Sink] = (),
    provenance: Mapping[str, str] | None = None,
) -> RunResult:
    """Train as the config says and leave a run folder; Interrupted after Ctrl-C or SIGTERM, with the state saved."""
    job = Job(config=config, run_dir=run_dir, resume=resume, sinks=sinks, provenance=provenance or {})
    (result,) = train_together([job])
    return result


def train_together(jobs: Sequence[Job], request: StopRequest | None = None) -> list[RunResult]:
    """Train one run, or several in lockstep, each as if it were alone; they must be equally far.

    A caller that notes signals itself hands its request over.
    """
    results: dict[int, RunResult] = {}
    for job in jobs:
        check_shares(job.config.train)
    with connect() as world, ExitStack() as stack, memory_errors():
        with world.agreeing():
            if world.size > 1 and speaks_for_its_machine():  # what is to be fetched or decoded, once on each machine
                read_source(jobs[0].config.data)
        with world.agreeing():
            runs = _set_up(jobs, world, stack)
        for run in runs:
            run.share_state()
        request = request or stack.enter_context(stop_on_signal())
        for run, job in zip(runs, jobs, strict=True):
            run.begin(listeners=job.sinks)
        for events in fit_together([run.training for run in runs]):
            going_on = [(number, runs[number], event) for number, event in enumerate(events) if event]
            for _, run, event in going_on:
                run.emit(event)
                if event.epoch_done and not event.diverged:
                    run.end_epoch()
            stopped_by = world.largest(request.signal_number or 0)  # one answer for all, before they go on together
            for number, run, event in going_on:
                if event.diverged or (not stopped_by and run.is_over()):
                    results[number] = run.end(event.diverged)
            if stopped_by and len(results) < len(runs):
                raise _interrupted([run for n, run in enumerate(runs) if n not in results], stopped_by)
        return [results.get(number) or run.end() for number, run in enumerate(runs)]


def _set_up(jobs: Sequence[Job], world: World, stack: ExitStack) -> list[Run]:
    """Return runs at their last checkpoints, or before their first step; their folders hold the resolved configs."""
    resolved = [resolve_machine(job.config) for job in jobs]
    folders = [RunFolder(job.run_dir) for job in jobs]
    for job, folder, (config, reasons) in zip(jobs, folders, resolved, strict=True):
        if world.is_first:
            stack.enter_context(folder.claimed(config, resume=job.resume))
            if not folder.config.exists():
                write_text(folder.config, to_yaml(config, {**job.provenance, **reasons}))
    datasets = load_datasets([config for config, _ in resolved])
    runs: list[Run] = []
    for job, folder, (config, reasons), data in zip(jobs, folders, resolved, datasets, strict=True):
        cautions = [text for text in reasons.values() if not text.startswith("auto")]
        run = Run(prepare(config, data, world), folder, cautions=cautions)
        runs.append(run)
        if not world.is_first:
            continue
        if job.resume:
            run.restore()
        else:
            run.initialise()
        run.sinks = [stack.enter_context(jsonl_sink(folder.record)), *run.open_tensorboard(stack), *job.sinks]
    return runs


def _interrupted(runs: Sequence[Run], signal_number: int) -> Interrupted:
    """Save the runs and return what to say of them."""
    for run in runs:
        run.save(LAST)
    state = runs[0].state
    if not runs[0].world.is_first:
        return Interrupted("", signal_number=signal_number)
    return Interrupted(
        f"stopped at step {state.progress.step} of {state.steps_planned}, everything saved; "
        f"go on with: {training_command()} --resume {shlex.quote(str(runs[0].folder.root))}",
        signal_number=signal_number,
    )
