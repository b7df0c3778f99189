"""`compare-losses` over several networks and data sets: ordinary comparisons, and what they say together."""

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from experiments.simulate_problems import SETTINGS, Setting, measure, paule_mandel
from tests.conftest import GRID, ROOT, SMALL, TUDUI, wait_for, without
from tests.test_browser import show
from tudui.comparison.compare import read_comparison
from tudui.comparison.over_problems import hartung_knapp, mean_difference, tallies
from tudui.comparison.problems import Problems, read_problems
from tudui.comparison.verdict import Verdict
from tudui.config import parse_set
from tudui.config.plan import Plan, load_plan
from tudui.config.problems import grid_yaml, load_plans
from tudui.config.shipped import shipped_plans
from tudui.errors import ConfigError
from tudui.report import ProblemsReport, write_report

NET = """
from sklearn.datasets import load_digits
from torch import nn

class Net(nn.Sequential):
    def __init__(self, num_classes, width=8):
        super().__init__(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(192, width), nn.ReLU(), nn.Linear(width, num_classes))

def half():
    digits = load_digits()
    return (digits.images[:900] / 16, digits.target[:900]), (digits.images[900:] / 16, digits.target[900:])
"""


@pytest.fixture
def copied(grid, tmp_path) -> Path:
    return Path(shutil.copytree(grid, tmp_path / "copied", symlinks=True))


def values_of(folder: Path, name: str = "problems.json") -> dict:
    return json.loads((folder / name).read_text())


def several(number: int, folder: Path) -> Problems:
    """The same comparison as that many problems."""
    return Problems(
        folder=folder, command="", comparisons={f"problem-{n}": read_comparison(folder) for n in range(number)}
    )


# the plan


def test_networks_and_data_sets_are_lists_in_a_file_too():
    Path("plan.yaml").write_text(
        "network: [tudui, {name: mlp, hidden: [8]}]\ndata:\n- digits\n- {name: cifar10, augment: {flip: true}}\n"
        "comparison: {variants: [ce, mse], seeds: 2}\n"
    )
    plans = load_plans(Path("plan.yaml")).plans
    assert list(plans) == ["tudui-digits", "tudui-cifar10", "mlp-digits", "mlp-cifar10"]
    assert [plan.base.data.augment.flip for plan in plans.values()] == [False, True] * 2
    assert plans["mlp-cifar10"].base.network.hidden == (8,)
    Path("again.yaml").write_text(grid_yaml(load_plans(Path("plan.yaml"))))
    assert load_plans(Path("again.yaml")).plans == plans
    of_names = load_plans(None, [parse_set("network=[tudui, mlp]"), parse_set("data.name=[digits, cifar10]")])
    assert list(of_names.plans) == list(plans)
    chosen = load_plans(Path("plan.yaml"), [parse_set("network=mlp"), parse_set("data.name=[cifar10]")])
    assert chosen == plans["mlp-cifar10"]  # one problem is an ordinary plan; the file's sections are kept


def test_shared_settings_of_data_sets_in_one_section():
    Path("plan.yaml").write_text("comparison: {}\ndata: {name: [digits, cifar10], validation: 0.2}\n")
    plans = load_plans(Path("plan.yaml")).plans
    assert [plan.base.data.validation for plan in plans.values()] == [0.2, 0.2]


def test_everything_but_network_and_data_is_equal():
    plans = load_plans(shipped_plans()["problems"]).plans
    assert list(plans) == ["tudui-digits", "tudui-cifar10", "resnet20-digits", "resnet20-cifar10"]
    rest = [plan.base.model_dump(exclude={"network", "data"}) for plan in plans.values()]
    assert rest == rest[:1] * 4
    assert len({plan.comparison.model_dump_json() for plan in plans.values()}) == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("network: [tudui, mlp]\ndata: [digits, {name: digits, size: 16}]\n", "both be called tudui-digits"),
        ("network: [tudui, {name: mlp, hidden: [a]}]\n", "plan.yaml:1:30: network.hidden.0"),
        ("network: []\n", "network: an empty list"),
        ("network: [tudui, net.py:Net]\n", "--network net.py:Net"),
        ("data: [digits, own.py:load]\n", "--data own.py:load"),
        ("network: [tudui, mlp]\ncomparison: {until_decided: true}\n", "--until-decided"),
        ("network: [tudui, 3]\n", "network"),
    ],
)
def test_mistakes_in_a_grid_are_one_line(text, line, tudui):
    Path("plan.yaml").write_text(text + ("" if "comparison" in text else "comparison: {}\n"))
    tudui("compare-losses", "--config", "plan.yaml", "-o", "grid").refused(2, line)
    assert not Path("grid").exists()
    assert tudui("config", "validate", "plan.yaml").code == 2


@pytest.mark.parametrize("code", ["", ", code: '{}'"])
@pytest.mark.parametrize(
    "text", ["network: [linear, {{name: net.py:Net{}}}]", "data: [digits, {{name: net.py:half{}}}]"]
)
def test_lists_in_a_plan_never_import(text, code, tudui):
    """Nor if the rest of a list is named on the command line."""
    Path("net.py").write_text(f"open('imported', 'w')\n{NET}")
    text = text.format(code.format(hashlib.sha256(Path("net.py").read_bytes()).hexdigest()))
    Path("plan.yaml").write_text(f"{text}\ncomparison: {{lr: same}}\noptimizer: {{lr: 0.05}}\n")
    for words in (("-o", "grid"), ("--dry-run",), ("--network", "tudui,linear"), ("--data", "digits")):
        tudui("compare-losses", "--config", "plan.yaml", *SMALL[:-4], *words)
    tudui("config", "validate", "plan.yaml")
    assert not Path("imported").exists()


def test_a_grid_is_no_plan_of_one_comparison():
    with pytest.raises(ConfigError, match="grid of problems"):
        load_plan(shipped_plans()["problems"])


def test_a_missing_recipe_names_problem_and_loss_before_anything_trains(tudui):
    answer = tudui("compare-losses", "--network", "tudui,linear", "--losses", "ce,mse", "-o", "grid")
    assert answer.code == 2
    assert re.search(r"error: linear-digits: .*variants\.mse: .*--lr tuned.*--lr same", answer.err.splitlines()[-1])
    assert not Path("grid").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--network", "tudui,torchvision:resnet9"), 2, "torchvision-resnet9-digits: "),
        (("--data", "digits,folder:nowhere"), 3, "tudui-nowhere: "),
        (("--metric", "acuracy", "--network", "tudui,linear"), 2, "tudui-digits: --metric acuracy"),
    ],
)
def test_every_problem_is_checked_before_the_first_one_trains(arguments, code, says, tudui):
    answer = tudui("compare-losses", *arguments, *SMALL, "-o", "grid")
    assert answer.code == code
    assert says in answer.err.splitlines()[-1]
    assert not Path("grid").exists()


def test_a_dry_run_estimates_every_problem(tudui):
    answer = tudui("compare-losses", *GRID, "--dry-run", "--json")
    found = answer.json()
    assert found["runs"] == 12
    assert list(found["problems"]) == ["tudui-digits", "linear-digits"]
    assert found["seconds"] >= sum(one["seconds"] for one in found["problems"].values()) > 0
    assert {tuple(rate) for one in found["problems"].values() for rate in one["rates"].values()} == {(0.05,)}
    assert "linear-digits: 6 runs" in answer.err
    assert "; more" not in answer.err
    assert "; more if the best rate" in tudui("compare-losses", *GRID, "--lr", "tuned", "--dry-run").out
    assert not Path(found["folder"]).exists()


def test_a_dry_run_of_a_grid_names_folds_and_the_kind_of_noise(tudui):
    flags = ("--set", "data.folds=2", "--set", "data.noise_kind=asymmetric", "--label-noise", "0.4", "--dry-run")
    answer = tudui("compare-losses", *GRID, *flags)
    assert answer.code == 0, answer.err
    (equal,) = (line for line in answer.out.splitlines() if line.startswith("equal"))
    assert "2 folds each" in equal
    assert "wrong labels asymmetric, level 0.4" in equal


# the runs


def test_each_problem_is_the_ordinary_comparison(grid, tudui):
    assert tudui("compare-losses", "--network", "linear", *SMALL, "-o", "alone").code == 0
    same = [without(values_of(folder, "comparison.json"), "timing", "command")
            for folder in (Path("alone"), grid / "linear-digits")]  # fmt: skip
    assert same[0] == same[1]
    assert {path.name for path in (grid / "linear-digits").iterdir()} == {path.name for path in Path("alone").iterdir()}


def test_called_again_or_by_its_plan_it_repeats_nothing(copied, tudui):
    before = {path: path.stat().st_mtime_ns for path in copied.glob("*/runs/*/*")}
    found = values_of(copied)
    for command in ((*GRID, "-o", copied), ("--config", copied / "plan.yaml", "--out", copied)):
        (copied / "problems.json").unlink()
        answer = tudui("compare-losses", *command)
        assert answer.code == 0, answer.err
        assert without(values_of(copied), "command") == without(found, "command")
    assert {path: path.stat().st_mtime_ns for path in copied.glob("*/runs/*/*")} == before


def test_a_folder_with_something_else_is_refused(grid, compared, tudui):
    for folder, command in ((grid, ("--losses", "ce,mse")), (compared, GRID)):
        answer = tudui("compare-losses", *command, "-o", folder)
        assert answer.code == 2
        assert "choose another --out" in answer.err


def test_an_unfinished_grid_names_the_problem_and_the_command(copied, tudui):
    shutil.rmtree(copied / "linear-digits")
    answer = tudui("report", copied)
    assert answer.code == 2
    assert "linear-digits is not done" in answer.err
    assert f"--config {copied}/plan.yaml --out {copied}" in answer.err


def test_problems_with_other_budgets_are_not_reported_together(copied, tudui):
    plan = copied / "linear-digits" / "plan.yaml"
    plan.write_text(plan.read_text().replace("seeds: 2", "seeds: 1", 1))
    answer = tudui("report", copied)
    assert answer.code == 2
    assert "'comparison'" in answer.err
    assert tudui("compare-losses", "--config", copied / "plan.yaml", "--out", copied).code == 0


def test_a_problem_that_is_no_longer_asked_for_is_named(copied, tudui):
    answer = tudui("compare-losses", "--network", "tudui,mlp", *SMALL, "-o", copied)
    assert answer.code == 0, answer.err
    assert "not in this report: linear-digits" in answer.err
    assert [one["name"] for one in values_of(copied)["problems"]] == ["tudui-digits", "mlp-digits"]


@pytest.mark.slow
def test_own_files_are_named_again_only_to_train(tmp_path, tudui):
    Path("net.py").write_text(NET)
    own = ("--network", "linear,net.py:Net", "--data", "digits,net.py:half", "--size", "32")
    assert tudui("compare-losses", *own, *SMALL, "-o", "own").code == 0
    names = ["linear-digits", "linear-net.py-half", "net.py-Net-digits", "net.py-Net-net.py-half"]
    assert [one["name"] for one in values_of(Path("own"))["problems"]] == names
    again = ("compare-losses", "--config", "own/plan.yaml", "--out", "own", "--executor", "stacked")
    forget = "from tudui.config import own_code; own_code._files.clear()"
    start = f"{forget}; from tudui.__main__ import main; main()"

    def typed(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", start, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert typed(*again).returncode == 0
    shutil.rmtree("own/net.py-Net-net.py-half/runs/mse-seed1")
    refused = typed(*again)
    assert refused.returncode == 2
    assert "add --network with all networks, this one as PATH/TO/net.py:Net" in refused.stderr
    Path("sub").mkdir()
    shutil.move("net.py", "sub/net.py")
    named = typed(*again, "--network", "linear,sub/net.py:Net", "--data", "digits,sub/net.py:half")
    assert named.returncode == 0, named.stderr


@pytest.mark.slow
def test_a_folder_of_images_with_a_comma_is_named_in_a_file(class_folders, tudui):
    pictures = class_folders.rename(class_folders.with_name("a,b"))
    Path("plan.yaml").write_text(f"comparison: {{}}\ndata: [digits, 'folder:{pictures}']\n")
    answer = tudui("compare-losses", "--config", "plan.yaml", *SMALL, "--set", "train.batch_size=8", "-o", "grid")
    assert answer.code == 0, answer.err
    assert [one["name"] for one in values_of(Path("grid"))["problems"]] == ["tudui-digits", "tudui-a-b"]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_stopped_grid_ends_with_the_same_numbers(number, code, tmp_path, tudui):
    """In the middle of the second problem."""
    asked = (
        "compare-losses", "--network", "linear,tudui", "--losses", "ce,mse", "--seeds", "2", "-e", "4", "--lr", "same",
        "--set", "optimizer.lr=0.05", "--set", "log.sinks=[]", "--set", "device=cpu", "--jobs", "1",
    )  # fmt: skip
    process = subprocess.Popen([*TUDUI, *asked, "-o", "cut"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: list(Path().glob("cut/tudui-digits/runs/ce-seed0/checkpoints/last.pt")), process)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert Path("cut/linear-digits/report.html").exists()
    assert not Path("cut/problems.json").exists()
    again = [*TUDUI, "compare-losses", "--config", "cut/plan.yaml", "--out", "cut"]
    if number == signal.SIGINT:
        assert "everything saved; to resume, type: tudui compare-losses --network linear,tudui" in said
    done = subprocess.run(again, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert tudui(*asked, "-o", "whole").code == 0
    found = [without(values_of(Path(folder)), "command") for folder in ("cut", "whole")]
    assert found[0] == found[1]


# what they say together


def test_what_problems_json_contains(grid):
    found = values_of(grid)
    assert found.keys() == {
        "format", "command", "metrics", "correction", "fewest_problems_for_a_mean", "equal", "problems", "pairs",
        "variants",
    }  # fmt: skip
    assert found["metrics"] == ["accuracy"]
    assert found["equal"]["train"]["epochs"] == 1
    assert found["equal"]["comparison"]["seeds"] == 2
    assert [one["steps"] for one in found["problems"]] == [20, 20]
    own = {name: values_of(grid / name, "comparison.json") for name in ("tudui-digits", "linear-digits")}
    assert [(pair["problem"], pair["variant"]) for pair in found["pairs"]] == [
        (name, pair["variant"]) for name, values in own.items() for pair in values["pairs"]
    ]
    for pair in found["pairs"]:
        same = next(one for one in own[pair["problem"]]["pairs"] if one["variant"] == pair["variant"])
        assert (pair["difference"], pair["p"], pair["interval"]) == (same["difference"], same["p"], same["interval"])
    for variant in found["variants"]:
        assert variant["mean"] is variant["mean_rank"] is None
        verdicts = [pair["verdict"] for pair in found["pairs"] if pair["variant"] == variant["variant"]]
        if variant["variant"] == "ce":
            assert variant["verdicts"] is None
        else:
            assert variant["verdicts"] == {one.value: verdicts.count(one.value) for one in Verdict}
            assert sum(variant["verdicts"].values()) == 2


def test_holm_counts_the_comparisons_of_all_problems_or_of_a_level(copied, tudui):
    def check(families: list[list[dict]]) -> None:
        for pairs in families:
            p = np.array([pair["p"] for pair in pairs])
            order = np.argsort(p)
            expected = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
            assert [pairs[place]["p_holm"] for place in order] == pytest.approx(list(expected), rel=1e-12)

    pairs = values_of(copied)["pairs"]
    assert len(pairs) == 4
    check([pairs])
    assert tudui("report", copied, "--family", "level").code == 0
    found = values_of(copied)
    assert found["correction"] == {"family": "level", "pairs": 4}
    check([[pair for pair in found["pairs"] if pair["problem"] == one["name"]] for one in found["problems"]])
    assert tudui("report", copied, "--metric", "nll").code == 0
    assert values_of(copied)["metrics"] == ["nll"]


def test_one_data_set_with_two_noise_levels_has_a_tally_for_each(tudui):
    noise = ("--losses", "ce,mse", "--label-noise", "0,0.4")
    small = [one for one in SMALL if one not in ("--losses", "ce,mse,l1")]
    assert tudui("compare-losses", "--network", "mlp,linear", *small, *noise, "-o", "grid").code == 0
    found = values_of(Path("grid"))
    assert [(one["variant"], one["label_noise"]) for one in found["variants"]] == [
        ("ce", 0.0), ("mse", 0.0), ("ce", 0.4), ("mse", 0.4)
    ]  # fmt: skip
    assert found["correction"]["pairs"] == 4


def test_hartung_knapp_by_another_implementation():
    """statsmodels 0.15: combine_effects(..., method_re="iterated", use_t=True) of the example in its documentation."""
    effects = np.array([61.00, 61.40, 62.21, 62.30, 62.34, 62.60, 62.70, 62.84, 65.90])
    variances = np.array([0.2025, 1.2100, 0.0900, 0.2025, 0.3844, 0.5625, 0.0676, 0.0225, 1.8225])
    between = paule_mandel(effects, variances)
    assert float(between[0]) == pytest.approx(0.7053938, rel=1e-5)
    mean, half = hartung_knapp(effects, 1 / (variances + between))
    assert float(mean) == pytest.approx(62.407620, rel=1e-7)
    assert float(half) == pytest.approx(0.338030 * 2.3060041, rel=1e-5)


def test_the_mean_over_problems_is_that_of_scipy():
    differences = [0.01, -0.002, 0.03, 0.012, 0.007]
    found = mean_difference(differences, [1e-5, 2e-5, 1e-5, 2e-5, 4e-5])
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert found.interval == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert found.difference == pytest.approx(np.mean(differences))
    assert found.between == pytest.approx(np.sqrt(np.var(differences, ddof=1) - 2e-5))
    assert mean_difference(differences, [None] * 5).between is None
    assert mean_difference(differences, [1.0] * 5).between == 0.0
    assert mean_difference([0.0] * 5, [0.0] * 5).interval is None


@pytest.mark.parametrize("number", [4, 5])
def test_a_mean_and_ranks_from_five_problems_on(number, grid, tmp_path):
    problems = several(number, grid / "linear-digits")
    first = problems.first
    changed = {
        name: replace(one, pairs=tuple(replace(pair, found=replace(pair.found, difference=0.01 * place * place))
                                       for pair in one.pairs))
        for place, (name, one) in enumerate(problems.comparisons.items())
    }  # fmt: skip
    found = {tally.variant: tally for tally in tallies(list(changed.values()))}
    if number < 5:
        assert [(tally.mean, tally.mean_rank) for tally in found.values()] == [(None, None)] * 3
        return
    assert found["ce"].mean is None
    assert found["mse"].mean.n == 5
    assert found["mse"].mean.difference == pytest.approx(np.mean([0.01 * place * place for place in range(5)]))
    means = [row.metrics["accuracy"].mean for row in first.rows]
    assert [tally.mean_rank for tally in found.values()] == list(stats.rankdata([-mean for mean in means]))
    report = replace(problems, comparisons=changed, folder=tmp_path)
    write_report(report)
    assert "mean difference +6.00 points" in (tmp_path / "report.md").read_text()
    assert "There is no mean" not in (tmp_path / "report.md").read_text()
    assert "mean rank" in (tmp_path / "report.html").read_text()


def test_problems_in_which_no_seed_finished_are_not_averaged(grid):
    problems = several(5, grid / "linear-digits")
    lost, *others = problems.comparisons.values()
    lost = replace(lost, pairs=tuple(replace(pair, found=None, verdict=Verdict.NO_VERDICT) for pair in lost.pairs))
    found = {tally.variant: tally for tally in tallies([lost, *others])}
    assert found["mse"].mean is None
    assert found["mse"].verdicts[Verdict.NO_VERDICT] == 1


def test_a_mean_needs_one_metric(grid):
    first, *others = several(5, grid / "linear-digits").comparisons.values()
    nll = read_comparison(grid / "linear-digits", metric="nll")
    assert all(tally.mean is None for tally in tallies([nll, *others]))
    assert any(tally.mean for tally in tallies([first, *others]))


def test_the_null_error_of_the_mean_is_5_percent():
    """And that of weights from two seeds is not, which is why problems have equal weights."""
    grids = 4_000
    for setting in (Setting(problems=5, ratio=1, between=1), Setting(problems=8, ratio=16, between=0)):
        found = measure(setting, grids, np.random.default_rng(1))
        assert found["equal"] < stats.binom.ppf(1 - 1e-4, grids, 0.05) / grids
        assert found["2 seeds"] > 0.08
    exact = measure(Setting(problems=8, ratio=1, between=0), grids, np.random.default_rng(2))["equal"]
    assert exact > stats.binom.ppf(1e-4, grids, 0.05) / grids


def test_the_simulation_of_problems_is_a_command(tmp_path):
    out = tmp_path / "problems.json"
    command = [sys.executable, ROOT / "experiments" / "simulate_problems.py", "--grids", "50", "--out", out]
    subprocess.run(command, capture_output=True, check=True)
    assert len(json.loads(out.read_text())["cells"]) == len(SETTINGS)


# the report


def test_the_report_leads_to_each_problem(grid):
    page, text = (grid / "report.html").read_text(), (grid / "report.md").read_text()
    for links in (set(re.findall(r'<a href="([^"#]+)"', page)), set(re.findall(r"\]\(([^)]+html)\)", text))):
        assert links == {"tudui-digits/report.html", "linear-digits/report.html"}
        assert all((grid / link).is_file() for link in links)
    assert "Equal for every loss and every problem: 1 epoch, batches of 64, 2 seeds" in text
    assert "There is no mean over 2 problems" in text
    assert (grid / "pictures" / "problems-noise0.png").is_file()
    pairs = values_of(grid)["pairs"]
    assert page.count("not distinguishable</td>") == sum(pair["verdict"] == "not_distinguishable" for pair in pairs)


def test_the_report_is_written_again_and_the_same(copied, tudui):
    before = {path: path.read_bytes() for path in copied.rglob("report.*")}
    assert tudui("report", copied).code == 0
    known = str(copied).encode()
    for path, old in before.items():
        lines = [line for line in path.read_bytes().splitlines() if known not in line]
        assert [line for line in old.splitlines() if b"compare-losses --config" not in line] == lines


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_longer_than_the_terminal(width, grid, monkeypatch):
    from io import StringIO

    from tudui.report.terminal import terminal_of_problems
    from tudui.sinks.printable import printable_console

    file = StringIO()
    terminal_of_problems(read_problems(grid), printable_console(file, width=width, soft_wrap=False))
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    for name in ("tudui-digits", "linear-digits", "distinguishable"):
        assert any(name in line for line in lines)


def test_from_python_a_list_is_a_grid(copied, capsys):
    import tudui

    settings = {
        "network": ["tudui", "linear"], "data.name": "digits", "comparison.variants": ["ce", "mse", "l1"],
        "comparison.seeds": 2, "comparison.lr": "same", "optimizer.lr": 0.05, "train.epochs": 1, "log.every": 5,
        "log.sinks": [], "device": "cpu",
    }  # fmt: skip
    found = tudui.compare(overrides=settings, folder=copied, progress=False)
    assert isinstance(found, ProblemsReport)
    assert list(found.comparisons) == ["tudui-digits", "linear-digits"]
    assert json.loads(json.dumps(found.values)) == values_of(copied)
    assert "report: " in repr(found)
    assert "<table>" in found._repr_html_()
    assert isinstance(load_plans(None, [parse_set("network=[tudui]")]), Plan)


def test_side_by_side_takes_a_problem_and_not_a_grid(grid, tudui):
    answer = tudui("report", grid, grid)
    assert answer.code == 2
    assert "grid of problems" in answer.err
    assert tudui("report", grid / "tudui-digits", grid / "linear-digits").code == 0


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height", "phone"), [(1280, 900, False), (390, 844, True)])
def test_the_page_in_a_browser(browser, grid, width, height, phone):
    show(browser, grid / "report.html", width, height, phone)
    assert browser.title == "Losses compared on 2 problems: ce, mse and l1"
    assert browser.get_log("browser") == []
    page, window = browser.execute_script(
        "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"
    )
    assert page == window
    browser.execute_script("document.querySelector('tbody a').click()")
    assert browser.current_url == (grid / "tudui-digits" / "report.html").as_uri()
    assert browser.title == "Losses compared on digits: ce, mse and l1"
