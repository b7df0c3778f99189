"""What `tudui train` says of a run that has ended."""

import shlex
from typing import TYPE_CHECKING

from tudui.invocation import tudui_command

if TYPE_CHECKING:
    from rich.console import Console

    from tudui.config import Config
    from tudui.run_folder import RunResult


def what_diverged(config: "Config", result: "RunResult") -> str:
    """Return what to say of a run whose loss or gradient is not finite, and what to try."""
    from tudui.config.network_spec import recipe_rate

    where = result.values["diverged"]
    layer = f"the gradient of {where['layer']}" if where["what"] == "gradient" else "the loss"
    before = (
        f"; the largest gradient before it was that of {where['layer']}"
        if where["what"] == "loss" and where["layer"]
        else ""
    )
    lr, measured = float(config.optimizer.lr), recipe_rate(config.network, config.loss, config.optimizer.name)
    lower = f"{measured:g}, the rate measured for it" if measured and measured < lr else f"{lr / 5:.2g}"
    return (
        f"{result.run_dir}: diverged at step {where['step']}: {layer} is not finite "
        f"(loss {config.loss.name}, learning rate {where['learning_rate']:.4g}{before}); "
        f"try --lr {lower}, or --set train.clip={(config.train.clip or 10) / 10:g}"
    )


def say_what_next(config: "Config", result: "RunResult", console: "Console") -> None:
    """Print how good a finished run is, and how to look at it."""
    from rich.markup import escape

    accuracy = result.test_accuracy
    assert accuracy is not None
    console.print(f"[bold]test accuracy {100 * accuracy:.2f} %[/]", end="")
    if config.expect:
        low, high = config.expect
        place = "inside" if low <= accuracy <= high else "below" if accuracy < low else "above"
        console.print(f", {place} the measured band of this config, {100 * low:.1f} to {100 * high:.1f} %", end="")
    console.print()
    if config.log.tensorboard:
        shown = escape(shlex.quote(str(result.run_dir)))
        console.print(f"open TensorBoard on it: {tudui_command()} tensorboard {shown}", soft_wrap=True)
