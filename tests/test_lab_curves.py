"""`tudui loss plot`: the curves against closed forms, and that the pictures hold what they say."""

import numpy as np
import pytest

from tests.conftest import legend_of
from tudui.config import Override
from tudui.config.loss_spec import loss_specs
from tudui.config.plan import load_plan
from tudui.lab.choice import choose_loss
from tudui.lab.curves import class_curve, curve_label, residual_curve
from tudui.lab.pictures import curves_picture, depth_picture
from tudui.style import COLOURS, LOSSES, STYLES, line_style, loss_places


def curves(tudui, *arguments):
    found = tudui("loss", "plot", *arguments, "--json").json()
    return [
        {curve["label"]: {name: np.array(values) for name, values in curve.items()} for curve in found[axis]}
        for axis in ("over_residual", "over_probability")
    ]


def test_a_parabola_and_a_kink(tudui):
    """S4: MSE and L1 over the residual."""
    over_residual, over_probability = curves(tudui, "mse", "l1")
    assert list(over_residual) == ["mse", "l1"]
    assert over_probability == {}
    r = over_residual["mse"]["place"]
    assert r[0] == -3
    assert r[-1] == 3
    assert 0 in r
    assert over_residual["mse"]["loss"] == pytest.approx(r**2, rel=1e-12)
    assert over_residual["mse"]["derivative"] == pytest.approx(2 * r, rel=1e-12)
    assert over_residual["l1"]["loss"] == pytest.approx(np.abs(r), rel=1e-12)
    assert (over_residual["l1"]["derivative"] == np.sign(r)).all()  # 0 at the kink


def test_huber_for_two_deltas(tudui):
    """S5: Huber for δ = 0.1 and 10, drawn to where both are straight."""
    over_residual, _ = curves(tudui, "huber", "--delta", "0.1,10")
    assert list(over_residual) == ["huber δ=0.1", "huber δ=10"]
    for delta, curve in zip((0.1, 10), over_residual.values(), strict=True):
        r = curve["place"]
        assert r[-1] == 15
        straight = delta * (np.abs(r) - delta / 2)
        assert curve["loss"] == pytest.approx(np.where(np.abs(r) <= delta, r**2 / 2, straight), rel=1e-12)
        assert curve["derivative"] == pytest.approx(np.clip(r, -delta, delta), rel=1e-12)


def test_losses_over_the_true_classs_probability(tudui):
    _, over_probability = curves(tudui, "ce", "mae", "mse", "--reach", "5")
    p = over_probability["ce"]["place"]
    assert over_probability["ce"]["loss"] == pytest.approx(-np.log(p), rel=1e-9)
    assert over_probability["ce"]["derivative"] == pytest.approx(p - 1, rel=1e-9)
    assert over_probability["mae"]["loss"] == pytest.approx(2 * (1 - p), rel=1e-9)
    assert over_probability["mae"]["derivative"] == pytest.approx(-2 * p * (1 - p), rel=1e-9)
    assert over_probability["mse"]["loss"] == pytest.approx((1 - p) ** 2 + (1 - p) ** 2 / 9, rel=1e-9)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_picture_is_written(tudui, tmp_path, suffix):
    answer = tudui("loss", "plot", "--out", f"new/losses.{suffix}")
    assert answer.code == 0
    assert answer.out == f"wrote new/losses.{suffix}\n"
    opening = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    written = (tmp_path / "new" / f"losses.{suffix}").read_bytes()
    assert written.startswith(opening)
    tudui("loss", "plot", "--out", f"again.{suffix}")
    if suffix != "svg":  # matplotlib draws new names for an SVG's parts
        assert (tmp_path / f"again.{suffix}").read_bytes() == written


def test_the_picture_holds_a_line_per_loss():
    chosen = [choose_loss(name) for name in ("mse", "l1", "huber", "ce")]
    over_residual = [residual_curve(loss, label=curve_label(loss), reach=3.0) for loss in chosen[:3]]
    over_probability = [class_curve(loss, label=curve_label(loss)) for loss in chosen]
    figure = curves_picture(over_residual, over_probability)
    loss, derivative, class_loss, gradient = figure.axes
    for axes, x, y, labels in (
        (loss, "residual (output − target)", "loss value", ["mse", "l1", "huber δ=1"]),
        (derivative, "residual (output − target)", "derivative by the output", ["mse", "l1", "huber δ=1"]),
        (class_loss, "probability of the true class", "loss value", ["mse", "l1", "huber δ=1", "ce"]),
        (gradient, "probability of the true class", "gradient of the true logit", ["mse", "l1", "huber δ=1", "ce"]),
    ):
        assert (axes.get_xlabel(), axes.get_ylabel()) == (x, y)
        assert [line.get_label() for line in axes.get_lines()] == labels
    assert legend_of(figure) == ["mse", "l1", "huber δ=1", "ce"]
    ours = {line.get_label(): line.get_color() for line in loss.get_lines()}
    assert ours.items() <= {line.get_label(): line.get_color() for line in class_loss.get_lines()}.items()
    assert loss.get_lines()[0].get_ydata() == pytest.approx(over_residual[0].loss)


def test_all_losses_have_a_legend_beside_the_panels_and_a_line_under_another_is_wide():
    chosen = [choose_loss(name) for name in loss_specs()]
    over_residual = [
        residual_curve(loss, label=curve_label(loss), reach=3.0) for loss in chosen if loss.spec.elementwise
    ]
    over_probability = [class_curve(loss, label=curve_label(loss)) for loss in chosen if loss.spec.fits("classes")]
    figure = curves_picture(over_residual, over_probability)
    assert set(legend_of(figure)) == {curve_label(loss) for loss in chosen}
    wide = {line.get_label(): line.get_linewidth() > 5 for line in figure.axes[2].get_lines()}
    # squentropy is ce if all other logits are equal; smooth_l1 is huber at 1
    assert [name for name, is_wide in wide.items() if is_wide] == ["ce", "huber δ=1"]


def test_lines_differ_in_dashes_as_well_as_in_colour():
    """What is told apart by colour alone is lost in grey print."""
    styles = [line_style(index) for index in range(5)]
    assert len({str(style["linestyle"]) for style in styles}) == 5
    assert len({style["color"] for style in styles}) == 5
    assert len({(style["color"], str(style["linestyle"])) for style in map(line_style, range(35))}) == 35
    assert len(set(COLOURS)) == len(COLOURS)


def test_a_loss_looks_the_same_in_every_picture(tudui, tmp_path):
    """Among all losses, in the plot of characters, the line fit and the report, by whatever name it is asked for."""
    from tudui.cli.loss import MARKS
    from tudui.lab.curves import places_of
    from tudui.lab.line_fit.data import tutorial_data
    from tudui.lab.line_fit.experiment import run_experiment
    from tudui.lab.line_fit.pictures import losses_picture
    from tudui.losses import loss_specs
    from tudui.report.drawing import styles_of

    def look(line) -> tuple[str, str]:
        return line["color"], str(line["linestyle"])

    names = [*loss_specs(), "probability_mae"]
    every = places_of(names)
    assert len({look(line_style(place)) for place in every.values()}) == len(names)
    assert len(set(MARKS)) == len(MARKS) >= STYLES
    for name, alias in (("mse", "l2"), ("l1", "mae"), ("ce", "cross_entropy"), ("huber", "huber δ=2")):
        assert places_of([alias]) == {alias: every[name]}
    losses = [choose_loss(name) for name in ("huber", "mae", "mse")]
    lines = losses_picture(run_experiment(losses, tutorial_data(0), steps=2, rate=0.01)).axes[0].get_lines()
    assert [line.get_color() for line in lines] == [line_style(every[name])["color"] for name in ("huber", "l1", "mse")]
    plan = load_plan(None, [Override("comparison.variants", ["sce", "mae", "gce"], "test")])
    styles = styles_of(plan.comparison.variants)
    assert [styles[name].place for name in ("sce", "mae", "gce")] == [every[name] for name in ("sce", "l1", "gce")]
    shown = tudui("loss", "plot", "huber", "mse").out
    assert f"{MARKS[every['huber']]} huber δ=1   {MARKS[every['mse']]} mse" in shown


def test_labels_beyond_the_losses_differ_from_them_and_stay_the_same():
    own = {f"own{number}": "mine" for number in range(STYLES - len(LOSSES))}
    places = loss_places({**dict.fromkeys(LOSSES, ""), **own})
    assert len(set(places.values())) == STYLES
    alone = loss_places({"own3": "mine"})["own3"]
    assert alone == loss_places({"ce": "ce", "own3": "mine", "huber": "huber"})["own3"] >= len(LOSSES)
    deltas = loss_places({"huber δ=1": "huber", "huber δ=9": "huber", "huber": "huber"})
    assert deltas["huber"] == LOSSES.index("huber")
    assert len(set(deltas.values())) == 3
    assert len(loss_places({str(number): "mine" for number in range(100)})) == 100


def test_the_picture_of_depth_holds_a_line_per_initialisation():
    from tudui.lab.backward.depth import Depth

    depths = [Depth(initialisation=name, meaning="", norms=(1.0, 0.5), loss=1.0) for name in ("small", "large")]
    figure = depth_picture(depths)
    (axes,) = figure.axes
    assert legend_of(figure) == ["small", "large"]
    assert axes.get_yscale() == "log"
    assert axes.get_xlabel() == "convolutions on the way back"
    assert axes.get_ylabel() == "norm of the gradient"


def test_a_plot_of_characters(tudui):
    out = tudui("loss", "plot", "mse", "ce").out
    for title in (
        "loss over the residual",
        "derivative over the residual",
        "loss over the probability of the true class",
        "gradient of the true logit over the probability of the true class",
    ):
        assert title in out
    assert "o mse   * ce" in out
    assert max(len(line) for line in out.splitlines()) < 80
    rows = out.splitlines()[1:15]
    assert rows[0].startswith("9 |o")  # (-3)² at the left end
    assert rows[0].endswith("o")
    assert rows[-1].startswith("0 |")
    middle = rows[-1].index("o"), rows[-1].rindex("o")
    assert sum(middle) / 2 == pytest.approx(3 + 31.5, abs=1)  # the least loss lies in the middle
