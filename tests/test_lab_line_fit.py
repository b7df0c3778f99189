"""`tudui line-fit`: the steps against plain numpy, the optima against numpy, scikit-learn and SciPy."""

import csv
import json

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import ttest_rel
from sklearn.linear_model import QuantileRegressor

from tudui.config import Override
from tudui.lab.choice import choose_loss
from tudui.lab.line_fit.data import tutorial_data
from tudui.lab.line_fit.optimum import best_line

DELTA = 2.0
NAMES = {"mse": "mse", "mae": "mae", "huber": "huber δ=2"}


def the_tutorials_points(seed):
    x = np.linspace(1, 20, 40)
    y = x + np.random.default_rng(seed).integers(0, 4, 40)
    y[-5:] -= 8
    return x, y


def the_tutorials_steps(name, x, y, steps=20, rate=0.01):
    """The tutorial's gradients, as it writes them."""
    w0 = w1 = 0.0
    for _ in range(steps):
        r = y - (w0 + w1 * x)
        pull = {"mse": r, "mae": np.where(r > 0, 1.0, -1.0), "huber": np.clip(r, -DELTA, DELTA)}[name]
        w0, w1 = w0 + rate * np.mean(pull), w1 + rate * np.mean(pull * x)
    return w0, w1


def mean_loss(name, r):
    small = np.abs(r) <= DELTA
    return {
        "mse": lambda: np.mean(r**2) / 2,
        "mae": lambda: np.mean(np.abs(r)),
        "huber": lambda: np.mean(np.where(small, r**2 / 2, DELTA * (np.abs(r) - DELTA / 2))),
    }[name]()


@pytest.mark.parametrize(
    "name", [pytest.param("mse", id="S6"), pytest.param("mae", id="S7"), pytest.param("huber", id="S8")]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_twenty_steps_are_the_tutorials(tudui, name, seed):
    found = tudui("line-fit", "--losses", name, "--seed", seed, "--json").json()["fits"][NAMES[name]]
    x, y = the_tutorials_points(seed)
    w0, w1 = the_tutorials_steps(name, x, y)
    assert found["after_steps"]["intercept"] == pytest.approx(w0, abs=1e-6)
    assert found["after_steps"]["slope"] == pytest.approx(w1, abs=1e-6)
    assert found["after_steps"]["loss"] == pytest.approx(mean_loss(name, y - w0 - w1 * x), abs=1e-6)
    assert found["losses"][0] == pytest.approx(mean_loss(name, y), abs=1e-9)
    assert len(found["losses"]) == 21


@pytest.mark.parametrize("seed", [0, 3, 7])
def test_the_optima_are_those_of_other_solvers(tudui, seed):
    fits = tudui("line-fit", "--seed", seed, "--json").json()["fits"]
    x, y = the_tutorials_points(seed)
    design = np.stack([np.ones_like(x), x], axis=1)

    intercept, slope = np.linalg.lstsq(design, y, rcond=None)[0]
    assert fits["mse"]["optimum"]["slope"] == pytest.approx(slope, abs=1e-10)
    assert fits["mse"]["optimum"]["intercept"] == pytest.approx(intercept, abs=1e-9)

    quantile = QuantileRegressor(alpha=0, quantile=0.5, solver="highs").fit(x[:, None], y)
    theirs = np.mean(np.abs(y - quantile.predict(x[:, None])))
    assert fits["mae"]["optimum"]["loss"] == pytest.approx(theirs, abs=1e-9)  # the line itself may not be unique

    huber = least_squares(
        lambda w: design @ w - y, [0, 1], loss="huber", f_scale=DELTA, xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    assert fits["huber δ=2"]["optimum"]["loss"] == pytest.approx(huber.cost / 40, abs=1e-9)
    assert fits["huber δ=2"]["optimum"]["slope"] == pytest.approx(huber.x[1], abs=1e-5)
    assert fits["huber δ=2"]["optimum"]["intercept"] == pytest.approx(huber.x[0], abs=1e-4)


@pytest.mark.parametrize("delta", [0.01, 0.1, 1.0, 30.0])
def test_the_huber_optimum_has_no_gradient_left(delta):
    data = tutorial_data(2)
    line = best_line(choose_loss("huber", overrides=[Override("loss.delta", delta, "--delta")]), data.x, data.y)
    pull = np.clip(data.y - line.at(data.x), -delta, delta)
    assert np.mean(pull) == pytest.approx(0, abs=1e-7 * delta)
    assert np.mean(pull * data.x) == pytest.approx(0, abs=1e-6 * delta)


def test_what_the_tutorials_picture_does_not_show(tudui):
    """S9: the unfinished MSE line is nearer to the truth than the converged one, for every seed."""
    for seed in range(5):
        fits = tudui("line-fit", "--seed", seed, "--json").json()["fits"]
        unfinished, converged = fits["mse"]["after_steps"]["slope"], fits["mse"]["optimum"]["slope"]
        assert 0.94 <= unfinished <= 1.0
        assert 0.70 <= converged <= 0.79
        assert 0.83 <= fits["huber δ=2"]["optimum"]["slope"] <= 0.93
        assert 0.80 <= fits["mae"]["optimum"]["slope"] <= 1.0 + 1e-9


def test_who_falls_fastest(tudui):
    """S10: relative to its start, MSE falls fastest and MAE slowest, with Huber between."""
    fits = tudui("line-fit", "--json").json()["fits"]
    at_five = {name: fits[label]["losses"][5] / fits[label]["losses"][0] for name, label in NAMES.items()}
    assert at_five["mse"] < at_five["huber"] < at_five["mae"]
    out = tudui("line-fit").out
    line = next(line for line in out.splitlines() if line.split()[:1] == ["5"])
    assert [float(text) for text in line.split()[2::2]] == pytest.approx(list(at_five.values()), abs=5e-4)


def test_steps_to_the_optimum(tudui):
    found = tudui("line-fit", "--losses", "mse", "--json").json()["fits"]["mse"]
    x, y = the_tutorials_points(0)
    steps = found["steps_to_optimum"]
    best = [found["optimum"][name] for name in ("intercept", "slope")]
    for count, reached in ((steps, True), (steps - 1, False)):
        line = the_tutorials_steps("mse", x, y, steps=count)
        assert all(abs(got - right) <= 0.01 * right for got, right in zip(line, best, strict=True)) == reached
    assert f"step {steps:,}" in tudui("line-fit").out


def test_the_whole_mean_square_would_explode(tudui, tmp_path):
    """Twice the rate is the step of nn.MSELoss: past the limit of 2, and so far from the optimum for ever."""
    answer = tudui("line-fit", "--lr", "0.02", "--steps", "2000", "--out", "exploded")
    assert answer.code == 0
    assert "not reached" in answer.out
    assert "rate x largest eigenvalue is 2.85, not below 2, so its steps diverge" in answer.err
    values = json.loads((tmp_path / "exploded" / "fits.json").read_text())
    assert values["rate_times_largest_eigenvalue"] == pytest.approx(2.85, abs=0.01)
    assert values["fits"]["mse"]["after_steps"]["loss"] is None
    assert values["fits"]["mae"]["after_steps"]["slope"] == pytest.approx(0.9, abs=0.15)


@pytest.mark.slow
def test_what_is_written(tudui, tmp_path):
    answer = tudui("line-fit", "--out", "fit")
    assert answer.code == 0
    folder = tmp_path / "fit"
    assert {path.name for path in folder.iterdir()} == {
        "data.csv", "fits.json", "fits.png", "losses.png", "influence.png"
    }  # fmt: skip
    rows = list(csv.DictReader((folder / "data.csv").read_text().splitlines()))
    x, y = the_tutorials_points(0)
    assert [float(row["x"]) for row in rows] == x.tolist()
    assert [float(row["y"]) for row in rows] == y.tolist()
    assert [row["outlier"] for row in rows] == ["0"] * 35 + ["1"] * 5
    written = json.loads((folder / "fits.json").read_text())
    printed = tudui("line-fit", "--json").json()
    assert written["fits"] == printed["fits"]
    assert {"moved_in_y", "moved_in_x"} == set(written["influence"])
    for name in ("fits", "losses", "influence"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    again = tudui("line-fit", "--csv", "fit/data.csv", "--json").json()
    assert again["without_outliers"] is None
    for label in NAMES.values():
        assert again["fits"][label]["optimum"]["slope"] == printed["fits"][label]["optimum"]["slope"]
        assert again["fits"][label]["optimum"]["distance"] is None


def test_distances_from_the_line_without_outliers(tudui):
    found = tudui("line-fit", "--json").json()
    x, y = the_tutorials_points(0)
    y[-5:] += 8
    slope, intercept = np.polyfit(x, y, 1)
    assert found["without_outliers"]["slope"] == pytest.approx(slope, abs=1e-9)
    line = found["fits"]["mae"]["optimum"]
    apart = line["intercept"] - intercept + (line["slope"] - slope) * x
    assert line["distance"] == pytest.approx(np.sqrt(np.mean(apart**2)), abs=1e-9)


def cross_validated(delta, *, seed=0, folds=5):
    x, y = the_tutorials_points(0)
    design = np.stack([np.ones_like(x), x], axis=1)
    scores = []
    for part in np.array_split(np.random.default_rng(seed).permutation(40), folds):
        kept = np.setdiff1d(np.arange(40), part)
        fit = least_squares(
            lambda w, kept=kept: design[kept] @ w - y[kept], [0, 1], loss="huber", f_scale=delta,
            xtol=1e-15, ftol=1e-15, gtol=1e-15,
        )  # fmt: skip
        scores.append(np.median(np.abs(design[part] @ fit.x - y[part])))
    return scores


def test_delta_is_chosen_by_cross_validation(tudui):
    """S11: the scores are those of SciPy's fits on the same folds."""
    found = tudui("line-fit", "--choose-delta", "0.5,2,10", "--folds", "5", "--json").json()
    assert found["score"] == "median absolute error"
    for candidate in found["candidates"]:
        expected = cross_validated(candidate["delta"])
        assert candidate["scores"] == pytest.approx(expected, abs=1e-4)
        assert candidate["mean"] == pytest.approx(np.mean(expected), abs=1e-4)
        assert candidate["deviation"] == pytest.approx(np.std(expected, ddof=1), abs=1e-4)
    best = min(found["candidates"], key=lambda candidate: candidate["mean"])
    assert found["delta"] == best["delta"]
    answer = tudui("line-fit", "--choose-delta", "0.5,2,10", "--out", "delta")
    (line,) = [line for line in answer.out.splitlines() if "chosen" in line]
    assert float(line.split()[0]) == found["delta"]
    assert answer.out.endswith("wrote delta.json and delta.png to delta\n")


def test_a_line_through_points_on_a_line(tudui, tmp_path):
    (tmp_path / "straight.csv").write_text("\ufeffname, X ,y\na,0,1\nb,1,3\nc,2,5\n", encoding="utf-8")
    fits = tudui("line-fit", "--csv", "straight.csv", "--lr", "0.1", "--json").json()["fits"]
    for fit in fits.values():
        assert fit["optimum"]["slope"] == pytest.approx(2, abs=1e-9)
        assert fit["optimum"]["intercept"] == pytest.approx(1, abs=1e-9)


def test_a_residual_of_zero_is_said(tudui, tmp_path):
    """Where the tutorial's code takes sign(0) as -1 and autograd as 0, the user hears of it."""
    (tmp_path / "zero.csv").write_text("x,y\n1,0\n2,1\n3,5\n")
    answer = tudui("line-fit", "--csv", "zero.csv", "--losses", "mae")
    assert "exactly 0; for sign(0), autograd uses 0, the tutorial's code -1" in answer.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--losses", "hubber"), "did you mean 'huber'"),
        (("--losses", ","), "--losses ',': is empty"),
        (("--losses", "ce"), "--losses ce: a loss of classes"),
        (("--delta", "-1"), "loss.delta: should be greater than 0"),
        (("--losses", "mse", "--delta", "1"), "mse has no parameter delta; losses that have it: huber"),
        (("--delta", "1", "--choose-delta", "1,2"), "give only one of them"),
        (("--choose-delta", "1,-2"), "--choose-delta -2: loss.delta: should be greater than 0"),
        (("--choose-delta", ""), "--choose-delta is empty"),
        (("--choose-delta", "1,x"), "--choose-delta: 'x' is not a number"),
        (("--choose-delta", "1", "--folds", "1"), "--folds 1: must be from 2 to 20 for 40 points"),
        (("--points", "1"), "--points 1: must be from 2 to 2,000"),
        (("--outliers", "41"), "--outliers 41: must be from 0 to 40"),
        (("--shift", "nan"), "--shift nan: must be from -1e+06 to 1e+06"),
        (("--seed", "-1"), "--seed -1: must be 0 or greater"),
        (("--steps", "0"), "--steps 0: must be from 1 to"),
        (("--lr", "0"), "--lr 0: must be greater than 0"),
        (("--lr", "nan"), "--lr nan: must be greater than 0"),
        (("--csv", "absent.csv"), "--csv absent.csv: no such file"),
        (("--csv", "columns.csv"), "--csv columns.csv: has no column x; name it with --x NAME (columns: a, b, c)"),
        (("--csv", "text.csv"), "--csv text.csv:3: y: must be a number from -1e+06 to 1e+06 (got 'four')"),
        (("--csv", "bare.csv"), "--csv bare.csv:1: its first line has numbers"),
        (("--csv", "columns.csv", "--x", "aa"), "--x aa: no such column"),
        (("--x", "a"), "--x a: names a column of a file; add --csv FILE"),
        (("--csv", "nan.csv"), "--csv nan.csv:2: y: must be a number from -1e+06 to 1e+06 (got 'nan')"),
        (("--csv", "short.csv"), "--csv short.csv:2: 1 cell, and the header has 2"),
        (("--csv", "large.csv"), "--csv large.csv:2: x: must be a number from -1e+06 to 1e+06 (got '1e300')"),
        (("--csv", "many.csv"), "--csv many.csv: contains 2,001 points; at most 2,000 can be fitted"),
        (("--csv", "upright.csv"), "a line needs at least two different x (got 1)"),
        (("--csv", "empty.csv"), "--csv empty.csv: is empty"),
        (("--csv", "binary.csv"), "--csv binary.csv: not a text file"),
        (("--csv", "text.csv", "--points", "3"), "omit --points"),
    ],
)
def test_bad_input_is_one_clear_line(tudui, tmp_path, arguments, says):
    for name, text in (
        ("columns", "a,b,c\n1,2,3\n"),
        ("bare", "1,2\n2,3\n"),
        ("text", "x,y\n1,2\n3,four\n"),
        ("nan", "x,y\n1,nan\n"),
        ("short", "x,y\n1\n"),
        ("upright", "x,y\n1,2\n1,3\n"),
        ("empty", ""),
        ("large", "x,y\n1e300,1\n"),
        ("many", "x,y\n" + "1,2\n" * 2001),
    ):
        (tmp_path / f"{name}.csv").write_text(text)
    (tmp_path / "binary.csv").write_bytes(bytes(range(128, 255)))
    answer = tudui("line-fit", *arguments)
    answer.refused(2, says)
    assert answer.out == ""


def test_years_far_from_zero_are_fitted_as_well(tmp_path, tudui):
    x = np.arange(2010.0, 2020.0)
    y = 0.1 * (x - 2010) + 3 + np.where(np.arange(10) >= 8, -30.0, 0.0)
    (tmp_path / "years.csv").write_text("x,y\n" + "".join(f"{a},{b}\n" for a, b in zip(x, y, strict=True)))
    fits = tudui("line-fit", "--csv", "years.csv", "--lr", "1e-8", "--json").json()["fits"]

    def residuals(weights):
        return weights[0] + weights[1] * (x - 2014.5) - y

    best = least_squares(residuals, [0, 0], loss="huber", f_scale=2, xtol=1e-14, ftol=1e-14, gtol=1e-14)
    assert fits["huber δ=2"]["optimum"]["slope"] == pytest.approx(best.x[1], abs=1e-4)
    assert fits["mse"]["optimum"]["slope"] == pytest.approx(np.polyfit(x - 2014.5, y, 1)[0], rel=1e-9)
    assert abs(fits["mse"]["optimum"]["slope"]) > 5 * abs(best.x[1])


def test_folds_that_leave_one_x(tmp_path, tudui):
    (tmp_path / "dose.csv").write_text("x,y\n0,1\n0,2\n0,3\n0,2\n10,5\n")
    answer = tudui("line-fit", "--csv", "dose.csv", "--choose-delta", "1", "--folds", "2")
    assert answer.code == 2
    assert "all x are equal" in answer.err
    for flags, says in ((("--losses", "mse"), "only Huber"), (("--delta", "1"), "give only one of them")):
        assert says in tudui("line-fit", "--choose-delta", "1", *flags).err
    assert "only with --choose-delta" in tudui("line-fit", "--folds", "3").err


FORMS = [
    ("year,price\n{}", ",", ".", "utf-8", ()),
    ("year;price\n{}", ";", ",", "utf-8", ()),
    ("year;price\n{}", ";", ".", "utf-8-sig", ()),
    ("year\tprice\n{}", "\t", ",", "utf-16", ()),
    ("年份;价格\n{}", ";", ",", "gbk", ()),
    ("Name,year,price\n{}", ",a,", ".", "utf-8", ("--x", "YEAR", "--y", "price")),
]


@pytest.mark.parametrize(("text", "separator", "point", "encoding", "columns"), FORMS)
def test_tables_as_spreadsheets_write_them(text, separator, point, encoding, columns, tmp_path, tudui):
    """Every form gives the line of numpy, in the file's units; the steps of mse get there at the default rate."""
    x, y = np.arange(1990, 2030, 4), np.array([12.5, 13.25, 13.0, 15.5, 17.25, 16.0, 18.5, 20.0, 21.5, 20.25])
    cells = ["a,{},{}" if columns else f"{{}}{separator}{{}}"] * len(x)
    rows = [cell.format(a, str(b).replace(".", point)) for cell, a, b in zip(cells, x, y, strict=True)]
    (tmp_path / "table.csv").write_bytes(text.format("\n".join(rows)).encode(encoding))
    (fit,) = tudui("line-fit", "--csv", "table.csv", "--losses", "mse", *columns, "--json").json()["fits"].values()
    slope, intercept = np.polyfit(x, y, 1)
    assert fit["optimum"]["slope"] == pytest.approx(slope, rel=1e-8)
    assert fit["optimum"]["intercept"] == pytest.approx(intercept, rel=1e-8)
    assert fit["steps_to_optimum"] < 1000
    steps = str(fit["steps_to_optimum"])
    again = tudui("line-fit", "--csv", "table.csv", "--losses", "mse", *columns, "--steps", steps, "--json").json()
    line = again["fits"]["mse"]["after_steps"]
    assert line["slope"] == pytest.approx(slope, rel=0.01)
    assert line["intercept"] == pytest.approx(intercept, rel=0.01)


def test_steps_do_not_depend_on_the_unit_of_x(tmp_path, tudui):
    x, y = np.arange(10.0), np.array([1, 3, 2, 5, 4, 6, 8, 7, 9, 30.0])
    fits = []
    for name, unit in (("small", 1e-3), ("large", 1e4)):
        rows = "".join(f"{a * unit},{b}\n" for a, b in zip(x, y, strict=True))
        (tmp_path / f"{name}.csv").write_text(f"x,y\n{rows}")
        fits.append(tudui("line-fit", "--csv", f"{name}.csv", "--json").json()["fits"])
    for loss in fits[0]:
        small, large = (one[loss]["after_steps"] for one in fits)
        assert small["slope"] * 1e-3 == pytest.approx(large["slope"] * 1e4)
        assert small["loss"] == pytest.approx(large["loss"])
        assert fits[0][loss]["steps_to_optimum"] == fits[1][loss]["steps_to_optimum"] is not None


def test_within_1_percent_is_about_the_line(tudui, tmp_path):
    """Far outliers make up almost all of the loss, so the loss is near its optimum long before the line is."""
    (tmp_path / "far.csv").write_text("x,y\n" + "".join(f"{n},{n + 400 * (n % 2)}\n" for n in range(20)))
    fit = tudui("line-fit", "--csv", "far.csv", "--losses", "mse", "--steps", "300", "--json").json()["fits"]["mse"]
    assert fit["losses"][300] <= 1.01 * fit["optimum"]["loss"]
    assert abs(fit["after_steps"]["intercept"] / fit["optimum"]["intercept"] - 1) > 0.02
    assert fit["steps_to_optimum"] > 300


def test_a_delta_that_is_no_better_than_others_says_so(tudui):
    """By hand: the paired t test of scipy over the same folds."""
    asked = ("line-fit", "--choose-delta", "0.1,0.5,1,2,5,10")
    found = tudui(*asked, "--json").json()
    scores = {one["delta"]: one["scores"] for one in found["candidates"]}
    alike = [
        delta
        for delta, of_delta in scores.items()
        if delta != found["delta"] and ttest_rel(of_delta, scores[found["delta"]]).pvalue > 0.05
    ]
    assert found["not_distinguishable"] == alike
    assert 0 < len(alike) < len(scores) - 1
    assert f": {', '.join(f'{delta:g}' for delta in alike)}\n" in tudui(*asked).err
