"""Pictures beside the record of a run."""

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TUDUI, legend_of, record
from tudui.run.pictures import _shown, curves_picture, predicted_picture
from tudui.style import save
from tudui.tasks import Classes, Numbers

SHORT = ("-e", "2", "--set", "log.every=5", "--set", "log.sinks=[]", "--set", "train.threads=1", "-q")
OF_CLASSES = {"curves", "confusion", "worst"}
OF_NUMBERS = {"curves", "predicted-over-true", "worst"}


def drawn(folder, form="png") -> dict:
    return {path.stem: path for path in folder.glob(f"*.{form}")}


@pytest.mark.parametrize(
    ("data", "names"), [("digits", OF_CLASSES), ("rotated-digits", OF_NUMBERS), ("diabetes", OF_NUMBERS - {"worst"})]
)
def test_a_run_has_its_pictures(data, names, tudui, tmp_path):
    assert tudui("train", "--data", data, "-o", "run", *SHORT).code == 0
    found = drawn(tmp_path / "run")
    assert set(found) == names
    for path in found.values():
        with Image.open(path) as picture:
            colours = picture.convert("RGB").getcolors(2**24)
        assert picture.width >= 400
        assert picture.height >= 400
        assert len(colours) > 10  # not blank


def test_pictures_as_svg(tudui, tmp_path):
    assert tudui("train", "-o", "run", *SHORT, "--set", "log.pictures=svg").code == 0
    assert set(drawn(tmp_path / "run", "svg")) == OF_CLASSES
    assert not drawn(tmp_path / "run")
    for path in drawn(tmp_path / "run", "svg").values():
        assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_without_pictures_matplotlib_is_not_loaded(tmp_path):
    code = (
        "import sys; from tudui.__main__ import main\ntry: main()\nfinally: print(*(set(sys.modules) & {'matplotlib'}))"
    )
    command = [sys.executable, "-c", code, "train", "-o", "run", *SHORT, "--set", "log.pictures=none"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "matplotlib" not in done.stdout
    assert not drawn(tmp_path / "run")


def test_runs_of_a_comparison_have_none(compared):
    assert not list((compared / "runs").glob("*/*.png"))


def curves_of(folder):
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    steps, scores = ([one for one in events if one["event"] == kind] for kind in ("StepEnd", "Evaluated"))
    return curves_picture(steps, scores, Classes(names=tuple("0123456789")).metrics[0])


def test_the_legend_of_the_curves_covers_no_line(trained):
    figure = curves_of(trained)
    assert legend_of(figure) == ["training", "validation", "test"]
    loss, accuracy = figure.axes
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "accuracy / %")
    assert len(accuracy.get_lines()[1].get_xdata()) == 4  # epochs
    assert 0 < accuracy.get_lines()[2].get_ydata()[0] <= 100


@pytest.mark.parametrize(("epochs", "per_epoch"), [(2, 4), (6, 1)])
def test_curves_of_many_epochs_are_their_means(epochs, per_epoch, tudui, tmp_path):
    assert tudui("train", "-o", "run", "-e", str(epochs), *SHORT[2:]).code == 0
    lines = [line for line in Path("run/metrics.jsonl").read_text().splitlines() if '"StepEnd"' in line]
    ends = [step for step in map(json.loads, lines) if step["epoch_done"]]
    assert len(lines) == 4 * len(ends) == 4 * epochs
    figure = curves_picture(_shown(lines), [], Classes(names=tuple("0123456789")).metrics[0])
    (loss,), (accuracy,) = (axes.get_lines() for axes in figure.axes)
    assert len(loss.get_xdata()) == per_epoch * epochs
    if per_epoch == 1:
        assert loss.get_xdata().tolist() == [*range(1, epochs + 1)]
        assert loss.get_ydata().tolist() == [step["epoch_loss"] for step in ends]
        assert accuracy.get_ydata() == pytest.approx([100 * step["epoch_scores"]["accuracy"] for step in ends])


@pytest.mark.parametrize("rows", [30, 5000])
def test_predicted_over_true_is_square_with_equal_axes(rows):
    draws = np.random.default_rng(0)
    true = draws.normal(size=(rows, 3)) * [1, 1e5, 1e-4]
    predicted = true.mean(0) + (true - true.mean(0)) / 10  # a smaller range than that of the true values
    task = Numbers(names=("$\\frac$", "price", "a name that is much too long for an axis"), units=("m", "USD", ""))
    figure = predicted_picture(true, predicted, task, "row")
    save(figure, BytesIO(), format="png", dpi=20)
    assert legend_of(figure) == ["predicted = true", "a test row"]
    assert len(figure.axes) == 3
    for column, axes in enumerate(figure.axes):
        assert axes.get_aspect() == 1
        assert axes.get_xlim() == axes.get_ylim()
        low, high = axes.get_xlim()
        assert low < true[:, column].min() < true[:, column].max() < high
        assert np.array_equal(axes.get_xticks(), axes.get_yticks())
        assert sum(low <= tick <= high for tick in axes.get_xticks()) >= 4
        points, *_ = axes.collections
        assert len(points.get_offsets()) == rows
        assert points.get_alpha() < 0.5 or rows < 1000
        (right,) = axes.get_lines()
        assert np.array_equal(right.get_xdata(), right.get_ydata())
    assert [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes[:2]] == [
        ("true $\\frac$ / m", "predicted $\\frac$ / m"),
        ("true price / USD", "predicted price / USD"),
    ]


def test_a_diverged_run_has_curves(tudui, tmp_path):
    assert tudui("train", "-o", "run", *SHORT, "--loss", "mse", "--lr", "1e9", "--set", "train.clip=null").code == 4
    assert set(drawn(tmp_path / "run")) == {"curves"}
    figure = curves_of(tmp_path / "run")
    (ended,) = (one["diverged"] for one in record(tmp_path / "run") if one["event"] == "StepEnd" and one["diverged"])
    assert legend_of(figure) == ["training", f"diverged at step {ended['step']}"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["no finite value"]


def test_pictures_follow_the_run(tudui, tmp_path):
    """The same run has the same pictures; a longer one others; one that begins again has none until it ends."""
    folder = tmp_path / "run"
    for name in ("run", "again"):
        assert tudui("train", "-o", name, *SHORT, "--set", "schedule.name=constant").code == 0
    before = {name: path.read_bytes() for name, path in drawn(folder).items()}
    assert before == {name: path.read_bytes() for name, path in drawn(tmp_path / "again").items()}
    assert tudui("train", "--resume", "run", "-e", "3", "-q").code == 0
    after = {name: path.read_bytes() for name, path in drawn(folder).items()}
    assert after.keys() == before.keys()
    assert after["curves"] != before["curves"]
    (folder / "mine.png").write_bytes(b"of the user")
    stopped = subprocess.run(
        [*TUDUI, "train", "--resume", "run", "--restart", "-q", "--set", "log.every=x"], cwd=tmp_path, check=False,
        capture_output=True,
    )  # fmt: skip
    assert stopped.returncode == 2
    assert set(drawn(folder)) == {*OF_CLASSES, "mine"}  # nothing was begun
    assert tudui("train", "--resume", "run", "--restart", "-q").code == 0
    assert (folder / "mine.png").read_bytes() == b"of the user"
    assert json.loads((folder / "result.json").read_text())["epochs"] == 3
