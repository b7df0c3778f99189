"""`tudui line-fit`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tudui.api.console import note, output
from tudui.cli import completion
from tudui.cli.flags import SHOW, JsonOption, names_in
from tudui.errors import UsageError
from tudui.files import json_text

if TYPE_CHECKING:
    from tudui.api.lab import ChosenDelta, Experiment

POINTS, FITTING = "The points", "The fit"
LOSSES = "mse,mae,huber"


def line_fit_command(
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            metavar="FILE",
            help="Own points, columns x and y.  [default: the tutorial's points]",
            rich_help_panel=POINTS,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Draws the points, and the folds.", rich_help_panel=POINTS)
    ] = 0,
    points: Annotated[
        int | None, typer.Option(metavar="N", help="How many points.  [default: 40]", rich_help_panel=POINTS)
    ] = None,
    outliers: Annotated[
        int | None,
        typer.Option(metavar="N", help="How many of the last are shifted.  [default: 5]", rich_help_panel=POINTS),
    ] = None,
    shift: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER", help="By how much they are shifted, in y.  [default: -8]", rich_help_panel=POINTS
        ),
    ] = None,
    losses: Annotated[
        str | None,
        typer.Option(
            "--losses",
            "-l",
            metavar="NAMES",
            help=f"Losses, separated by commas.  [default: {LOSSES}]",
            rich_help_panel=FITTING,
            autocompletion=completion.several_losses,
        ),
    ] = None,
    delta: Annotated[
        float | None, typer.Option(metavar="NUMBER", help="δ of Huber.  [default: 2]", rich_help_panel=FITTING)
    ] = None,
    steps: Annotated[
        int,
        typer.Option(metavar="N", help="Gradient steps, from slope and intercept 0.", rich_help_panel=FITTING),
    ] = 20,
    lr: Annotated[float, typer.Option("--lr", metavar="RATE", help="Learning rate.", rich_help_panel=FITTING)] = 0.01,
    choose_delta: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            help="Instead of the fits: choose δ of these by cross-validation.",
            rich_help_panel=FITTING,
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Folds of the cross-validation.  [default: 5]", rich_help_panel=FITTING),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder for data, fits and pictures.  [default: nothing is written]",
            rich_help_panel=SHOW,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Fit a line to points with outliers under several losses: after a few steps, and at the optimum.

    The points are the tutorial's unless --csv names others. "mse" is half the mean square here, as in the
    tutorial: the step of the whole one is twice as long and, at rate 0.01, explodes.

    Examples:
      tudui line-fit --out line-fit
      tudui line-fit --choose-delta 0.1,0.5,1,2,5,10 --folds 5
    """
    from tudui.api.lab import choose_delta as choose
    from tudui.api.lab import line_fit, line_points

    made = {"points": points, "outliers": outliers, "shift": shift}
    data = line_points(csv, seed=seed, **{name: value for name, value in made.items() if value is not None})
    if choose_delta is not None:
        if delta is not None:
            raise UsageError(f"--delta {delta:g} and --choose-delta {choose_delta}: give one of the two")
        if losses is not None:
            raise UsageError(f"--losses {losses} and --choose-delta {choose_delta}: only Huber has a δ to choose")
        found = choose(choose_delta, data, folds=5 if folds is None else folds, seed=seed, out=out)
        _show(found, out, "delta.json and delta.png", _print_deltas, json=json)
        return
    if folds is not None:
        raise UsageError(f"--folds {folds}: belongs to --choose-delta; give that too, such as 0.1,1,10")
    names = names_in(LOSSES if losses is None else losses, "--losses")
    experiment = line_fit(data, names, delta=delta, steps=steps, lr=lr, out=out)
    _show(experiment, out, "data.csv, fits.json, fits.png, losses.png and influence.png", _print, json=json)


def _show(found: Any, out: Path | None, files: str, show: Callable[[Any], None], *, json: bool) -> None:
    """Print what was found, and which files were written."""
    from rich.markup import escape

    if json:
        typer.echo(json_text({"out": None if out is None else str(out), **found.values()}))
        return
    show(found)
    if out is not None:
        output(json=False).print(f"wrote {files} to {escape(str(out))}", soft_wrap=True)


def _print(experiment: "Experiment") -> None:
    from rich.markup import escape

    from tudui.sinks.printable import plain_table

    console = output(json=False)
    table = plain_table("loss", "line", "slope", "intercept", "distance", "value", "within 1 %", left=2)
    if experiment.reference is not None:
        table.add_row("", "no outliers", *_cells(experiment.reference.slope, experiment.reference.intercept, 0.0))
    for fit in experiment.fits:
        near = f"step {fit.steps_to_optimum:,}" if fit.steps_to_optimum is not None else "not reached"
        line, best = fit.descent.line, fit.optimum
        cells = _cells(line.slope, line.intercept, fit.distance, line.loss)
        table.add_row(escape(fit.label), f"{experiment.steps} steps", *cells)
        table.add_row("", "optimum", *_cells(best.slope, best.intercept, fit.optimum_distance, best.loss), near)
    console.print(table)
    console.print()
    columns = [column for fit in experiment.fits for column in (escape(fit.label), "/ start")]
    over = plain_table("iteration", *columns, left=0)
    for step in sorted({round(share * experiment.steps) for share in (0, 0.05, 0.1, 0.25, 0.5, 0.75, 1)}):
        cells = []
        for fit in experiment.fits:
            value, start = fit.descent.losses[step], fit.descent.losses[0]
            share = value / start if start else 1.0
            cells += [f"{value:.4g}", f"{share:.3f}" if share < 1e4 else f"{share:.1e}"]
        over.add_row(str(step), *cells)
    console.print(over)
    _print_notes(experiment)


def _cells(*values: float | None) -> list[str]:
    def shown(value: float) -> str:
        return f"{value:.4f}" if 1e-3 <= abs(value) < 1e5 or abs(value) < 1e-9 else f"{value:.3g}"

    return ["-" if value is None else shown(value) for value in values]


def _print_notes(experiment: "Experiment") -> None:
    if any(fit.label == "mse" for fit in experiment.fits):
        verdict = "stable below 2" if experiment.stability < 2 else "not below 2, so its steps explode"
        note(f"mse is half the mean square; rate x largest eigenvalue is {experiment.stability:.3g}, {verdict}")
    if any(fit.steps_to_optimum is None for fit in experiment.fits):
        note(f"not reached: not within 1 % of the optimum's loss in {experiment.limit:,} steps at this rate")
    for fit in experiment.fits:
        if fit.descent.zero_residuals:
            note(
                f"{fit.label}: {fit.descent.zero_residuals} residuals were exactly 0 on the way; "
                f"autograd takes sign(0) as 0, the tutorial's code as -1"
            )


def _print_deltas(found: "ChosenDelta") -> None:
    from tudui.sinks.printable import plain_table

    console = output(json=False)
    table = plain_table("δ", "mean", "deviation", "least", "largest", "", left=0)
    for one in found.candidates:
        mark = "chosen" if one is found.best else ""
        cells = (one.mean, one.deviation, min(one.scores), max(one.scores))
        table.add_row(f"{one.delta:g}", *(f"{value:.4f}" for value in cells), mark)
    console.print(f"median absolute error of the points left out, over {len(found.best.scores)} folds")
    console.print(table)
