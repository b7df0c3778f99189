"""The report in a real browser: headless Chromium opens report.html from disk, on a desktop and on a phone."""

import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tudui.comparison.compare import read_comparison
from tudui.report import write_report

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report(compared, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_report(replace(read_comparison(compared), folder=folder))
    return folder / "report.html"


SIZES = pytest.mark.parametrize(("width", "height", "phone"), [(1280, 900, False), (390, 844, True)])


def show(browser, page: Path, width: int, height: int, phone: bool) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 3 if phone else 1, "mobile": phone}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(page.as_uri())
    assert browser.execute_script("return window.innerWidth") == width


@SIZES
def test_the_page_is_whole_and_loads_nothing(browser, report, width, height, phone):
    show(browser, report, width, height, phone)
    assert browser.title == "Losses compared on digits: ce and mse"
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert asked
    assert {urlsplit(url).scheme for url in asked} <= {"file", "data"}
    assert [url for url in asked if url.startswith("file:")] == [report.as_uri()]
    assert browser.execute_script("return document.querySelectorAll('table').length") >= 10
    images = browser.execute_script(
        "return [...document.images].map(image => [image.complete, image.naturalWidth, image.alt])"
    )
    assert len(images) >= 10
    assert all(complete and natural > 0 and alt for complete, natural, alt in images)


@SIZES
def test_only_tables_scroll_sideways(browser, report, width, height, phone):
    show(browser, report, width, height, phone)
    browser.execute_script("document.querySelectorAll('details').forEach(folded => { folded.open = true })")
    page, window = browser.execute_script(
        "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"
    )
    assert page == window
    beyond = browser.execute_script(
        "return [...document.querySelectorAll('main *')].filter(one => !one.closest('.scroll table')"
        " && one.getBoundingClientRect().right > window.innerWidth).map(one => one.outerHTML.slice(0, 80))"
    )
    assert beyond == []
    wide = browser.execute_script(
        "return [...document.querySelectorAll('.scroll')].map(box => box.scrollWidth - box.clientWidth)"
    )
    assert (max(wide) > 0) == phone  # on a desktop every table fits


@SIZES
def test_a_wide_table_can_be_scrolled_to_its_verdict_with_the_loss_in_sight(browser, report, width, height, phone):
    show(browser, report, width, height, phone)
    seen = browser.execute_script(
        "const box = document.querySelector('.scroll'); box.scrollLeft = box.scrollWidth;"
        "const row = box.querySelector('tbody tr:last-child'), edge = box.getBoundingClientRect();"
        "const inside = cell => { const at = cell.getBoundingClientRect();"
        " return at.left >= edge.left - 1 && at.right <= edge.right + 1; };"
        "return [inside(row.cells[0]), inside(row.cells[row.cells.length - 1])]"
    )
    assert seen == [True, True]
