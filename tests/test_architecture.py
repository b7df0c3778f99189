"""The rooms: who may import whom, and what the command line may load before it is needed."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT, TUDUI

PACKAGE = ROOT / "tudui"
FLOORS = [
    {"errors", "invocation", "seeding", "style", "text"},
    {"config", "events", "files", "record", "signals"},
    {"tasks", "losses", "data", "networks", "run_folder", "distributed"},
    {"sinks", "training", "exported"},
    {"weights"},
    {"run"},
    {"comparison", "lab", "inference", "rehearsal", "diagnosis"},
    {"report"},
    {"api"},
    {"cli"},
]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path, modules: set[str], *, typing: bool = True) -> set[str]:
    """Return the modules of the package that a file imports, anywhere in it; without those for type checkers alone."""
    tree = ast.parse(path.read_text())
    if not typing:
        guarded = [
            node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        ]
        for node in guarded:
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & modules
            found |= inside or {node.module} & modules
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & modules
    return found - {module_of(path)}


def imported_rooms(path: Path) -> set[str]:
    return {module.split(".")[1] for module in imports_of(path, MODULES) if "." in module}


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """Return one circle; empty if there is none."""
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return error.args[1]
    return []


def sources() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if room_of(path) not in ("__init__", "__main__")]


MODULES = {module_of(path) for path in PACKAGE.rglob("*.py")}


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_room_imports_nothing_from_above(path):
    room = room_of(path)
    upper = {other for other in imported_rooms(path) if other != room and FLOOR_OF[other] > FLOOR_OF[room]}
    assert not upper, f"{room} (floor {FLOOR_OF[room]}) imports {upper}"


def test_no_circle_of_rooms():
    graph: dict[str, set[str]] = {}
    for path in sources():
        graph.setdefault(room_of(path), set()).update(imported_rooms(path) - {room_of(path)})
    assert not circle_in(graph)


def test_no_circle_of_files():
    assert not circle_in({module_of(path): imports_of(path, MODULES, typing=False) for path in sources()})


def test_the_table_is_the_one_in_the_docs():
    text = (ROOT / "docs" / "architecture.md").read_text()
    for number, rooms in enumerate(FLOORS):
        for room in rooms:
            if (PACKAGE / room).exists() or (PACKAGE / f"{room}.py").exists():
                assert f"| {number} | `{room}" in text, f"{room} is not on floor {number} of docs/architecture.md"


def test_files_are_small():
    long = {path.name: lines for path in sources() if (lines := len(path.read_text().splitlines())) > 300}
    assert not long
    names = {path.stem for path in sources()}
    assert not names & {"utils", "helpers", "common"}


HEAVY = {"torch", "torch._dynamo", "torchvision", "sklearn", "scipy", "matplotlib", "tensorboard", "numpy", "PIL"}


def modules_after(arguments: list[str], *, code: int = 0) -> set[str]:
    """Return the modules that a command has loaded when it ends with this exit code."""
    script = f"""
import sys
from tudui.cli import app
try:
    app({arguments!r}, prog_name="tudui")
except SystemExit as end:
    assert (end.code or 0) == {code}, end.code
print("LOADED", *sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert loaded[0] == "LOADED"
    return set(loaded)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["config", "show", "--config", "cifar10"], 0),
        (["config", "validate", "digits"], 0),
        (["data", "list"], 0),
        (["train", "--loss", "hubr"], 2),
        (["compare-losses", "--losses", "ce,hubr"], 2),
    ],
)
def test_commands_load_only_what_they_need(arguments, code):
    assert not modules_after(arguments, code=code) & HEAVY


@pytest.mark.parametrize(
    ("arguments", "schema"),
    [
        (["--help"], {"tudui.config", "ruamel", "pydantic"}),
        (["train", "--help"], {"tudui.config", "ruamel"}),  # Typer itself loads pydantic for any command's options
        (["compare-losses", "--help"], {"tudui.config", "ruamel"}),
    ],
)
def test_help_does_without_the_config_schema(arguments, schema):
    assert not modules_after(arguments) & (HEAVY | schema)


@pytest.mark.parametrize("data", ["digits", "folder:{}"])
def test_training_needs_neither_scikit_learn_nor_matplotlib(data, class_folders):
    arguments = ["train", "-d", data.format(class_folders), "-e", "1", "-b", "8", "-q", "-o", "run"]
    assert modules_after(arguments) & HEAVY <= {"torch", "numpy", "PIL", "tensorboard"}
    assert Path("run/result.json").exists()


def test_help_is_a_real_command():
    done = subprocess.run([*TUDUI, "--help"], capture_output=True, text=True, check=True)
    assert "train" in done.stdout
