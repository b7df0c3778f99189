"""What the docs and shipped configs say is run as it stands, with short settings."""

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch

from scripts.make_docs import TASKS, TUTORIAL, shown, trains, write_files
from tests.conftest import DIGITS, ROOT, photograph
from tests.test_data import write_cifar
from tests.test_networks import course_network
from tudui.config import load_config, shipped_configs
from tudui.config.shipped import shipped_plans
from tudui.invocation import tudui_command

README = (ROOT / "README.md").read_text()
README_COMMANDS = re.findall(r"^(?:    |\$ )(tudui .+?)(?:  .*)?$", README, flags=re.MULTILINE)
RESULTS = (ROOT / "docs" / "results.md").read_text()
RESULTS_COMMANDS = re.findall(r"^\| `[\w-]+` \| `(tudui train [^`]+)`", RESULTS, flags=re.MULTILINE)
NUMBERS_COMMANDS = re.findall(r"^(tudui .+)$", (ROOT / "docs" / "numbers.md").read_text(), flags=re.MULTILINE)
FAQ = (ROOT / "docs" / "faq.md").read_text()
FAQ_COMMANDS = re.findall(r"(?<!`)`(tudui [^`]+)`", FAQ)
FAQ_ERRORS = re.findall(r"^```text\n\$ tudui (.+)\n(error: [^`]+)\n```$", FAQ, flags=re.MULTILINE)
TUTORIAL_COMMANDS = [command for command, _ in shown(TUTORIAL.read_text()) if trains(command)]
ALONE = [it for it in dict.fromkeys([*FAQ_COMMANDS, *TUTORIAL_COMMANDS]) if it not in README_COMMANDS]
COMMANDS = [
    *README_COMMANDS, *RESULTS_COMMANDS, *NUMBERS_COMMANDS,
    *(pytest.param(it, marks=pytest.mark.slow) for it in ALONE),
]  # fmt: skip
# what a reader fills in, and settings that make a run short
FILLED = {"RUN": "finished", "WEIGHTS": "weights.pt", "IMAGE": "picture.png", "PATH": "pictures", "DIR": "copy",
          "COMPARISON": "compared", "FOLDER": "pictures", "FILE": "table", "COLUMN": "price"}  # fmt: skip
SHORT = ("-e", "1", "--set", "train.threads=1")
SHORT_COMPARISON = ("-e", "1", "--seeds", "1")
FEW_RATES = ("--set", "comparison.rates=[0.02, 0.05]")


def shorter(words):
    """Return flags that make a command end soon."""
    if words[0] == "train":
        return SHORT
    if words[0] == "compare-losses":
        return *SHORT_COMPARISON, *(FEW_RATES if {"tuned", "--tune"} & set(words) else ())
    return ()


@pytest.fixture
def cifar_copy(tmp_path):
    write_cifar(tmp_path / "copy" / "cifar-10-batches-py", count=60)


@pytest.fixture
def put(request, trained, tmp_path):
    """Call it with a word of a command: what the word stands for is then there."""
    makers = {
        "DIR": lambda: request.getfixturevalue("cifar_copy"),
        "PATH": lambda: request.getfixturevalue("class_folders"),
        "FOLDER": lambda: request.getfixturevalue("class_folders"),
        "COMPARISON": lambda: shutil.copytree(request.getfixturevalue("compared"), "compared", symlinks=True),
        "RUN": lambda: shutil.copytree(trained, "finished"),
        "runs": lambda: shutil.copytree(trained, "runs/finished"),
        "WEIGHTS": lambda: torch.save(course_network(), "weights.pt"),
        "IMAGE": lambda: photograph(0).save("picture.png"),
        "cifar10": lambda: request.getfixturevalue("cifar_copy"),
        "FILE": lambda: Path("table.csv").write_text("size,price\n" + "".join(f"{n},{7 * n}\n" for n in range(200))),
    }
    return lambda word: makers.get(word, lambda: None)()


def test_the_readme_begins_with_its_two_commands():
    first = re.findall(r"^    (.+)$", README, flags=re.MULTILINE)[:2]
    assert first == ["make train", "make test"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_these_pages(command, put, tudui, tmp_path):
    for word in set(re.findall(r"\w+", command)):
        put(word)
    words = shlex.split(re.sub("|".join(rf"\b{word}\b" for word in FILLED), lambda it: FILLED[it[0]], command))[1:]
    if words[0] == "tensorboard":
        words[1] = "nowhere"  # the server itself is tested in test_tensorboard.py
        assert "no such folder" in tudui(*words).err
        return
    if words[:2] == ["train", "--resume"]:
        (tmp_path / "finished" / "result.json").unlink()
    else:
        words += shorter(words)
        words += ("-b", "16") if words[0] == "train" and {"copy", "folder:pictures"} & set(words) else ()
    if "cifar10" in words and words[0] == "evaluate":
        words += ["--data-dir", "copy"]
    answer = tudui(*words)
    assert answer.code == 0, answer.err


@pytest.mark.slow
@pytest.mark.parametrize("page", TASKS, ids=lambda page: page.stem)
def test_the_commands_of_a_task_run_in_their_order(page, tudui):
    """Those that have an output on the page, those in indented lines, and whole ones in the text and in tables."""
    text = page.read_text()
    write_files(text)
    if "folder:photos" in text and not Path("photos").exists():
        folder_with_targets()
    commands = re.findall(r"^(?:    |\$ )(tudui .+)$|`(tudui [^`]+)`", text, flags=re.MULTILINE)
    assert len(commands) >= 2
    for command in ["".join(it) for it in commands]:
        words = shlex.split(command)[1:]
        if words[0] == "tensorboard":
            continue  # the server is tested in test_tensorboard.py
        words += shorter(words)
        if words[0] == "compare-losses" and "--out" not in words:
            words += ["--out", "compared"]
        answer = tudui(*words)
        assert answer.code == 0, f"{command}\n{answer.err}"


def folder_with_targets():
    """Write 120 photos in two folders, and a list of them with a column of texts and two of numbers."""
    lines = ["file,species,height,width"]
    for number in range(120):
        kind = "odd" if DIGITS.target[number] % 2 else "even"
        path = Path("photos", kind, f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        photograph(number).save(path)
        digit = DIGITS.images[number]
        lines.append(f"{path.name},{kind},{digit[:4].sum()},{digit.mean()}")
    Path("photos.csv").write_text("\n".join(lines))


@pytest.mark.parametrize(
    "page", ["README.md", "README.zh-CN.md", "docs/results.md", "docs/faq.md", "docs/first-steps.md"]
)
def test_a_page_that_needs_cifar10_says_how_to_use_a_copy(page):
    """As the official files and as images; the table of results says so in each row."""
    text = (ROOT / page).read_text()
    assert re.search("tudui .*cifar10", text)
    rows = [line for line in text.splitlines() if re.search(r"^\|.*tudui .*(cifar10|course)", line)]
    for part in (text, *rows):
        assert "--data-dir DIR" in part
        assert "--data folder:PATH" in part


@pytest.mark.parametrize(("command", "error"), FAQ_ERRORS, ids=[command for command, _ in FAQ_ERRORS])
def test_the_errors_in_the_faq_are_those_printed(command, error, put, tudui):
    put("runs")
    if "cuda" in command and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    answer = tudui(*shlex.split(command))
    assert answer.code

    def words(text):
        return re.sub(r"\d[\d.]*", "#", " ".join(text.replace(tudui_command(), "tudui").split()))

    assert words(error) in words(answer.err)


@pytest.mark.parametrize("name", shipped_configs())
def test_the_results_train_every_shipped_config(name):
    assert any(command.split()[:4] == ["tudui", "train", "--config", name] for command in RESULTS_COMMANDS)


@pytest.mark.parametrize("name", shipped_configs())
def test_a_shipped_config_opens_with_command_time_and_band(name, tudui):
    lines = shipped_configs()[name].read_text().splitlines()
    head = [line for line in lines if line.startswith("#")]
    assert any(f"command:  tudui train --config {name}" in line for line in head)
    assert any(re.search(r"time: .* on 2 cores", line) for line in head)
    low, high = load_config(shipped_configs()[name]).config.expect
    assert any(f"accuracy: {100 * low:.1f} to {100 * high:.1f} %" in line for line in head)


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_plans())
def test_every_shipped_plan_runs_and_opens_with_command_and_time(name, cifar_copy, tudui):
    lines = shipped_plans()[name].read_text().splitlines()
    assert any(
        f"command:  tudui compare-losses{'' if name == 'compare' else f' --config {name}'}" in line for line in lines
    )
    assert any(re.search(r"time: .* on 2 cores", line) for line in lines)
    assert name in RESULTS
    small = ("--data-dir", "copy", "-s", "train.batch_size=16", "--losses", "ce,gce", "--label-noise", "0.4")
    if name == "problems":
        small += ("--lr", "same", "-s", "optimizer.lr=0.02")  # tuning for each problem takes minutes
    if name == "regression":
        small = ("--losses", "mse,l1", "--outliers", "0,0.2")
    answer = tudui("compare-losses", "--config", name, *small, *SHORT_COMPARISON, "-o", "shipped")
    assert answer.code == 0, answer.err
    assert Path("shipped/report.html").exists()


@pytest.mark.slow
def test_the_band_is_judged_after_a_run(tudui):
    answer = tudui("train", "--config", "digits")
    assert "inside the measured band of this config" in answer.out
    assert "band" not in tudui("train", "--config", "digits", "-e", "2").out


def test_links_in_the_docs_lead_somewhere():
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            if not target.startswith("http"):
                assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_schema_in_the_docs_is_the_one_printed(tudui):
    assert (ROOT / "docs" / "config.schema.json").read_text() == tudui("config", "schema").out


def test_what_is_generated_in_the_docs_is_current(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    from make_reference import commands, configuration
    from make_reference import rooms_picture as picture

    assert (ROOT / "docs" / "configuration.md").read_text() == configuration(), "run `make reference`"
    assert (ROOT / "docs" / "commands.md").read_text() == commands(), "run `make reference`"
    table = (ROOT / "docs" / "architecture.md").read_text()
    assert (ROOT / "docs" / "pictures" / "rooms.svg").read_text() == picture(table), "run `make reference`"


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_every_link_and_picture_is_there(tmp_path):
    """As `make docs` builds it; nothing in it asks another host for a font, a script or a picture."""
    import subprocess
    import sys
    from html.parser import HTMLParser
    from urllib.parse import unquote, urlsplit

    shutil.copytree(ROOT, tmp_path / "copy", ignore=shutil.ignore_patterns(".*", "runs", "_build", "generated"))
    build = [sys.executable, "-m", "sphinx", "-q", "--fail-on-warning", "-b", "html", "docs", "docs/_build/html"]
    for command in ([sys.executable, "scripts/make_reference.py"], build):
        subprocess.run(command, cwd=tmp_path / "copy", env=os.environ | {"PYTHONPATH": "."}, check=True)

    class Page(HTMLParser):
        def __init__(self, path):
            super().__init__()
            self.names, self.links, self.loaded = set(), [], []
            self.feed(path.read_text())

        def handle_starttag(self, tag, attributes):
            values = dict(attributes)
            self.names |= {values.get("id"), values.get("name")}
            if tag == "a" and "href" in values:
                self.links.append(values["href"])
            elif tag in ("img", "script", "link", "source") and (values.get("src") or values.get("href")):
                self.loaded.append(values.get("src") or values["href"])

    html = tmp_path / "copy" / "docs" / "_build" / "html"
    pages = {path: Page(path) for path in html.rglob("*.html")}
    assert {f"{path.stem}.html" for path in (ROOT / "docs").glob("*.md")} <= {path.name for path in pages}
    for path, page in pages.items():
        for target in page.loaded + page.links:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                assert target in page.links, f"{path.name} loads {target}"
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert there.exists(), f"{path.name}: {target}"
            if parts.fragment and there in pages:
                assert unquote(parts.fragment) in pages[there].names, f"{path.name}: {target}"
