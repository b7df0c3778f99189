"""The report in a real browser: headless Chromium opens report.html from disk, on a desktop and on a phone."""

import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tudui.comparison.compare import read_comparison
from tudui.comparison.verdict import Verdict
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
        "document.querySelectorAll('details').forEach(folded => { folded.open = true });"
        "const box = document.querySelector('details .scroll'); box.scrollLeft = box.scrollWidth;"
        "const row = box.querySelector('tbody tr:last-child'), edge = box.getBoundingClientRect();"
        "const inside = cell => { const at = cell.getBoundingClientRect();"
        " return at.left >= edge.left - 1 && at.right <= edge.right + 1; };"
        "return [inside(row.cells[0]), inside(row.cells[row.cells.length - 1])]"
    )
    assert seen == [True, True]


@SIZES
def test_the_answer_is_on_the_first_screen(browser, report, width, height, phone):
    """The advice and the first verdicts are seen without scrolling, and nothing of a verdict is outside the page."""
    show(browser, report, width, height, phone)
    browser.execute_script("window.scrollTo(0, 0)")
    boxes = browser.execute_script(
        "return ['.lead', '.badge', '.forest li b', '.difference', '.note', '.bar'].map(name =>"
        " [...document.querySelectorAll(name)].map(one => one.getBoundingClientRect()).filter(box => box.width)"
        " .map(box => [box.left, box.right, box.top, box.bottom]))"
    )
    lead, badges, names, differences, *_ = boxes
    assert len(lead) == 1
    assert len(badges) == len(names) == 4  # ce and mse at two levels
    assert len(differences) >= 2
    for left, right, _, _ in (box for kind in boxes for box in kind):
        assert 0 <= left < right <= width
    for first in (lead[0], badges[0], badges[1], differences[0]):
        assert first[3] <= height


@SIZES
def test_every_number_of_a_verdict_stands_under_its_heading(browser, report, width, height, phone):
    """On a desktop the heading of a column, on a phone, which has no columns, one of its own."""
    show(browser, report, width, height, phone)
    found = browser.execute_script(
        "const left = one => one.getBoundingClientRect().left, forest = document.querySelector('.forest');"
        "const heads = [...forest.querySelectorAll('.of-column')].filter(one => one.offsetWidth);"
        "const numbers = [...forest.querySelectorAll('[data-head]')].filter(one => one.offsetWidth && one.textContent);"
        "return numbers.map(one => [one.dataset.head, getComputedStyle(one, '::before').content,"
        "  heads.filter(head => Math.abs(left(head) - left(one)) < 1).map(head => head.textContent)])"
    )
    difference = "difference to ce, points (95\N{NO-BREAK SPACE}%)"
    assert [head for head, _, _ in found] == ["accuracy %", difference, "accuracy %"]
    for head, above, of_column in found:
        assert [above, of_column] == ([f'"{head}"', []] if phone else ["none", [head]])


CONTRAST = r"""
const channel = value => { value /= 255; return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4 };
const light = colour => { const [r, g, b] = colour.match(/[\d.]+/g).map(Number);
  return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b) };
const seen = one => !/^rgba.*, 0\)$/.test(getComputedStyle(one).backgroundColor);
const behind = one => { while (one.parentElement && !seen(one)) one = one.parentElement;
  return getComputedStyle(seen(one) ? one : document.body).backgroundColor };
return [...document.querySelectorAll('main *')].filter(one => [...one.childNodes].some(
  node => node.nodeType == 3 && node.textContent.trim())).map(one => {
  const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((x, y) => y - x);
  return [(a + 0.05) / (b + 0.05), one.className + ' ' + one.textContent.slice(0, 40)] })
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(browser, report, scheme, tmp_path):
    """At least 4.5 to 1 (WCAG 2.2, AA), for every badge too."""
    badges = "".join(f'<span class="badge {kind}">{kind}</span>' for kind in (*Verdict, "baseline"))
    (tmp_path / "page.html").write_text(report.read_text().replace("</main>", f"{badges}</main>"))
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        show(browser, tmp_path / "page.html", 1280, 900, False)
        found = browser.execute_script(CONTRAST)
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert len(found) > 100
    assert [one for one in found if one[0] < 4.5] == []
