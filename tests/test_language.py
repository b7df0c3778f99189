"""Reports and advice in Chinese: every sentence has it, no English is left, and the numbers are the same."""

import ast
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import chain, product
from pathlib import Path
from string import Formatter

import pytest
from matplotlib import font_manager
from matplotlib.text import Text

from tests.conftest import OPEN, PLAN, ROOT, over_levels
from tests.test_browser import SIZES, show
from tests.test_choose import EVERY
from tudui import language, style
from tudui.comparison.compare import read_comparison
from tudui.comparison.outcome import Comparison
from tudui.comparison.power import Needed
from tudui.comparison.problems import read_problems
from tudui.comparison.variance import IMAGES, REST, SUB_SEEDS, Component, Explained
from tudui.comparison.verdict import Verdict
from tudui.config.loss_spec import loss_specs
from tudui.csv_file import SEPARATORS, CsvFile
from tudui.invocation import tudui_command
from tudui.lab.advice import ADVICE, WORDS
from tudui.lab.choice import choose_loss
from tudui.lab.line_fit import pictures as line_fit
from tudui.lab.line_fit.choose_delta import choose_delta
from tudui.lab.line_fit.data import tutorial_data
from tudui.lab.line_fit.experiment import influence, run_experiment
from tudui.language import chinese, say, say_recorded, speaking
from tudui.report import write_report
from tudui.report.answer import advice, answer
from tudui.report.caption import LABEL_NOISE, MARKS, OUTLIERS
from tudui.report.content import report_of
from tudui.report.html import html
from tudui.report.pictures import score_picture
from tudui.report.problems import report_of_problems
from tudui.report.protocol import OF_NUMBERS, OF_ROWS, SHARED
from tudui.report.variance import variance_section
from tudui.report.words import FAILED, title_of_score
from tudui.sinks.pictures import NOTES

REPORT = ROOT / "tudui" / "report"
# neither names nor figures of a comparison: terms that Chinese papers write so, names of people, files and flags
KEPT = {
    *("Holm", "sha", "NLL", "ECE", "RMSE", "nat", "logits", "comparison", "tune", "values", "json", "seeds"),
    *("lr", "tuned", "Clopper", "Pearson", "Hartung", "Knapp", "hot", "onehot", "train", "clip"),
}


def functions_of(path: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]


def bound_in(function: ast.FunctionDef) -> dict[str, list[ast.expr]]:
    """Return the expressions that each name of a function may be, those in a list too."""
    bound: dict[str, list[ast.expr]] = {}

    def bind(target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            bound.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Name):  # a row of a list with a name
            for row in (row for rows in bound.get(value.id, ()) for row in items_of(rows)):
                for one, part in zip(target.elts, items_of(row), strict=False):
                    bind(one, part)

    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                bind(target, node.value)
        elif isinstance(node, ast.AugAssign):
            bind(node.target, node.value)
    for node in ast.walk(function):
        if isinstance(node, ast.For | ast.comprehension):
            bind(node.target, node.iter)
    return bound


def items_of(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple | ast.List) else []


def asked(path: Path) -> Iterator[str]:
    """Yield the English sentences that a file asks the Chinese of, as far as they are written in the same function."""
    for function in functions_of(path):
        bound = bound_in(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id == "say":
                    yield from texts_of(node.args[0], bound)
                elif node.func.id == "counted":
                    yield from (
                        f"{{number:,}} {one}{end}" for one in texts_of(node.args[1], bound) for end in ("", "s")
                    )


def texts_of(node: ast.expr, bound: dict[str, list[ast.expr]]) -> Iterator[str]:
    """Yield the texts that an expression, or what is in its list, may be; a value in a text is 7."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield from map("".join, product(*(list(texts_of(part, bound)) or ["7"] for part in parts)))
        case ast.FormattedValue(value=value) | ast.Starred(value=value):
            yield from texts_of(value, bound)
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mult()):  # "s" * (number > 1)
            yield from ("", text)
        case ast.ListComp(elt=one) | ast.GeneratorExp(elt=one):
            yield from texts_of(one, bound)
        case ast.IfExp(body=body, orelse=orelse):
            yield from chain(texts_of(body, bound), texts_of(orelse, bound))
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            for part in parts:
                yield from texts_of(part, bound)
        case ast.Name(id=name):
            for value in bound.get(name, ()):
                yield from texts_of(value, {other: values for other, values in bound.items() if other != name})


def sentences() -> set[str]:
    """Return the sentences of the code, those of the advice, and the words that a report takes from elsewhere."""
    written = {text for path in (ROOT / "tudui").rglob("*.py") for text in asked(path)}
    written -= {"{number:,} 7", "{number:,} 7s"}  # in `counted` itself
    written |= {text for path in REPORT.glob("*.html") for text in re.findall(r'say\("(.+?)"\)', path.read_text())}
    others = {
        *(verdict.replace("_", " ") for verdict in Verdict), *FAILED.values(),
        *(words for _, words in MARKS.values()), *LABEL_NOISE.values(), *OUTLIERS.values(),
        *SHARED, *SHARED.values(), *OF_ROWS.values(), *OF_NUMBERS.values(), *SUB_SEEDS, IMAGES, REST,
        *NOTES, "symmetric", "asymmetric", "matrix", "manifest",
    }  # fmt: skip
    written |= {text for advice in ADVICE for text in (advice.task, advice.weak, *(one.why for one in advice.choices))}
    written |= {*WORDS.values(), *(spec.robust_to for spec in loss_specs().values())}
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


def warnings_in(path: Path) -> Iterator[str]:
    """Yield what a file has runs record: in a `Warned`, in a list of notes, or returned as a note or a warning."""
    for function in functions_of(path):
        bound = bound_in(function)
        returns = ast.unparse(function.returns) if function.returns else ""
        gives = "str" in returns and re.search(r"\b(notes?|warnings?|Warn)\b", ast.get_docstring(function) or "")
        for node in ast.walk(function):
            match node:
                case ast.Call(func=ast.Name(id="Warned"), keywords=keywords):
                    found = [word.value for word in keywords if word.arg == "message"]
                case ast.Call(func=ast.Attribute(value=ast.Name(id="notes"), attr="append"), args=found):
                    pass
                case (
                    ast.Assign(targets=[ast.Name(id="notes")], value=value)
                    | ast.AugAssign(target=ast.Name(id="notes"), value=value)
                    | ast.Assign(targets=[ast.Subscript(value=ast.Name(id="reasons"))], value=value)
                ):
                    found = [value]
                case ast.Return(value=ast.expr() as value) | ast.Yield(value=ast.expr() as value) if gives:
                    found = [value]
                case _:
                    continue
            for value in found:
                yield from texts_of(value, bound)


NOT_RECORDED = ("report", "cli", "api", "lab", "inference", "config")  # what these rooms note is only printed


def recorded() -> set[str]:
    """Return the warnings that a run or a comparison may record."""
    rooms = ((path, path.relative_to(ROOT / "tudui").parts[0]) for path in (ROOT / "tudui").rglob("*.py"))
    texts = {text for path, room in rooms if room not in NOT_RECORDED for text in warnings_in(path)}
    printed = re.compile("auto: |7; resuming from|its layers have the numbers")
    return {text for text in texts if not printed.match(text)}


def remarks_on_files() -> set[str]:
    files = (
        CsvFile(Path("t.csv"), encoding, separator, (), comma=comma)
        for encoding, separator, comma in product(("UTF-8", "UTF-16"), SEPARATORS, (False, True))
    )
    return {remark for file in files for remark in file.remarks}


def test_every_warning_has_its_chinese():
    found = recorded() | remarks_on_files()
    assert len(found) > 50
    patterns = [pattern for pattern, _ in language._patterns("warnings")]
    assert {text for text in found if not any(pattern.fullmatch(text) for pattern in patterns)} == set()
    left_over = [pattern.pattern for pattern in patterns if not any(map(pattern.fullmatch, found))]
    assert left_over == []


@pytest.mark.parametrize("section", language.RECORDED)
def test_the_chinese_of_a_warning_puts_in_its_values(section):
    left_out = {"sample", "samples"}
    for english, text in language._parts()[section].items():
        assert fields(english) - left_out <= fields(text) <= fields(english), english


@pytest.mark.parametrize(
    ("warning", "chinese"),
    [
        (
            "collapsed in epoch 2: every validation image is predicted as 'test' (loss l1, peak learning rate 0.1); "
            "try a lower --lr, a lower --set train.clip, or another loss (2 of 6 runs)",
            "第 2 轮塌缩：每个验证样本都被预测为 'test'（损失函数 l1，峰值学习率 0.1）；请试更低的 --lr、更低的 --set "
            "train.clip，或别的损失函数（6 次运行中有 2 次）",
        ),
        (
            "on the 1,000 test images, classes never predicted: cat, test and 3 more",
            "在 1,000 个测试样本上，从未预测出的类别：cat, test，另有 3 个",
        ),
        (
            'not equal for all runs, versions: {"torch": "2.5"} in 2 runs; {"torch": "2.6"} in 4 runs',
            '没有保持一致的是软件版本：2 次运行为 {"torch": "2.5"}；4 次运行为 {"torch": "2.6"}',
        ),
        (
            "absolute error of bias has heavy tails: one test row (#7, bias 5.20 degrees) makes up 80 % of the "
            "variance of the mean of l1; above 50 %, its intervals may be too short, and its verdicts false in more "
            "than 5 % of reports; check that its target is right; more test rows help",
            "bias 的绝对误差的分布有重尾：单独一个测试样本（#7, bias 5.20 度）就占 l1 的均值的方差的 80 %；"
            "超过 50 % 时，置信区间可能偏窄，5 % 以上的报告可能有错误的结论；"
            "请检查它的目标值是否正确；也可以用更多的测试样本",
        ),
        ("t.csv: separated by semicolons, decimal commas", "t.csv：以分号分隔，小数点是逗号"),
        ("my loss: {odd} (1 of 2 runs)", "程序记录的英文原文：“my loss: {odd}”（2 次运行中有 1 次）"),
        ("my loss: {odd}", "程序记录的英文原文：“my loss: {odd}”"),
    ],
)
def test_a_recorded_warning_in_chinese(warning, chinese):
    assert say_recorded(warning) == warning
    with speaking("zh"):
        assert say_recorded(warning) == chinese


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
    text = re.sub(r"outliers\d+(/seed\d+)?", "", text)
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
        ({0: ["better"]}, "建议使用 v0：比 ce 好，准确率高 0.5 至 1.5 个百分点（95 % 区间）。"),
        (
            {0: ["worse", "better", "better"]},
            "建议使用 v1 或 v2：比 ce 好，准确率高 0.5 至 1.5 个百分点（95 % 区间）。",
        ),
        ({0: OPEN, 0.4: OPEN}, "在各噪声水平下，尚无定论：保留 ce，没有证据表明其他损失函数更好。"),
        (
            {0: OPEN, 0.4: ["better"], 0.6: ["better"]},
            "未加入标签噪声时，尚无定论：保留 ce，没有证据表明其他损失函数更好。"
            "从 40 % 的标签有错起，建议使用 v0：比 ce 好，准确率高 0.5 至 1.5 个百分点（95 % 区间）。",
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
    assert r"\caption{tudui（145,578 个参数）在 digits 上训练 1 轮后的测试准确率" in in_chinese
    assert in_chinese.count("{") == in_chinese.count("}")
    rows = [text.partition(r"\midrule")[2] for text in (english, in_chinese)]
    assert rows[0] == rows[1]


ON_DATA = ["-d diabetes", "-d folder:pictures --label-noise 0.3", "-d folder:pictures --imbalance"]


@pytest.mark.usefixtures("class_folders")
@pytest.mark.parametrize("options", [[], *map(str.split, ON_DATA), *EVERY], ids=" ".join)
def test_which_loss_to_choose_has_no_english_and_the_same_figures(options, tudui):
    first, second = (tudui("loss", "choose", *options, "--language", one).out for one in ("en", "zh"))
    assert numbers_in(first)
    assert numbers_in(first) == numbers_in(second)
    sources = sorted((one.source for advice in ADVICE for one in advice.choices), key=len, reverse=True)
    text = " ".join(second.split())
    for kept in (f"{tudui_command()} loss choose", *sources, "On Calibration of Modern Neural Networks", "Guo et al."):
        text = text.replace(kept, "")
    assert re.findall(r"(?<![-\w])[A-Za-z]{2,} [a-z]{2,}", text.replace(tudui_command(), "")) == []
    values = [tudui("loss", "choose", *options, "--json", "--language", one).json() for one in ("en", "zh")]
    assert values[0] == values[1]


@pytest.mark.parametrize(("options", "number"), [([], 3), (["--task", "numbers", "--outliers", "0.2"], 1)])
def test_the_commands_of_which_loss_to_choose_stay_in_chinese(options, number, tudui):
    first, second = (tudui("loss", "choose", *options, "--language", one).out for one in ("en", "zh"))
    commands = [[line for line in text.splitlines() if line.startswith(tudui_command())] for text in (first, second)]
    assert len(commands[0]) == number
    assert commands[1] == [f"{command} --language zh" for command in commands[0]]


def test_a_plot_of_losses_in_chinese(tudui):
    first, second = (tudui("loss", "plot", "huber", "ce", "--language", one).out for one in ("en", "zh"))
    titles = (
        "loss over the residual",
        "derivative over the residual",
        "loss over the probability of the true class",
        "gradient of the true logit over the probability of the true class",
    )
    pairs = zip(first.splitlines(), second.splitlines(), strict=True)
    assert [pair for pair in pairs if pair[0] != pair[1]] == [(title, chinese()[title]) for title in titles]


@pytest.mark.parametrize("command", ["choose", "plot"])
def test_another_language_is_refused(command, tudui):
    tudui("loss", command, "--language", "fr").refused(2, "--language fr", "zh")


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


def plots(tudui) -> tuple[bytes, bytes]:
    for one in ("en", "zh"):
        assert tudui("loss", "plot", "l1", "--language", one, "--out", f"{one}.png").code == 0
    return Path("en.png").read_bytes(), Path("zh.png").read_bytes()


@pytest.mark.usefixtures("_no_chinese_font")
def test_without_a_font_pictures_are_in_english(compared, tudui):
    for first, second in (pictures(read_comparison(compared)), plots(tudui)):
        assert first == second


def test_with_a_font_pictures_are_in_chinese(compared, tudui):
    if not language._has_font():
        pytest.skip("no installed font has these characters, for example: apt-get install fonts-wqy-zenhei")
    for first, second in (pictures(read_comparison(compared)), plots(tudui)):
        assert first != second


@pytest.mark.parametrize("part", [" (1 of 2 runs)", ": classes are very unequal, 1 (a) to 2 (b"])
def test_a_received_warning_without_end_is_quoted(part):
    with speaking("zh"):
        assert part * 5000 in language.say_recorded(part * 5000)
        language.say_recorded((part * 2000)[: language.LONGEST])


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["line-fit"], {"mse", "mae", "huber"}),
        (["line-fit", "--lr", "0.05", "--losses", "mse"], {"mse", "lr"}),
        (["line-fit", "--csv", "points.csv", "--losses", "l1"], {"l1", "lr", "year", "price", "sign", "autograd"}),
        (["line-fit", "--choose-delta", "0.1,0.5,1,2,5,10"], set()),
        (["loss", "value", "huber", "-i", "1,2,3", "-t", "1,2,5", "--delta", "2"], {"huber", "delta"}),
        (["loss", "value", "l1", "-i", ",".join("1" * 40), "-t", ",".join("2" * 40), "-r", "none"], {"l1"}),
        (["loss", "value", "mse", "-i", "1,2", "-t", "1,4", "-r", "sum"], {"mse"}),
        (
            ["loss", "value", "ce", "-i", "1,2;2,0", "-t", "1;0", "--weight", "1,2"],
            {"ce", "logit", "class", "weights", "torch", "nn", "CrossEntropyLoss"},
        ),
    ],
)
def test_a_command_of_the_lab_in_chinese_has_no_english_and_the_same_numbers(arguments, names, tmp_path, tudui):
    rows = "".join(f"{year},{2 * year}\n" for year in range(1990, 2000))
    (tmp_path / "points.csv").write_text(f"year,price\n{rows}")
    first, second = tudui(*arguments), tudui(*arguments, "--language", "zh")
    assert second.code == 0
    assert english_in(second.out + second.err) - names == set()
    assert numbers_in(first.out + first.err) == numbers_in(second.out + second.err)
    assert tudui(*arguments, "--json").out == tudui(*arguments, "--language", "zh", "--json").out


def texts_of_the_line_fit() -> str:
    losses, data = [choose_loss("mse"), choose_loss("mae")], tutorial_data(0)
    found = run_experiment(losses, data, steps=40, rate=0.05)  # mse diverges
    figures = [
        line_fit.fits_picture(found),
        line_fit.losses_picture(found),
        line_fit.influence_picture(*(influence(losses, data, axis=axis) for axis in ("y", "x"))),
        line_fit.choose_delta_picture(choose_delta([0.5, 2], data, folds=5, seed=0)),
    ]
    legends = [text for figure in figures for legend in figure.legends for text in legend.get_texts()]
    texts = [text for figure in figures for text in figure.findobj(Text)]
    return "\n".join(text.get_text() for text in (*texts, *legends))


@pytest.mark.parametrize("has_font", [True, False])
def test_the_pictures_of_the_line_fit_in_chinese(has_font, monkeypatch):
    monkeypatch.setattr(language, "_has_font", lambda: has_font)
    english = texts_of_the_line_fit()
    assert {"slope", "diverged", "moved", "deviation"} < english_in(english)
    with speaking("zh"):
        in_chinese = texts_of_the_line_fit()
    if has_font:
        assert english_in(in_chinese) == {"mse", "mae"}
        assert numbers_in(english) == numbers_in(in_chinese)
    else:
        assert english == in_chinese
