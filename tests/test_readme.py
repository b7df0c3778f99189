"""The pages in both languages: the same content, and the steps that scripts/walkthrough.sh walks."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

README, STEPS = ROOT / "README.md", ROOT / "docs" / "first-steps.md"
WHICH = ROOT / "docs" / "which-loss.md"
INDENTED = re.compile(r"^    (\S.*)$", re.MULTILINE)
BLOCK = re.compile(r"^```\w*\n.*?^```$", re.MULTILINE | re.DOTALL)


def chinese(page: Path) -> Path:
    return page.with_suffix(".zh-CN.md")


def typed(page: Path) -> list[str]:
    """Return the indented lines of a page outside of its blocks, without their comments."""
    return [line.split("  ")[0] for line in INDENTED.findall(BLOCK.sub("", page.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("page", [README, STEPS, WHICH], ids=["readme", "steps", "which-loss"])
def test_both_languages_have_the_same_commands_blocks_and_links(page):
    """A link may lead to the Chinese page of the same name; a heading is a link in its own language."""
    texts = [it.read_text(encoding="utf-8") for it in (page, chinese(page))]
    blocks = [BLOCK.findall(text) for text in texts]
    links = [
        sorted(
            target.replace(".zh-CN", "")
            for target in re.findall(r"\]\(([^)#][^)]*)\)", text)
            if page.stem not in target
        )
        for text in texts
    ]
    assert typed(page) == typed(chinese(page))
    for first, second in zip(*blocks, strict=True):
        assert first == second or "--language zh" in second
    assert links[0] == links[1]
    assert all([*blocks, *links])
    assert [len(re.findall("^#", text, flags=re.MULTILINE)) for text in texts] == [texts[0].count("\n#") + 1] * 2


def test_the_readme_is_short():
    text = README.read_text()
    assert len(text.splitlines()) <= 90
    assert len(text.split()) <= 900
    assert len(chinese(README).read_text(encoding="utf-8").splitlines()) <= 90


@pytest.mark.parametrize("page", [STEPS, chinese(STEPS)], ids=["en", "zh"])
def test_the_walkthrough_types_the_first_steps(page):
    """Read here so that it is noticed without the minutes that the walk takes; .ci/run walks it."""
    script = (ROOT / "scripts" / "walkthrough.sh").read_text()
    walked = re.findall(r"""^\s*(?:type_in|begin) ["'](.+)["']$|^(source .*)$""", script, flags=re.MULTILINE)
    walked = [first or second for first, second in walked]
    walked[walked.index("$go_on")] = "tudui train --resume runs/long"
    assert walked == typed(page)


def test_every_package_that_is_needed_has_its_row():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [
        *project["dependencies"],
        *(name for extra in ("onnx", "ray") for name in project["optional-dependencies"][extra]),
    ]
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs" / "installing.md").read_text(), flags=re.MULTILINE)
    listed = {name.split(" ")[0].rstrip(",") for row in rows for name in row.split(", ")}
    assert {re.split("[><=]", name)[0] for name in needed} <= listed
