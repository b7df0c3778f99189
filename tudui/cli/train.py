"""`tudui train`."""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tudui.api.console import console_on, note
from tudui.cli import completion
from tudui.cli.flags import Asked, JsonOption, configured, show
from tudui.cli.printing import print_json
from tudui.errors import Diverged, UsageError
from tudui.invocation import is_first_process, tudui_command
from tudui.language import say

if TYPE_CHECKING:
    from rich.console import Console

    from tudui.config import Config, Override
    from tudui.run_folder import RunResult


FEW = 1_000  # test images: with fewer, an accuracy is one number of many that chance could have given


@configured(
    "loss", "network", "data.name", "data.target", "data.labels", "data.dir", "data.size", "train.init_from",
    "train.epochs", "train.batch_size", "optimizer.lr", "seed", "device", "precision", "data.on_bad_image",
    "data.on_missing", "data.cache", "log.sinks",
)  # fmt: skip
def train_command(
    asked: Asked,
    run_dir: Annotated[
        Path | None, show("DIR", "Run folder.  [default: a new one below runs/]", "--run-dir", "-o")
    ] = None,
    resume: Annotated[
        Path | None,
        show(
            "RUN",
            "Resume an interrupted run; the result is identical to an uninterrupted one.",
            complete=completion.runs,
        ),
    ] = None,
    restart: Annotated[
        bool, show(None, "With --resume: discard the run's results and start again.", "--restart")
    ] = False,
    dry_run: Annotated[
        bool, show(None, "Check config, data, shapes and one step; write nothing.", "--dry-run", "-n")
    ] = False,
    print_batches: Annotated[
        int, show("N", "Before training, print outputs, targets and loss of N batches.", min=0)
    ] = 0,
    quiet: Annotated[bool, show(None, "Show no progress and no result.", "--quiet", "-q")] = False,
    json: JsonOption = False,
) -> None:
    """Train a network with a loss, and write a run folder.

    Examples:
      tudui train --loss ce
      tudui train --config cifar10 --data-dir DIR --loss huber
    """
    from tudui.api.configs import load

    if restart and resume is None:
        raise UsageError("--restart: needs --resume RUN")
    console = console_on(stderr=json)
    quiet = quiet or not is_first_process()
    restarted = resume is None and _is_restarted(run_dir)
    if resume is not None:
        loaded = load(None, _on_resume(asked, run_dir), resume=resume)
    else:
        loaded = load(asked.config, asked.overrides)
    if is_first_process():
        _print_first_batches(loaded.config, print_batches, console)
        if dry_run:
            from tudui.rehearsal import check

            found = check(loaded.config, resume or run_dir, resume=bool(resume or restarted), restart=restart)
            _show_dry_run(found, console, json=json)
    if dry_run:
        return
    from tudui.api.training import train

    place: dict[str, Any] = {"resume": resume or run_dir} if resume or restarted else {"run_dir": run_dir}
    result = train(loaded, **place, restart=restart, progress=False if quiet else console)
    if json and is_first_process():
        print_json({"run": str(result.run_dir), **result.values})
    if result.status == "diverged":
        raise Diverged(_diverged(loaded.config, result))
    if not quiet:
        _show_result(loaded.config, result, console)


def _is_restarted(run_dir: Path | None) -> bool:
    """Return whether torchrun has restarted the job; UsageError if a restart could not find its run."""
    if os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") == "0":
        return False
    if run_dir is None:
        raise UsageError("torchrun --max-restarts: name the run's folder with --run-dir, so that a restart finds it")
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0" and (run_dir / "config.yaml").exists()


def _on_resume(asked: Asked, run_dir: Path | None) -> "list[Override]":
    """Return everything else that was given with a run to resume; most of it will be refused."""
    from tudui.config import Override

    others = {"--config": asked.config, "--run-dir": run_dir}
    return [*asked.overrides, *(Override(flag, value, flag) for flag, value in others.items() if value)]


def _print_first_batches(config: "Config", count: int, console: "Console") -> None:
    if not count:
        return
    from tudui.rehearsal import first_batches

    for number, (outputs, targets, value) in enumerate(first_batches(config, count), start=1):
        console.print(f"batch {number}: outputs {list(outputs.shape)}", style="bold")
        console.print(f"{outputs}\ntargets\n{targets}\nloss {value:.4f}", markup=False)


def _show_dry_run(found: dict[str, Any], console: "Console", *, json: bool) -> None:
    if json:
        print_json(found)
        return
    notes = found.pop("notes")
    for name, value in found.items():
        console.print(f"{name}: {f'{value:.4g}' if isinstance(value, float) else value}", markup=False)
    note(*notes)
    console.print("dry run: nothing was written")


def _diverged(config: "Config", result: "RunResult") -> str:
    """Return what to print for a run whose loss or gradient is not finite, and what to try."""
    from tudui.config.network_spec import recipe_rate

    found = result.values["diverged"]
    what, before = "the loss", ""
    if found["what"] == "gradient":
        what = f"the gradient of {found['layer']}"
    elif found["layer"]:
        before = f"; the largest gradient before it was that of {found['layer']}"
    lr = float(config.optimizer.lr)
    measured = recipe_rate(config.network, config.loss, config.optimizer.name, config.kind.task)
    lower = f"{measured:g}, the rate measured for it" if measured and measured < lr else f"{lr / 5:.2g}"
    return (
        f"{result.run_dir}: diverged at step {found['step']}: {what} is not finite "
        f"(loss {config.loss.name}, learning rate {found['learning_rate']:.4g}{before}); "
        f"try --lr {lower}, or --set train.clip={(config.train.clip or 10) / 10:g}"
    )


def _show_result(config: "Config", result: "RunResult", console: "Console") -> None:
    """Print the test score of a finished run, and how to look at it."""
    accuracy = result.test_accuracy
    console.print(result.test_words, style="bold", markup=False, end="")
    if accuracy is not None and (tested := result.values["images"]["test"]) < FEW:
        from tudui.tasks.metric import wilson

        low, high = wilson(accuracy, tested)
        samples = f"{tested:,} test {config.kind.samples}"
        console.print(f", 95 % interval {100 * low:.1f} to {100 * high:.1f} % with {samples}", end="")
    if config.expect and accuracy is not None:
        low, high = config.expect
        place = "inside" if low <= accuracy <= high else "below" if accuracy < low else "above"
        console.print(f", {place} the measured band of this config, {100 * low:.1f} to {100 * high:.1f} %", end="")
    console.print()
    if pictures := sorted(path.name for path in result.run_dir.glob(f"*.{config.log.pictures}")):
        console.print(f"pictures in {result.run_dir}: {', '.join(pictures)}", markup=False, soft_wrap=True)
    if "tensorboard" in config.log.sinks:
        show_tensorboard(result.run_dir, console)


def show_tensorboard(folder: Path, console: "Console") -> None:
    """Print the command that opens TensorBoard on a folder."""
    command = f"{tudui_command()} tensorboard {shlex.quote(str(folder))}"
    console.print(say("open it in TensorBoard: {command}", command=command), markup=False, soft_wrap=True)
