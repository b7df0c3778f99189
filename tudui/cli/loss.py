"""`tudui loss`: list, value, plot."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tudui.api.console import note, output
from tudui.cli import completion
from tudui.cli.commands import Commands
from tudui.cli.flags import CHOICE, HOW, SHOW, JsonOption, SetOption
from tudui.errors import UsageError
from tudui.files import json_text

if TYPE_CHECKING:
    import numpy as np

    from tudui.lab.choice import ChosenLoss
    from tudui.lab.curves import Curve
    from tudui.lab.values import LossValue

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

    from tudui.lab.choice import describe_losses

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
    from tudui.config import parse_set
    from tudui.lab.choice import choose_loss
    from tudui.lab.reading import read_classes, read_numbers

    flags: dict[str, tuple[str, Any]] = {"delta": (f"--delta {delta}", delta)}
    if weight is not None:
        weights = read_numbers(weight, flag="--weight").reshape(-1).tolist()
        if min(weights) <= 0:
            raise UsageError(f"--weight {weight}: every weight must be greater than 0")
        flags["class_weights"] = (f"--weight {weight}", weights)
    chosen = choose_loss(name, flags=flags, overrides=[parse_set(text) for text in settings or ()])
    numbers = read_numbers(inputs, flag="--input")

    from tudui.lab.values import class_value, residual_value

    if chosen.on_numbers:
        targets = read_numbers(target, flag="--target")
        found = residual_value(chosen, numbers, targets, reduction=reduction)
    else:
        numbers = numbers.reshape(1, -1) if numbers.ndim < 2 else numbers
        if numbers.ndim != 2 or numbers.shape[1] < 2:
            raise UsageError(
                f"--input has shape {list(numbers.shape)}; "
                f"{name} needs rows of at least two logits, such as 0.1,0.2,0.3"
            )
        targets = read_classes(target, flag="--target", classes=numbers.shape[1])
        found = class_value(chosen, numbers, targets, reduction=reduction)
        if weight is not None and reduction == "mean":
            note(
                "the mean is over the rows, as in training; torch.nn.CrossEntropyLoss(weight=...) divides by the "
                "sum of the rows' weights instead"
            )
    if json:
        values = {**vars(found), "input": numbers, "target": targets, "shape": list(numbers.shape)}
        typer.echo(json_text({key: _plain(inside) for key, inside in values.items()}))
        return
    _print_value(found, numbers, targets)


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _print_value(found: "LossValue", inputs: "np.ndarray", targets: "np.ndarray") -> None:
    import numpy as np
    from rich.markup import escape

    from tudui.sinks.printable import plain_table

    console = output(json=False)
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

    chosen = _chosen_for_plot(names, delta)
    if out is not None:
        from tudui.lab.pictures import check_format

        check_format(out)
    from tudui.lab.curves import LARGEST_REACH, class_curve, curve_label, reach_of, residual_curve

    if reach is not None and not 0 < reach <= LARGEST_REACH:
        raise UsageError(f"--reach {reach:g}: must be greater than 0 and at most {LARGEST_REACH:g}")
    on_numbers = [loss for loss in chosen if loss.on_numbers]
    reach = reach or reach_of(on_numbers)
    over_residual = [residual_curve(loss, label=curve_label(loss), reach=reach) for loss in on_numbers]
    of_classes = len(on_numbers) < len(chosen)
    over_probability = [class_curve(loss, label=curve_label(loss)) for loss in chosen] if of_classes else []
    if out is not None:
        from tudui.lab.pictures import curves_picture, make_folder, save_picture

        make_folder(out.parent)
        save_picture(curves_picture(over_residual, over_probability), out)
    if json:
        values = {
            key: [{name: _plain(inside) for name, inside in vars(curve).items()} for curve in curves]
            for key, curves in (("over_residual", over_residual), ("over_probability", over_probability))
        }
        typer.echo(json_text({"out": None if out is None else str(out), **values}))
    elif out is not None:
        output(json=False).print(f"wrote {escape(str(out))}", soft_wrap=True)
    else:
        labels = [curve_label(loss) for loss in chosen]
        _print_plots(over_residual, labels, "the residual", "derivative")
        _print_plots(over_probability, labels, "the probability of the true class", "gradient of the true logit")


def _chosen_for_plot(names: list[str] | None, delta: str | None) -> "list[ChosenLoss]":
    from tudui.lab.choice import choose_loss, has_parameter
    from tudui.losses import loss_specs

    deltas: list[float] = []
    if delta is not None:
        from tudui.lab.reading import read_numbers

        deltas = list(dict.fromkeys(read_numbers(delta, flag="--delta").reshape(-1).tolist()))
    asked = list(dict.fromkeys(names or loss_specs()))
    having = [name for name in asked if has_parameter(name, "delta")]
    if deltas and not having:
        choose_loss(asked[0], flags={"delta": (f"--delta {delta}", deltas[0])})  # says which losses have one
    return [
        choose_loss(name, flags={"delta": (f"--delta {one}", one)})
        for name in asked
        for one in (deltas if name in having and deltas else [None])
    ]


def _print_plots(curves: "list[Curve]", every_label: list[str], axis: str, slope: str) -> None:
    from tudui.lab.text_plot import MARKS, text_plot

    marks = {label: MARKS[index % len(MARKS)] for index, label in enumerate(every_label)}
    for title in ("loss", slope) if curves else ():
        lines = [
            (f"{marks[curve.label]} {curve.label}", curve.place, curve.loss if title == "loss" else curve.derivative)
            for curve in curves
        ]
        typer.echo(text_plot(lines, title=f"{title} over {axis}") + "\n")
