"""`tudui backward`: layers, accumulate, precision, depth, check, by-hand."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tudui.api.console import output
from tudui.cli.by_hand import by_hand_command
from tudui.cli.commands import Commands
from tudui.cli.first_batch import BATCH, batch_of
from tudui.cli.flags import HOW, SHOW, Asked, JsonOption, configured
from tudui.cli.layers import layers_command
from tudui.errors import UsageError
from tudui.files import json_text

if TYPE_CHECKING:
    from rich.table import Table

    from tudui.api.backward import Precision

app = Commands(help="See backpropagation at work on one real batch.")

MAX_DEPTH = 200

app.command("layers")(layers_command)


@app.command()
@configured(*BATCH, "train.batch_size")
def accumulate(
    asked: Asked,
    json: JsonOption = False,
) -> None:
    """Call backward twice: gradients double unless zeroed, and the graph of the first is gone.

    Examples:
      tudui backward accumulate
      tudui backward accumulate --loss mse --json
    """
    batch = batch_of(asked)
    from rich.markup import escape

    from tudui.api.backward import accumulate as run

    found = run(batch)
    if json:
        typer.echo(json_text(asdict(found)))
        return
    from tudui.sinks.printable import plain_table

    console = output(json=False)
    table = plain_table("layer", "norm, once", "norm, twice", "exactly double", "two half batches")
    for layer in found.layers:
        double = "yes" if layer.exactly_double else "no"
        table.add_row(layer.name, f"{layer.once:.5g}", f"{layer.twice:.5g}", double, f"off by {layer.halves:.0e}")
    console.print(table)
    zeroed = found.grad_after_zeroing
    console.print(f"after zero_grad(), .grad is {'None again' if zeroed is None else f'{zeroed:g}'}")
    if len(batch.labels) > 1 and max(layer.halves for layer in found.layers) < 1e-3:
        console.print("the half batches' gradients add up to the whole one's: what accumulation is good for")
    kept = "doubles the gradients too" if found.retained_is_double else "gives other gradients"
    console.print(f"a second backward through a graph kept by retain_graph=True {kept}")
    console.print("one more, through the graph that is gone, raises RuntimeError:")
    console.print(f"  {escape(found.freed_graph_error)}", soft_wrap=True)


@app.command()
@configured(*BATCH, "train.batch_size")
def precision(
    asked: Asked,
    scale: Annotated[
        float,
        typer.Option(
            metavar="FACTOR",
            help="The loss is multiplied by it; 65536 is where GradScaler begins.",
            rich_help_panel=HOW,
        ),
    ] = 65536.0,
    json: JsonOption = False,
) -> None:
    """Count the gradient values that bf16 and fp16 cannot hold, with and without loss scaling.

    Examples:
      tudui backward precision
      tudui backward precision --scale 1024 --batch-size 256
    """
    if not 0 < scale < float("inf"):
        raise UsageError(f"--scale {scale:g}: must be greater than 0")
    batch = batch_of(asked)
    from tudui.api.backward import underflow

    found = underflow(batch, scale=scale)
    if json:
        typer.echo(json_text(asdict(found)))
        return
    console = output(json=False)
    console.print("the gradients of an fp32 backward, rounded: share of the nonzero values that become 0")
    console.print(_lost_table(found, "underflow"))
    console.print(f"scaled: the loss was multiplied by {found.scale:g} before backward")
    for name, least in found.smallest.items():
        console.print(f"{name} holds {least:.2g} to {found.largest[name]:.3g}")
    for kind in ("fp16", "fp16 scaled", "bf16", "bf16 scaled"):
        coarse = {one.name: one.lost[kind].coarse for one in (*found.parameters, *found.outputs)}
        worst = max(coarse, key=lambda name: coarse[name])
        console.print(f"{kind}: at most {100 * coarse[worst]:.1f} % stay but lose digits ({worst})")
    if any(lost.overflow for measured in (*found.parameters, *found.outputs) for lost in measured.lost.values()):
        console.print("\nshare that becomes infinite: the scale is too large, and GradScaler would halve it")
        console.print(_lost_table(found, "overflow"))


def _lost_table(found: "Precision", what: str) -> "Table":
    from tudui.sinks.printable import plain_table

    kinds = ("fp16", "fp16 scaled", "bf16", "bf16 scaled")
    table = plain_table("gradient of", "nonzero", "median", *kinds)
    for measured in (*found.parameters, *found.outputs):
        shares = [f"{100 * getattr(measured.lost[kind], what):.2f} %" for kind in kinds]
        table.add_row(measured.name, f"{measured.nonzero:,}", f"{measured.median:.1e}", *shares)
    return table


@app.command()
@configured(*BATCH)
def depth(
    asked: Asked,
    depth: Annotated[
        int,
        typer.Option(
            "--depth", metavar="N", help="How often the convolution is repeated, 1 to 200.", rich_help_panel=HOW
        ),
    ] = 32,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Picture to write: .png, .svg or .pdf.  [default: none]",
            rich_help_panel=SHOW,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Repeat a convolution and watch the gradient vanish or explode, by initialisation.

    Examples:
      tudui backward depth
      tudui backward depth --depth 64 --out depth.png
    """
    if not 1 <= depth <= MAX_DEPTH:
        raise UsageError(f"--depth {depth}: must lie in 1 to {MAX_DEPTH}")
    batch = batch_of(asked)
    from rich.markup import escape

    from tudui.api.backward import over_depth

    found = over_depth(batch, depth=depth, out=out)
    if json:
        rows = [{**asdict(one), "factor": one.factor} for one in found]
        typer.echo(json_text({"out": None if out is None else str(out), "depth": depth, "initialisations": rows}))
        return
    from tudui.sinks.printable import plain_table

    console = output(json=False)
    console.print(f"norm of the gradient, on its way back through {depth} convolutions 32 -> 32")
    table = plain_table("come through", *(one.initialisation for one in found), left=0)
    for place in sorted({0, *(2**power for power in range(8) if 2**power <= depth), depth}):
        table.add_row(str(place), *(f"{one.norms[place]:.3g}" for one in found))
    table.add_row("factor of each", *(_factor(one.factor) for one in found), style="bold")
    console.print(table)
    for one in found:
        console.print(f"{one.initialisation}: {escape(one.meaning)}")
        if not abs(one.loss) < float("inf"):
            console.print(f"{one.initialisation}: its loss is not finite, so that there is no gradient")
    if out is not None:
        console.print(f"wrote {escape(str(out))}", soft_wrap=True)


def _factor(factor: float) -> str:
    return "-" if factor != factor else f"{factor:.3f}"


@app.command()
@configured(*BATCH)
def check(
    asked: Asked,
    entries: Annotated[
        int, typer.Option(metavar="N", help="Random entries of each layer that are compared.", rich_help_panel=HOW)
    ] = 20,
    json: JsonOption = False,
) -> None:
    """Compare each layer's gradient with central differences, in float64.

    Examples:
      tudui backward check
      tudui backward check --loss l1 --entries 50
    """
    if entries < 1:
        raise UsageError(f"--entries {entries}: must be 1 or greater")
    batch = batch_of(asked)
    from tudui.api.backward import IMAGES, STEP, check_gradients

    found = check_gradients(batch, entries=entries)
    largest = max(layer.difference for layer in found)
    if json:
        typer.echo(json_text({"largest_difference": largest, "layers": [asdict(layer) for layer in found]}))
        return
    from tudui.sinks.printable import plain_table

    console = output(json=False)
    table = plain_table("layer", "entries", "worst entry", "autograd", "central difference", "relative")
    for layer in found:
        place = ",".join(str(number) for number in layer.entry)
        values = (f"{layer.autograd:.6e}", f"{layer.central:.6e}", f"{layer.difference:.0e}")
        table.add_row(layer.name, str(layer.entries), place, *values)
    console.print(table)
    console.print(f"largest relative difference {largest:.1e}; {IMAGES} images, step {STEP:g}")


app.command("by-hand")(by_hand_command)
