"""What is released is whole, and what is asked of those who report and contribute can be done."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from scripts.release_check import commands
from tests.conftest import ROOT
from tudui.cli import app

FORMS = [path for path in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) if path.name != "config.yml"]
BESIDE = Path(sys.executable).parent  # where `make setup` puts programs


@pytest.mark.slow
def test_the_wheel_built_from_the_sdist_has_everything_that_its_commands_need():
    command = [sys.executable, ROOT / "scripts" / "release_check.py", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("nothing is wrong\n")


def test_github_shows_the_forms_for_issues():
    """By GitHub's schema, which travels with check-jsonschema."""
    command = [BESIDE / "check-jsonschema", "--builtin-schema", "vendor.github-issue-forms", *FORMS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_what_forms_and_templates_name_is_there():
    named: dict[str, int] = {"command": 0, "target": 0, "script": 0}
    known = {words for words, _ in commands(get_command(app))}
    for path in (*FORMS, ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md", ROOT / "CONTRIBUTING.md"):
        for command in re.findall(r"`tudui ([a-z -]+)", path.read_text()):
            words = re.match(r"[a-z-]+(?: [a-z-]+)?", command)[0]
            assert known & {words, words.split()[0]}, f"{path.name}: tudui {command}"
            named["command"] += 1
        for target in re.findall(r"`make ([a-z-]+)", path.read_text()):
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE), target
            named["target"] += 1
        for script in re.findall(r"`((?:scripts|experiments|fuzz)/\w+\.py)", path.read_text()):
            assert (ROOT / script).exists(), script
            named["script"] += 1
    assert all(named.values()), named


def test_every_tool_of_the_hooks_comes_with_the_setup():
    (local,) = YAML(typ="safe").load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"
    for hook in local["hooks"]:
        folder, _, program = hook["entry"].split()[0].rpartition("/")
        assert folder == ".venv/bin"
        assert (BESIDE / program).exists(), program
