"""`tudui` alone: where to start."""

from collections.abc import Mapping, Sequence

from tudui.api.console import output
from tudui.invocation import tudui_command

STEPS = {
    "train --loss ce": "train on real digits, in seconds",
    "tensorboard": "see losses, accuracies and gradients",
    "compare-losses": "four losses on the same footing: a report",
    "train --data folder:PATH": "your own images, a folder for each class",
    "train --resume RUN": "go on with a run that was stopped",
    "doctor": "what this machine can do, and what is wrong",
}


def print_start(panels: Mapping[str, Sequence[str]]) -> None:
    """Print the first commands that a newcomer needs, and all others by their groups."""
    from rich.markup import escape
    from rich.table import Table

    console = output(json=False)
    console.print("Understand and compare loss functions on an image classifier.\n")
    console.print("[bold]Where to start[/]")
    steps = Table.grid(padding=(0, 2, 0, 0))
    for command, what in STEPS.items():
        steps.add_row(f"  [cyan]tudui {escape(command)}[/]", what)
    console.print(steps)
    console.print("\n[bold]All commands[/], each with --help")
    table = Table.grid(padding=(0, 2, 0, 0))
    for panel, names in panels.items():
        table.add_row(f"  {panel}", f"[cyan]{', '.join(names)}[/]")
    console.print(table)
    console.print("\nThe TAB key completes commands and values after: [cyan]tudui --install-completion[/]")
    if (called := tudui_command()) != "tudui":
        console.print(f"tudui is not on the PATH; here it is called: {escape(called)}", soft_wrap=True)
