"""`tudui line-fit`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tudui.api.console import note
from tudui.cli import completion
from tudui.cli.flags import JsonOption, LanguageOption, OverwriteOption, names_in, options_of, show
from tudui.cli.printing import print_json, print_line, print_table
from tudui.errors import UsageError
from tudui.language import say, speaking

if TYPE_CHECKING:
    from tudui.lab.line_fit.choose_delta import ChosenDelta
    from tudui.lab.line_fit.experiment import Experiment

points_option, fit_option = options_of("The points"), options_of("The fit")
LOSSES = "mse,mae,huber"
NAMES = f"Losses, separated by commas.  [default: {LOSSES}]"
CHOOSE = "Instead of the fits: choose δ from these values by cross-validation."


def line_fit_command(
    csv: Annotated[
        Path | None,
        points_option(
            "FILE",
            "CSV file with your own points, separated by commas, semicolons or tabs.  [default: the tutorial's points]",
        ),
    ] = None,
    x: Annotated[str | None, points_option("COLUMN", "Column of x.  [default: x, or the first of two]")] = None,
    y: Annotated[str | None, points_option("COLUMN", "Column of y.  [default: y, or the second of two]")] = None,
    seed: Annotated[int, points_option("N", "Seed of the points and of the folds.")] = 0,
    points: Annotated[int | None, points_option("N", "Number of points.  [default: 40]")] = None,
    outliers: Annotated[
        int | None, points_option("N", "Number of points that are shifted in y, the last ones.  [default: 5]")
    ] = None,
    shift: Annotated[float | None, points_option("NUMBER", "Shift of these points in y.  [default: -8]")] = None,
    losses: Annotated[
        str | None, fit_option("NAMES", NAMES, "--losses", "-l", complete=completion.several_losses)
    ] = None,
    delta: Annotated[float | None, fit_option("NUMBER", "δ of Huber.  [default: 2]")] = None,
    steps: Annotated[int, fit_option("N", "Gradient steps, from slope and intercept 0.")] = 20,
    lr: Annotated[float, fit_option("RATE", "Learning rate.")] = 0.01,
    choose_delta: Annotated[str | None, fit_option("NUMBERS", CHOOSE)] = None,
    folds: Annotated[int | None, fit_option("N", "Folds of the cross-validation.  [default: 5]")] = None,
    out: Annotated[
        Path | None,
        show("DIR", "Folder for data, fits and pictures.  [default: nothing is written]", "--out", "-o"),
    ] = None,
    overwrite: OverwriteOption = False,
    language: LanguageOption = "en",
    json: JsonOption = False,
) -> None:
    """Fit a line to points with outliers with several losses: after a few steps, and at the optimum.

    Without --csv, the points are the tutorial's. "mse" is half the mean square here, as in the tutorial: a step of
    the full mean square is twice as long and diverges at rate 0.01.

    Examples:
      tudui line-fit --out line-fit
      tudui line-fit --choose-delta 0.1,0.5,1,2,5,10 --folds 5
    """
    from tudui.api import lab

    made = {"points": points, "outliers": outliers, "shift": shift}
    data = lab.line_points(
        csv, x=x, y=y, seed=seed, **{name: value for name, value in made.items() if value is not None}
    )
    with speaking(language):
        found: ChosenDelta | Experiment
        if choose_delta is not None:
            if delta is not None:
                raise UsageError(f"--delta {delta:g} and --choose-delta {choose_delta}: give only one of them")
            if losses is not None:
                raise UsageError(f"--losses {losses} and --choose-delta {choose_delta}: only Huber has a δ to choose")
            found = lab.choose_delta(
                choose_delta, data, folds=5 if folds is None else folds, seed=seed, out=out, overwrite=overwrite
            )
        elif folds is not None:
            raise UsageError(f"--folds {folds}: only with --choose-delta, for example --choose-delta 0.1,1,10")
        else:
            names = names_in(LOSSES if losses is None else losses, "--losses")
            found = lab.line_fit(data, names, delta=delta, steps=steps, lr=lr, out=out, overwrite=overwrite)
        if json:
            print_json({"out": None if out is None else str(out), **found.values()})
        else:
            _print(found, out)


def _print(found: "ChosenDelta | Experiment", out: Path | None) -> None:
    from tudui.api import lab

    if isinstance(found, lab.ChosenDelta):
        _print_deltas(found)
    else:
        _print_fits(found)
        _print_notes(found)
    if out is not None:
        *files, last = lab.DELTA_FILES if isinstance(found, lab.ChosenDelta) else lab.FIT_FILES
        print_line(say("wrote {files} and {last} to {folder}", files=say(", ").join(files), last=last, folder=out))


def _print_fits(experiment: "Experiment") -> None:
    rows = []
    if experiment.reference is not None:
        line = experiment.reference
        rows.append(("", say("no outliers"), *_cells(line.slope, line.intercept, 0.0), "", ""))
    for fit in experiment.fits:
        reached = fit.steps_to_optimum
        near = say("not reached") if reached is None else say("step {step:,}", step=reached)
        line, best = fit.descent.line, fit.optimum
        cells = _cells(line.slope, line.intercept, fit.distance, line.loss)
        rows.append((fit.label, say("{steps} steps", steps=experiment.steps), *cells, ""))
        rows.append(("", say("optimum"), *_cells(best.slope, best.intercept, fit.optimum_distance, best.loss), near))
    columns = ("loss", "line", "slope", "intercept", "distance", "value", "within 1 %")
    print_table([say(column) for column in columns], rows, left=2)
    print_line("")
    values = []
    for step in sorted({round(share * experiment.steps) for share in (0, 0.05, 0.1, 0.25, 0.5, 0.75, 1)}):
        row = [str(step)]
        for fit in experiment.fits:
            value, start = fit.descent.losses[step], fit.descent.losses[0]
            share = value / start if start else 1.0
            row += [f"{value:.4g}", f"{share:.3f}" if share < 1e4 else f"{share:.1e}"]
        values.append(row)
    heads = (name for fit in experiment.fits for name in (fit.label, say("/ start")))
    print_table((say("iteration"), *heads), values, left=0)


def _cells(*values: float | None) -> list[str | None]:
    def shown(value: float) -> str:
        return f"{value:.4f}" if 1e-3 <= abs(value) < 1e5 or abs(value) < 1e-9 else f"{value:.3g}"

    return [None if value is None else shown(value) for value in values]


def _print_notes(experiment: "Experiment") -> None:
    data = experiment.data
    if data.scaled:
        names = "x is {x}, y is {y}; " if (data.x_name, data.y_name) != ("x", "y") else ""
        units = "gradient steps are of (x - mean) / standard deviation; lines are in the file's units"
        note(say(f"{names}{units}", x=data.x_name, y=data.y_name))
    if any(fit.label == "mse" for fit in experiment.fits):
        verdict = "stable below 2" if experiment.stability < 2 else "not below 2, so its steps diverge"
        text = f"mse is half the mean square; rate x largest eigenvalue is {{product:.3g}}, {verdict}"
        note(say(text, product=experiment.stability))
    if any(fit.steps_to_optimum is None for fit in experiment.fits):
        text = "not reached: slope and intercept not within 1 % of the optimum's in {steps:,} steps; try --lr"
        note(say(text, steps=experiment.limit))
    for fit in experiment.fits:
        if count := fit.descent.zero_residuals:
            were = " was" if count == 1 else "s were"
            text = (
                f"{{loss}}: {{number}} residual{were} exactly 0; for sign(0), autograd uses 0, the tutorial's code -1"
            )
            note(say(text, loss=fit.label, number=count))


def _print_deltas(found: "ChosenDelta") -> None:
    rows = []
    for one in found.candidates:
        cells = (one.mean, one.deviation, min(one.scores), max(one.scores))
        chosen = say("chosen") if one is found.best else ""
        rows.append((f"{one.delta:g}", *(f"{value:.4f}" for value in cells), chosen))
    text = "median absolute error of the points left out, over {folds} folds"
    print_line(say(text, folds=len(found.best.scores)))
    columns = ("mean", "deviation", "least", "largest")
    print_table(("δ", *(say(column) for column in columns), ""), rows, left=0)
    if found.alike:
        others = say(", ").join(f"{one.delta:g}" for one in found.alike)
        text = "not distinguishable from the chosen δ with these folds (paired t test, 5 %): {others}"
        note(say(text, others=others))
