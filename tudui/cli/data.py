"""`tudui data`: list, check."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tudui.cli import completion
from tudui.cli.commands import Commands
from tudui.cli.settings import DataDirOption, JsonOption, load_from_flags, note, output
from tudui.errors import DataError
from tudui.files import json_text
from tudui.invocation import tudui_command

if TYPE_CHECKING:
    from tudui.data import Source

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
def check(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|PATH", help="Data set, or a folder of images.", autocompletion=completion.data_sets
        ),
    ],
    data_dir: DataDirOption = None,
    json: JsonOption = False,
) -> None:
    """Read a data set and say what is in it, and what is wrong with it.

    Examples:
      tudui data check digits
      tudui data check my-images/
    """
    from rich.markup import escape

    from tudui.config.data_sets import FOLDER, data_sets
    from tudui.data import dataset_of, read_source
    from tudui.data.folder import some_of
    from tudui.sinks.printable import plain_table

    if name not in data_sets() and not name.startswith(FOLDER) and ("/" in name or Path(name).is_dir()):
        name = f"{FOLDER}{name}"
    flags = {
        "data.name": ("data", name),
        "data.dir": ("--data-dir", data_dir),
        "data.on_bad_image": ("data check", "skip"),  # to name all of them, and count the others
    }
    config = load_from_flags(None, flags, None).config
    source = read_source(config.data)
    data = dataset_of(source, config.data, config.seed)
    classes = data.task.names
    counts = {
        split: dict(zip(classes, images.targets.bincount(minlength=len(classes)).tolist(), strict=True))
        for split, images in data.splits().items()
    }
    if json:
        mean, std = data.preparation.mean, data.preparation.std
        about = {"name": data.name, "images": counts, "mean": mean, "std": std, "notes": data.notes}
        typer.echo(json_text(about | {"unreadable": dict(source.unreadable)}))
        _refuse(name, source)
        return
    console = output(json=False)
    console.print(escape(data.name))
    table = plain_table("class", *counts)
    for label in classes:
        table.add_row(escape(label), *(f"{counts[split][label]:,}" for split in counts))
    table.add_row("all", *(f"{sum(counts[split].values()):,}" for split in counts), style="bold")
    console.print(table)
    for text in data.notes:
        if not (source.unreadable and some_of(source.unreadable) in text):  # which the error names
            note(text)
    _refuse(name, source)


def _refuse(name: str, source: "Source") -> None:
    """Raise DataError where images cannot be read."""
    from tudui.data.folder import some_of

    if bad := source.unreadable:
        without = f"{tudui_command()} train --data {shlex.quote(name)} --set data.on_bad_image=skip"
        raise DataError(
            f"{name}: {len(bad):,} of {len(bad) + len(source.store):,} images cannot be read: {some_of(bad)}; "
            f"mend or remove them, or train without them: {without}"
        )
