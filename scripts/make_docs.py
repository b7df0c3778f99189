"""Run every command that README, tutorial, FAQ and the pages of tasks show again: outputs and pictures.

    python scripts/make_docs.py [PAGE ...]

A command is a line `$ tudui ...` in a block marked `console`; what follows it up to the next one is its output. Both
languages of a page share a folder. A block after a line "`NAME.py`:" is a file in it; `example.py` writes its data.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from textwrap import wrap

from typer.testing import CliRunner

from tudui.cli import app
from tudui.invocation import tudui_command

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README, TUTORIAL, FAQ, CHOICE = ROOT / "README.md", *(DOCS / f"{name}.md" for name in ("tutorial", "faq", "which-loss"))
TASKS = [DOCS / name for name in ("photos.md", "csv.md", "noisy-labels.md", "own-network.md")]
BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)$", re.MULTILINE)
FILE = re.compile(r"`(\w+\.py)`[^`\n]*:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LONGEST = 120  # characters of a line of output
PROGRESS = re.compile(r"(epoch +)?\d+/\d+ |\d+ runs, ")
# what commands of a page draw, with its name in docs/pictures; then commands that no page shows the output of
DRAWN = {
    "tutorial": {"delta/pictures/sensitivity-delta-noise20.png": "tuned-delta.png"},
    "photos": {"runs/photos-ce-seed0/worst.png": "photos-worst.png"},
    "csv": {"runs/wine-huber-seed0/predicted-over-true.png": "wine-predicted.png"},
    "noisy-labels": {"noisy/pictures/accuracy-noise40.png": "noisy-labels.png"},
}
REPORTS = {
    "tudui compare-losses --out four": {"four/pictures/accuracy.png": "compare-digits.png"},
    "tudui compare-losses --config regression --out regression": {
        "regression/tudui-rotated-digits/pictures/absolute_error-over-noise.png": "outliers.png"
    },
}


def chinese(page: Path) -> Path:
    """Return the page of the same name in Chinese."""
    return page.with_suffix(".zh-CN.md")


def run(command: str) -> str:
    """Return what a command `tudui ...` prints in a terminal of 80 columns, without spaces at the ends of lines.

    Of a command that trains, progress and notes (stderr) are left out, and what follows the answer of a comparison.
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
    output = output.replace(tudui_command(), "tudui").replace(f"{Path.cwd()}/", "")
    output = output.partition("\nTest ")[0] if command.startswith("tudui compare-losses") else output
    lines = (part.rstrip() for line in output.rstrip().splitlines() for part in wrapped(line))
    return "".join(f"{line}\n" for line in lines if not (trains(command) and PROGRESS.match(line)))


def wrapped(line: str) -> list[str]:
    """Return a line in parts that a page has room for; what is indented stays so."""
    indent = " " * (len(line) - len(line.lstrip()))
    return wrap(line, LONGEST, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [""]


def trains(command: str) -> bool:
    """Return whether a command trains: its output then depends on the processor, and takes time."""
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


def keep(drawn: dict[str, str]) -> None:
    """Copy pictures to docs/pictures."""
    for made, name in drawn.items():
        shutil.copyfile(made, DOCS / "pictures" / name)


@contextmanager
def own_folder() -> Iterator[None]:
    """Work in a folder for runs; pictures with a path below docs/ go to the repository."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("docs").symlink_to(DOCS)
        yield
        os.chdir(ROOT)


def main() -> None:
    """Renew the pages in place, or those named, and with all pages the pictures of reports."""
    asked = {Path(name).resolve() for name in sys.argv[1:]}
    for page in (README, TUTORIAL, FAQ, CHOICE, *TASKS):
        pages = [it for it in (page, chinese(page)) if it.exists()]
        if asked and not asked & set(pages):
            continue
        with own_folder():
            write_files(page.read_text(encoding="utf-8"))
            once = cache(run)  # the two languages have the same commands
            for it in pages:
                it.write_text(renewed(it.read_text(encoding="utf-8"), once), encoding="utf-8")
            keep(DRAWN.get(page.stem, {}))
    for command, drawn in REPORTS.items() if not asked else ():
        with own_folder():
            run(command)
            keep(drawn)


if __name__ == "__main__":
    main()
