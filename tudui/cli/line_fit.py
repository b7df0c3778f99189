"""`tudui line-fit`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tudui.api.console import note, output
from tudui.cli import completion
from tudui.cli.flags import SHOW, JsonOption
from tudui.errors import UsageError
from tudui.files import json_text, write_text

if TYPE_CHECKING:
    from tudui.lab.choice import ChosenLoss
    from tudui.lab.line_fit.choose_delta import ChosenDelta
    from tudui.lab.line_fit.data import LineData
    from tudui.lab.line_fit.experiment import Experiment

POINTS, FITTING = "The points", "The fit"
MOST_STEPS = 10_000
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
    data = _data(csv, seed, {"points": points, "outliers": outliers, "shift": shift})
    if not 1 <= steps <= MOST_STEPS:
        raise UsageError(f"--steps {steps}: must lie in 1 to {MOST_STEPS:,}")
    if not 0 < lr < float("inf"):
        raise UsageError(f"--lr {lr:g}: must be greater than 0")
    if choose_delta is not None:
        if delta is not None:
            raise UsageError(f"--delta {delta:g} and --choose-delta {choose_delta}: give one of the two")
        if losses is not None:
            raise UsageError(f"--losses {losses} and --choose-delta {choose_delta}: only Huber has a δ to choose")
        _choose_delta(choose_delta, data, folds=5 if folds is None else folds, seed=seed, out=out, json=json)
        return
    if folds is not None:
        raise UsageError(f"--folds {folds}: belongs to --choose-delta; give that too, such as 0.1,1,10")
    chosen = _losses(LOSSES if losses is None else losses, 2.0 if delta is None else delta, given=delta is not None)

    from rich.markup import escape

    from tudui.lab.line_fit.experiment import run_experiment

    experiment = run_experiment(chosen, data, steps=steps, rate=lr)
    if out is not None:
        _write(experiment, chosen, out)
    if json:
        typer.echo(json_text({"out": None if out is None else str(out), **experiment.values()}))
        return
    _print(experiment)
    if out is not None:
        output(json=False).print(
            f"wrote data.csv, fits.json, fits.png, losses.png and influence.png to {escape(str(out))}", soft_wrap=True
        )


def _data(csv: Path | None, seed: int, made: dict[str, Any]) -> "LineData":
    from tudui.lab.line_fit.data import csv_data, tutorial_data

    given = {name: value for name, value in made.items() if value is not None}
    if csv is None:
        return tutorial_data(seed, **given)
    if given:
        raise UsageError(
            f"--csv {csv}: its points are what they are; leave out {', '.join(f'--{name}' for name in given)}"
        )
    return csv_data(csv)


def _losses(names: str, delta: float, *, given: bool) -> "list[ChosenLoss]":
    from tudui.lab.choice import choose_loss, has_parameter

    asked = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if not asked:
        raise UsageError(f"--losses '{names}': name at least one, such as mse,mae,huber")
    having = {name for name in asked if has_parameter(name, "delta")}
    if given and not having:
        choose_loss(asked[0], flags={"delta": (f"--delta {delta:g}", delta)})  # says which losses have one
    chosen = [
        choose_loss(name, flags={"delta": (f"--delta {delta:g}", delta if name in having else None)}) for name in asked
    ]
    for loss in chosen:
        if not loss.on_numbers:
            raise UsageError(f"--losses {loss.label}: compares logits with a class; a line needs a loss of numbers")
    return chosen


def _write(experiment: "Experiment", chosen: "list[ChosenLoss]", out: Path) -> None:
    from tudui.lab.line_fit.experiment import influence
    from tudui.lab.line_fit.pictures import fits_picture, influence_picture, losses_picture
    from tudui.lab.pictures import make_folder, save_picture

    make_folder(out)
    data = experiment.data
    rows = zip(data.x.tolist(), data.y.tolist(), data.outliers.tolist(), strict=True)
    write_text(out / "data.csv", "x,y,outlier\n" + "".join(f"{x!r},{y!r},{int(o)}\n" for x, y, o in rows))
    save_picture(fits_picture(experiment), out / "fits.png")
    save_picture(losses_picture(experiment), out / "losses.png")
    in_y, in_x = (influence(chosen, data, axis=axis) for axis in ("y", "x"))
    followed = {"moved_in_y": in_y.values(), "moved_in_x": in_x.values()}
    write_text(out / "fits.json", json_text(experiment.values() | {"influence": followed}, indent=2) + "\n")
    save_picture(influence_picture(in_y, in_x), out / "influence.png")


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
    from tudui.lab.line_fit.steps import LIMIT

    if any(fit.label == "mse" for fit in experiment.fits):
        verdict = "stable below 2" if experiment.stability < 2 else "not below 2, so its steps explode"
        note(f"mse is half the mean square; rate x largest eigenvalue is {experiment.stability:.3g}, {verdict}")
    if any(fit.steps_to_optimum is None for fit in experiment.fits):
        note(f"not reached: not within 1 % of the optimum's loss in {LIMIT:,} steps at this rate")
    for fit in experiment.fits:
        if fit.descent.zero_residuals:
            note(
                f"{fit.label}: {fit.descent.zero_residuals} residuals were exactly 0 on the way; "
                f"autograd takes sign(0) as 0, the tutorial's code as -1"
            )


def _choose_delta(text: str, data: "LineData", *, folds: int, seed: int, out: Path | None, json: bool) -> None:
    from rich.markup import escape

    from tudui.lab.line_fit.choose_delta import choose_delta
    from tudui.lab.reading import read_numbers

    deltas = read_numbers(text, flag="--choose-delta").reshape(-1).tolist()
    found = choose_delta(deltas, data, folds=folds, seed=seed)
    values = {
        "folds": folds,
        "score": "median absolute error",
        "candidates": [
            {"delta": one.delta, "mean": one.mean, "deviation": one.deviation, "scores": one.scores}
            for one in found.candidates
        ],
        "delta": found.best.delta,
    }
    if out is not None:
        from tudui.lab.line_fit.pictures import choose_delta_picture
        from tudui.lab.pictures import make_folder, save_picture

        make_folder(out)
        write_text(out / "delta.json", json_text(values, indent=2) + "\n")
        save_picture(choose_delta_picture(found), out / "delta.png")
    if json:
        typer.echo(json_text({"out": None if out is None else str(out), **values}))
        return
    _print_deltas(found)
    if out is not None:
        output(json=False).print(f"wrote delta.json and delta.png to {escape(str(out))}", soft_wrap=True)


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
