"""The report of a comparison: it says what comparison.json holds, in files that stand alone."""

import base64
import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt
from PIL import Image
from rich.console import Console

from tests.conftest import OPEN, PLAN, QUICK_FLAGS, over_levels
from tudui.comparison import statistics
from tudui.comparison.compare import read_comparison
from tudui.comparison.curve import Curve
from tudui.comparison.pairs import every_pair_of, pairs_of, values_of
from tudui.comparison.power import Needed
from tudui.comparison.verdict import Verdict
from tudui.config.loss_spec import LossParameters, loss_specs
from tudui.errors import DataError
from tudui.files import locked
from tudui.report import for_classes, side_by_side, terminal, write_report
from tudui.report.answer import advice, answer, forest, paper_table, reasons
from tudui.report.caption import LABEL_NOISE, OUTLIERS
from tudui.report.document import Forest
from tudui.report.drawing import _spread, label_ends, new_picture, styles_of
from tudui.report.html import fragment
from tudui.report.paper import latex, table_of, wide_csv
from tudui.report.protocol import held_equal
from tudui.report.spreadsheet import csv_text
from tudui.report.words import needed, p_value, verdict_words
from tudui.tasks.classes import ACCURACY, NLL
from tudui.text import latex_text

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b",
    "*b* _c_ `d`",
    "$x$",
    '" onload="x',
    "[a](http://b)",
    "&lt;",
    "猫",
    "\\|",
    "9",
]


class Page(HTMLParser):
    """Tables as rows of texts, by caption where they have one, images, and what is loaded or linked."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.images: list[dict] = []
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.rows: list[list[list[str]]] = []  # table by table
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self.sources += [found[name] for name in ("src", "href", "srcset", "data", "action") if name in found]
        if tag == "img":
            self.images.append(found)
        elif tag == "table":
            self.rows.append([])
        elif tag == "tr":
            self.rows[-1].append([])
        if tag in ("th", "td", "caption", "title"):
            self.text = ""

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self.rows[-1][-1].append(self.text)
        elif tag == "caption":
            self.tables[self.text] = self.rows[-1]
        elif tag == "title":
            self.title = self.text

    def handle_data(self, data):
        data = data.replace("\N{NO-BREAK SPACE}", " ")
        self.text += data


@pytest.fixture(scope="session")
def reported(compared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a real comparison: two losses, three seeds, no noise and 40 %."""
    folder = tmp_path_factory.mktemp("report")
    write_report(replace(read_comparison(compared), folder=folder))
    return folder


def values_in(folder: Path) -> dict:
    return json.loads((folder / "comparison.json").read_text())


def page_of(folder: Path) -> Page:
    return Page((folder / "report.html").read_text())


def rendered(markdown: str) -> Page:
    return Page(MarkdownIt("commonmark").enable("table").render(markdown))


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"[-+]?\d+\.?\d*", text.replace("−", "-"))]


def printed(show, *what, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    show(*what, console)
    return console.file.getvalue()


@pytest.mark.parametrize(("place", "noise"), [(0, "no added label noise"), (1, "40 % of labels wrong")])
def test_the_main_table_is_comparison_json(place, noise, reported):
    values = values_in(reported)
    caption = f"Test accuracy of the last weights, {noise}: mean ± standard deviation over seeds"
    head, *rows = page_of(reported).tables[caption]
    cells = [dict(zip(head, row, strict=True)) for row in rows]
    expected = [row for row in values["rows"] if row["label_noise"] == [0.0, 0.4][place]]
    assert [cell["loss"] for cell in cells] == [row["variant"] for row in expected] == ["ce", "mse"]
    for cell, row in zip(cells, expected, strict=True):
        accuracy = row["accuracy"]
        assert float(cell["learning rate"]) == row["learning_rate"]
        assert int(cell["seeds"]) == accuracy["n"] == 3
        assert numbers(cell["test accuracy %"]) == pytest.approx(
            [100 * accuracy["mean"], 100 * accuracy["sd"]], abs=0.0051
        )
        assert numbers(cell["95 % interval"]) == pytest.approx([100 * end for end in accuracy["interval"]], abs=0.0051)
    (pair,) = (pair for pair in values["pairs"] if pair["label_noise"] == [0.0, 0.4][place])
    shown = cells[1]
    assert numbers(shown["difference to ce"]) == pytest.approx([100 * pair["difference"]], abs=0.0051)
    assert numbers(shown["its 95 % interval"]) == pytest.approx([100 * end for end in pair["interval"]], abs=0.0051)
    assert numbers(shown["p equivalent"]) == pytest.approx([pair["p_equivalent_holm"]], abs=0.00051)
    if pair["interval_seeds_only"]:
        ends = [100 * end for end in pair["interval_seeds_only"]]
        assert numbers(shown["over seeds only"]) == pytest.approx(ends, abs=0.0051)
    assert numbers(shown["p"]) == pytest.approx([pair["p"]], abs=0.00051)
    assert numbers(shown["p Holm"]) == pytest.approx([pair["p_holm"]], abs=0.00051)
    assert shown["verdict"] == pair["verdict"].replace("_", " ")
    assert cells[0]["verdict"] == "baseline"


def test_the_spreadsheet_is_comparison_json(reported):
    values = values_in(reported)
    with (reported / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(values["rows"]) == 4
    for found, row in zip(rows, values["rows"], strict=True):
        assert (found["name"], found["variant"]) == (row["name"], row["variant"])
        assert float(found["accuracy_mean"]) == row["accuracy"]["mean"]
        assert [float(found[f"accuracy_interval_{end}"]) for end in ("low", "high")] == row["accuracy"]["interval"]
        for name in ("top5", "nll"):
            metric = row["metrics"][name]
            assert [float(found[f"{name}_interval_{end}"]) for end in ("low", "high")] == metric["interval"]
        for name in ("nll", "ece", "accuracy_selected", "validation_accuracy"):
            assert [float(found[f"{name}_{part}"]) for part in ("mean", "sd")] == [row[name]["mean"], row[name]["sd"]]
        for name, value in row["loss_values"].items():
            assert float(found[f"loss_{name}"]) == value
        for name, value in row["per_class_accuracy"].items():
            assert float(found[f"accuracy_of_class_{name}"]) == value
        if row["label_noise"]:
            assert float(found["train_wrong_labels_accuracy"]) == row["train"]["flipped"]["accuracy"]
        else:
            assert found["train_wrong_labels_accuracy"] == ""
    assert rows[0]["difference"] == rows[0]["verdict"] == ""
    for found, pair in zip(rows[1::2], values["pairs"], strict=True):
        for name in ("difference", "p", "p_holm", "p_equivalent_holm", "margin"):
            assert float(found[name]) == pair[name]
        assert [float(found[f"difference_interval_{end}"]) for end in ("low", "high")] == pair["interval"]
        assert found["verdict"] == pair["verdict"]


def test_the_page_needs_nothing_else(reported):
    page = page_of(reported)
    assert page.title == "Losses compared on digits: ce and mse"
    assert all(source.startswith(("data:", "#")) for source in page.sources)
    assert not {"script", "iframe", "object", "embed"} & set(page.tags)
    assert "@import" not in (reported / "report.html").read_text()
    files = {path.read_bytes() for path in (reported / "pictures").iterdir()}
    assert len(page.images) == len(files) >= 10
    for image in page.images:
        assert image["alt"]
        kind, _, data = image["src"].partition(",")
        assert kind == "data:image/png;base64"
        picture = Image.open(io.BytesIO(base64.b64decode(data)))
        picture.load()
        assert picture.size == (int(image["width"]), int(image["height"]))
        assert base64.b64decode(data) in files


def test_what_the_report_says_beside_its_numbers(compared, reported):
    values = values_in(reported)
    html, markdown = (reported / "report.html").read_text(), (reported / "report.md").read_text()
    for text in (html, markdown):
        assert values["command"] in text
        assert f"torch {values['versions']['torch']}" in text
        assert values["hashes"]["noise0/seed0"]["initial_weights"][:8] in text
        assert "Equal for every loss with the same seed" in text
        assert "no loss is ranked by its own value" in text
        assert "No interval is corrected" in text
        assert advice(read_comparison(compared)) in text
    assert values["hashes"]["noise0/seed0"]["initial_weights"] in html


def test_the_markdown_shows_every_picture_and_the_same_tables(reported):
    markdown = (reported / "report.md").read_text()
    shown = re.findall(r"!\[.+\]\((.+)\)", markdown)
    assert sorted(shown) == sorted(f"pictures/{path.name}" for path in (reported / "pictures").iterdir())
    *forests, papers = rendered(markdown).rows[:3]  # pictures on the page
    assert [papers, *rendered(markdown).rows[3:]] == page_of(reported).rows
    assert [[row[1] for row in table] for table in forests] == [["loss", "ce", "mse"]] * 2


def test_the_same_comparison_gives_the_same_files(compared, reported, tmp_path):
    write_report(replace(read_comparison(compared), folder=tmp_path))
    names = [path.relative_to(reported) for path in reported.rglob("*") if path.is_file()]
    assert len(names) >= 14
    for name in names:
        assert (tmp_path / name).read_bytes() == (reported / name).read_bytes(), name


def test_class_names_are_no_markup(compared, reported, tmp_path):
    comparison = read_comparison(compared)
    rows = [
        replace(
            row,
            details=row.details
            | {"per_class_accuracy": dict(zip(HOSTILE, row.details["per_class_accuracy"].values(), strict=True))},
        )
        for row in comparison.rows
    ]
    task = replace(comparison.task, names=tuple(HOSTILE))
    write_report(replace(comparison, rows=tuple(rows), task=task, folder=tmp_path))
    page = page_of(tmp_path)
    table = page.tables["Test accuracy % of each class, no added label noise, means over seeds"]
    assert [row[0] for row in table[1:]] == HOSTILE
    markdown = rendered((tmp_path / "report.md").read_text())
    assert markdown.rows[2:] == page.rows
    assert page.tags == page_of(reported).tags
    assert markdown.tags == rendered((reported / "report.md").read_text()).tags
    assert all(source.startswith(("data:", "#", "pictures/")) for source in (*page.sources, *markdown.sources))


def test_too_many_classes_are_left_out_with_a_word(compared, tmp_path, monkeypatch):
    monkeypatch.setattr(for_classes, "MOST_CLASSES", 9)
    write_report(replace(read_comparison(compared), folder=tmp_path))
    assert not list((tmp_path / "pictures").glob("confusion*"))
    assert (tmp_path / "report.md").read_text().count("10 classes are too many") == 2


def test_the_pictures_bins_are_those_of_the_calibration_error(compared, monkeypatch):
    monkeypatch.setattr(for_classes, "FEWEST", 1)
    row = read_comparison(compared).rows[0]
    confidence, right, share = for_classes.reliability(replace(row, runs=row.runs[:1]))
    assert share.sum() == pytest.approx(1)
    assert float((share * abs(right - confidence)).sum()) == pytest.approx(row.runs[0].test.scores["ece"], abs=1e-3)


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminals_table_is_whole(width, compared):
    comparison = read_comparison(compared)
    text = printed(terminal, comparison, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for row in comparison.values["rows"]:
        assert f"{100 * row['accuracy']['mean']:.1f} ± {100 * row['accuracy']['sd']:.1f}" in text
    for pair in comparison.values["pairs"]:
        assert f"{pair['p_holm']:.3f}" in text or "<0.001" in text
    assert advice(comparison) in " ".join(text.split())
    assert text.index(advice(comparison)[:20]) < (text + "warning").index("warning")


@pytest.mark.parametrize("verdict", ["not_distinguishable", "better", "identical", "equivalent", "unstable"])
def test_no_verdict_is_cut_at_80_columns(verdict, compared):
    """With long names, lost seeds and intervals as wide as they come."""
    comparison = read_comparison(compared)
    name, (baseline, row), (pair, _) = "squentropy-with-more", comparison.rows[:2], comparison.pairs
    lost = tuple(replace(run, test=None) for run in row.runs[:2])
    score = replace(row.metrics["accuracy"], mean=0.42, sd=0.19, interval=(0.0, 1.0))
    row = replace(row, variant=name, runs=(*lost, row.runs[2]), metrics={**row.metrics, "accuracy": score})
    found = replace(pair.found, difference=-0.5, interval=(-3.0, 2.0))
    pair = replace(pair, variant=name, found=found, verdict=Verdict(verdict), flags=("diverged",))
    losses = comparison.plan.comparison.variants
    variants = {baseline.variant: losses[baseline.variant], name: losses["mse"]}
    section = comparison.plan.comparison.model_copy(update={"label_noise": (0.0,), "variants": variants})
    changed = replace(
        comparison, plan=replace(comparison.plan, comparison=section), rows=(baseline, row), pairs=(pair,)
    )
    table = printed(terminal, changed).partition("\nTest accuracy")[0]
    assert max(map(len, table.splitlines())) <= 80
    cells = set(table.replace(";", "").split())
    assert verdict.replace("_", " ") in table
    assert {"diverged", "runs", "(−300.0", "+200.0)", "±"} <= cells


def test_two_comparisons_side_by_side(compared):
    first = read_comparison(compared)
    ce, mse = first.plan.comparison.variants.items()
    variants = first.plan.comparison.model_copy(update={"variants": dict([ce, ("l1", mse[1])])})
    base = first.plan.base.model_copy(update={"train": first.plan.base.train.model_copy(update={"epochs": 7})})
    rows = []
    for row in first.rows:
        score = replace(row.metrics["accuracy"], mean=row.metrics["accuracy"].mean + 0.01)
        name = {"ce": "ce", "mse": "l1"}[row.variant]
        rows.append(replace(row, variant=name, metrics={**row.metrics, "accuracy": score}))
    second = replace(first, plan=replace(first.plan, base=base, comparison=variants), rows=tuple(rows))
    text = printed(side_by_side, first, second, width=100)
    lines = [line.split() for line in text.splitlines()]
    assert len([line for line in lines if line[:1] == ["ce"] and line[-1] == "+1.00"]) == 2
    assert len([line for line in lines if line[:1] in (["mse"], ["l1"]) and "missing" in line]) == 4
    assert f"train.epochs {first.plan.base.train.epochs} → 7" in " ".join(text.split())
    assert "The two plans are the same" in " ".join(printed(side_by_side, first, first).split())


@pytest.mark.slow
def test_diverged_runs_and_one_seed_without_validation_images(tmp_path, tudui):
    (tmp_path / "plan.yaml").write_text(
        "comparison:\n  seeds: 1\n  variants:\n    ce: {name: ce}\n    mse: {name: mse}\n"
        "    wild: {name: mse, scale: 1.0e+38}\n"
        "data: {validation: 0}\ntrain: {epochs: 1}\nlog: {tensorboard: false}\n"
    )
    answer = tudui("compare-losses", "-c", "plan.yaml", "-o", "wild")
    assert answer.code == 0, answer.err
    values, page = values_in(Path("wild")), page_of(Path("wild"))
    assert [row["accuracy"] is None for row in values["rows"]] == [False, False, True]
    table = page.tables["Test accuracy of the last weights, no added label noise: mean ± standard deviation over seeds"]
    assert [row[2] for row in table[1:]] == ["1", "1", "0 of 1"]
    assert table[3][3] == "diverged"
    assert [row[-1] for row in table[1:3]] == ["baseline", "one seed: no verdict"]
    assert "no seed finished in both" in table[3][-1]
    assert not (Path("wild") / "pictures" / "learning.png").exists()
    assert "No verdict: one seed shows no spread." in " ".join(answer.out.split())
    with Path("wild/comparison.csv").open(newline="") as file:
        assert next(row for row in csv.DictReader(file) if row["name"] == "wild")["accuracy_mean"] == ""


def test_a_second_report_at_the_same_time_is_refused(compared, tmp_path, tudui):
    shutil.copytree(compared, tmp_path / "copy", symlinks=True)
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    with locked(tmp_path / "copy" / "comparison.lock", what="it is"):
        answer = tudui("report", "copy")
    assert answer.code == 6
    assert answer.err.startswith("error: copy: a comparison is in use by another process")
    after = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*") if path.suffix != ".lock"}
    assert before.items() >= after.items()
    assert tudui("report", "copy").code == 0


def test_what_was_not_held_equal_is_said(compared):
    comparison = read_comparison(compared)
    hashes = deepcopy(comparison.hashes)
    hashes["noise0/seed1"]["labels"] = ["a" * 64, "b" * 64]
    unequal = replace(comparison, hashes=hashes)
    said = held_equal(unequal)
    assert "NOT equal" in said
    assert "labels" in said
    assert said in " ".join(printed(terminal, unequal).split())
    assert "NOT equal" not in printed(terminal, comparison)


BY = ", accuracy higher by 0.5 to 1.5 points (95 % interval)"
BY_BOTH = BY.replace("interval", "intervals")
LOWER = BY.replace("higher", "lower")


@pytest.mark.parametrize(
    ("levels", "says"),
    [
        ({0: ["better"]}, f"Use v0: better than ce{BY}."),
        ({0: ["worse", "better", "better"]}, f"Use v1 or v2: better than ce{BY_BOTH}."),
        ({0: OPEN * 2}, "Undecided: keep ce, no other loss is shown to be better."),
        ({0: ["worse", *OPEN]}, "Undecided: keep ce, no other loss is shown to be better."),
        ({0: ["worse"]}, f"Keep ce: v0 is worse{LOWER}."),
        ({0: ["worse", "worse"]}, f"Keep ce: every other loss is worse{BY_BOTH.replace('higher', 'lower')}."),
        ({0: ["equivalent", "identical"]}, "Use any of them: v0 and v1 are equivalent to ce."),
        ({0: ["worse", "equivalent"]}, "Keep ce: no other loss is better."),
        ({0: ["unstable"]}, "Undecided: keep ce, no other loss is shown to be better."),
        ({0: ["no_verdict"]}, "No verdict: one seed shows no spread. Repeat the comparison with --seeds 3 or more."),
        ({0: ["nothing"]}, "No verdict: no seed finished with both ce and another loss."),
        (
            {0: OPEN, 0.4: OPEN},
            "At every noise level, undecided: keep ce, no other loss is shown to be better.",
        ),
        (
            {0: OPEN, 0.4: ["better"], 0.6: ["better"]},
            "With no added label noise, undecided: keep ce, no other loss is shown to be better. "
            f"From 40 % of labels wrong on, use v0: better than ce{BY_BOTH}.",
        ),
        (
            {0: ["better"], 0.2: ["better"], 0.4: ["worse"]},
            f"With no added label noise and 20 % of labels wrong, use v0: better than ce{BY_BOTH}. "
            f"With 40 % of labels wrong, keep ce: v0 is worse{LOWER}.",
        ),
    ],
)
def test_the_advice(levels, says, saying):
    assert advice(over_levels(saying, levels)) == says


def test_the_advice_says_if_a_certain_difference_does_not_matter_or_comes_from_one_sample(saying):
    def said(**more):
        return advice(over_levels(partial(saying, **more), {0: ["better"]}))

    usual = f"Use v0: better than ce{BY}"
    assert said(small=True) == f"{usual}, less than 1 point."
    assert said(from_one_sample=0.4) == f"{usual}."
    uncertain = "But most of the uncertainty comes from one test image: see the warnings."
    assert said(from_one_sample=0.6) == f"{usual}. {uncertain}"


def test_the_advice_names_the_levels_with_the_smallest_and_the_largest_difference(saying):
    made = over_levels(saying, {0: ["better"] * 2, 0.2: ["better"] * 2, 0.4: ["better"] * 2})
    ends = iter([(0.021, 0.043), (0.03, 0.05), (0.002, 0.006), (0.004, 0.008), (0.0002, 0.001), (0.01, 0.02)])
    found = [replace(pair.found, difference=sum(interval) / 2, interval=interval)
             for pair, interval in zip(made.pairs, ends, strict=True)]  # fmt: skip
    pairs = tuple(replace(pair, found=one) for pair, one in zip(made.pairs, found, strict=True))
    assert advice(replace(made, pairs=pairs)) == (
        "At every noise level, use v1 or v0: better than ce, accuracy higher by 2.1 to 5.0 points with no added "
        "label noise and 0.02 to 2.00 points with 40 % of labels wrong (95 % intervals)."
    )


def test_what_is_known_of_losses_is_said_of_the_baseline_and_of_those_that_are_better_or_worse(saying):
    made = saying("better", "not_distinguishable", "worse", "better")
    variants = made.plan.comparison.variants
    variants |= {"v0": loss_specs()["gce"].parameters(), "v2": loss_specs()["focal"].parameters()}
    variants["v3"] = LossParameters(name="net.py:mine")  # of which nothing is known
    known = {name: loss_specs()[variants[name].name].robust_to for name in ("ce", "v0", "v2")}
    _, losses = reasons(made)
    assert losses.items == [f"{name} is robust to {what}." for name, what in known.items()]
    for name in ("l1", "mse", "huber"):  # what is known of residuals is of numbers
        for settings in ({}, {"input": "probabilities"}):
            variants["v3"] = loss_specs()[name].parameters(**settings)
            assert [*reasons(made)][1] == losses
    assert [*reasons(saying("not_distinguishable", "equivalent", "identical"))] == []


@pytest.mark.parametrize("verdict", [*Verdict])
def test_a_line_of_the_first_screen(verdict, saying):
    """Badge, name, difference with its interval, mean and place on the axis."""
    made = over_levels(saying, {0: ["not_distinguishable", str(verdict)]})
    (forest,) = (block for block in answer(made) if isinstance(block, Forest))
    baseline, _, claim = forest.claims
    assert (baseline.kind, claim.kind) == ("baseline", verdict)
    found = made.pairs[1].found
    if verdict is Verdict.NO_VERDICT:
        return
    low, middle, high = (100 * value for value in (found.interval[0], found.difference, found.interval[1]))
    assert claim.ends == pytest.approx((low, middle, high))
    assert numbers(claim.difference) == pytest.approx([middle, low, high], abs=0.051)
    assert forest.axis.low < min(low, -1) < max(high, 1) < forest.axis.high
    assert forest.axis.place(forest.axis.low) == 0
    assert forest.axis.place(forest.axis.high) == forest.axis.place(1e9) == 100
    assert f'<span class="badge {verdict}">{verdict.replace("_", " ")}</span>' in fragment([forest])


def test_an_interval_that_the_correction_widens_has_both_p_beside_it(saying):
    notes = {}
    for verdict in ("not_distinguishable", "better"):
        for p in (0.031, 0.2):
            claim = forest(saying(verdict, p=p), 0.0).claims[1]
            notes[verdict, p] = [note for note in claim.notes if note.startswith("p ")]
    corrected = saying("better").pairs[0].p_holm
    assert notes.pop(("not_distinguishable", 0.031)) == [f"p 0.031 alone, {p_value(corrected)} after the correction"]
    assert not any(notes.values())


def test_what_would_settle_it(saying):
    nothing = "not_distinguishable"
    seeds = Needed(difference=0.01, seeds=1200, fewest=300, most=None, samples=None)
    images = Needed(difference=0.005, seeds=None, fewest=None, most=None, samples=4321)
    said = needed(saying(nothing, needs=(seeds, images)), 0.0)
    seeds_first, images_next = "1,200 seeds (300 to any number)", "more than 4,321 test images"
    size = "if the true difference is"
    assert f"v0: {seeds_first} {size} 1 point, {images_next} {size} 0.5 points." in said
    assert needed(saying("better", "identical"), 0.0) == ""
    shown = needed(saying(nothing, metric=NLL, needs=(replace(seeds, difference=0.0123),)), 0.0)
    assert "if the true difference is 0.0123 nats" in shown
    many = needed(saying(*[nothing] * 5, needs=(seeds,)), 0.0)
    assert "2 more in comparison.json" in many
    assert "need --seeds 2 or more" in needed(saying("no_verdict"), 0.0)


def test_a_small_difference_is_better_by_less_than_the_margin(saying):
    small = saying("better", "not_distinguishable", small=True)
    assert verdict_words(small, small.pairs[0]) == "better, by less than 1 point"
    assert verdict_words(small, small.pairs[1]) == "not distinguishable"


def test_failed_runs_have_a_table_with_exact_intervals(compared, tmp_path):
    comparison = read_comparison(compared)
    baseline, row = comparison.rows[:2]
    row = replace(row, runs=(replace(row.runs[0], test=None), *row.runs[1:]), lost_class=row.seeds[1:2])
    write_report(replace(comparison, rows=(baseline, row, *comparison.rows[2:]), folder=tmp_path))
    _, *rows = page_of(tmp_path).tables["Runs that failed"]
    assert [cells[:4] for cells in rows] == [
        ["mse", "no added label noise", "diverged", "1 of 3"],
        ["mse", "no added label noise", "never predicts one of the classes", "1 of 2"],
    ]
    assert numbers(rows[0][4]) == [1, 91]  # 1 - 0.975 ** (1 / 3) = 0.0084
    failures = values_in(tmp_path)["rows"][1]["failures"]
    assert failures["diverged"]["interval"][0] == pytest.approx(1 - 0.975 ** (1 / 3))


@pytest.mark.parametrize(("metric", "unit"), [("nll", " nats"), ("top5", " %")])
def test_every_form_shows_the_metric_that_gives_the_verdict(metric, unit, compared, tmp_path):
    comparison = read_comparison(compared, metric=metric)
    write_report(replace(comparison, folder=tmp_path))
    values, page = values_in(tmp_path), page_of(tmp_path)
    title, scale = comparison.metric.title, comparison.metric.unit.scale
    assert {pair["metric"] for pair in values["pairs"]} == {values["metric"]} == {values["plan"]["metric"]} == {metric}
    head, *rows = page.tables[
        f"Test {title} of the last weights, no added label noise: mean ± standard deviation over seeds"
    ]
    cells = [dict(zip(head, row, strict=True)) for row in rows]
    for cell, row in zip(cells, values["rows"], strict=False):
        shown = row["metrics"][metric]
        assert numbers(cell[f"test {title}{unit}"]) == pytest.approx(
            [scale * shown["mean"], scale * shown["sd"]], abs=0.0051
        )
    other = page.tables["Other scores, no added label noise"]
    assert {"macro F1 %", "balanced accuracy %", "ECE", "accuracy %"} <= set(other[0])
    assert not {f"{title}{unit}"} & set(other[0])
    assert (
        other[1][other[0].index("macro F1 %")].split()[0]
        == f"{100 * values['rows'][0]['figures']['macro_f1']['mean']:.2f}"
    )
    assert (tmp_path / "pictures" / f"{metric}.png").exists()
    text = printed(terminal, comparison, width=120)
    assert title in text
    assert f"Lower {title} is better." in text if metric == "nll" else "Lower" not in text


@pytest.mark.parametrize("heights", [[0.5], [0.1, 0.9], [0.95, 0.96, 0.97], [0.0, 0.0, 0.01, 0.5, 0.99], [0.3] * 12])
def test_labels_do_not_overlap_and_stay_in_the_picture(heights):
    places = _spread(heights, 0.06)
    assert all(after - before >= 0.06 - 1e-9 for before, after in pairwise(places))
    assert 0 <= places[0] <= places[-1] <= 1
    if heights == [0.1, 0.9]:
        assert places == pytest.approx(heights)


def test_a_label_stands_at_the_height_of_its_line():
    axes = new_picture()[1]
    axes.plot([1], [5], marker="o")
    (style,) = styles_of({"ce": LossParameters(name="ce")}).values()
    label_ends(axes, {style: (1, 5)})
    assert axes.texts[0].get_text() == "ce"
    assert axes.texts[0].xyann[1] == pytest.approx(0.5)


@pytest.mark.slow
def test_files_of_the_user_stay_in_a_comparison(compared, tmp_path, tudui):
    folder = tmp_path / "own"
    shutil.copytree(compared, folder, symlinks=True)
    shutil.copytree(folder / "runs" / "ce-seed0" / "tensorboard", folder / "tensorboard" / "mine")
    (folder / "tensorboard" / "ce-mean" / "notes").write_text("mine")
    mine = [folder / name for name in ("report.md.part", "runs/a.part", "tensorboard/notes", "tensorboard/mine/notes")]
    for path in mine:
        path.write_text("mine")
    left = folder / "runs" / ".tudui-0123456789abcdef.part"
    left.mkdir()
    before = sorted((folder / "tensorboard" / "mine").rglob("*"))
    means = set((folder / "tensorboard" / "ce-mean").glob("*tfevents*"))
    for command in (("report", folder), ("compare-losses", *PLAN, "-o", folder)):
        assert tudui(*command).code == 0
        assert [path.read_text() for path in mine] == ["mine"] * len(mine)
        assert (folder / "tensorboard" / "ce-mean" / "notes").read_text() == "mine"
        assert len(list((folder / "tensorboard" / "ce-mean").glob("*tfevents*"))) == len(means) == 1
    assert sorted((folder / "tensorboard" / "mine").rglob("*")) == before
    assert not left.exists()


def rewritten(record: Path, change: Callable[[dict], None]) -> None:
    """Change the events of a record."""
    events = [json.loads(line) for line in record.read_text().splitlines()]
    for event in events:
        change(event)
    record.write_text("".join(json.dumps(event) + "\n" for event in events))


def to_format_1(event: dict) -> None:
    event.pop("format", None)
    event.pop("scores", None)


def to_other_classes(event: dict) -> None:
    if event["event"] == "RunStarted":
        event["task"]["names"][0] = "another"
    if event["event"] == "Evaluated":
        details = event["details"]["per_class_accuracy"]
        event["details"]["per_class_accuracy"] = {"another": details.pop("0"), **details}


def to_other_epochs(event: dict) -> None:
    if event["event"] == "StepEnd":
        event["epochs_planned"] = 7


def to_other_layers(event: dict) -> None:
    if event["event"] == "StepEnd":
        event["gradient_norm"].pop("linear1.weight")


@pytest.mark.parametrize("change", [to_format_1, to_other_classes, to_other_epochs, to_other_layers])
@pytest.mark.parametrize("run", ["ce-seed0", "mse-noise40-seed1"])
def test_finished_runs_are_checked_before_others_train(run, change, compared, tmp_path, tudui):
    shutil.copytree(compared, "own", symlinks=True)
    rewritten(Path("own/runs", run, "metrics.jsonl"), change)
    answer = tudui("report", "own")
    assert answer.code == DataError.exit_code
    shutil.rmtree("own/runs/mse-seed2")
    answer = tudui("compare-losses", *PLAN, "-o", "own")
    assert answer.code == DataError.exit_code
    assert [line.partition(":")[0] for line in answer.err.splitlines()] == ["note", "error"]
    assert not Path("own/runs/mse-seed2").exists()


def test_losses_that_some_runs_do_not_know_are_left_out(compared, tmp_path, tudui):
    """As if the plug-in of one had been uninstalled between two runs."""
    shutil.copytree(compared, "own", symlinks=True)

    def forget(event: dict) -> None:
        event.get("losses", {}).pop("huber", None)

    rewritten(Path("own/runs/mse-seed1/metrics.jsonl"), forget)
    assert tudui("report", "own").code == 0
    whole, found = (json.loads((folder / "comparison.json").read_text()) for folder in (compared, Path("own")))
    for row, of_all in zip(found["rows"], whole["rows"], strict=True):
        expected = {name: value for name, value in of_all["loss_values"].items() if name != "huber"}
        assert row["loss_values"] == expected


def test_one_test_image_is_refused_before_training(class_folders, tudui):
    for part, numbers in (("train", range(1, 40)), ("test", [0])):
        for path in class_folders.glob("*/*.png"):
            if int(path.stem) in numbers:
                (Path("one") / part / path.parent.name).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, Path("one") / part / path.parent.name)
    answer = tudui("compare-losses", "-d", "folder:one", "--losses", "ce,mse", *QUICK_FLAGS, "-o", "own")
    assert answer.code == 2
    assert "(here: 1)" in answer.err
    assert not Path("own").exists()


def cells_of(table: str) -> dict[str, list[str]]:
    """Return the cells of each row of a LaTeX table, by loss."""
    body = table.partition(r"\midrule")[2].partition(r"\bottomrule")[0]
    rows = [line.strip().removesuffix(r" \\").split(" & ") for line in body.strip().splitlines()]
    return {name: cells for name, *cells in rows}


def caption_of(text: str) -> str:
    return text.partition(r"\caption{")[2].partition("}\n")[0]


def test_the_latex_table_is_comparison_json(compared, tudui):
    before = {path: path.read_bytes() for path in compared.iterdir() if path.is_file()}
    text = tudui("report", compared, "--latex").out
    assert {path: path.read_bytes() for path in compared.iterdir() if path.is_file()} == before
    assert text.count("{") == text.count("}")
    values, cells = values_in(compared), cells_of(text)
    assert [*cells] == ["ce", "mse"]
    for place, noise in enumerate((0, 0.4)):
        rows = {row["variant"]: row["metrics"]["accuracy"] for row in values["rows"] if row["label_noise"] == noise}
        best = max(rows, key=lambda name: rows[name]["mean"])
        for name, row in rows.items():
            cell = cells[name][place]
            mean, sd = re.search(r"(\d+\.\d+) \\pm (\d+\.\d+)", cell).groups()
            assert (float(mean), float(sd)) == (round(100 * row["mean"], 2), round(100 * row["sd"], 2))
            assert (r"\mathbf" in cell) == (name == best)
    assert r"0\,\% & 40\,\%" in text


def test_the_latex_caption_has_what_a_reader_needs(compared, angles, tudui):
    caption = caption_of(latex(read_comparison(compared)))
    started = json.loads((compared / "runs/ce-seed0/metrics.jsonl").read_text().splitlines()[0])
    values = values_in(compared)
    rates = {row["variant"]: row["learning_rate"] for row in values["rows"]}
    for part in (
        f"{started['parameters']:,} parameters",
        LABEL_NOISE["symmetric"],
        f"{len(values['pairs'])} comparisons with ce",
        "the 2 pairs of losses in the table",
        ": 1 point.",
        *(f"{rate:g} ({name})" for name, rate in rates.items()),
    ):
        assert part in caption
    text = tudui("report", angles, "--latex").out
    assert r"\label{tab:losses}" in text.partition(r"\caption")[2].partition(r"\begin{tabular}")[0]
    assert OUTLIERS["shift"].format(size=5) in caption_of(text)
    assert r": 5 \% of the absolute error of mse." in caption_of(text)


def test_the_latex_caption_says_how_rates_were_tuned(compared):
    comparison = read_comparison(compared)
    section = comparison.plan.comparison.model_copy(update={"lr": "tuned", "rates": (0.01, 0.02), "family": "level"})
    searches = {  # rates tried and chosen: one search went past its end, of one the best is still there
        ("ce", 0): ([0.01, 0.02, 0.05], 0.02), ("mse", 0): ([0.01, 0.02], 0.01),
    }  # fmt: skip
    curves = [
        Curve(variant=name, label_noise=noise, rates=rates, scores=[[]], chosen=chosen)
        for (name, noise), (rates, chosen) in searches.items()
    ]
    tuned = replace(comparison, plan=replace(comparison.plan, comparison=section), tuning=tuple(curves))
    images = json.loads((compared / "runs/ce-seed0/metrics.jsonl").read_text().splitlines()[0])["images"]
    caption = caption_of(latex(tuned))
    for part in (
        f"2 unreported seeds with {images['validation']} validation images each",
        "0.01, 0.02.", "too: 0.05.", "Some chosen rates are still at an end",
        "the 1 comparison with ce at each noise level", "the 1 pair of losses there",
    ):  # fmt: skip
        assert part in caption
    assert "still at an end" not in caption_of(latex(replace(tuned, tuning=tuple(curves[:1]))))


def test_the_wide_csv_is_comparison_json(compared, tudui):
    found_of = {row["loss"]: row for row in csv.DictReader(io.StringIO(tudui("report", compared, "--csv", "wide").out))}
    values = values_in(compared)
    pairs = {(pair["variant"], pair["label_noise"]): pair for pair in values["pairs"]}
    for row in values["rows"]:
        pair = pairs.get((row["variant"], row["label_noise"]), {"verdict": "baseline"})
        start = "accuracy" if not row["label_noise"] else "accuracy-noise40"
        cells = found_of[row["variant"]]
        assert float(cells[start]) == row["metrics"]["accuracy"]["mean"]
        assert float(cells[f"{start}-sd"]) == row["metrics"]["accuracy"]["sd"]
        assert cells[f"{start}-seeds"] == "3"
        assert cells[f"{start}-verdict"] == pair["verdict"]
        found = [cells[f"{start}-{end}"] for end in ("difference", "low", "high", "p_holm")]
        low, high = pair.get("interval", ("", ""))
        assert found == [str(value) for value in (pair.get("difference", ""), low, high, pair.get("p_holm", ""))]
    for place, start in enumerate(("accuracy", "accuracy-noise40")):
        for name, cells in table_of(read_comparison(compared)).items():
            expected = "best" if cells[place].is_best else "not_shown_worse" if cells[place].is_near else ""
            assert found_of[name][f"{start}-best"] == expected
    assert tudui("report", compared, "--csv", "long").out == (compared / "comparison.csv").read_text()


def test_the_wide_csv_of_numbers_has_levels_of_outliers(angles):
    first, *_ = csv.DictReader(io.StringIO(wide_csv(read_comparison(angles))))
    levels = {name.partition("-")[2].partition("-")[0] for name in first if name.startswith("absolute_error-")}
    assert "outliers20" in levels
    assert not {name for name in first if "noise" in name}


def test_tables_for_papers_have_the_tuned_settings(compared):
    comparison = read_comparison(compared)
    section = comparison.plan.comparison.model_copy(update={"lr": "tuned", "tune": ("lr", "loss.target_scale")})
    curves = tuple(
        Curve(
            variant=row.variant,
            label_noise=row.label_noise,
            rates=[0.005, 0.01, 0.02],
            scores=[[]],
            chosen=0.01,
            runs=28,
        )
        for row in comparison.rows
    )
    tuned = replace(comparison, plan=replace(comparison.plan, comparison=section), tuning=curves)
    expected = {}  # the rates of both levels, then the scales of both: only mse has one
    for row in values_in(compared)["rows"]:
        expected.setdefault(row["variant"], []).append((row["learning_rate"], row["loss"].get("target_scale")))
    assert [scale for found in expected.values() for _, scale in found] == [None, None, 1.0, 1.0]
    scores, _, settings = latex(tuned).partition(r"\end{tabular}")
    assert cells_of(scores) == cells_of(latex(comparison))
    shown = {name: [*zip(*found, strict=True)] for name, found in expected.items()}
    assert cells_of(settings) == {
        name: [f"{rate:g}" for rate in rates] + ["–" if scale is None else f"{scale:g}" for scale in scales]
        for name, (rates, scales) in shown.items()
    }
    assert r"\multicolumn{2}{c}{learning rate} & \multicolumn{2}{c}{target\_scale}" in settings
    keys = ("learning_rate", "learning_rate-noise40", "loss.target_scale", "loss.target_scale-noise40")
    for row in csv.DictReader(io.StringIO(wide_csv(tuned))):
        found = [float(row[key]) if row[key] else None for key in keys]
        assert found == [value for values in shown[row["loss"]] for value in values]
    for row, value in zip(csv.DictReader(io.StringIO(csv_text(tuned))), values_in(compared)["rows"], strict=True):
        assert float(row["learning_rate"]) == value["learning_rate"]
        assert row["loss.target_scale"] == str(value["loss"].get("target_scale", ""))
    assert not {*keys} & {*next(csv.reader(io.StringIO(wide_csv(comparison))))}


@pytest.mark.parametrize("flags", [("--latex", "--json"), ("--csv", "wide", "--latex"), ("--latex", "other")])
def test_one_form_of_one_table(flags, compared, tudui):
    assert tudui("report", compared, *flags).code == 2


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.9])
def test_near_the_best_is_corrected_for_every_two_variants(shift, compared):
    """Three variants on one level: 3 comparisons, whichever variant is the best."""
    comparison = read_comparison(compared)
    chance = np.random.default_rng(0)

    def row(name: str, probability: float):
        first = comparison.rows[0]
        hits = chance.random((3, first.samples)) < probability
        runs = [
            replace(run, predictions={**run.predictions, "accuracy": values})
            for run, values in zip(first.runs, hits, strict=True)
        ]
        return replace(
            first,
            variant=name,
            runs=tuple(runs),
            lost_class=[],
            metrics={"accuracy": statistics.summary(hits, ACCURACY)},
        )

    rows = [row("ce", 0.5), row("mse", 0.5 + shift / 2), row("gce", 0.52 + shift / 2)]
    section = comparison.plan.comparison.model_copy(
        update={"variants": dict.fromkeys(("ce", "mse", "gce")), "label_noise": (0.0,)}
    )
    made = replace(comparison, rows=tuple(rows), pairs=(), plan=replace(comparison.plan, comparison=section))
    cells = {name: cell for name, (cell,) in table_of(made).items()}
    p = {
        frozenset((first.variant, second.variant)): statistics.pair(
            values_of(first.runs, ACCURACY), values_of(second.runs, ACCURACY), ACCURACY
        ).p
        for first, second in combinations(rows, 2)
    }
    best = max(rows, key=lambda row: row.metrics["accuracy"].mean).variant
    order = sorted(p, key=p.get)
    holm = {both: max((3 - place) * p[one] for place, one in enumerate(order[: order.index(both) + 1])) for both in p}
    for found in every_pair_of(section, rows, ACCURACY):
        assert found.p_holm == pytest.approx(min(1, holm[frozenset((found.variant, found.baseline))]))
    for name, cell in cells.items():
        assert cell.is_best == (name == best)
        assert cell.is_near == (name != best and holm[frozenset((name, best))] >= 0.05)


@pytest.mark.parametrize(
    ("failed", "near"),
    [([], {"mse", "gce"}), (["gce"], {"mse"}), (["l1"], set()), (["ce"], set())],
    ids=["none", "another", "best", "baseline"],
)
def test_an_unstable_loss_is_never_near_the_best(failed, near, compared):
    """l1 is the best, nothing is decided; a run of some losses loses a class."""
    comparison = read_comparison(compared)
    first, names = comparison.rows[0], ("ce", "mse", "gce", "l1")
    hits = np.stack([run.predictions["accuracy"] for run in first.runs])
    rows = []
    for number, name in enumerate(names):
        values = hits.copy()
        values[:, number] = ~values[:, number]  # so that no two are identical
        runs = [
            replace(run, predictions={**run.predictions, "accuracy": of_run})
            for run, of_run in zip(first.runs, values, strict=True)
        ]
        score = replace(statistics.summary(values, ACCURACY), mean=0.5 + number / 100)
        lost = [0] if name in failed else []
        rows.append(replace(first, variant=name, runs=tuple(runs), lost_class=lost, metrics={"accuracy": score}))
    section = comparison.plan.comparison.model_copy(
        update={"variants": dict.fromkeys(names), "label_noise": (0.0,), "margin": 1e-6}
    )
    made = replace(comparison, rows=tuple(rows), plan=replace(comparison.plan, comparison=section))
    made = replace(made, pairs=tuple(pairs_of(section, rows, ACCURACY)))
    cells = {name: cell for name, (cell,) in table_of(made).items()}
    assert [name for name, cell in cells.items() if cell.is_best] == ["l1"]
    assert {name for name, cell in cells.items() if cell.is_near} - {"ce"} == near
    assert cells["ce"].is_near == (not {"l1", "ce"} & {*failed})
    assert any(cell.is_unstable for cell in cells.values()) == bool(failed)
    assert ("not underlined" in caption_of(latex(made))) == bool(failed)
    assert ("and not unstable" in paper_table(made).caption) == bool(failed)


def test_latex_takes_any_text():
    assert latex_text("a_b & 50 % {x} $y$ #1 ~^\\") == (
        r"a\_b \& 50 \% \{x\} \$y\$ \#1 \textasciitilde{}\textasciicircum{}\textbackslash{}"
    )
    assert "\n" not in latex_text("a\nb")
