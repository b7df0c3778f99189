"""`tudui backward by-hand`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tudui.api.console import output
from tudui.cli.flags import CHOICE, Asked, JsonOption, configured
from tudui.files import json_text

if TYPE_CHECKING:
    from tudui.api.backward import ByHand


@configured("loss")
def by_hand_command(
    asked: Asked,
    inputs: Annotated[
        str, typer.Option("--input", "-i", metavar="NUMBERS", help="The two inputs.", rich_help_panel=CHOICE)
    ] = "0.5,-1",
    target: Annotated[
        float,
        typer.Option(
            "--target", "-t", metavar="NUMBER", help="A number; for a loss of classes 0 or 1.", rich_help_panel=CHOICE
        ),
    ] = 1.0,
    seed: Annotated[int, typer.Option(metavar="N", help="Draws the weights.", rich_help_panel=CHOICE)] = 0,
    json: JsonOption = False,
) -> None:
    """Go through the chain rule by hand on a net of two layers; every factor is a number, and autograd agrees.

    The loss is mse unless another is named. A loss of numbers has one output, a loss of classes two logits.

    Examples:
      tudui backward by-hand --loss mse
      tudui backward by-hand --loss ce --input 1,2 --target 0
    """
    from tudui.api.backward import by_hand

    found = by_hand(asked.config, asked.overrides, inputs=inputs, target=target, seed=seed)
    if json:
        typer.echo(json_text(asdict(found)))
        return
    _print_by_hand(found)


def _print_by_hand(found: "ByHand") -> None:
    from rich.markup import escape

    console = output(json=False)
    w = {name: f"{value:g}" if value >= 0 else f"({value:g})" for name, value in found.weights.items()}
    f = {name: f"{value:.4f}" for name, value in found.forward.items()}
    x1, x2 = (f"{value:g}" if value >= 0 else f"({value:g})" for value in found.inputs)
    console.print("forward")
    for j in (1, 2):
        console.print(
            f"  a{j} = w{j}1·x1 + w{j}2·x2 + b{j} = "
            f"{w[f'w{j}1']}·{x1} + {w[f'w{j}2']}·{x2} + {w[f'b{j}']} = {f[f'a{j}']}"
        )
        console.print(f"  h{j} = tanh(a{j}) = {f[f'h{j}']}")
    for k in range(1, len([name for name in f if name.startswith("o")]) + 1):
        h1, h2 = (f"({f[name]})" if f[name].startswith("-") else f[name] for name in ("h1", "h2"))
        console.print(
            f"  o{k} = v{k}1·h1 + v{k}2·h2 + c{k} = "
            f"{w[f'v{k}1']}·{h1} + {w[f'v{k}2']}·{h2} + {w[f'c{k}']} = {f[f'o{k}']}"
        )
    console.print(f"  {escape(found.loss)} against {found.target:g}: L = {f['loss']}\n")
    console.print("backward")
    for product in found.products:
        names = " + ".join(" · ".join(factor.name.split(" = ")[0] for factor in path) for path in product.paths)
        numbers = " + ".join(" · ".join(_factor(factor.value) for factor in path) for path in product.paths)
        console.print(f"  dL/d{product.weight} = {names}")
        console.print(f"         = {numbers} = [bold]{product.by_hand:.6f}[/]   autograd {product.autograd:.6f}")
    worst = max(abs(product.by_hand - product.autograd) for product in found.products)
    console.print(f"largest difference from autograd: {worst:.0e}")


def _factor(value: float) -> str:
    return f"{value:.4f}" if value >= 0 else f"({value:.4f})"
