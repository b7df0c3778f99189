"""The rooms: who may import whom, and what the command line may load before it is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from tests.conftest import ROOT, TUDUI

PACKAGE = ROOT / "tudui"
ENTRANCES = {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}  # above every floor
FLOORS = [
    {"blocks", "errors", "invocation", "output", "seeding", "style", "text"},
    {"config", "csv_file", "events", "files", "language", "record", "signals"},
    {"tasks", "losses", "networks", "data", "run_folder", "distributed"},
    {"sinks", "training", "exported"},
    {"weights"},
    {"run"},
    {"comparison", "lab", "inference", "rehearsal", "diagnosis"},
    {"report"},
    {"api"},
    {"cli"},
]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

LONGEST_FILE, LONGEST_FUNCTION = 300, 60  # lines; of a function those of its body without the docstring

TREES = {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in TREES if path not in ENTRANCES}


def imported(tree: ast.AST) -> set[str]:
    """Return the modules of Tudui that a file imports, inside functions too.

    `from tudui.room import name` is tudui.room.name if that is a module, else tudui.room, which is its __init__.py.
    """
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else node.module for name in inside}
    return names & MODULES.keys()


def room_of(module: str) -> str:
    return module.split(".")[1]


IMPORTS = {module: imported(TREES[path]) - {module} for module, path in MODULES.items()}
ROOMS = {room_of(module) for module in MODULES}


def circles(arrows: dict[str, set[str]]) -> set[frozenset[str]]:
    """Return the groups of two and more of which each reaches each other along the arrows."""
    names = sorted(arrows)
    matrix = np.array([[other in arrows[name] for other in names] for name in names])
    _, labels = connected_components(matrix, directed=True, connection="strong")
    groups = [frozenset(name for name, label in zip(names, labels, strict=True) if label == one) for one in set(labels)]
    return {group for group in groups if len(group) > 1}


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_from_its_own_and_lower_floors(module):
    floor = FLOOR_OF[room_of(module)]
    upper = {other for other in IMPORTS[module] if FLOOR_OF[room_of(other)] > floor}
    assert not upper, f"{module} (floor {floor}) imports {upper}"


@pytest.mark.parametrize("module", [module for module in MODULES if room_of(module) == "cli"])
def test_a_command_calls_the_api(module):
    """What a command does is a function that Python users have too; it prints what that returns."""
    work = {"training", "weights", "run", "comparison", "inference"}
    assert not {other for other in IMPORTS[module] if room_of(other) in work}


def test_no_circle_of_rooms():
    arrows = {room: set() for room in ROOMS}
    for module, imports in IMPORTS.items():
        arrows[room_of(module)] |= {room_of(other) for other in imports}
    assert circles(arrows) == set()


def test_no_circle_of_files():
    assert not circles(IMPORTS)


def test_the_table_is_the_one_in_the_docs():
    text = (ROOT / "docs" / "architecture.md").read_text()
    for number, rooms in enumerate(FLOORS):
        for room in rooms:
            if (PACKAGE / room).exists() or (PACKAGE / f"{room}.py").exists():
                assert f"| {number} | `{room}" in text, f"{room} is not on floor {number} of docs/architecture.md"


def test_files_are_short():
    lengths = {module: len(path.read_text().splitlines()) for module, path in MODULES.items()}
    assert {module for module, length in lengths.items() if length > LONGEST_FILE} == set()
    names = {path.stem for path in TREES}
    assert not names & {"utils", "helpers", "common"}


def test_functions_are_short():
    lengths = {
        f"{module}.{node.name}": length_of_body(node)
        for module, path in MODULES.items()
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name for name, length in lengths.items() if length > LONGEST_FUNCTION} == set()


def length_of_body(function: ast.FunctionDef) -> int:
    """Return the lines of its statements: the signature of a command is a declaration, and its docstring the help."""
    statements = function.body[1:] if ast.get_docstring(function) else function.body
    return function.end_lineno - statements[0].lineno + 1 if statements else 0


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


SCHEMA = {"tudui.config.schema", "ruamel"}  # Typer itself loads pydantic as soon as it reads the value of an option


@pytest.mark.parametrize(
    ("arguments", "besides"),
    [
        (["--help"], {*SCHEMA, "pydantic"}),
        (["loss", "--help"], SCHEMA),
        (["backward", "--help"], SCHEMA),
        (["loss", "value", "--help"], SCHEMA),
        (["train", "--help"], set()),  # whose options are the schema's
    ],
)
def test_help_loads_the_schema_only_for_the_options_of_a_command(arguments, besides):
    assert not modules_after(arguments) & (HEAVY | besides)


@pytest.mark.parametrize("words", ["tr", "train --lo", "train --loss ", "evaluate ru"])
def test_completion_does_without_the_schema(words, monkeypatch):
    monkeypatch.setenv("_TUDUI_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"tudui {words}")
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ") + 1))
    loaded = modules_after([])
    assert "tudui.cli.flags" in loaded
    assert "tudui.config.schema" in loaded if "--loss" in words else not loaded & SCHEMA
    assert not loaded & HEAVY


@pytest.mark.parametrize("data", ["digits", "folder:{}"])
def test_training_needs_neither_scikit_learn_nor_matplotlib(data, class_folders):
    arguments = [
        "train",
        "-d",
        data.format(class_folders),
        "-e",
        "1",
        "-b",
        "8",
        "-q",
        "-o",
        "run",
        "-s",
        "log.pictures=none",
    ]
    assert modules_after(arguments) & HEAVY <= {"torch", "numpy", "PIL", "tensorboard"}
    assert Path("run/result.json").exists()


def test_help_is_a_real_command():
    done = subprocess.run([*TUDUI, "--help"], capture_output=True, text=True, check=True)
    assert "train" in done.stdout
