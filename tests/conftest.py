"""Every test works in a folder of its own, with a cache of its own."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from tudui.cli import app
from tudui.comparison.power import Needed
from tudui.comparison.verdict import Verdict
from tudui.config import Config, load_config, parse_set
from tudui.invocation import tudui_command
from tudui.tasks import Metric
from tudui.tasks.classes import ACCURACY

# For the processes that tests start, and this one where torch is not loaded yet: threads that spin while they wait for
# each other slow a busy machine several times.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the cores are shared by the workers of pytest-xdist

# tests started in the background of a script, or by nohup, inherit that these are ignored
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
TUDUI = [sys.executable, "-m", "tudui"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SENTENCES = ROOT / "tests" / "sentences.json"
DRIVER = shutil.which("chromedriver")
DIGITS = load_digits()  # to read them takes as long as to train on a batch

# 1,295 images, 20 steps per epoch: an epoch takes a third of a second
QUICK = ("train.epochs=2", "log.every=5", "train.threads=1", "device=cpu")

OPEN = ["not_distinguishable"]

# the same for a comparison, whose runs have one thread each
QUICK_FLAGS = ("-e", "1", "--set", "log.every=5", "--set", "device=cpu")


def command_after(code: str, *arguments: object) -> list[str]:
    """Return the command line of tudui in a process that first runs this code, as preexec_fn would.

    preexec_fn runs Python in a copy of a process with threads, which now and then crashes.
    """
    start = "import os, sys; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    return [sys.executable, "-c", f"{code}; {start}", *TUDUI[1:], *map(str, arguments)]


LAYERS = ("conv1", "conv2", "conv3", "linear1", "linear2")  # of the course's network


def tudui_network(classes: int = 10, *, seed: int = 0):
    """Return the course's network, as training builds it."""
    from tudui.networks import NetworkParameters, Shape, build_network

    return build_network(NetworkParameters(name="tudui"), Shape((3, 32, 32), classes), seed=seed)


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    def json(self) -> dict:
        return json.loads(self.out)

    def refused(self, code: int, *says: str) -> None:
        """Hold that stderr is one line of error with these words."""
        assert self.code == code, self.err
        assert self.err.startswith("error: ")
        assert self.err.count("\n") == 1
        for words in says:
            assert words in self.err


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no GPU here, and this needs one")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUDUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def tudui() -> Callable[..., Answer]:
    """Run a command line in this process; a traceback is a failure of the test."""

    def run(*arguments: object) -> Answer:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="tudui")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--keep-sentences", action="store_true", help="write tests/sentences.json anew, by its tests alone"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--keep-sentences"):
        items[:] = [item for item in items if "sentence" in item.fixturenames]


@pytest.fixture
def sentence(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[object], None]]:
    """Hold that what a user reads is, word for word, what tests/sentences.json keeps for this test."""
    name = f"{request.node.path.name}::{request.node.name}"
    write = request.config.getoption("--keep-sentences")
    kept = [] if write else json.loads(SENTENCES.read_text()).get(name, [])
    said: list[str] = []
    base = tmp_path_factory.getbasetemp()
    places = {tudui_command(): "tudui", tmp_path: "TMP", base: "BASE", base.parent: "BASE", ROOT: "ROOT"}

    def check(text: object) -> None:
        text = str(text)
        for place, stands in places.items():
            text = text.replace(str(place), stands)
        said.append(text.strip())
        assert write or kept[len(said) - 1 : len(said)] == said[-1:], "`make sentences` keeps new words"

    yield check
    if write:
        with FileLock(base.parent / "sentences.lock"):
            sentences = json.loads(SENTENCES.read_text()) | {name: said}
            SENTENCES.write_text(json.dumps(sentences, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def quick_config(*settings: str) -> Config:
    """Return the config of a run that takes a second; settings as behind `--set`."""
    chosen = {text.partition("=")[0]: text for text in (*QUICK, *settings)}
    return load_config(None, [parse_set(text) for text in chosen.values()]).config


def photograph(number: int) -> Image.Image:
    """A real digit as an 80x64 picture."""
    digit = np.kron(DIGITS.images[number] * 15, np.ones((8, 10))).astype(np.uint8)
    return Image.fromarray(digit).convert("RGB")


@pytest.fixture
def class_folders(tmp_path: Path) -> Path:
    """40 pictures of two classes."""
    root = tmp_path / "pictures"
    for number in range(40):
        folder = root / ("even" if DIGITS.target[number] % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        photograph(number).save(folder / f"{number:02}.png")
    return root


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Fill a folder of this name once for all workers of pytest-xdist; tests look at it and do not change it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder = shared / f"once-{name}"
        with FileLock(shared / f"{name}.lock"):
            if not folder.exists():
                begun = shared / f"begun-{name}-{os.getpid()}"  # not taken for whole by others if filling fails
                begun.mkdir()
                fill(begun)
                begun.rename(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def trained(once) -> Path:
    """A finished run on digits."""
    from tudui.run import train

    name = "digits-ce-seed0"
    return once("trained", lambda folder: train(quick_config("train.epochs=4"), folder / name)) / name


PLAN = ("--losses", "ce,mse", "--seeds", "3", "--label-noise", "0,0.4", *QUICK_FLAGS)
SMALL = (
    "-e", "1", "--set", "log.every=5", "--set", "device=cpu", "--set", "log.sinks=[]", "--executor", "stacked",
    "--losses", "ce,mse,l1", "--seeds", "2", "--lr", "same", "--set", "optimizer.lr=0.05",
)  # fmt: skip
GRID = ("--network", "tudui,linear", "--data", "digits", *SMALL)


def check_script() -> str:
    """Return the script in docs/statistics.md that computes a comparison's numbers again."""
    (script,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "statistics.md").read_text(), re.DOTALL)
    return script


def compare_losses(*flags: str) -> Callable[[Path], None]:
    """Return a function that compares losses in the folder `compared` of a folder."""

    def fill(folder: Path) -> None:
        done = subprocess.run(
            [*TUDUI, "compare-losses", *flags, "-o", "compared"],
            cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "120"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (folder / "terminal.txt").write_text(done.stdout)

    return fill


@pytest.fixture(scope="session")
def compared(once) -> Path:
    """Two losses, three seeds, two noise levels, two runs at a time."""
    return once("compared", compare_losses(*PLAN, "--jobs", "2")) / "compared"


@pytest.fixture(scope="session")
def angles(once) -> Path:
    """Two losses for numbers, two seeds, without and with outliers."""
    flags = ("--data", "rotated-digits", "--outliers", "0,0.2", "--seeds", "2", "-e", "2", "--set", "log.sinks=[]")
    return once("angles", compare_losses("--losses", "mse,l1", *flags)) / "compared"


@pytest.fixture(scope="session")
def grid(once) -> Path:
    """Two networks on digits, three losses, two seeds."""
    return once("grid", compare_losses(*GRID)) / "compared"


@pytest.fixture
def saying(compared):
    """Return a comparison with a pair per verdict at no noise, each a point away from ce; more of its difference."""
    from tudui.comparison.compare import read_comparison

    comparison = read_comparison(compared)
    baseline, row, pair = comparison.rows[0], comparison.rows[1], comparison.pairs[0]

    def build(*verdicts: str, metric: Metric = ACCURACY, needs: tuple[Needed, ...] = (), small: bool = False, **more):
        rows, pairs = [baseline], []
        for place, verdict in enumerate(verdicts):
            name = f"v{place}"
            sign = -1 if (verdict == "worse") == (metric.better == "more") else 1
            ends = tuple(sorted((sign * 0.005, sign * 0.015)))
            found = replace(pair.found, **({"difference": sign * 0.01, "interval": ends} | more))
            if verdict == "nothing":  # no seed finished in both
                found, verdict = None, "no_verdict"
            elif verdict == "no_verdict":
                found = replace(found, n=1)
            lost = row.runs if found else tuple(replace(run, test=None) for run in row.runs)
            rows.append(replace(row, variant=name, runs=lost))
            said = Verdict(verdict)
            pairs.append(replace(pair, variant=name, found=found, verdict=said, needed=needs, within_margin=small))
        losses = comparison.plan.comparison.variants
        variants = {one.variant: losses.get(one.variant, losses[row.variant]) for one in rows}
        section = comparison.plan.comparison.model_copy(update={"variants": variants})
        plan = replace(comparison.plan, comparison=section)
        return replace(comparison, plan=plan, rows=tuple(rows), pairs=tuple(pairs), metric=metric)

    return build


def over_levels(saying, levels: dict[float, list[str]]):
    """Return a comparison with these verdicts at each level of label noise."""
    made = {noise: saying(*verdicts) for noise, verdicts in levels.items()}
    first = next(iter(made.values()))
    section = first.plan.comparison.model_copy(update={"label_noise": tuple(levels)})
    pairs = tuple(replace(pair, label_noise=noise) for noise, one in made.items() for pair in one.pairs)
    rows = tuple(replace(row, label_noise=noise) for noise, one in made.items() for row in one.rows)
    return replace(first, plan=replace(first.plan, comparison=section), pairs=pairs, rows=rows)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    # no sandbox: it refuses to start for root, as whom CI runs; the only page is our own
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


# everything that a page holds, inside the shadow trees of TensorBoard's parts too
EVERYTHING = """
const found = [];
const walk = root => root.querySelectorAll('*').forEach(one => {
  found.push(one);
  if (one.shadowRoot) walk(one.shadowRoot);
  if (one.tagName === 'IFRAME' && one.contentDocument) walk(one.contentDocument);
});
walk(document);
"""


def text_in(browser) -> str:
    """Return all text of a page."""
    return browser.execute_script(
        EVERYTHING + "return found.map(one => [...one.childNodes].filter(node => node.nodeType === 3)"
        ".map(node => node.data).join('')).join('\\n')"
    )


@contextmanager
def served(folder: Path, *before: str) -> Iterator[str]:
    """The address of a real server on a folder, which ends by Ctrl-C; `before` starts the command another way."""
    process = subprocess.Popen(
        [*before, *TUDUI, "tensorboard", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = None
    try:
        if address := re.search(r"http://127\.0\.0\.1:\d+/\S*", process.stdout.readline()):
            yield address[0]
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert address, err


@pytest.fixture(scope="session")
def cifar_folder(once) -> Path:
    """2,000 training and 500 test images of CIFAR-10 as an image folder."""
    archive = SHARED / "data" / "cifar10-jpeg.tar.gz"
    if not archive.exists():
        pytest.skip("CIFAR-10 is not here: ../shared/data/cifar10-jpeg.tar.gz is missing")

    def unpack(folder: Path) -> None:
        with tarfile.open(archive) as tar:
            for member in tar:
                number = Path(member.name).stem
                wanted = 200 if member.name.startswith("train/") else 50
                if member.isfile() and number.isdigit() and int(number) < wanted:
                    target = folder / member.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(tar.extractfile(member).read())

    return once("cifar", unpack)


def legend_of(figure: Any) -> list[str]:
    """Return the names in a picture's only legend, which lies inside the picture and covers no panel."""
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert all(figure.bbox.contains(*corner) for corner in box.corners())
    assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)
    return [text.get_text() for text in legend.get_texts()]


def record(folder: Path) -> list[dict]:
    """Return the events of a run apart from times."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [without(json.loads(line), "timing", "hardware") for line in lines]


def without(value: Any, *keys: str) -> Any:
    """Return plain values without what lies under these keys, at any depth."""
    if isinstance(value, dict):
        return {key: without(inside, *keys) for key, inside in value.items() if key not in keys}
    return [without(inside, *keys) for inside in value] if isinstance(value, list) else value


def wait_for(found: Callable[[], Any], process: subprocess.Popen) -> Any:
    """Return what is found, once something is, while a process runs."""
    until = time.monotonic() + 120
    while not (something := found()):
        assert process.poll() is None, f"it ended before: {process.communicate()}"
        assert time.monotonic() < until, "it did not come to it"
        time.sleep(0.02)
    return something


def put_package(folder: Path, entry_points: str) -> None:
    """Put what Python knows a package by where it finds packages."""
    information = folder / "odd-1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1\n")
    (information / "entry_points.txt").write_text(entry_points)
