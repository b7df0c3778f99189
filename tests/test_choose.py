"""`tudui loss choose`: its table, what it reads from data, the command at its end, and the pages that say the same."""

import itertools
import re
import shlex

import pytest

from tests.conftest import ROOT
from tests.test_architecture import HEAVY, modules_after
from tudui.api.advice import advise
from tudui.config.loss_spec import loss_section, loss_spec
from tudui.invocation import tudui_command
from tudui.lab.advice import ADVICE

PAGES = [ROOT / "docs" / "which-loss.md", ROOT / "docs" / "which-loss.zh-CN.md"]
ROW = re.compile(r"^\| [^|]+ \| `(--task [^`]+)` \| ([^|]+) \|", re.MULTILINE)
FIGURE = re.compile(r"\d+\.\d+")
OPTIONS = {
    "classes": [("", "--label-noise 0.1", "--label-noise 0.2", "--label-noise 0.9"), ("", "--imbalance"),
                ("", "--probabilities")],
    "numbers": [("", "--outliers 0.05", "--outliers 0.25")],
}  # fmt: skip
EVERY = [
    f"--task {task} {' '.join(given)}".split()
    for task, options in OPTIONS.items()
    for given in itertools.product(*options)
]


def plain(text: str) -> str:
    """Return the text without the command that starts Tudui here."""
    return text.replace(tudui_command(), "tudui")


@pytest.fixture
def unequal(tmp_path, class_folders):
    """30 pictures of a class and 5 of another."""
    for path in sorted((class_folders / "odd").iterdir())[5:]:
        path.unlink()
    return class_folders


@pytest.fixture
def table(tmp_path):
    rows = "".join(f"{n},{n * n % 7},{'ab'[n % 2]}\n" for n in range(100))
    (tmp_path / "my table.csv").write_text(f"x,y,kind\n{rows}")


@pytest.fixture
def listed(class_folders):
    """Their heights; one picture has no row."""
    rows = "".join(f"{path.name},{number}.5\n" for number, path in enumerate(sorted(class_folders.rglob("*.png"))[1:]))
    (class_folders.parent / "heights.csv").write_text(f"file,height\n{rows}")


@pytest.mark.parametrize("options", EVERY, ids=" ".join)
def test_every_combination_has_losses_that_exist_and_fit(options, tudui):
    found = tudui("loss", "choose", *options, "--json").json()
    task, losses = found["task"], [one["loss"] for one in found["choices"]]
    assert task == options[1]
    assert found["use"] == losses[0]
    assert 1 <= len(losses) == len(set(losses)) <= 3
    for loss in losses:
        section = loss_section(loss)
        assert loss_spec(loss.partition(":")[0]).fits(task)
        loss_spec(loss.partition(":")[0]).parameters.model_validate(section)
    assert all(one["why"] and one["source"] for one in found["choices"])
    words = shlex.split(found["command"])
    compared = words[words.index("--losses") + 1].split(",")
    assert set(compared) == {*losses, "ce" if task == "classes" else "mse"}
    assert compared[0] == ("ce" if task == "classes" else "mse")  # the baseline


def test_every_row_of_the_table_is_given_to_somebody():
    given = {advise(options[1], **asked(options[2:])).advice for options in EVERY}
    assert given == set(ADVICE)


def asked(options):
    words = iter(options)
    return {
        word[2:].replace("-", "_"): float(next(words)) if word in ("--label-noise", "--outliers") else True
        for word in words
    }


@pytest.mark.parametrize("advice", ADVICE, ids=lambda advice: advice.title)
def test_every_figure_is_on_the_page_that_it_names(advice):
    """Published figures are on the page itself."""
    for one in advice.choices:
        pages = re.findall(r"docs/[\w-]+\.md", one.source)
        there = "".join((ROOT / page).read_text() for page in pages)
        for sentence in re.split(r"(?<=[.%]) (?=[A-Z])", one.why):
            text = PAGES[0].read_text() if sentence.startswith("Published") else there
            assert [figure for figure in FIGURE.findall(sentence) if figure not in text] == []
        for page in pages:
            assert (ROOT / page).exists()


@pytest.mark.parametrize("page", PAGES, ids=["en", "zh"])
def test_the_pages_guide_is_the_commands(page, tudui):
    rows = ROW.findall(page.read_text(encoding="utf-8"))
    assert len(rows) == len(ADVICE)
    found = {advise(words[1], **asked(words[2:])).advice: losses for words, losses in
             ((options.split(), re.findall("`([^`]+)`", cell)) for options, cell in rows)}  # fmt: skip
    assert found == {advice: [one.loss for one in advice.choices] for advice in ADVICE}


@pytest.mark.parametrize("page", PAGES, ids=["en", "zh"])
def test_the_pages_output_is_what_is_printed(page, tudui, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    ((typed, output),) = re.findall(r"```console\n\$ tudui (.+)\n([^`]+)\n```", page.read_text(encoding="utf-8"))
    answer = tudui(*shlex.split(typed))
    assert plain(answer.out).strip() == output
    *prose, command = output.splitlines()
    assert all(len(line) <= 80 for line in prose)
    assert command.startswith("tudui compare-losses ")


def test_the_guide_without_options(tudui, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    answer = tudui("loss", "choose")
    assert answer.code == 0
    assert all(advice.choices[0].loss in answer.out for advice in ADVICE)
    assert all(len(line) <= 80 for line in plain(answer.out).splitlines())
    guide = tudui("loss", "choose", "--json").json()["guide"]
    assert tudui("loss", "choose", "--outliers", "0", "--json").json()["task"] == "numbers"
    assert [(row["task"], row["needs"]) for row in guide] == [(one.task, list(one.needs)) for one in ADVICE]


@pytest.mark.parametrize("arguments", [[], ["--task", "classes", "--label-noise", "0.4"]], ids=["guide", "advice"])
def test_it_needs_no_torch(arguments):
    assert not modules_after(["loss", "choose", *arguments, "--language", "zh"]) & HEAVY


def test_a_task_is_read_from_a_folder(unequal, tudui):
    found = tudui("loss", "choose", "--data", f"folder:{unequal}", "--json").json()
    assert found["task"] == "classes"
    assert found["needs"] == ["imbalance"]
    assert "2 classes" in found["data"][0]
    assert "--label-noise SHARE" in found["notes"][0]


def test_equal_classes_and_numbers_are_read_too(class_folders, tudui):
    assert tudui("loss", "choose", "--data", class_folders, "--json").json()["needs"] == []
    found = tudui("loss", "choose", "-d", "diabetes", "--outliers", "0.1", "--json").json()
    assert (found["task"], found["needs"]) == ("numbers", ["outliers"])
    assert "--data diabetes" in found["command"]
    assert "--outliers 0.1" in found["command"]  # into targets that are right


@pytest.mark.parametrize("far", [(), (900.5,), (-700, 900.5, 1250500), tuple(range(600, 612))])
def test_targets_far_from_the_others_are_pointed_out(far, tmp_path, tudui):
    path = tmp_path / "own.csv"
    targets = [n % 11 for n in range(400 - len(far))] + list(far)
    path.write_text("a,y\n" + "".join(f"{n % 7},{target}\n" for n, target in enumerate(targets)))
    data = ("--data", f"table:{path}", "--target", "y")
    chosen = tudui("loss", "choose", *data, "--json").json()
    checked = tudui("data", "check", path, "--target", "y", "--json").json()
    assert chosen["use"] == "mse"  # right but skewed targets look the same
    if not far:
        assert (checked["far_targets"], len(chosen["data"])) == ([], 1)
        return
    (found,) = checked["far_targets"]
    assert [(one["line"], one["value"]) for one in found["values"]] == [
        (402 - len(far) + place, value) for place, value in enumerate(far)
    ]
    train = sum(one["split"] == "train" for one in found["values"])
    assert found["share"] == train / checked["images"]["train"]["all"]
    _, note, todo = chosen["data"]
    assert f"y: {len(far)} targets" in note
    assert [f": {value}" in note for value in far[:8]] == [True] * min(len(far), 8)
    assert note.count("line ") == min(len(far), 8)
    assert note in " ".join(tudui("data", "check", path, "--target", "y").err.split())
    share = todo.partition("--outliers ")[2].partition(";")[0]
    assert float(share) == pytest.approx(found["share"], rel=0.05)
    if train:
        assert tudui("loss", "choose", *data, "--outliers", share, "--json").json()["use"] == "l1"


def test_targets_of_which_most_are_equal_are_not_far_from_each_other(tmp_path, tudui):
    path = tmp_path / "own.csv"
    path.write_text("a,y\n" + "".join(f"{n % 7},{n % 5 // 4 * n}\n" for n in range(400)))
    assert tudui("data", "check", path, "--target", "y", "--json").json()["far_targets"] == []


@pytest.mark.parametrize(("rows", "size"), [(20, 2), (120, 16), (600, None)])
def test_batches_of_small_tables_leave_some_steps(rows, size, tmp_path, tudui):
    path = tmp_path / "own.csv"
    path.write_text("a,y\n" + "".join(f"{n % 7},{n}.5\n" for n in range(rows)))
    found = tudui("loss", "choose", "--data", f"table:{path}", "--target", "y", "--json").json()
    assert ("train.batch_size" in found["command"]) == (size is not None)
    assert size is None or found["command"].endswith(f"--set train.batch_size={size}")


def test_a_table_of_the_user(table, tudui):
    found = tudui(
        "loss", "choose", "--data", "table:my table.csv", "--target", "kind", "--label-noise", "0.3", "--json"
    )
    words = shlex.split(found.json()["command"])
    assert words[words.index("--data") + 1] == "table:my table.csv"
    assert words[words.index("--target") + 1] == "kind"
    assert "--label-noise" not in words  # these labels are wrong already
    assert found.json()["use"] == "sce"


@pytest.mark.parametrize(
    "options",
    [
        ["--data", "folder:pictures", "--label-noise", "0.3"],
        ["--data", "folder:pictures", "--imbalance", "--probabilities"],
        ["--data", "folder:pictures", "--labels", "heights.csv"],
        ["--data", "table:my table.csv", "--target", "kind", "--label-noise", "0.3"],
        ["--task", "numbers", "--outliers", "0.1"],
    ],
    ids=" ".join,
)
def test_the_last_line_runs_as_it_is(options, class_folders, listed, table, tudui):
    """With one epoch, one seed and two rates."""
    (class_folders / "odd" / "broken.png").write_bytes(b"no picture")
    last = plain(tudui("loss", "choose", *options).out).splitlines()[-1]
    short = ("-e", "1", "--seeds", "1", "--set", "comparison.rates=[0.02, 0.05]", "--executor", "stacked", "-o", "out")
    words = shlex.split(last)
    assert words[:2] == ["tudui", "compare-losses"]
    answer = tudui(*words[1:], *short, "--json")
    assert answer.code == 0, answer.err
    losses = words[words.index("--losses") + 1].split(",")
    assert len(answer.json()["rows"]) == len(losses)
    if "--probabilities" in options:
        assert answer.json()["metric"] == "nll"


@pytest.mark.parametrize(
    ("options", "code", "parts"),
    [
        (["--label-noise", "20"], 2, ["--label-noise 20", "0.2"]),
        (["--label-noise", "-0.1"], 2, ["--label-noise", "0.1"]),
        (["--outliers", "nan"], 2, ["--outliers nan"]),
        (["--task", "number"], 2, ["--task number", "numbers"]),
        (["--task", "numbers", "--label-noise", "0.1"], 2, ["--label-noise", "--outliers"]),
        (["--task", "numbers", "--imbalance"], 2, ["--imbalance", "leave it out"]),
        (["--task", "classes", "--outliers", "0.1"], 2, ["--outliers", "--label-noise"]),
        (["--outliers", "0.1", "--probabilities"], 2, ["--probabilities", "leave it out"]),
        (["--data", "diabetes", "--imbalance"], 2, ["--imbalance", "leave it out"]),
        (["--data", "digits", "--task", "classes"], 2, ["--task classes", "digits"]),
        (["--target", "price"], 2, ["--target", "--data"]),
        (["--data", "folder:nowhere"], 3, ["nowhere"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(options, code, parts, tudui):
    answer = tudui("loss", "choose", *options)
    assert (answer.code, answer.out) == (code, "")
    assert len(answer.err.splitlines()) == 1
    assert all(part in answer.err for part in parts)
