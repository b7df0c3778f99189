"""What `tudui train` prints of a run that it does not do."""

from typing import TYPE_CHECKING

import typer

from tudui.api.console import note
from tudui.files import json_text

if TYPE_CHECKING:
    from rich.console import Console

    from tudui.config import Config


def print_first_batches(config: "Config", count: int, console: "Console") -> None:
    """Print outputs, targets and loss of the first batches."""
    from rich.markup import escape

    from tudui.api.training import first_batches

    for number, (outputs, targets, value) in enumerate(first_batches(config, count=count), start=1):
        console.print(f"batch {number}: outputs {list(outputs.shape)}", style="bold")
        console.print(escape(str(outputs)))
        console.print(f"targets\n{escape(str(targets))}\nloss {value:.4f}")


def show_dry_run(config: "Config", console: "Console", *, json: bool) -> None:
    """Check everything up to a step, and print what was found."""
    from rich.markup import escape

    from tudui.api.training import rehearse

    found = rehearse(config)
    if json:
        typer.echo(json_text(found))
        return
    notes = found.pop("notes")
    for name, value in found.items():
        console.print(f"{name}: {escape(f'{value:.4g}' if isinstance(value, float) else str(value))}")
    for text in notes:
        note(text)
    console.print("dry run: nothing was written")
