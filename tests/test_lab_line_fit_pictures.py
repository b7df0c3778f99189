"""The pictures of `tudui line-fit`: that they hold what they say, and that the influence in them is right."""

from tests.conftest import legend_of
from tudui.config import Override
from tudui.lab.choice import choose_loss
from tudui.lab.line_fit.choose_delta import choose_delta
from tudui.lab.line_fit.data import tutorial_data
from tudui.lab.line_fit.experiment import influence, run_experiment
from tudui.lab.line_fit.pictures import choose_delta_picture, fits_picture, influence_picture, losses_picture

DELTA = 2.0
LABELS = ["mse", "mae", "huber δ=2"]


def test_mae_withstands_a_wild_y_but_no_leverage():
    losses, data = [choose_loss("mse"), choose_loss("mae")], tutorial_data(0)
    in_y, in_x = (influence(losses, data, axis=axis) for axis in ("y", "x"))
    assert in_y.followed["mae"].max() < 0.01 * in_y.followed["mse"].max()
    assert in_x.followed["mae"][-1] > 0.9 * in_x.followed["mse"][-1]


def test_the_pictures_hold_what_they_say():
    losses = [
        choose_loss("mse"),
        choose_loss("mae"),
        choose_loss("huber", overrides=[Override("loss.delta", DELTA, "--delta")]),
    ]
    data = tutorial_data(0)
    experiment = run_experiment(losses, data, steps=20, rate=0.01)
    labels = LABELS

    left, right = fits_picture(experiment).axes
    assert (left.get_title(), right.get_title()) == ("after 20 steps", "converged")
    for axes, slopes in (
        (left, [fit.descent.line.slope for fit in experiment.fits]),
        (right, [fit.optimum.slope for fit in experiment.fits]),
    ):
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", "y")
        entries = [text.get_text() for text in axes.get_legend().get_texts()]
        assert entries[:2] == ["data points", "outlier points"]
        assert entries[2].startswith("without outliers: slope ")
        assert entries[3:] == [f"{label}: slope {slope:.2f}" for label, slope in zip(labels, slopes, strict=True)]
        points, outliers = axes.get_lines()[:2]
        assert (len(points.get_xdata()), len(outliers.get_xdata())) == (35, 5)

    for picture, x, y in (
        (losses_picture(experiment), "iteration", "loss"),
        (
            influence_picture(influence(losses, data, axis="y"), influence(losses, data, axis="x")),
            "last point moved",
            "distance the line follows",
        ),
    ):
        for axes in picture.axes:
            assert axes.get_xlabel().startswith(x)
            assert axes.get_ylabel().startswith(y)
            assert [line.get_label() for line in axes.get_lines()] == labels
        assert legend_of(picture) == labels
    on_one_scale = losses_picture(experiment).axes[1]
    assert all(line.get_ydata()[0] == 1 for line in on_one_scale.get_lines())

    picture = choose_delta_picture(choose_delta([0.5, 2], data, folds=5, seed=0))
    (axes,) = picture.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("δ", "median absolute error")
    assert any(name.startswith("chosen: δ=") for name in legend_of(picture))


def test_a_diverged_fit_is_marked_and_does_not_set_the_scale():
    losses = [choose_loss("mse"), choose_loss("mae")]
    experiment = run_experiment(losses, tutorial_data(0), steps=40, rate=0.05)
    figure = fits_picture(experiment)
    figure.draw_without_rendering()
    left, right = figure.axes
    for axes in (left, right):
        assert not axes.get_legend().get_window_extent().overlaps(axes.get_window_extent())
    arrow = next(line for line in left.get_lines() if line.get_label() == "mse: diverged")
    assert (arrow.get_marker(), arrow.get_clip_on()) == ("v", False)  # its slope is negative
    assert left.get_ylim()[1] < 100
    assert not any("diverged" in line.get_label() for line in right.get_lines())

    picture = losses_picture(experiment)
    assert legend_of(picture) == ["mse: diverged", "mae"]
    for axes in picture.axes:
        mse, mae = axes.get_lines()
        assert (mse.get_marker(), mse.get_markevery()) == ("^", [len(mse.get_xdata()) - 1])
        assert len(mse.get_xdata()) < len(mae.get_xdata()) == 41
    assert picture.axes[1].get_ylim()[1] == 1.25  # of the start
