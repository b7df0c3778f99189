"""`tudui loss`: list, value, plot."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tudui.api.console import note, output
from tudui.cli import completion
from tudui.cli.commands import Commands
from tudui.cli.flags import CHOICE, HOW, SHOW, JsonOption, SetOption, names_in
from tudui.errors import UsageError
from tudui.files import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tudui.api.lab import Curve, LossValue

app = Commands(help="Look at the losses: their formulas, values, gradients and curves.")

SHOWN = 30  # rows of a table


@app.command("list")
def list_command(json: JsonOption = False) -> None:
    """List every loss with its formula, parameters, what it is robust to, and its source.

    Examples:
      tudui loss list
      tudui loss list --json
    """
    from rich.markup import escape
    from rich.table import Table

    from tudui.api.lab import describe_losses

    losses = describe_losses()
    if json:
        typer.echo(json_text({"losses": losses}))
        return
    console = output(json=False)
    for loss in losses:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_row("formula", escape(loss["formula"]))
        table.add_row("compares", loss["compares"])
        table.add_row("form", f"{loss['form']}; or plain, what torch.nn does on one-hot targets")
        for number, parameter in enumerate(loss["parameters"]):
            text = f"{parameter['name']} = {parameter['default']}: {parameter['description']}"
            table.add_row("" if number else "parameters", escape(text))
        table.add_row("robust to", escape(loss["robust_to"]))
        table.add_row("source", escape(loss["source"]))
        console.print(f"[bold]{escape(loss['name'])}[/], {escape(loss['title'])}")
        console.print(table)
        console.print()


@app.command()
def value(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Loss, as in tudui loss list.", autocompletion=completion.losses),
    ],
    inputs: Annotated[
        str,
        typer.Option(
            "--input",
            "-i",
            metavar="NUMBERS|FILE",
            help="Outputs, such as 1,2,3; logits for a loss of classes.",
            rich_help_panel=CHOICE,
        ),
    ],
    target: Annotated[
        str,
        typer.Option(
            "--target",
            "-t",
            metavar="NUMBERS|FILE",
            help="Targets; the class of each row of logits.",
            rich_help_panel=CHOICE,
        ),
    ],
    reduction: Annotated[
        Literal["mean", "sum", "none"],
        typer.Option("--reduction", "-r", help="How the terms become one value.", rich_help_panel=HOW),
    ] = "mean",
    delta: Annotated[
        float | None,
        typer.Option(
            "--delta", metavar="NUMBER", help="δ of a loss that has one.  [default: the loss's]", rich_help_panel=HOW
        ),
    ] = None,
    weight: Annotated[
        str | None,
        typer.Option(
            "--weight", metavar="NUMBERS", help="One for each class, such as 1,1,2.  [default: 1]", rich_help_panel=HOW
        ),
    ] = None,
    settings: SetOption = None,
    json: JsonOption = False,
) -> None:
    """Compute a loss on given numbers: its value, its terms, and the gradient of every input.

    Rows are separated by `;`. Numbers may come from a .json, .csv or .npy file.

    Examples:
      tudui loss value l1 -i 1,2,3 -t 1,2,5
      tudui loss value ce -i "0.1,0.2,0.3;2,0,1" -t "1;0"
    """
    from tudui.api.lab import loss_value
    from tudui.config import Override, parse_set

    overrides = [] if delta is None else [Override("loss.delta", delta, f"--delta {delta}")]
    if weight is not None:
        overrides.append(Override("loss.class_weights", _weights(weight), f"--weight {weight}"))
    overrides += [parse_set(text) for text in settings or ()]
    found = loss_value(name, inputs, target, overrides, reduction=reduction)
    if weight is not None and reduction == "mean":
        note(
            "the mean is over the rows, as in training; torch.nn.CrossEntropyLoss(weight=...) divides by the "
            "sum of the rows' weights instead"
        )
    if json:
        values = {**vars(found), "shape": list(found.inputs.shape)}
        values |= {"input": values.pop("inputs"), "target": values.pop("targets")}
        typer.echo(json_text({key: _plain(inside) for key, inside in values.items()}))
        return
    _print_value(found)


def _weights(text: str) -> list[float]:
    try:
        weights = [float(one) for one in names_in(text, "--weight")]
    except ValueError:
        raise UsageError(f"--weight {text}: give numbers separated by commas, one for each class") from None
    if not all(0 < one < float("inf") for one in weights):
        raise UsageError(f"--weight {text}: every weight must be greater than 0")
    return weights


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _print_value(found: "LossValue") -> None:
    import numpy as np
    from rich.markup import escape

    from tudui.sinks.printable import plain_table

    console, inputs, targets = output(json=False), found.inputs, found.targets
    of_classes = found.probabilities is not None
    columns = ("row", "logit of", "logit", "p") if of_classes else ("element", "input", "target")
    table = plain_table(*columns, "term", "gradient", left=0)
    places = list(np.ndindex(inputs.shape))
    for place in places[:SHOWN]:
        middle = [f"{inputs[place]:.6g}"]
        if found.probabilities is not None:
            row, column = place
            true = targets[row] == column
            shown = f"{column} (true)" if true else str(column)
            cells = [str(row), shown, *middle, f"{found.probabilities[place]:.4f}"]
            term = f"{found.terms[row]:.4f}" if true else ""
        else:
            cells = [",".join(str(number) for number in place), *middle, f"{targets[place]:.6g}"]
            term = f"{found.terms[place]:.4f}"
        table.add_row(*cells, term, f"{found.gradient[place]:.4f}")
    console.print(table)
    if len(places) > SHOWN:
        console.print(f"... and {len(places) - SHOWN:,} more; all of them with --json")
    parameters = "".join(f", {key} {value}" for key, value in found.parameters.items() if value not in (None, 0.0))
    shown = "no reduction" if found.value is None else f"{found.reduction} [bold]{found.value:.4f}[/]"
    console.print(f"{escape(found.loss)}{escape(parameters)}: {shown}")


@app.command()
def plot(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME", help="Losses.  [default: every registered one]", autocompletion=completion.losses
        ),
    ] = None,
    delta: Annotated[
        str | None,
        typer.Option(
            "--delta", metavar="NUMBERS", help="δ, or several: 0.1,1,10.  [default: the loss's]", rich_help_panel=HOW
        ),
    ] = None,
    reach: Annotated[
        float | None,
        typer.Option(
            "--reach",
            metavar="NUMBER",
            help="Largest residual drawn.  [default: beyond the largest δ]",
            rich_help_panel=HOW,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Picture to write: .png, .svg or .pdf.  [default: drawn here, of characters]",
            rich_help_panel=SHOW,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Draw losses over the residual with their derivatives beside them; with a loss of classes, also over p.

    Where a loss of classes is named, all are also drawn over the true class's probability, residual losses as
    they are on softmax probabilities. Without --out the plot is made of characters.

    Examples:
      tudui loss plot mse l1 huber --out losses.png
      tudui loss plot huber --delta 0.1,10
    """
    from rich.markup import escape

    from tudui.api.lab import loss_curves

    found = loss_curves(names, deltas=delta or (), reach=reach, out=out)
    if json:
        values = {
            key: [{name: _plain(inside) for name, inside in vars(curve).items()} for curve in curves]
            for key, curves in (("over_residual", found.over_residual), ("over_probability", found.over_probability))
        }
        typer.echo(json_text({"out": None if out is None else str(out), **values}))
    elif out is not None:
        output(json=False).print(f"wrote {escape(str(out))}", soft_wrap=True)
    else:
        _print_plots(found.over_residual, found.labels, "the residual", "derivative")
        _print_plots(
            found.over_probability, found.labels, "the probability of the true class", "gradient of the true logit"
        )


def _print_plots(curves: "Sequence[Curve]", every_label: "Sequence[str]", axis: str, slope: str) -> None:
    from tudui.cli.text_plot import MARKS, text_plot

    marks = {label: MARKS[index % len(MARKS)] for index, label in enumerate(every_label)}
    for title in ("loss", slope) if curves else ():
        lines = [
            (f"{marks[curve.label]} {curve.label}", curve.place, curve.loss if title == "loss" else curve.derivative)
            for curve in curves
        ]
        typer.echo(text_plot(lines, title=f"{title} over {axis}") + "\n")
