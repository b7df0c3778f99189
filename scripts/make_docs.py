"""Run every command that README, tutorial, FAQ and the pages of tasks show again: outputs and pictures.

    python scripts/make_docs.py [PAGE ...]

A command is a line `$ tudui ...` in a block marked `console`; what follows it up to the next one is its output. Pages with
the same commands share a folder. A block after a line "`NAME.py`:" is a file in it; `example.py` writes the page's data.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from typer.testing import CliRunner

from tudui.cli import app

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README, TUTORIAL, FAQ = ROOT / "README.md", DOCS / "tutorial.md", DOCS / "faq.md"
TASKS = [DOCS / name for name in ("photos.md", "csv.md", "noisy-labels.md", "own-network.md")]
BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)$", re.MULTILINE)
FILE = re.compile(r"^`(\w+\.py)`.*:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# pictures of reports: the command, and what becomes of its pictures
PICTURES = {
    "tudui compare-losses --config regression --out regression": (
        "regression/tudui-rotated-digits/pictures/absolute_error-over-noise.png", "outliers.png",
    ),
    "tudui compare-losses --out four": ("four/pictures/accuracy.png", "compare-digits.png"),
}  # fmt: skip


def chinese(page: Path) -> Path:
    """Return the page of the same name in Chinese."""
    return page.with_suffix(".zh-CN.md")


def run(command: str) -> str:
    """Return what a command `tudui ...` prints in a terminal of 80 columns, without spaces at the ends of lines.

    Of a command that trains, this is the result alone, without its progress.
    """
    os.environ["COLUMNS"] = "80"
    program, *arguments = shlex.split(command)
    if program != "tudui":
        return ""
    if "--out" in arguments and not trains(command):
        arguments.append("--overwrite")  # the picture of the last time
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, f"{command}: exit code {result.exit_code}\n{result.output}"
    output = result.stdout if trains(command) else result.output
    return "".join(f"{line.rstrip()}\n" for line in output.rstrip().splitlines())


def trains(command: str) -> bool:
    """Return if a command trains: its output then depends on the processor, and takes time."""
    return command.split()[1] in ("train", "compare-losses")


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


def write_files(text: str) -> None:
    """Write the files of a page, and the data that its `example.py` makes."""
    for name, content in FILE.findall(text):
        Path(name).write_text(content, encoding="utf-8")
        if name == "example.py":
            subprocess.run([sys.executable, name], check=True)


def main() -> None:
    """Renew the pages in place, or those named, and with all pages the pictures."""
    asked = {Path(name).resolve() for name in sys.argv[1:]}
    for page in (README, TUTORIAL, FAQ, *TASKS):
        pages = [it for it in (page, chinese(page)) if it.exists()]
        if asked and not asked & set(pages):
            continue
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            Path("docs").symlink_to(DOCS)  # where pictures are written
            write_files(page.read_text(encoding="utf-8"))
            once = cache(run)  # the two languages have the same commands
            for it in pages:
                it.write_text(renewed(it.read_text(encoding="utf-8"), once), encoding="utf-8")
            os.chdir(ROOT)
    if not asked:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            for command, (made, name) in PICTURES.items():
                run(command)
                shutil.copyfile(made, DOCS / "pictures" / name)
            os.chdir(ROOT)


if __name__ == "__main__":
    main()
