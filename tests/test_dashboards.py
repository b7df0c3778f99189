"""TensorBoard in a real browser: what each dashboard shows a person of two runs, and of a comparison.

With TUDUI_SCREENSHOTS=FOLDER the runs are longer, and the pictures of docs/dashboards.md are written there.
"""

import io
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from tests.conftest import EVERYTHING, LAYERS, TUDUI, quick_config, served, text_in
from tudui.run import train

pytestmark = pytest.mark.slow
SCREENSHOTS = os.environ.get("TUDUI_SCREENSHOTS") and Path(os.environ["TUDUI_SCREENSHOTS"]).absolute()
RUNS = ["digits-ce", "digits-l1"]
CELLS = ["ce", "ce-noise40", "mse", "mse-noise40"]


def first_of(pairs: list[list]) -> dict:
    """Return what is first found by each name: two rows of charts may have one of the same name."""
    found: dict = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


class Dashboards(NamedTuple):
    """A browser on TensorBoard's page; everything asked of it is about what is visible."""

    browser: object
    address: str

    def open(self, name: str, width: int = 1400, height: int = 900) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.browser.get("about:blank")  # or the dashboards that were open would stay in the page
        self.browser.get(f"{self.address}#{name}")

    def find(self, selector: str, read: str = "one.textContent.trim()") -> list:
        """Return what is read of each element, also inside shadow trees."""
        visible = "one.matches(arguments[0]) && one.getClientRects().length"
        return self.browser.execute_script(
            f"{EVERYTHING} return found.filter(one => {visible}).map(one => {read})", selector
        )

    def wait(self, expected: object, look: Callable[[], object]) -> None:
        """Hold that something comes to be what is expected; within a time for busy machines."""
        deadline = time.monotonic() + 60
        while (seen := look()) != expected and time.monotonic() < deadline:
            time.sleep(0.2)
        assert seen == expected

    def groups(self) -> dict[str, int]:
        """Return the number of cards by the name of their group."""
        found = self.find("tf-category-paginated-view", "[one.category.name, one.category.items.length]")
        return {name: number for name, number in found if name}

    def colours(self, card: str, title: str) -> dict[str, int]:
        """Return by a chart's title or tag in how many colours lines are drawn in it: one per run."""
        inside = EVERYTHING.replace("walk(document)", "walk(one.shadowRoot)")
        drawn = "found.filter(part => part.matches('path.line') && part.getAttribute('d')?.length > 5)"
        strokes = f"new Set({drawn}.map(line => getComputedStyle(line).stroke)).size"
        return first_of(self.find(card, f"[one.{title}, (() => {{ {inside} return {strokes}; }})()]"))

    def curves(self) -> dict[str, int]:
        """Return by the title of a custom chart how many curves it says that it holds."""
        number = "Number(one.shadowRoot.textContent.match(/Matches \\((\\d+)\\)/)?.[1])"
        return first_of(self.find("tf-custom-scalar-multi-line-chart-card", f"[one.title, {number}]"))

    def picture(self, name: str, height: int | None = None) -> None:
        """Write what the browser shows, if pictures are asked for."""
        if SCREENSHOTS:
            time.sleep(3)  # until charts have come to rest
            whole = Image.open(io.BytesIO(self.browser.get_screenshot_as_png())).convert("RGB")
            part = whole.crop((0, 0, whole.width, height or whole.height))
            part.quantize(128, dither=Image.Dither.NONE).save(SCREENSHOTS / f"tensorboard-{name}.png", optimize=True)


@pytest.fixture(scope="module")
def runs(browser, tmp_path_factory):
    """Two losses, otherwise the same."""
    folder = tmp_path_factory.mktemp("dashboards") / "runs"
    for name in RUNS:
        loss = name.removeprefix("digits-")
        rate = {"ce": 0.1, "l1": 0.05}[loss]
        settings = [f"loss.name={loss}", f"optimizer.lr={rate}", f"train.epochs={10 if SCREENSHOTS else 2}"]
        train(quick_config(*settings), folder / name)
    with served(folder) as address:
        yield Dashboards(browser, address)


@pytest.fixture(scope="module")
def comparison(browser, compared, tmp_path_factory):
    if SCREENSHOTS:
        folder = tmp_path_factory.mktemp("comparison")
        command = [*TUDUI, "compare-losses", "--losses", "ce,mse", "--label-noise", "0,0.4", "--seeds", "3"]
        subprocess.run([*command, "-o", "compared"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        compared = folder / "compared"
    with served(compared) as address:
        yield Dashboards(browser, address)


def test_scalars_are_grouped_and_overlay_the_runs(runs):
    runs.open("scalars")
    groups = {
        "accuracy": 3, "balanced_accuracy": 1, "ece": 1, "gradient_norm": 11, "images_per_second": 1,
        "learning_rate": 1, "loss": 2, "macro_f1": 1, "nll": 2, "per_class_accuracy": 10, "top5": 2, "update_ratio": 10,
    }  # fmt: skip
    runs.wait(groups, runs.groups)
    runs.wait([RUNS], lambda: runs.find("tf-multi-checkbox", "one.names"))
    shown = set(" ".join(runs.find("tf-multi-checkbox", "one.shadowRoot.textContent")).split())
    assert set(RUNS) <= shown
    charts = {"accuracy/test", "accuracy/train", "accuracy/validation", "balanced_accuracy/validation"}
    runs.wait(dict.fromkeys(charts, 2), lambda: runs.colours("tf-scalar-card", "tag"))
    runs.picture("scalars")


def test_custom_scalars_show_loss_and_gradients_of_all_layers(runs):
    runs.open("custom_scalars", height=1800)
    scores = [f"{split} {name}" for name in ("loss", "accuracy") for split in ("training", "validation")]
    others = ["norm of the whole gradient", "learning rate", *LAYERS]
    one_per_run = dict.fromkeys([*scores, *others], 2)
    runs.wait(one_per_run, runs.curves)
    runs.wait(one_per_run, lambda: runs.colours("tf-custom-scalar-multi-line-chart-card", "title"))
    runs.picture("custom-scalars")


def test_histograms_of_every_gradient_and_weight(runs):
    runs.open("histograms")
    runs.wait({"gradient": 20, "weight": 20}, runs.groups)
    first_page = [
        (f"gradient/{layer}.{kind}", run) for layer in LAYERS[:3] for kind in ("bias", "weight") for run in RUNS
    ]
    runs.wait(first_page, lambda: [tuple(pair) for pair in runs.find("tf-histogram-loader", "[one.tag, one.run]")][:12])
    drawn = "one.shadowRoot.querySelectorAll('.histogram path').length >= 2"
    runs.wait({True}, lambda: set(runs.find("vz-histogram-timeseries", drawn)))
    runs.picture("histograms")


def test_images_are_large_enough_to_be_read(runs):
    runs.open("images", height=1000)
    tags = [f"{kind}/{split}" for kind in ("confusion", "predictions") for split in ("test", "validation")]
    cards = Counter((tag, run) for tag in tags for run in RUNS)
    runs.wait(cards, lambda: Counter(map(tuple, runs.find("tf-image-loader", "[one.tag, one.run]"))))
    sizes = "[one.complete && one.naturalWidth, one.complete && Math.round(one.width / one.naturalWidth * 100)]"
    runs.wait([608] * 4 + [432] * 4, lambda: [natural for natural, _ in runs.find("img", sizes)])
    assert all(percent > 45 for _, percent in runs.find("img", sizes))  # of 22 and 16 pixels' letters
    assert all(percent > 75 for natural, percent in runs.find("img", sizes) if natural == 432)  # tiles of 96 pixels
    runs.picture("images")


def test_the_graph_has_a_scope_per_layer_and_shapes_between_them(runs):
    runs.open("graphs")
    layers = ["images", "conv1", "pool1", "conv2", "pool2", "conv3", "pool3", "flatten", "linear1", "linear2", "logits"]
    runs.wait(layers, lambda: runs.find("g.node", "one.getAttribute('data-name')"))
    shapes = {
        "?×3×32×32", "?×32×32×32", "?×32×16×16", "?×32×8×8", "?×64×8×8", "?×64×4×4", "?×1024", "?×64", "?×10",
    }  # fmt: skip
    runs.wait(shapes, lambda: set(runs.find("g.edge textPath")))
    # a double click opens the layer, as a person would
    event = "one.dispatchEvent(new MouseEvent('dblclick', {bubbles: true}))"
    runs.find("g.node[data-name=conv1] > g > rect, g.node[data-name=conv1] g.nodeshape rect", event)
    inside = {"conv1/weight", "conv1/bias", "conv1/Conv2d"}
    runs.wait(inside, lambda: inside & set(runs.find("g.node", "one.getAttribute('data-name')")))
    runs.picture("graphs")


def rows(page: Dashboards) -> list[list[str]]:
    """Return the cells of the table of hyper-parameters, its heads first."""
    middle = "(box => Math.round((box.top + box.bottom) / 8))(one.getBoundingClientRect())"
    cells = page.find("vaadin-grid-cell-content", f"[{middle}, one.textContent.trim()]")
    by_height: dict[int, list[str]] = {}
    for height, text in cells:
        by_height.setdefault(height, []).append(text)
    return [by_height[height] for height in sorted(by_height) if by_height[height][0]]


def test_hparams_have_what_differs_and_the_scores_in_the_window(runs):
    runs.open("hparams", width=1280, height=700)
    runs.wait(["Trial ID", *RUNS], lambda: [row[0] for row in rows(runs)])
    head, ce, l1 = rows(runs)
    assert head[2:7] == ["loss.name", "optimizer.lr", "accuracy/test", "accuracy/train", "accuracy/validation"]
    assert (ce[2:4], l1[2:4]) == (["ce", "0.10000"], ["l1", "0.050000"])
    assert all(0 < float(score) <= 1 for row in (ce, l1) for score in row[4:7])
    cells = runs.find("vaadin-grid-cell-content", "[one.textContent.trim(), one.getBoundingClientRect().right]")
    assert dict(cells)["accuracy/train"] < 1280
    runs.picture("hparams", height=640)


def test_hparams_of_one_run_have_its_main_settings(browser, trained):
    with served(trained) as address:
        page = Dashboards(browser, address)
        page.open("hparams", width=1280, height=700)
        main = ["loss.name", "network.name", "optimizer.lr", "accuracy/test"]
        page.wait(main, lambda: (rows(page) or [[]])[0][2:6])


def test_text_shows_the_config_as_it_stands(runs):
    runs.open("text")
    runs.wait({"config": 2, "result": 2}, runs.groups)
    runs.wait(["loss:\n  name: ce", "loss:\n  name: l1"], lambda: [
        "\n".join(text.strip().splitlines()[:2]) for text in runs.find("pre")
    ])  # fmt: skip
    runs.picture("text")


def test_a_comparison_has_a_colour_per_loss_and_its_means_first(comparison):
    comparison.open("timeseries", width=1500, height=1000)
    names = {f"{cell}-{what}" for cell in CELLS for what in ("mean", "seed0", "seed1", "seed2")}
    colour = "getComputedStyle(one.querySelector('.run-color-swatch')).backgroundColor"
    row = f"[one.innerText.trim().split('\\n')[0], {colour}]"

    def look() -> dict[str, str]:
        return dict(comparison.find("runs-data-table tb-data-table-content-row", row))

    comparison.wait(names, lambda: set(look()))
    colours = look()
    by_cell = {cell: {colours[name] for name in names if name.rpartition("-")[0] == cell} for cell in CELLS}
    assert all(len(found) == 1 for found in by_cell.values()), by_cell
    assert len(set.union(*by_cell.values())) == len(CELLS)
    comparison.picture("comparison")
    comparison.open("custom_scalars")
    comparison.wait("losses compared: means over the seeds", lambda: next(iter(comparison.groups()), None))
    titles = ["validation accuracy", "norm of the whole gradient", *LAYERS]
    means = dict.fromkeys(titles, len(CELLS))
    comparison.wait(means, lambda: dict(list(comparison.curves().items())[: len(means)]))
    drawn = dict(comparison.colours("tf-custom-scalar-multi-line-chart-card", "title"))
    assert drawn["norm of the whole gradient"] == len(CELLS)
    comparison.picture("comparison-means")


def test_a_comparison_has_a_row_per_run_among_the_hparams(comparison):
    comparison.open("hparams", width=1280, height=900)
    names = {f"{cell}-seed{seed}" for cell in CELLS for seed in range(3)}
    comparison.wait(names, lambda: {row[0] for row in rows(comparison)[1:]})
    head, *others = rows(comparison)
    assert head[2:7] == ["data.label_noise", "loss.name", "seed", "accuracy/test", "accuracy/validation"]
    assert all(0 < float(row[5]) <= 1 for row in others)


def test_one_run_has_its_own_name(browser, trained):
    with served(trained) as address:
        page = Dashboards(browser, address)
        page.open("scalars")
        page.wait([["digits-ce-seed0"]], lambda: page.find("tf-multi-checkbox", "one.names"))


def test_a_run_that_has_just_begun_fills_in_when_the_page_is_loaded_again(browser, trained, tmp_path):
    run = tmp_path / "runs" / "begun"
    shutil.copytree(trained, run, ignore=shutil.ignore_patterns("tensorboard", "result.json"))
    with served(tmp_path / "runs") as address:
        page = Dashboards(browser, address)
        page.open("")
        page.wait(True, lambda: "No dashboards are active" in text_in(browser))
        shutil.copytree(trained / "tensorboard", run / "tensorboard")

        def look() -> bool:
            browser.refresh()
            time.sleep(3)
            return {"begun", "accuracy"} <= set(text_in(browser).split())

        page.wait(True, look)
