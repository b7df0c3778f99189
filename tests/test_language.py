"""The report in Chinese: every sentence has one, no English is left, and the numbers are the same."""

import ast
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from string import Formatter

import pytest
from matplotlib import font_manager

from tests.conftest import OPEN, PLAN, ROOT, over_levels
from tests.test_browser import SIZES, show
from tudui import style
from tudui.comparison.compare import read_comparison
from tudui.comparison.outcome import Comparison
from tudui.comparison.power import Needed
from tudui.comparison.problems import read_problems
from tudui.comparison.variance import IMAGES, REST, SUB_SEEDS, Component, Explained
from tudui.comparison.verdict import Verdict
from tudui.report import language, write_report
from tudui.report.answer import advice, answer
from tudui.report.content import report_of
from tudui.report.html import html
from tudui.report.language import chinese, say, speaking
from tudui.report.paper import MARKS
from tudui.report.pictures import score_picture
from tudui.report.problems import report_of_problems
from tudui.report.protocol import ROWS, SHARED, TARGETS
from tudui.report.variance import variance_section
from tudui.report.words import FAILED, title_of_score
from tudui.sinks.pictures import NOTES

REPORT = ROOT / "tudui" / "report"
# neither names nor figures of a comparison: terms that Chinese papers write so, names of people, files and flags
KEPT = {
    *("Holm", "sha", "NLL", "ECE", "RMSE", "nat", "logits", "comparison", "tune", "values", "json", "seeds"),
    *("Clopper", "Pearson", "Hartung", "Knapp"),
}


def asked(tree: ast.AST) -> Iterator[str]:
    """Yield the English sentences that a file asks the Chinese of, as far as they are written in the same function."""
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        bound: dict[str, list[ast.expr]] = {}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                targets, value = node.targets, node.value
            elif isinstance(node, ast.For | ast.comprehension):
                targets, value = [node.target], node.iter
            else:
                continue
            for target in targets:
                if isinstance(target, ast.Name):
                    bound.setdefault(target.id, []).append(value)
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id == "say":
                    yield from texts_of(node.args[0], bound)
                elif node.func.id == "counted":
                    yield from (
                        f"{{number:,}} {one}{end}" for one in texts_of(node.args[1], bound) for end in ("", "s")
                    )


def texts_of(node: ast.expr, bound: dict[str, list[ast.expr]]) -> Iterator[str]:
    """Yield the texts that an expression may be."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from chain(texts_of(body, bound), texts_of(orelse, bound))
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            for part in parts:
                yield from texts_of(part, bound)
        case ast.Name(id=name):
            for value in bound.get(name, ()):
                yield from texts_of(value, {other: values for other, values in bound.items() if other != name})


def sentences() -> set[str]:
    """Return the sentences of the code of the report, and the words that it takes from elsewhere."""
    written = {text for path in REPORT.glob("*.py") for text in asked(ast.parse(path.read_text()))}
    written |= {text for path in REPORT.glob("*.html") for text in re.findall(r'say\("(.+?)"\)', path.read_text())}
    others = {
        *(verdict.replace("_", " ") for verdict in Verdict), *FAILED.values(), *(words for _, words in MARKS.values()),
        *SHARED, *SHARED.values(), *chain(*ROWS.items(), *TARGETS.items()), *SUB_SEEDS, IMAGES, REST,
        *NOTES, "symmetric", "asymmetric", "matrix", "manifest",
    }  # fmt: skip
    return written | {text.replace("_", " ") for text in others}


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def test_every_sentence_has_its_chinese():
    found = sentences()
    assert len(found) > 300
    assert found - chinese().keys() == set()


def test_a_chinese_sentence_puts_in_what_the_english_one_does():
    may_be_left_out = {"samples", "sample", "setting"}  # 样本 is both images and rows; a setting is there by its name
    for english, text in chinese().items():
        assert fields(english) - may_be_left_out <= fields(text) <= fields(english), english


def test_no_chinese_sentence_is_left_over():
    code = " ".join(path.read_text() for path in (ROOT / "tudui").rglob("*.py"))
    outside = {text for text in chinese().keys() - sentences() if f'"{text}"' not in code}
    assert outside <= {"degrees²"}


class Visible(HTMLParser):
    """What a reader of a page sees or hears, without commands and settings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "link", "img"):
            self.inside.append(tag)
        self.texts += [value for name, value in attributes if name in ("alt", "aria-label")]

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"style", "code", "pre"} & {*self.inside}:
            self.texts.append(data)


def shown(blocks) -> str:
    return "\n".join(Visible(html(blocks)).texts)


def names_in(comparison: Comparison) -> set[str]:
    """Return the words that stay as they are: names of losses and their settings, of data, classes and versions."""
    variants, base = comparison.plan.comparison.variants, comparison.plan.base
    parts = [
        *variants, *(str(loss.model_dump(mode="json")) for loss in variants.values()), *comparison.task.names,
        base.network.name, base.data.name, base.optimizer.name, base.schedule.name, str(comparison.versions),
        str(comparison.hardware), *(name for row in comparison.rows for name in row.losses), *comparison.hashes,
    ]  # fmt: skip
    return set(re.findall("[A-Za-z]{2,}", " ".join(parts)))


def english_in(text: str, *comparisons: Comparison) -> set[str]:
    names = set().union(*(names_in(one) for one in comparisons))
    for warning in (warning for one in comparisons for warning in one.warnings):
        text = text.replace(warning, "")  # the words that a run recorded
    text = re.sub(r"outliers\d+/seed\d+", "", text)
    return set(re.findall("[A-Za-z]{2,}", text)) - names - KEPT


def numbers_in(text: str) -> Counter:
    return Counter(re.findall(r"\d[\d,.]*\d|\d", text))


def both(blocks_of) -> tuple[str, str]:
    """Return what an English and a Chinese page show."""
    with speaking("zh"):
        in_chinese = shown(blocks_of())
    return shown(blocks_of()), in_chinese


@pytest.mark.parametrize("data", ["compared", "angles"])
def test_a_page_has_no_english_and_the_same_numbers(data, request):
    comparison = read_comparison(request.getfixturevalue(data))
    first, second = both(lambda: report_of(comparison))
    assert english_in(second, comparison) == set()
    assert numbers_in(first) == numbers_in(second)
    assert "verdict" in first
    assert "结论" in second


def test_the_page_of_a_grid_too(grid):
    problems = read_problems(grid)
    first, second = both(lambda: report_of_problems(problems))
    comparisons = problems.comparisons.values()
    assert english_in(second, *comparisons) == set()
    assert numbers_in(first) == numbers_in(second)


def test_every_verdict_and_failure_is_in_chinese(saying):
    needs = (
        Needed(difference=0.01, seeds=1200, fewest=300, most=None, samples=None),
        Needed(difference=0.005, seeds=None, fewest=None, most=None, samples=4321),
    )
    made = over_levels(lambda *verdicts: saying(*verdicts, needs=needs, small=True), {0: [*Verdict]})
    lost = [replace(row, runs=(replace(row.runs[0], test=None), *row.runs[1:])) for row in made.rows[1:]]
    rows = (made.rows[0], *(replace(row, lost_class=row.seeds[1:2]) for row in lost))
    first, second = both(lambda: list(answer(replace(made, rows=rows))))
    names = {f"v{place}" for place in range(len(Verdict))}
    assert english_in(second, made) - names == set()
    assert numbers_in(first) == numbers_in(second)
    for verdict in Verdict:
        assert say(verdict.replace("_", " ")) in first
        assert chinese()[verdict.replace("_", " ")] in second
    assert "3 次运行中有 1 次发散" in second


@pytest.mark.parametrize(
    ("levels", "says"),
    [
        ({0: ["better"]}, "使用 v0：比 ce 更好，相差 1.0 百分点。"),
        ({0: ["worse", "better", "better"]}, "使用 v1 或 v2：比 ce 更好，相差 1.0 百分点。"),
        ({0: OPEN, 0.4: OPEN}, "在每个标签噪声水平下，尚无定论：没有证据表明其他损失函数比 ce 更好。"),
        (
            {0: OPEN, 0.4: ["better"], 0.6: ["better"]},
            "未加入标签噪声时，尚无定论：没有证据表明其他损失函数比 ce 更好。"
            "从 40 % 标签错误起，使用 v0：比 ce 更好，相差 1.0 百分点。",
        ),
    ],
)
def test_the_advice_in_chinese(levels, says, saying):
    with speaking("zh"):
        assert advice(over_levels(saying, levels)) == says


def test_what_the_scores_vary_with_is_in_chinese(compared):
    comparison = read_comparison(compared)
    for main in (*SUB_SEEDS, IMAGES):
        parts = tuple(
            Component(source=source, n=8, variance=1.0 if source == main else 0.001, interval=(0.0, 0.002))
            for source in sorted((*SUB_SEEDS, IMAGES, REST), key=lambda one: one != main)
        )
        found = [Explained(variant="mse", baseline="ce", label_noise=noise, components=parts) for noise in (0, 0.4)]
        explained = replace(comparison, explained=tuple(found))
        first, second = both(lambda explained=explained: list(variance_section(explained)))
        assert english_in(second, comparison) == set()
        assert numbers_in(first) == numbers_in(second)


def test_names_of_the_user_stay(angles):
    metric = replace(read_comparison(angles).metric, title="absolute error of better")
    with speaking("zh"):
        assert title_of_score(metric) == "better 的绝对误差"
        assert say("{name}") == "{name}"
        assert say("小猫 {") == "小猫 {"


@SIZES
def test_nothing_of_the_chinese_answer_is_outside_the_page(browser, compared, tmp_path, width, height, phone):
    write_report(replace(read_comparison(compared), folder=tmp_path), "zh")
    show(browser, tmp_path / "report.html", width, height, phone)
    assert browser.title == "损失函数比较（digits）：ce、mse"
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('.lead, .forest span, .forest b')]"
        ".map(one => one.getBoundingClientRect()).filter(box => box.width).map(box => [box.left, box.right])"
    )
    assert len(boxes) > 10
    assert all(0 <= left < right <= width for left, right in boxes)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.fixture
def copy(compared, tmp_path) -> Path:
    return Path(shutil.copytree(compared, tmp_path / "copy", symlinks=True))


def test_report_and_compare_losses_speak_chinese_when_asked(copy, tudui):
    tudui("report", copy)
    values, table = (copy / "comparison.json").read_bytes(), (copy / "comparison.csv").read_bytes()
    said = tudui("report", copy, "--language", "zh")
    assert f"报告：{copy / 'report.html'}" in said.out
    assert english_in(said.out.split("报告：")[0], read_comparison(copy)) == set()
    page = (copy / "report.html").read_text()
    assert '<html lang="zh-CN">' in page
    assert "无法区分" in (copy / "report.md").read_text()
    assert (copy / "comparison.json").read_bytes() == values
    assert (copy / "comparison.csv").read_bytes() == table
    assert tudui("report", copy, "--language", "fr").code == 2
    assert (copy / "report.html").read_text() == page
    assert f"report: {copy / 'report.html'}" in tudui("report", copy).out
    assert '<html lang="en">' in (copy / "report.html").read_text()
    assert tudui("compare-losses", *PLAN, "--language", "zh", "-o", copy).code == 0
    assert '<html lang="zh-CN">' in (copy / "report.html").read_text()


def test_the_latex_table_in_chinese(compared, tudui):
    english, in_chinese = (tudui("report", compared, "--latex", "--language", one).out for one in ("en", "zh"))
    assert "ctex" in in_chinese
    assert r"\caption{tudui 在 digits 上训练 1 轮后的测试准确率" in in_chinese
    assert in_chinese.count("{") == in_chinese.count("}")
    rows = [text.partition(r"\midrule")[2] for text in (english, in_chinese)]
    assert rows[0] == rows[1]


@pytest.fixture
def _no_chinese_font(monkeypatch):
    monkeypatch.setattr(style, "_fonts", lambda: [font_manager.findfont("DejaVu Sans")])
    caches = (style._font_for, language._has_font)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def pictures(comparison: Comparison) -> tuple[bytes, bytes]:
    with speaking("zh"):
        in_chinese = score_picture(comparison, 0.0)
    english = score_picture(comparison, 0.0)
    assert english.caption != in_chinese.caption
    return english.png, in_chinese.png


@pytest.mark.usefixtures("_no_chinese_font")
def test_without_a_font_pictures_are_in_english(compared):
    first, second = pictures(read_comparison(compared))
    assert first == second


def test_with_a_font_pictures_are_in_chinese(compared):
    if not language._has_font():
        pytest.skip("no installed font has these characters, for example: apt-get install fonts-wqy-zenhei")
    first, second = pictures(read_comparison(compared))
    assert first != second
