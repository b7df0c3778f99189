"""`train`: the only place that joins config, data, loop, checkpoints and sinks."""

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

import torch

from tudui.config import Config
from tudui.config.dump import to_yaml
from tudui.data import load_data
from tudui.errors import Interrupted, UsageError
from tudui.events import Warned
from tudui.files import write_text
from tudui.invocation import tudui_command
from tudui.run.stages import Run
from tudui.run_folder import RunFolder, RunResult
from tudui.signals import stop_on_signal
from tudui.sinks import Sink
from tudui.sinks.jsonl import jsonl_sink
from tudui.training.checkpoint import LAST
from tudui.training.device import resolve_machine
from tudui.training.engine import fit


def train(
    config: Config,
    run_dir: Path,
    *,
    resume: bool = False,
    sinks: Iterable[Sink] = (),
    provenance: Mapping[str, str] | None = None,
) -> RunResult:
    """Train as the config says and leave a run folder; Interrupted after Ctrl-C or SIGTERM, with the state saved."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("training in several processes is not supported; start tudui without torchrun")
    config, reasons = resolve_machine(config)
    folder = RunFolder(run_dir)
    folder.check(config, resume=resume)
    folder.create()
    if not folder.config.exists():
        write_text(folder.config, to_yaml(config, {**(provenance or {}), **reasons}))
    torch.set_num_threads(int(config.train.threads))
    data = load_data(config.data, config.seed).to(torch.device(config.device))
    run = Run(config, folder, data)
    warning = run.restore() if resume else None
    progress = run.state.progress
    with ExitStack() as stack:
        run.sinks = [stack.enter_context(jsonl_sink(folder.record)), *run.open_tensorboard(stack), *sinks]
        request = stack.enter_context(stop_on_signal())
        if warning:
            for sink in sinks:  # not the record: a resumed run leaves the same as one that was not cut
                sink(Warned(step=progress.step, message=warning))
        if progress.step == 0:
            run.start(cautions=[reason for reason in reasons.values() if not reason.startswith("auto")])
        for event in fit(run.state, data, run.loss, config) if not run.patience_is_spent() else ():
            run.emit(event)
            if event.diverged:
                return run.end_diverged(event)
            if event.epoch_done:
                run.end_epoch()
            if request.signal_number is not None:
                run.save(LAST)
                raise Interrupted(
                    f"stopped at step {event.step} of {event.steps_planned}, everything saved; "
                    f"go on with: {tudui_command()} train --resume {run_dir}",
                    signal_number=request.signal_number,
                )
            if event.epoch_done and run.patience_is_spent():
                break
        return run.end_finished()
