"""The report of a comparison on numbers: both metrics, and its pictures; from real runs, and in a real browser."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import compare_losses
from tests.test_browser import SIZES, show
from tudui.blocks import charted, title_of
from tudui.comparison.compare import read_comparison
from tudui.comparison.curve import Curve
from tudui.comparison.verdict import Verdict
from tudui.config.loss_spec import loss_specs
from tudui.report import Report, for_numbers, write_report
from tudui.report.answer import reasons, warnings
from tudui.report.content import report_of, summary_of
from tudui.report.document import Forest, Notice, Paragraph, Table, pictures_of
from tudui.report.html import html
from tudui.report.markdown import markdown
from tudui.report.pictures import noise_picture
from tudui.report.tuning_pictures import tuning_picture

METRICS = ["absolute_error", "squared_error"]


@pytest.fixture(scope="session")
def rows(once) -> Path:
    flags = ("--data", "diabetes", "--seeds", "2", "-e", "2", "--set", "log.sinks=[]")
    return once("rows", compare_losses("--losses", "mse,l1,huber", *flags)) / "compared"


def predictions(folder: Path, run: str) -> dict[str, np.ndarray]:
    with np.load(folder / "runs" / run / "predictions.npz") as found:
        return dict(found)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("data", ["angles", "rows"])
def test_the_second_metric_has_the_verdicts_that_it_has_as_the_first(data, metric, request):
    folder = request.getfixturevalue(data)
    found = read_comparison(folder, metric=metric).values
    (other,) = {*METRICS} - {metric}
    assert found["metric"] == metric
    assert found["second_metric"]["metric"] == other
    expected = read_comparison(folder, metric=other).values["pairs"]
    assert found["second_metric"]["pairs"] == expected
    assert {pair["metric"] for pair in expected} == {other}
    assert found["pairs"] != expected


def test_a_margin_is_that_of_the_first_metric_alone(rows):
    found = read_comparison(rows, margin=7.0).values
    assert {pair["margin"] for pair in found["pairs"]} == {7.0}
    second = read_comparison(rows).values["second_metric"]
    assert found["second_metric"] == second


def test_other_metrics_have_none_beside_them(rows, compared):
    assert "second_metric" not in read_comparison(rows, metric="within").values
    assert "second_metric" not in read_comparison(compared).values


@pytest.mark.parametrize("data", ["angles", "rows"])
def test_both_verdicts_are_on_the_terminal_and_in_the_report(data, request):
    folder = request.getfixturevalue(data)
    comparison = read_comparison(folder)
    second = comparison.second
    assert second is not None
    lines = [
        "By squared error instead: "
        + "; ".join(
            f"{pair.variant} {pair.verdict.replace('_', ' ')}"
            + (", by less than" if pair.within_margin and pair.verdict in ("better", "worse") else "")
            for pair in second.pairs_at(level)
        )
        for level in comparison.noise_levels
    ]
    shown = (folder.parent / "terminal.txt").read_text()
    report = (folder / "report.md").read_text()
    for text in (shown, report):
        assert text.count("By squared error instead: ") == len(lines)
        assert all(line in text for line in lines)
    assert for_numbers.judged(comparison) in shown
    assert report.count(for_numbers.judged(comparison)) == 2  # on the first screen, and above the second table
    tables = report.partition("The same models by squared error")[2].partition("Other scores")[0]
    assert tables.count("| mse |") == len(lines)


@pytest.mark.parametrize("data", ["angles", "rows"])
def test_no_word_for_classes_or_for_other_samples(data, request):
    comparison = read_comparison(request.getfixturevalue(data))
    report = (comparison.folder / "report.md").read_text()
    text = "\n".join(line for line in report.splitlines() if not line.startswith(("    ", "![")))
    words = {"label", "class", "noise"} | ({"image"} if data == "rows" else set())
    assert [word for word in words if word in text.partition("Settings of every run")[0]] == []
    assert [word for word in words if word in text.partition("How to read the numbers")[2]] == []


def test_residual_quantiles_are_those_of_all_predictions(angles):
    comparison = read_comparison(angles)
    row = next(one for one in comparison.rows if (one.variant, one.label_noise) == ("l1", 0.2))
    runs = [predictions(angles, f"l1-outliers20-seed{seed}") for seed in range(2)]
    residuals = np.concatenate([(run["predicted"] - run["label"])[:, 0] for run in runs]).astype(np.float64)
    found = for_numbers.residual_quantiles(row, 0)
    assert found == pytest.approx(np.quantile(residuals, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]), abs=1e-3)


def test_differences_of_errors_are_paired_by_seed_and_sample(angles):
    comparison = read_comparison(angles)
    baseline, row = comparison.rows_at(0.2)
    runs = {loss: [predictions(angles, f"{loss}-outliers20-seed{seed}") for seed in range(2)] for loss in ("mse", "l1")}
    errors = {
        loss: np.mean([np.abs(run["predicted"] - run["label"])[:, 0] for run in found], 0)
        for loss, found in runs.items()
    }
    found = for_numbers.error_differences(baseline, row)
    np.testing.assert_allclose(found, errors["l1"] - errors["mse"], atol=1e-3)
    (pair,) = comparison.pairs_at(0.2)
    assert pair.found is not None
    assert found.mean() == pytest.approx(pair.found.difference, rel=1e-4)

    one = replace(row, runs=row.runs[1:])  # a seed without its partner is left out
    last = predictions(angles, "l1-outliers20-seed1"), predictions(angles, "mse-outliers20-seed1")
    first, second = (np.abs(run["predicted"] - run["label"])[:, 0] for run in last)
    np.testing.assert_allclose(for_numbers.error_differences(baseline, one), first - second, atol=1e-3)
    assert len(for_numbers.error_differences(replace(baseline, runs=baseline.runs[:1]), one)) == 0


def test_every_level_has_its_pictures(angles):
    names = [picture.name for picture in pictures_of(report_of(read_comparison(angles)))]
    assert len(names) == len({*names})
    for kind in ("predicted", "residuals", "error-differences"):
        assert [name for name in names if name.startswith(kind)] == [kind, f"{kind}-noise20"]
        assert (angles / "pictures" / f"{kind}-noise20.png").read_bytes().startswith(b"\x89PNG")


def test_runs_that_all_diverged_are_left_out(rows):
    comparison = read_comparison(rows)
    gone = [
        replace(row, runs=tuple(replace(run, test=None, predictions={}) for run in row.runs)) for row in comparison.rows
    ]
    some = replace(comparison, rows=(comparison.rows[0], *gone[1:]))
    names = [picture.name for block in [[*for_numbers.pictures(some)]] for picture in pictures_of(block)]
    assert names == ["predicted", "residuals"]
    blocks = [*for_numbers.pictures(replace(comparison, rows=tuple(gone)))]
    assert pictures_of(blocks) == []
    assert len([block for block in blocks if isinstance(block, Paragraph)]) == 2


@pytest.mark.parametrize(("factor", "logarithmic"), [(3.0, False), (30.0, True)])
def test_errors_over_outliers_are_logarithmic_if_they_differ_much(factor, logarithmic, angles):
    comparison = read_comparison(angles)
    changed = []
    for place, row in enumerate(comparison.rows):
        score = row.metrics["absolute_error"]
        mean = 5.0 * (factor if place == 2 else 1)
        changed.append(replace(row, metrics={**row.metrics, "absolute_error": replace(score, mean=mean)}))
    caption = noise_picture(replace(comparison, rows=tuple(changed))).caption
    assert ("ogarithmic" in caption) == logarithmic


def test_a_notebook_shows_both_metrics(rows):
    found = Report(**vars(read_comparison(rows)))
    assert "By squared error instead: " in found._repr_html_()
    assert "By squared error instead: " in repr(found)


@pytest.mark.slow
@SIZES
def test_the_page_is_whole(browser, angles, tmp_path, width, height, phone):
    """The line on the second metric is below its verdicts, no picture is missing, and only tables scroll sideways."""
    write_report(replace(read_comparison(angles), folder=tmp_path))
    show(browser, tmp_path / "report.html", width, height, phone)
    forests, lines = browser.execute_script(
        "const box = one => { const at = one.getBoundingClientRect(); return [at.left, at.right, at.top, at.bottom] };"
        "const texts = [...document.querySelectorAll('main > p')];"
        "const lines = texts.filter(one => /^By squared error/.test(one.innerText));"
        "return [[...document.querySelectorAll('.forest')].map(box), lines.map(box)]"
    )
    assert len(forests) == len(lines) == 2
    for forest, line in zip(forests, lines, strict=True):
        assert 0 <= line[0] < line[1] <= width
        assert 0 <= line[2] - forest[3] < 60  # pixels
    assert lines[0][3] <= height
    browser.execute_script("document.querySelectorAll('details').forEach(folded => { folded.open = true })")
    page, window, images = browser.execute_script(
        "const page = document.documentElement; return [page.scrollWidth, page.clientWidth,"
        " [...document.images].map(one => [one.naturalWidth, one.alt, one.getBoundingClientRect().right])]"
    )
    assert page == window
    assert len(images) >= 12
    assert all(natural > 0 and alt and right <= width for natural, alt, right in images)


def test_layers_with_a_number_for_a_name_are_charted_with_their_class(rows):
    run = read_comparison(rows).rows[0].runs[0]
    assert run.kinds == dict.fromkeys("135", "Linear")
    blocks = charted(list(run.training[0].update_ratio))
    assert [title_of(block, run.kinds) for block in blocks] == ["1 Linear", "3 Linear", "5 Linear"]
    kinds = {"features.0": "Conv2d", "0": "Conv2d", "2": "Linear"}
    names = {"features.0.weight": "features.0 Conv2d", "0-2": "0-2 Conv2d-Linear", "head.weight": "head"}
    assert {name: title_of(name, kinds) for name in (*names, "9.weight")} == {**names, "9.weight": "9"}


@pytest.mark.parametrize("number", [0, 1, 4])
def test_all_warnings_are_one_box_below_verdicts_and_tables(number, rows):
    texts = tuple(f"warning number {place}" for place in range(number))
    comparison = replace(read_comparison(rows), warnings=texts)
    for blocks, above in ((report_of(comparison), Forest), (summary_of(comparison), Table)):
        places = [place for place, block in enumerate(blocks) if isinstance(block, Notice)]
        assert len(places) == min(number, 1)
        if places:
            assert list(blocks[places[0]].items) == [f"{text}." for text in texts]
            assert max(place for place, block in enumerate(blocks) if isinstance(block, above)) < places[0]
        assert html(blocks).count('class="notice"') == len(places)
        assert all(html(blocks).count(f"<li>{text}.</li>") == 1 for text in texts)
        assert sum(line.startswith("> - ") for line in markdown(blocks).splitlines()) == number


def test_a_loss_that_did_not_start_as_the_others_is_one_of_the_warnings(rows):
    comparison = replace(read_comparison(rows), hashes={"0": {"labels": ["a", "b"]}})
    (box,) = (block for block in report_of(comparison) if isinstance(block, Notice))
    assert [*box.items][-1].startswith("NOT equal")
    assert "targets (the outliers too)" in [*box.items][-1]


def test_what_is_known_of_residuals_is_said_of_numbers(rows):
    comparison = read_comparison(rows)
    better = tuple(replace(pair, verdict=Verdict.BETTER) for pair in comparison.pairs)
    _, losses = reasons(replace(comparison, pairs=better))
    known = {name: loss_specs()[name].robust_to for name in ("mse", "l1", "huber")}
    assert losses.items == [f"{name} is robust to {what}." for name, what in known.items()]


@pytest.mark.filterwarnings("error")
def test_rates_at_the_edge_and_rates_that_diverged(rows):
    comparison = read_comparison(rows)
    rates, scores = (0.01, 0.1, 1.0), ([50.0], [40.0], [np.nan])
    middle = Curve(variant="mse", label_noise=0.0, rates=rates, scores=scores, chosen=0.1)
    edge = replace(middle, variant="l1", scores=scores[::-1], chosen=0.01)
    assert warnings(replace(comparison, tuning=(middle,))) == warnings(comparison)
    *_, said = warnings(replace(comparison, tuning=(middle, edge)))
    assert "l1 (no added outliers): 0.01" in said
    assert "mse" not in said
    lost = replace(middle, variant="huber", scores=[[np.nan]] * 3)
    tuning_picture(replace(comparison, tuning=(middle, edge, lost)), 0.0)


def test_column_names_are_no_markup(tudui):
    """The margins of two noise levels differ, so the rule of the verdicts names the column."""
    lines = ["a,weight [/kg],height [red]", *(f"{n},{n % 7},{n % 5}" for n in range(120))]
    Path("own.csv").write_text("\n".join(lines) + "\n")
    data = ("--data", "table:own.csv", "--target", "weight [/kg],height [red]", "--outliers", "0,0.2")
    answer = tudui("compare-losses", *data, "--losses", "mse,l1", "--seeds", "2", "-e", "1", "--lr", "same",
                   "--metric", "absolute_error.weight-kg-", "--set", "log.sinks=[]", "--out", "out")  # fmt: skip
    assert answer.code == 0, answer.err
    assert "weight [/kg]" in answer.out.replace("\n", " ")
    trained = tudui("train", *data[:4], "-e", "1", "--run-dir", "run", "--set", "log.sinks=[]")
    assert trained.code == 0, trained.err
