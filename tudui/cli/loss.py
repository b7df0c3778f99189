"""`tudui loss`: list, choose, value, plot."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tudui.api.console import console_on, note
from tudui.cli import completion
from tudui.cli.choose import choose_command
from tudui.cli.commands import Commands
from tudui.cli.flags import JsonOption, LanguageOption, OverwriteOption, argument, choice, how, names_in, show
from tudui.cli.printing import print_json, print_line, print_table
from tudui.errors import UsageError
from tudui.language import say, speaking

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from tudui.api.lab import LossCurves
    from tudui.lab.curves import Curve
    from tudui.lab.values import LossValue

app = Commands(help="Look at the losses: their formulas, values, gradients and curves.")

SHOWN = 30  # rows of a table
SETTING = "Parameter of the loss, for example loss.delta=2; may be repeated."
MARKS = "*o+x#@%&=~^sdvwuABCDEFGHIJKLMNPQRTUVXYZ"  # in the order of colours and dashes
WIDTH, HEIGHT = 64, 14  # of a plot, in characters


@app.command("list")
def list_command(json: JsonOption = False) -> None:
    """List every loss with its formula, parameters, what it is robust to, and its source.

    Examples:
      tudui loss list
      tudui loss list --json
    """
    from tudui.lab.choice import describe_losses

    losses = describe_losses()
    if json:
        print_json({"losses": losses})
        return
    console = console_on()
    for loss in losses:
        rows = [
            ("formula", loss["formula"]),
            ("compares", loss["compares"]),
            *([("form", f"{loss['form']}; or plain, what torch.nn does on one-hot targets")] if loss["forms"] else []),
        ]
        for number, parameter in enumerate(loss["parameters"]):
            text = f"{parameter['name']} = {parameter['default']}: {parameter['description']}"
            rows.append(("" if number else "parameters", text))
        rows += [("robust to", loss["robust_to"]), ("source", loss["source"])]
        console.print(loss["name"], style="bold", markup=False, end="")
        console.print(f", {loss['title']}", markup=False)
        print_table((), rows, left=2)
        console.print()


app.command("choose")(choose_command)


@app.command()
def value(
    name: Annotated[str, argument("NAME", "Loss, as in tudui loss list.", completion.losses)],
    inputs: Annotated[
        str, choice("NUMBERS|FILE", "Outputs, for example 1,2,3; logits for a loss of classes.", "--input", "-i")
    ],
    target: Annotated[str, choice("NUMBERS|FILE", "Targets; the class of each row of logits.", "--target", "-t")],
    reduction: Annotated[
        Literal["mean", "sum", "none"], how(None, "How the terms are combined into one value.", "--reduction", "-r")
    ] = "mean",
    delta: Annotated[float | None, how("NUMBER", "δ of a loss that has one.  [default: the loss's]")] = None,
    weight: Annotated[
        str | None, how("NUMBERS", "Class weights, a number for each class, for example 1,1,2.  [default: 1]")
    ] = None,
    settings: Annotated[list[str] | None, choice("KEY=VALUE", SETTING, "--set", "-s")] = None,
    language: LanguageOption = "en",
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
    with speaking(language):
        if weight is not None and reduction == "mean":
            text = (
                "the mean is over the rows, as in training; torch.nn.CrossEntropyLoss divides by the sum of the weights"
            )
            note(say(text))
        if json:
            values = {**vars(found), "shape": list(found.inputs.shape)}
            values |= {"input": values.pop("inputs"), "target": values.pop("targets")}
            print_json(_as_lists(values))
        else:
            _print_value(found)


def _weights(text: str) -> list[float]:
    try:
        weights = [float(one) for one in names_in(text, "--weight")]
    except ValueError:
        raise UsageError(f"--weight {text}: give numbers separated by commas, one for each class") from None
    if not all(0 < one < float("inf") for one in weights):
        raise UsageError(f"--weight {text}: every weight must be greater than 0")
    return weights


def _as_lists(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value.tolist() if hasattr(value, "tolist") else value for key, value in values.items()}


def _print_value(found: "LossValue") -> None:
    import numpy as np

    inputs, targets, places = found.inputs, found.targets, list(np.ndindex(found.inputs.shape))
    columns = ("element", "input", "target") if found.probabilities is None else ("row", "logit of", "logit", "p")
    rows = []
    for place in places[:SHOWN]:
        if found.probabilities is None:
            cells = [",".join(map(str, place)), f"{inputs[place]:.6g}", f"{targets[place]:.6g}"]
            term = f"{found.terms[place]:.4f}"
        else:
            row, column = place
            true = targets[row] == column
            shown = say("{column} (true)", column=column) if true else str(column)
            cells = [str(row), shown, f"{inputs[place]:.6g}", f"{found.probabilities[place]:.4f}"]
            term = f"{found.terms[row]:.4f}" if true else ""
        rows.append((*cells, term, f"{found.gradient[place]:.4f}"))
    print_table([say(column) for column in (*columns, "term", "gradient")], rows, left=0)
    if len(places) > SHOWN:
        print_line(say("... and {number:,} more; see all with --json", number=len(places) - SHOWN))
    shown = say("no reduction") if found.value is None else f"{say(found.reduction)} {found.value:.4f}"
    name = found.loss.rpartition(":")[0] if "=" in found.loss else found.loss  # without its parameters
    if words := [f"{key} {value}" for key, value in found.parameters.items() if value not in (None, 0.0)]:
        name = say("{loss}, {parameters}", loss=name, parameters=say(", ").join(words))
    print_line(say("{name}: {text}", name=name, text=shown), "bold")


@app.command()
def plot(
    names: Annotated[
        list[str] | None, argument("NAME", "Losses.  [default: every registered one]", completion.losses)
    ] = None,
    delta: Annotated[str | None, how("NUMBERS", "δ, or several: 0.1,1,10.  [default: the loss's]")] = None,
    reach: Annotated[float | None, how("NUMBER", "Largest residual.  [default: beyond the largest δ]")] = None,
    out: Annotated[
        Path | None,
        show("FILE", "Picture: .png, .svg or .pdf.  [default: draw with characters]", "--out", "-o"),
    ] = None,
    overwrite: OverwriteOption = False,
    language: LanguageOption = "en",
    json: JsonOption = False,
) -> None:
    """Draw losses over the residual with their derivatives beside them; with a loss of classes, also over p.

    If a loss of classes is named, all losses are also drawn over the true class's probability, residual losses
    applied to softmax probabilities. Without --out the plot is made of characters.

    Examples:
      tudui loss plot mse l1 huber --out losses.png
      tudui loss plot huber --delta 0.1,10
    """
    from tudui.api.lab import loss_curves

    with speaking(language):
        found = loss_curves(names, deltas=delta or (), reach=reach, out=out, overwrite=overwrite)
        _print_curves(found, out, json=json)


def _print_curves(found: "LossCurves", out: Path | None, *, json: bool) -> None:
    if json:
        curves = {"over_residual": found.over_residual, "over_probability": found.over_probability}
        lists = {key: [_as_lists(vars(curve)) for curve in some] for key, some in curves.items()}
        print_json({"out": None if out is None else str(out), **lists})
    elif out is not None:
        print_line(say("wrote {file}", file=out))
    else:
        marks = {label: MARKS[place] for label, place in found.places.items()}
        loss, slope = say("loss over the residual"), say("derivative over the residual")
        _print_plots(found.over_residual, marks, loss, slope)
        loss = say("loss over the probability of the true class")
        slope = say("gradient of the true logit over the probability of the true class")
        _print_plots(found.over_probability, marks, loss, slope)


def _print_plots(curves: "Sequence[Curve]", marks: dict[str, str], loss: str, slope: str) -> None:
    if not curves:
        return
    labels = [f"{marks[curve.label]} {curve.label}" for curve in curves]
    for title, heights in (
        (loss, [curve.loss for curve in curves]),
        (slope, [curve.derivative for curve in curves]),
    ):
        lines = list(zip(labels, (curve.place for curve in curves), heights, strict=True))
        typer.echo(f"{title}\n{text_plot(lines)}\n")


def text_plot(lines: "Sequence[tuple[str, np.ndarray, np.ndarray]]") -> str:
    """Return lines (label, x [N], y [N]) in one frame of characters, with a legend.

    A line is drawn with the first character of its label; the first line is on top.
    """
    import numpy as np

    every_x, every_y = (np.concatenate(values) for values in list(zip(*lines, strict=True))[1:])
    left, right, low, high = every_x.min(), every_x.max(), every_y.min(), every_y.max()
    grid = np.full((HEIGHT, WIDTH), " ")
    for label, x, y in reversed(lines):
        heights = np.interp(np.linspace(left, right, WIDTH), x, y)
        rows = ((high - heights) / max(high - low, 1e-300) * (HEIGHT - 1)).round().astype(int)
        grid[rows, range(WIDTH)] = label[0]
    names = {0: f"{high:.3g}", HEIGHT - 1: f"{low:.3g}"}
    margin = max(len(name) for name in names.values())
    body = [f"{names.get(row, ''):>{margin}} |{''.join(cells).rstrip()}" for row, cells in enumerate(grid)]
    axis = f"{left:.3g}".ljust(WIDTH - len(f"{right:.3g}")) + f"{right:.3g}"
    pad = " " * (margin + 2)
    legend = "   ".join(label for label, _, _ in lines)
    return "\n".join([*body, f"{' ' * (margin + 1)}+{'-' * WIDTH}", pad + axis, pad + legend])
