"""Build the sdist and the wheel of a release, install the wheel into an empty environment and use it there.

    python scripts/release_check.py            # as `make release-check`: a new environment from the package index
    python scripts/release_check.py --quick    # the wheel unpacked, beside the packages of this interpreter

Every command runs once, in an empty folder outside the repository. Exit code 1 where anything is wrong; the full form
leaves what it found right in `dist/`.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import typer

from tudui import __version__
from tudui.cli import app

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))
# In this order: later ones read what earlier ones wrote.
COMMANDS = f"""
--version
doctor
config list
config validate {" ".join(SHIPPED)}
config show --config cifar10 --provenance
config copy digits
config schema
data list
network list
network show linear
data check digits
loss list
loss choose --task classes --label-noise 0.2
loss value huber --input 1,2,3 --target 1,2,5
loss plot mse l1 huber --out plot.png
line-fit --out line
backward layers
backward accumulate
backward precision
backward depth
backward check
backward by-hand
train --config digits
train --config digits.yaml --loss huber -e 1
evaluate runs/digits-ce-seed0
predict runs/digits-ce-seed0 plot.png
export runs/digits-ce-seed0
runs
compare-losses --losses ce,mse --seeds 2 -e 1 --out compared
report compared
tensorboard runs
""".strip().splitlines()
TESTS_OF_THE_SDIST = ("tests/test_architecture.py", "tests/test_config.py")  # that it can be tested; they take seconds
TORCH = re.compile(r"(torch|torchvision|triton|nvidia-.*|cuda-.*)$")


def commands(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the words of every command in a Typer group, as `loss value`, and the command."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def call(*words: object, cwd: Path = ROOT) -> str:
    """Return what a command prints; raise with all that it said where it fails."""
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(map(str, words))}\n{done.stdout}{done.stderr}"
    return done.stdout


def build(out: Path, *, isolated: bool) -> tuple[Path, Path]:
    """Build the sdist, and the wheel from the sdist."""
    call(sys.executable, "-m", "build", "--outdir", out, *(() if isolated else ("--no-isolation",)), ROOT)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


def new_environment(folder: Path, *packages: object) -> Path:
    """Make an empty environment with these packages; return the folder of its programs."""
    call(sys.executable, "-m", "venv", folder)
    call(folder / "bin" / "python", "-m", "pip", "install", "--quiet", *packages)
    return folder / "bin"


def wrong_contents(sdist: Path, wheel: Path) -> Iterator[str]:
    """Yield what the files lack, or hold too much."""
    with tarfile.open(sdist) as tar:
        packed = {name.partition("/")[2] for name in tar.getnames()}
    source = set(call("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines())
    yield from (f"the sdist lacks {name}" for name in sorted(source - packed))
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    about = f"tudui-{__version__}.dist-info"
    wanted = {name for name in source if name.startswith("tudui/")} | {f"tudui/configs/{name}.yaml" for name in SHIPPED}
    wanted |= {f"{about}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}
    yield from (f"the wheel lacks {name}" for name in sorted(wanted - held))
    yield from (f"the wheel should not hold {name}" for name in sorted(held - wanted))


def wrong_version(wheel: Path, *, unreleased: bool) -> Iterator[str]:
    """Yield where another version is named than in `tudui/__init__.py`."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = Parser().parsestr(archive.read(f"tudui-{__version__}.dist-info/METADATA").decode())
    if metadata["Version"] != __version__:
        yield f"the wheel's metadata say {metadata['Version']}, tudui/__init__.py says {__version__}"
    (newest,) = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[:1]
    released = re.fullmatch(rf"\[?{re.escape(__version__)}\]? - \d{{4}}-\d\d-\d\d", newest)
    if not released and not (unreleased and newest == "Unreleased"):
        yield f"CHANGELOG.md: the newest heading is {newest!r} and not '{__version__} - YEAR-MONTH-DAY'"


def wrong_use(tudui: list[str], folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run every command in a folder; print how long each takes, yield what is wrong."""
    for words, _ in commands(typer.main.get_command(app)):
        if not any(f"{line} ".startswith(f"{words} ") for line in COMMANDS):
            yield f"scripts/release_check.py has no line for `tudui {words}`"
    place: Any = {"cwd": folder, "env": environment, "text": True}
    for line in COMMANDS:
        began = time.monotonic()
        if line.startswith("tensorboard"):
            problem = wrong_server([*tudui, *shlex.split(line)], place)
        else:
            done = subprocess.run([*tudui, *shlex.split(line)], **place, capture_output=True, check=False)
            problem = "" if done.returncode == 0 and done.stdout else f"exit code {done.returncode}\n{done.stderr}"
            if line == "--version" and done.stdout != f"tudui {__version__}\n":
                problem = f"printed {done.stdout}"
        print(f"{'FAILED' if problem else 'ok':<8}{time.monotonic() - began:5.1f} s  tudui {line}", flush=True)
        if problem:
            yield f"tudui {line}: {problem}"


def wrong_server(command: list[str], place: Any) -> str:
    """Start a server, ask it for its page, end it; return what is wrong."""
    with subprocess.Popen(command, **place, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            address = re.search(r"http://127\.0\.0\.1:\d+/", line)
            if address is None:
                return f"printed no address: {line}"
            with urllib.request.urlopen(address[0]) as answer:
                return "" if b"TensorBoard" in answer.read() else f"{address[0]} is not TensorBoard"
        finally:
            process.terminate()


def print_sizes(sdist: Path, wheel: Path, environment: Path | None) -> None:
    """Print a table of what has to be downloaded and kept."""
    rows = {wheel.name: wheel.stat().st_size, sdist.name: sdist.stat().st_size}
    if environment:
        (packages,) = environment.glob("lib/python*/site-packages")
        sizes = {
            each.name: sum(
                path.stat().st_size for file in each.files or () if (path := Path(each.locate_file(file))).is_file()
            )
            for each in distributions(path=[str(packages)])
        }
        torch = sum(size for name, size in sizes.items() if TORCH.match(name))
        rows["the environment"] = sum(sizes.values())
        rows["  of it torch, torchvision and the CUDA libraries"] = torch
        rows["  of it everything else"] = rows["the environment"] - torch
    print()
    for name, size in rows.items():
        print(f"{name:<50}{size / 1e6:10.2f} MB")


def main(quick: bool = False) -> None:
    """Build, look into what was built, use it; say what is wrong."""
    with tempfile.TemporaryDirectory(prefix="tudui-release-") as name:
        work = Path(name)
        sdist, wheel = build(work / "dist", isolated=not quick)
        problems = [*wrong_contents(sdist, wheel), *wrong_version(wheel, unreleased=quick)]
        environment = os.environ | {"TUDUI_CACHE": str(work / "cache"), "PYTHONNOUSERSITE": "1"}
        environment.pop("PYTHONPATH", None)
        if quick:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(work / "unpacked")
            environment["PYTHONPATH"] = str(work / "unpacked")
            tudui = [sys.executable, "-m", "tudui"]
        else:
            shutil.unpack_archive(sdist, work)  # of any Python; what is in it was made here
            call(sys.executable, "-m", "pytest", *TESTS_OF_THE_SDIST, cwd=work / sdist.name.removesuffix(".tar.gz"))
            print(call(new_environment(work / "tools", "twine") / "twine", "check", "--strict", sdist, wheel))
            programs = new_environment(work / "environment", wheel)
            call(programs / "python", "-m", "pip", "check")
            tudui = [str(programs / "tudui")]
        (work / "empty").mkdir()
        problems += wrong_use(tudui, work / "empty", environment)
        print_sizes(sdist, wheel, None if quick else work / "environment")
        if not quick and not problems:
            shutil.copytree(work / "dist", ROOT / "dist", dirs_exist_ok=True)
    print("\n".join(f"wrong: {problem}" for problem in problems) or "nothing is wrong")
    raise typer.Exit(1 if problems else 0)


if __name__ == "__main__":
    typer.run(main)
