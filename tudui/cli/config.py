"""`tudui config`: show, validate, list, copy, schema."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tudui.api.console import note
from tudui.cli import completion
from tudui.cli.commands import Commands
from tudui.cli.flags import Asked, OverwriteOption, argument, configured, show
from tudui.cli.printing import print_table
from tudui.errors import ConfigError
from tudui.files import json_text
from tudui.invocation import tudui_command
from tudui.text import one_line, printable

app = Commands(help="Look at configs: the settings of a run, and where each value comes from.")


@app.command("show")
@configured("loss", "data.name")
def show_command(
    asked: Asked,
    provenance: Annotated[bool, show(None, "Show where each value comes from.", "--provenance")] = False,
) -> None:
    """Print the resolved config.

    Examples:
      tudui config show --config cifar10
      tudui config show --loss l1 --provenance
    """
    from tudui.api.configs import load
    from tudui.config.dump import to_yaml, worth_a_comment

    loaded = load(asked.config, asked.overrides)
    note(*loaded.config.loss.warnings())
    comments = loaded.provenance if provenance else worth_a_comment(loaded.provenance)
    typer.echo(to_yaml(loaded.config, comments), nl=False)


@app.command("validate")
def validate_command(
    files: Annotated[list[str], argument("FILE", "YAML files or shipped names.", completion.shipped)],
) -> None:
    """Check config files; each problem is a line `file:line:column: key: what`.

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
            typer.echo(printable(one_line(f"{name}: fine")))
    if problems:
        raise ConfigError(problems)


@app.command("list")
def list_command() -> None:
    """List the shipped configs, each with the first line of its file.

    Examples:
      tudui config list
      tudui config show --config digits
    """
    from tudui.config.shipped import shipped_configs, shipped_plans

    rows = []
    for name, path in (shipped_configs() | shipped_plans()).items():
        lines = [line.lstrip("# ").rstrip() for line in path.read_text().splitlines() if line.startswith("# ")]
        described = [line for line in lines if not line.startswith("yaml-language-server")]
        rows.append((name, described[0] if described else ""))
    print_table(("config", "what"), rows, left=2)


@app.command("copy")
def copy_command(
    name: Annotated[str, argument("NAME", "Shipped config.", completion.shipped)],
    to: Annotated[Path | None, argument("FILE", "File to write.  [default: NAME.yaml here]")] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Copy a shipped config here for editing.

    Examples:
      tudui config copy cifar10
      tudui config copy digits mine.yaml
    """
    from tudui.api.configs import copy_config
    from tudui.config.shipped import shipped_plans

    target = copy_config(name, to, overwrite=overwrite)
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
