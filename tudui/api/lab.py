"""Losses on numbers: values, curves, and lines through points with outliers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tudui.api.configs import NOTHING, Named, Settings, overrides_of
from tudui.config import Override
from tudui.errors import UsageError
from tudui.files import json_text, refuse_overwriting, write_text
from tudui.lab.choice import ChosenLoss, choose_loss, has_parameter
from tudui.lab.curves import (
    LARGEST_REACH,
    SMALLEST_REACH,
    Curve,
    class_curve,
    curve_label,
    places_of,
    reach_of,
    residual_curve,
)  # fmt: skip
from tudui.lab.line_fit.choose_delta import ChosenDelta as ChosenDelta
from tudui.lab.line_fit.choose_delta import choose_delta as choose_from
from tudui.lab.line_fit.data import LineData, csv_data, tutorial_data
from tudui.lab.line_fit.experiment import Experiment, influence, run_experiment
from tudui.lab.reading import Numbers, read_classes, read_numbers
from tudui.lab.values import LossValue, value_of
from tudui.losses import loss_specs

MAX_STEPS = 10_000
FIT_FILES = ("data.csv", "fits.json", "fits.png", "losses.png", "influence.png")
DELTA_FILES = ("delta.json", "delta.png")


def choose(name: str, settings: Settings = NOTHING) -> ChosenLoss:
    """Return a loss with its parameters: `choose("huber", {"delta": 2})`; the setting `loss` replaces the name."""
    overrides = overrides_of(settings)
    if isinstance(settings, Mapping):
        overrides = [one if one.key == "loss" else replace(one, key=f"loss.{one.key}") for one in overrides]
    named = next((one.value for one in overrides if one.key == "loss"), name)
    return choose_loss(named, overrides=[one for one in overrides if one.key != "loss"])


def loss_value(
    name: str,
    inputs: Numbers,
    targets: Numbers,
    parameters: Settings = NOTHING,
    *,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> LossValue:
    """Return a loss on numbers, its terms, and its gradient: `loss_value("huber", [1, 2], [1, 5], {"delta": 2})`.

    For a loss of classes, `inputs` are logits [B, K] and `targets` classes [B]. A string is read as by the command:
    rows separated by `;`, or the name of a .json, .csv or .npy file.
    """
    chosen, numbers = choose(name, parameters), read_numbers(inputs, flag="--input")
    if chosen.on_numbers:
        return value_of(chosen, numbers, read_numbers(targets, flag="--target"), reduction=reduction)
    numbers = numbers.reshape(1, -1) if numbers.ndim < 2 else numbers
    if numbers.ndim != 2 or numbers.shape[1] < 2:
        raise UsageError(
            f"--input has shape {list(numbers.shape)}; {name} needs rows of at least two logits, for example 0.1,0.2"
        )
    classes = read_classes(targets, flag="--target", classes=numbers.shape[1])
    return value_of(chosen, numbers, classes, reduction=reduction)


@dataclass(frozen=True)
class LossCurves:
    """Losses with their derivatives over the residual and, if one is a loss of classes, over p."""

    labels: tuple[str, ...]  # of all
    over_residual: tuple[Curve, ...]
    over_probability: tuple[Curve, ...]

    @property
    def places(self) -> dict[str, int]:
        """The place of each label's colour, dashes and mark, the same in every picture."""
        return places_of(self.labels)


def loss_curves(
    names: Iterable[str] | None = None,
    *,
    deltas: Sequence[float] | str = (),
    reach: float | None = None,
    out: Named | None = None,
    overwrite: bool = False,
) -> LossCurves:
    """Return losses as curves, by default all of them, and draw them into the file `out`.

    A loss that has a δ gets a curve for each of `deltas`. `reach` is the largest residual.
    """
    chosen = _with_deltas(list(dict.fromkeys(names or loss_specs())), deltas)
    if out is not None:
        from tudui.lab import pictures

        pictures.check_place(Path(out), overwrite=overwrite)
    if reach is not None and not SMALLEST_REACH <= reach <= LARGEST_REACH:
        raise UsageError(f"--reach {reach:g}: must be from {SMALLEST_REACH:g} to {LARGEST_REACH:g}")
    on_numbers = [loss for loss in chosen if loss.on_numbers]
    reach = reach or reach_of(on_numbers)
    of_classes = [loss for loss in chosen if loss.spec.fits("classes")] if len(on_numbers) < len(chosen) else []
    found = LossCurves(
        tuple(curve_label(loss) for loss in chosen),
        tuple(residual_curve(loss, label=curve_label(loss), reach=reach) for loss in on_numbers),
        tuple(class_curve(loss, label=curve_label(loss)) for loss in of_classes),
    )
    if out is not None:
        pictures.save_picture(pictures.curves_picture(found.over_residual, found.over_probability), Path(out))
    return found


def _with_deltas(names: Sequence[str], deltas: Sequence[float] | str) -> list[ChosenLoss]:
    """Return the losses, a loss with a δ once for each given δ; UsageError if no loss has one."""
    if isinstance(deltas, str):
        deltas = read_numbers(deltas, flag="--delta").reshape(-1).tolist()
    given = [Override("loss.delta", one, f"--delta {one:g}") for one in dict.fromkeys(deltas)]
    having = {name for name in names if has_parameter(name, "delta")}
    if given and not having:
        choose_loss(names[0], overrides=given[:1])  # says which losses have one
    return [
        choose_loss(name, overrides=[] if one is None else [one])
        for name in names
        for one in (given if name in having and given else [None])
    ]


def line_points(
    csv: Named | None = None, *, x: str | None = None, y: str | None = None, seed: int = 0, **made: float
) -> LineData:
    """Return the points of a CSV file, by default of its columns x and y, or the tutorial's points.

    Those are drawn from `seed` with `points`, `outliers` and `shift`.
    """
    if csv is None and (x or y):
        raise UsageError(f"{f'--x {x}' if x else f'--y {y}'}: names a column of a file; add --csv FILE")
    if csv is None:
        return tutorial_data(seed, **made)  # type: ignore[arg-type]  # numbers of points are whole, which float cannot say
    if made:
        raise UsageError(f"--csv {csv}: the file has the points; omit {', '.join(f'--{name}' for name in made)}")
    return csv_data(Path(csv), x=x, y=y)


def line_fit(
    data: LineData | None = None,
    losses: Sequence[str] = ("mse", "mae", "huber"),
    *,
    delta: float | None = None,
    steps: int = 20,
    lr: float = 0.01,
    out: Named | None = None,
    overwrite: bool = False,
) -> Experiment:
    """Fit a line to points, by default the tutorial's, with each loss: after some steps from 0, and at the optimum.

    "mse" is half the mean square. `delta` is Huber's δ, by default 2. Data, fits and pictures are written to `out`.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise UsageError(f"--steps {steps}: must be from 1 to {MAX_STEPS:,}")
    if not 0 < lr < float("inf"):
        raise UsageError(f"--lr {lr:g}: must be greater than 0")
    names = list(dict.fromkeys(losses))
    deltas = [delta] if delta is not None else [2.0] if any(has_parameter(name, "delta") for name in names) else []
    chosen = _with_deltas(names, deltas)
    for loss in chosen:
        if not loss.on_numbers:
            raise UsageError(f"--losses {loss.label}: a loss of classes; a line needs a loss of numbers")
    if out is not None:
        refuse_overwriting(*(Path(out, name) for name in FIT_FILES), overwrite=overwrite)
    experiment = run_experiment(chosen, data or line_points(), steps=steps, rate=lr)
    if out is not None:
        _write_experiment(experiment, chosen, Path(out))
    return experiment


def _write_experiment(experiment: Experiment, chosen: list[ChosenLoss], out: Path) -> None:
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


def choose_delta(
    deltas: Sequence[float] | str,
    data: LineData,
    *,
    folds: int = 5,
    seed: int = 0,
    out: Named | None = None,
    overwrite: bool = False,
) -> ChosenDelta:
    """Choose Huber's δ for a line by cross-validation; scores and a picture are written to the folder `out`."""
    if out is not None:
        refuse_overwriting(*(Path(out, name) for name in DELTA_FILES), overwrite=overwrite)
    found = choose_from(read_numbers(deltas, flag="--choose-delta").reshape(-1).tolist(), data, folds=folds, seed=seed)
    if out is not None:
        from tudui.lab.line_fit.pictures import choose_delta_picture
        from tudui.lab.pictures import make_folder, save_picture

        make_folder(Path(out))
        write_text(Path(out) / "delta.json", json_text(found.values(), indent=2) + "\n")
        save_picture(choose_delta_picture(found), Path(out) / "delta.png")
    return found
