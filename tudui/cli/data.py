"""`tudui data`: list, check."""

import shlex
from typing import Annotated

import typer

from tudui.api.console import note, output
from tudui.cli import completion
from tudui.cli.commands import Commands
from tudui.cli.flags import Asked, JsonOption, configured
from tudui.errors import DataError
from tudui.files import json_text
from tudui.invocation import tudui_command

app = Commands(help="Look at data sets before training on them.")

SETS = {
    "digits": ("1,797", "10", "handwritten digits, 8x8 grey, scaled; comes with Tudui"),
    "cifar10": ("60,000", "10", "photographs, 32x32; 170 MB download"),
    "cifar100": ("60,000", "100", "photographs, 32x32; 169 MB download"),
    "mnist": ("70,000", "10", "handwritten digits, 28x28 grey, framed; 12 MB download"),
    "fashion-mnist": ("70,000", "10", "clothes, 28x28 grey, framed; 31 MB download"),
    "svhn": ("99,289", "10", "house numbers, 32x32; 246 MB download"),
    "folder:PATH": ("any", "any", "your own images: PATH/CLASS/*.jpg, or PATH/train/CLASS/*.jpg"),
}


@app.command("list")
def list_command() -> None:
    """List the data sets that can be trained on.

    Examples:
      tudui data list
      tudui train --data cifar10
    """
    from rich.markup import escape

    from tudui.config.data_sets import data_sets
    from tudui.sinks.printable import plain_table

    table = plain_table("name", "images", "classes")
    table.add_column("what")
    for name, row in SETS.items():
        table.add_row(name, *row)
    for name, point in data_sets().items():
        if name not in SETS:
            table.add_row(name, "", "", escape(f"of another package: {point.value}"))
    output(json=False).print(table)


@app.command()
@configured("data.dir", file=False)
def check(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|PATH", help="Data set, or a folder of images.", autocompletion=completion.data_sets
        ),
    ],
    asked: Asked,
    json: JsonOption = False,
) -> None:
    """Read a data set and say what is in it, and what is wrong with it.

    Examples:
      tudui data check digits
      tudui data check my-images/
    """
    from rich.markup import escape

    from tudui.api.data import check_data
    from tudui.data.folder import some_of
    from tudui.sinks.printable import plain_table

    found = check_data(name, data_dir=asked.value("data.dir"))
    data, counts, bad = found.data, found.counts, found.source.unreadable
    if json:
        mean, std = data.preparation.mean, data.preparation.std
        about = {"name": data.name, "images": counts, "mean": mean, "std": std, "notes": data.notes}
        typer.echo(json_text(about | {"unreadable": dict(bad)}))
    else:
        console = output(json=False)
        console.print(escape(data.name))
        table = plain_table("class", *counts)
        for label in data.task.names:
            table.add_row(escape(label), *(f"{counts[split][label]:,}" for split in counts))
        table.add_row("all", *(f"{sum(counts[split].values()):,}" for split in counts), style="bold")
        console.print(table)
        for text in data.notes:
            if not (bad and some_of(bad) in text):  # which the error names
                note(text)
    if bad:
        without = f"{tudui_command()} train --data {shlex.quote(found.name)} --set data.on_bad_image=skip"
        raise DataError(
            f"{found.name}: {len(bad):,} of {len(bad) + len(found.source.store):,} images cannot be read: "
            f"{some_of(bad)}; mend or remove them, or train without them: {without}"
        )
