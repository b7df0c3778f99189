"""`tudui backward layers`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tudui.api.console import output
from tudui.cli.first_batch import BATCH, batch_of
from tudui.cli.flags import SHOW, Asked, JsonOption, configured
from tudui.errors import UsageError
from tudui.files import json_text

if TYPE_CHECKING:
    from tudui.api.backward import Step


@configured(*BATCH, "train.batch_size")
def layers_command(
    asked: Asked,
    samples: Annotated[
        int, typer.Option(metavar="N", help="Samples whose outputs and targets are shown.", rich_help_panel=SHOW)
    ] = 3,
    batches: Annotated[
        int, typer.Option(metavar="N", help="Batches whose loss is shown, before any step.", rich_help_panel=SHOW)
    ] = 5,
    json: JsonOption = False,
) -> None:
    """Do one step and show it: outputs, losses, each layer's gradient, and each weight before and after.

    Examples:
      tudui backward layers
      tudui backward layers --loss huber --batch-size 1
    """
    if samples < 0 or batches < 0:
        raise UsageError(f"--samples {samples} --batches {batches}: must be 0 or greater")
    batch = batch_of(asked)
    from tudui.api.backward import one_step

    step = one_step(batch, samples=samples, batches=batches)
    if json:
        typer.echo(json_text(asdict(step)))
        return
    _print_step(step)


def _print_step(step: "Step") -> None:
    from rich.markup import escape

    from tudui.sinks.printable import plain_table

    console = output(json=False)
    for number, (outputs, target) in enumerate(zip(step.outputs, step.targets, strict=True)):
        shown = " ".join(f"{value:.3f}" for value in outputs[:10])
        more = " ..." if len(outputs) > 10 else ""
        console.print(f"sample {number}: target {target}, outputs {shown}{more}")
    if step.batch_losses:
        values = " ".join(f"{value:.4f}" for value in step.batch_losses)
        console.print(
            f"loss of the first {len(step.batch_losses)} of {step.batches} batches of {step.batch_size}: {values}"
        )
        if step.dropped:
            console.print(f"{step.dropped} images fill no batch and are dropped (drop_last)")
    console.print(f"\nbackward from the first batch's mean loss, {step.loss:.4f}")
    table = plain_table("layer", "shape", ".grad before", "norm after", "mean |g|", "largest", "zeros")
    for layer in step.layers:
        before = "None" if layer.gradient_before is None else f"{layer.gradient_before:.3g}"
        numbers = [f"{value:.3g}" for value in (layer.norm, layer.mean, layer.largest)]
        table.add_row(layer.name, "x".join(map(str, layer.shape)), before, *numbers, f"{100 * layer.zeros:.1f} %")
    console.print(table)
    console.print(f"\none step of {escape(step.optimizer)}, rate {step.learning_rate:g}")
    console.print("the weight with each layer's largest gradient")
    steps = plain_table("layer", "before", "after", "change", "-rate x grad", "change / that")
    for layer in step.layers:
        pull = -layer.rate_times_gradient
        share = f"{layer.change / pull:.3f}" if pull else "-"
        steps.add_row(
            layer.name,
            f"{layer.weight_before:.6f}",
            f"{layer.weight_after:.6f}",
            f"{layer.change:.3g}",
            f"{pull:.3g}",
            share,
        )
    console.print(steps)
