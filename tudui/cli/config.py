"""`tudui config`: show, validate, list, copy, schema."""

from pathlib import Path
from typing import Annotated

import typer

from tudui.cli.settings import ConfigOption, DataOption, LossOption, SetOption, load_from_flags, note
from tudui.config import load_config, shipped_configs
from tudui.config.dump import json_schema, to_yaml, worth_a_comment
from tudui.config.shipped import find_config
from tudui.errors import ConfigError, DiskError, UsageError
from tudui.files import json_text

app = typer.Typer(no_args_is_help=True, help="Look at configs: what a run would be, and where each value comes from.")


@app.command()
def show(
    config: ConfigOption = None,
    loss: LossOption = None,
    data: DataOption = None,
    settings: SetOption = None,
    provenance: Annotated[bool, typer.Option(help="Say behind every value where it comes from.")] = False,
) -> None:
    """Print the resolved config.

    Examples:  tudui config show --config cifar10   |   tudui config show --loss l1 --provenance
    """
    loaded = load_from_flags(config, {"loss": ("--loss", loss), "data.name": ("--data", data)}, settings)
    for text in (*loaded.notes, *loaded.config.loss.warnings()):
        note(text)
    comments = loaded.provenance if provenance else worth_a_comment(loaded.provenance)
    typer.echo(to_yaml(loaded.config, comments), nl=False)


@app.command()
def validate(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML files or shipped names.")],
) -> None:
    """Check config files; every problem is a line `file:line:column: key: what`.

    Examples:  tudui config validate mine.yaml   |   tudui config validate cifar10 course
    """
    problems: list[str] = []
    for name in files:
        try:
            load_config(find_config(name))
        except ConfigError as error:
            problems += error.problems
        else:
            typer.echo(f"{name}: fine")
    if problems:
        raise ConfigError(problems)


@app.command("list")
def list_command() -> None:
    """List the shipped configs with what their first lines say.

    Examples:  tudui config list   |   tudui config show --config digits
    """
    for name, path in shipped_configs().items():
        lines = [line.lstrip("# ").rstrip() for line in path.read_text().splitlines() if line.startswith("# ")]
        described = [line for line in lines if not line.startswith("yaml-language-server")]
        typer.echo(f"{name:<14} {described[0] if described else ''}")


@app.command()
def copy(
    name: Annotated[str, typer.Argument(help="Shipped config.")],
    to: Annotated[Path | None, typer.Argument(help="File to write.  [default: NAME.yaml here]")] = None,
) -> None:
    """Copy a shipped config here, to change it.

    Examples:  tudui config copy cifar10   |   tudui config copy digits mine.yaml
    """
    source, target = find_config(name), to or Path(f"{Path(name).stem}.yaml")
    if target.exists():
        raise UsageError(f"{target}: is there already; give another name: config copy {name} FILE")
    try:
        lines = source.read_text().splitlines(keepends=True)
        target.write_text("".join(line for line in lines if "$schema=" not in line))  # its path is that of our docs
    except OSError as error:
        raise DiskError(f"{target}: cannot be written: {error.strerror}") from None
    typer.echo(f"{target}: written; train with: tudui train --config {target}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a config file, for editors.

    Examples:  tudui config schema   |   tudui config schema > tudui.schema.json
    """
    typer.echo(json_text(json_schema(), indent=2))
