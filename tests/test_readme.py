"""The README in both languages: the same commands, and the seven steps that scripts/walkthrough.sh walks."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
INDENTED = re.compile(r"^    (\S.*)$", re.MULTILINE)


def code(page: Path) -> list[str]:
    """Return everything on a page that is code: blocks, indented lines, and what stands between backticks in tables."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n.*?^```$", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line.split("  ")[0] for line in INDENTED.findall(text) if not any(line in block for block in blocks)]
    cells = re.findall(r"^\| (`.*?)\s\|", text, flags=re.MULTILINE)
    return [*blocks, *lines, *cells]


def test_both_languages_show_the_same_commands():
    assert len(code(ENGLISH)) > 30
    assert code(CHINESE) == code(ENGLISH)


def test_both_languages_show_the_same_pictures_and_figures():
    shown = [
        (re.findall(r"\]\((docs/pictures/[^)]+)\)", text), re.findall(r"\d+\.\d ± \d\.\d %", text))
        for text in (page.read_text(encoding="utf-8") for page in (ENGLISH, CHINESE))
    ]
    assert shown[0] == shown[1]
    assert all(shown[0])


@pytest.mark.parametrize("page", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_the_walkthrough_types_the_seven_steps(page):
    """Read here so that it is noticed without the minutes that the walk takes; .ci/run walks it."""
    text = page.read_text(encoding="utf-8")
    begin = text.index("    source .venv/bin/activate")
    steps = re.sub(r"^```.*?^```$", "", text[begin : text.index("\n## ", begin)], flags=re.MULTILINE | re.DOTALL)
    script = (ROOT / "scripts" / "walkthrough.sh").read_text()
    typed = re.findall(r"""^\s*(?:type_in|begin) ["'](.+)["']$|^(source .*)$""", script, flags=re.MULTILINE)
    typed = [first or second for first, second in typed]
    typed[typed.index("$go_on")] = "tudui train --resume runs/long"
    assert typed == ["make train", *INDENTED.findall(steps)]


@pytest.mark.parametrize("page", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_every_package_that_is_needed_has_its_row(page):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [
        *project["dependencies"],
        *(name for extra in ("onnx", "ray") for name in project["optional-dependencies"][extra]),
    ]
    rows = re.findall(r"^\| ([^|]+) \|", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    listed = {
        name.split(" ")[0].rstrip(",")
        for row in rows
        for name in row.replace("，", ", ").replace("、", ", ").split(", ")
    }
    assert {re.split("[><=]", name)[0] for name in needed} <= listed
