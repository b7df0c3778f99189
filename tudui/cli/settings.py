"""What commands share: flags, the config that they choose, and the consoles that commands write to."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal

import typer

from tudui.cli import completion
from tudui.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from tudui.config import Loaded, Override

WIDE = 1000  # columns where nobody looks: no name is broken for a width that a file or pipe does not have
CHOICE, HOW, SHOW = "What to run", "How", "What to show, and where to"  # panels of the help

ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="NAME|FILE",
        help="Shipped config by name (see: tudui config list), or a YAML file.  [default: Tudui's defaults, on digits]",
        rich_help_panel=CHOICE,
        autocompletion=completion.shipped,
    ),
]
LossOption = Annotated[
    str | None,
    typer.Option(
        "--loss",
        "-l",
        metavar="NAME",
        help="Loss (see: tudui loss list); replaces the whole section of a file.  [default: the config's, else ce]",
        rich_help_panel=CHOICE,
        autocompletion=completion.losses,
    ),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        metavar="NAME",
        help="Data set (see: tudui data list), or folder:PATH for your own images.  "
        "[default: the config's, else digits]",
        rich_help_panel=CHOICE,
        autocompletion=completion.data_sets,
    ),
]
DataDirOption = Annotated[
    str | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Folder with a copy of the data set, or to download it into.  [default: the user's cache]",
        rich_help_panel=CHOICE,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Any setting (see: tudui config show), such as optimizer.lr=0.1; may be repeated.",
        rich_help_panel=CHOICE,
        autocompletion=completion.settings,
    ),
]
EpochsOption = Annotated[
    int | None,
    typer.Option(
        "--epochs",
        "-e",
        metavar="N",
        help="Passes over the training images.  [default: the config's, else 10]",
        rich_help_panel=HOW,
    ),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        "-b",
        metavar="N",
        help="Images per step.  [default: the config's, else 64]",
        rich_help_panel=HOW,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout, the rest on stderr.", rich_help_panel=SHOW)
]
WeightsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="RUN|WEIGHTS", help="Run folder, checkpoint or weights file.", autocompletion=completion.runs
    ),
]
NormalizeOption = Annotated[
    Literal["standardize", "none"] | None,
    typer.Option(
        help="How pixels are prepared.  [default: as in training; none where a weights file does not say]",
        rich_help_panel=HOW,
    ),
]
BestOption = Annotated[
    bool,
    typer.Option("--best", help="Take the weights of the best validation accuracy, not the last.", rich_help_panel=HOW),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")]


def overrides_of(flags: Mapping[str, tuple[str, Any]], settings: Sequence[str] | None) -> "list[Override]":
    """Return what flags {key: (flag, value)}, with None for those not given, and `--set` texts ask for."""
    from tudui.config import Override, parse_set

    overrides = [
        Override(key, value, _as_typed(flag, value)) for key, (flag, value) in flags.items() if value is not None
    ]
    return overrides + [parse_set(text) for text in settings or ()]


def _as_typed(flag: str, value: Any) -> str:
    if isinstance(value, bool):
        return flag
    return f"{flag} {','.join(map(str, value)) if isinstance(value, list) else value}"


def load_from_flags(
    config: str | None, flags: Mapping[str, tuple[str, Any]], settings: Sequence[str] | None
) -> "Loaded":
    """Return the config of a file, flags and `--set` texts."""
    from tudui.config import load_config
    from tudui.config.shipped import find_config

    return load_config(find_config(config) if config else None, overrides_of(flags, settings))


def refuse_overwriting(*paths: Path, overwrite: bool) -> None:
    """Raise UsageError where a file that is to be written is there already, and the user did not say to replace it."""
    for path in paths:
        if path.is_dir():
            raise UsageError(f"{path}: is a folder; give the name of a file with --out")
        if not overwrite and (path.exists() or path.is_symlink()):
            raise UsageError(f"{path}: is there already; give another name with --out, or add --overwrite")


def messages() -> "Console":
    """Return the console for everything that is not a command's result."""
    return _console(sys.stderr)


def output(*, json: bool) -> "Console":
    """Return the console for progress and tables: stdout, or stderr where stdout belongs to one JSON object."""
    return _console(sys.stderr if json else sys.stdout)


def _console(file: IO[str]) -> "Console":
    from tudui.sinks.printable import printable_console

    wide = None if file.isatty() or "COLUMNS" in os.environ else WIDE
    return printable_console(file, width=wide)


def note(text: str) -> None:
    """Tell the user something on stderr."""
    from rich.markup import escape

    messages().print(f"[yellow]note:[/] {escape(text)}")
