"""`tudui config`: show, validate, list, copy, schema."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tudui.api.console import note, output
from tudui.cli import completion
from tudui.cli.commands import Commands
from tudui.cli.flags import SHOW, Asked, configured
from tudui.errors import ConfigError
from tudui.files import json_text
from tudui.invocation import tudui_command

app = Commands(help="Look at configs: what a run would be, and where each value comes from.")


@app.command()
@configured("loss", "data.name")
def show(
    asked: Asked,
    provenance: Annotated[
        bool, typer.Option("--provenance", help="Say behind every value where it comes from.", rich_help_panel=SHOW)
    ] = False,
) -> None:
    """Print the resolved config.

    Examples:
      tudui config show --config cifar10
      tudui config show --loss l1 --provenance
    """
    from tudui.api.configs import load
    from tudui.config.dump import to_yaml, worth_a_comment

    loaded = load(asked.config, asked.overrides)
    for text in (*loaded.notes, *loaded.config.loss.warnings()):
        note(text)
    comments = loaded.provenance if provenance else worth_a_comment(loaded.provenance)
    typer.echo(to_yaml(loaded.config, comments), nl=False)


@app.command("validate")
def validate_command(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="YAML files or shipped names.", autocompletion=completion.shipped),
    ],
) -> None:
    """Check config files; every problem is a line `file:line:column: key: what`.

    Examples:
      tudui config validate mine.yaml
      tudui config validate cifar10 course
    """
    from tudui.api.configs import validate

    problems: list[str] = []
    for name in files:
        try:
            validate(name)
        except ConfigError as error:
            problems += error.problems
        else:
            typer.echo(f"{name}: fine")
    if problems:
        raise ConfigError(problems)


@app.command("list")
def list_command() -> None:
    """List the shipped configs with what their first lines say.

    Examples:
      tudui config list
      tudui config show --config digits
    """
    from rich.markup import escape

    from tudui.config.shipped import shipped_configs, shipped_plans
    from tudui.sinks.printable import plain_table

    table = plain_table("config", "what", left=2)
    for name, path in (shipped_configs() | shipped_plans()).items():
        lines = [line.lstrip("# ").rstrip() for line in path.read_text().splitlines() if line.startswith("# ")]
        described = [line for line in lines if not line.startswith("yaml-language-server")]
        table.add_row(name, escape(described[0] if described else ""))
    output(json=False).print(table)


@app.command("copy")
def copy_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Shipped config.", autocompletion=completion.shipped)],
    to: Annotated[Path | None, typer.Argument(metavar="FILE", help="File to write.  [default: NAME.yaml here]")] = None,
) -> None:
    """Copy a shipped config here, to change it.

    Examples:
      tudui config copy cifar10
      tudui config copy digits mine.yaml
    """
    from tudui.api.configs import copy_config
    from tudui.config.shipped import shipped_plans

    target = copy_config(name, to)
    command = "compare-losses" if name in shipped_plans() else "train"
    typer.echo(f"{target}: written; run it with: {tudui_command()} {command} --config {shlex.quote(str(target))}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a config file, for editors.

    Examples:
      tudui config schema
      tudui config schema > tudui.schema.json
    """
    from tudui.config.dump import json_schema

    typer.echo(json_text(json_schema(), indent=2))
