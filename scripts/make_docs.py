"""Run every command shown in the tutorial, in both languages, and in the FAQ again: outputs and pictures.

    python scripts/make_docs.py

A command is a line `$ tudui ...` in a block marked `console`; what follows it up to the next one is its output.
"""

import os
import re
import shlex
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from typer.testing import CliRunner

from tudui.cli import app

ROOT = Path(__file__).parent.parent
TUTORIAL, CHINESE, FAQ = (ROOT / "docs" / name for name in ("tutorial.md", "tutorial.zh-CN.md", "faq.md"))
BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)$", re.MULTILINE)


def run(command: str) -> str:
    """Return what a command `tudui ...` prints in a terminal of 80 columns, without spaces at the ends of lines."""
    os.environ["COLUMNS"] = "80"
    program, *arguments = shlex.split(command)
    assert program == "tudui", command
    if "--out" in arguments:
        arguments.append("--overwrite")  # the picture of the last time
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, f"{command}: exit code {result.exit_code}\n{result.output}"
    return "".join(f"{line.rstrip()}\n" for line in result.output.rstrip().splitlines())


def shown(text: str) -> Iterator[tuple[str, str]]:
    """Yield every command of a page with the output that stands below it."""
    for block in BLOCK.findall(text):
        before, *parts = COMMAND.split(block)
        assert not before, f"a console block must begin with a command: {before[:60]}"
        yield from zip(parts[::2], (output.removeprefix("\n") for output in parts[1::2]), strict=True)


def renewed(text: str, run: Callable[[str], str]) -> str:
    """Return the page with every output replaced by that of `run`."""

    def renew(block: re.Match[str]) -> str:
        return "".join(f"$ {command}\n{run(command)}" for command in COMMAND.findall(block[0]))

    return BLOCK.sub(renew, text)


def main() -> None:
    """Renew the pages in place."""
    os.chdir(ROOT)  # pictures are named from here
    once = cache(run)  # the two languages have the same commands
    for page in (TUTORIAL, CHINESE, FAQ):
        page.write_text(renewed(page.read_text(encoding="utf-8"), once), encoding="utf-8")


if __name__ == "__main__":
    main()
