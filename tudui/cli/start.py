"""`tudui` alone: where to start."""

from collections.abc import Mapping, Sequence

from tudui.api.console import console_on
from tudui.cli.printing import print_line, print_table
from tudui.invocation import tudui_command

STEPS = {
    "train --loss ce": "train on real digits, in seconds",
    "tensorboard": "see losses, accuracies and gradients",
    "compare-losses": "compare four losses, and read the report",
    "loss choose": "which loss to use for your task, and why",
    "train --data folder:PATH": "your own images, one folder for each class",
    "train --resume RUN": "resume an interrupted run",
    "doctor": "what this machine can do, and what is wrong",
}


def print_start(panels: Mapping[str, Sequence[str]]) -> None:
    """Print the first commands that a newcomer needs, and all commands by group."""
    from rich.text import Text

    print_line("Understand and compare loss functions, on networks for classes or numbers.\n")
    print_line("Where to start", "bold")
    print_table((), [(Text(f"  tudui {command}", "cyan"), what) for command, what in STEPS.items()])
    console_on().print("\n[bold]All commands[/], each with --help")
    print_table((), [(f"  {panel}", Text(", ".join(names), "cyan")) for panel, names in panels.items()], left=2)
    console_on().print("\nComplete commands and values with the TAB key after: [cyan]tudui --install-completion[/]")
    if (called := tudui_command()) != "tudui":
        print_line(f"the command tudui is not on the PATH; here, type instead: {called}")
