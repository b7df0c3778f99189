"""`tudui predict`: the classes of image files, as a table, CSV or JSON."""

import codecs
import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal

import typer

from tudui.api.console import messages, note, output
from tudui.cli.flags import BestOption, JsonOption, NormalizeOption, OverwriteOption, WeightsArgument
from tudui.errors import DataError, UsageError
from tudui.files import json_text, written_aside
from tudui.text import csv_name, csv_path, printable

if TYPE_CHECKING:
    from tudui.api.models import Prediction, Unreadable

SHOWN = 10  # of the images that cannot be read


def predict_command(
    weights: WeightsArgument,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE|FOLDER...", help="Image files; folders with all images below them.")
    ],
    top: Annotated[int, typer.Option(min=1, max=1000, help="Classes per image, likeliest first.")] = 3,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write comma-separated values to a file.")
    ] = None,
    overwrite: OverwriteOption = False,
    on_bad_image: Annotated[
        Literal["refuse", "skip"],
        typer.Option(help="What an unreadable image leads to; refuse: exit code 3 after the others, and no --out."),
    ] = "refuse",
    normalize: NormalizeOption = None,
    best: BestOption = False,
    json: JsonOption = False,
) -> None:
    """Print or write the likeliest classes of each image; of a folder, of every image below it.

    Where images lie in folders that are named like classes, the share that was found right is said at the end.

    Examples:
      tudui predict runs/digits-ce-seed0 seven.png
      tudui predict tudui_9.pth photos --out photos.csv
    """
    if json and (as_csv or out):
        raise UsageError("--json: prints JSON, while --csv and --out are for comma-separated values; take one of them")
    from rich.progress import track

    from tudui.api.models import predict, refuse_overwriting

    if out:
        refuse_overwriting(out, overwrite=overwrite)
    found = predict(weights, images, top=top, normalize=normalize, best=best)
    rows_on_the_screen = as_csv and sys.stdout.isatty()
    hidden = rows_on_the_screen or not sys.stderr.isatty()
    shown = track(found, "Predicting", console=messages(), transient=True, disable=hidden)
    unreadable: list[Unreadable] = []
    right: list[bool] = []
    predictions = _readable(shown, unreadable, right)
    columns, skip = min(top, found.weights.number_of_classes), on_bad_image == "skip"
    if out:
        with written_aside(out) as file:
            _write_csv(codecs.getwriter("utf-8")(file), predictions, columns)
            _say_what_was_found(unreadable, right, skip=skip)  # which, with an error, leaves the file unwritten
        output(json=False).print(f"wrote {out}", markup=False, soft_wrap=True)
        return
    if as_csv:
        _write_csv(sys.stdout, predictions, columns)
    elif json:
        rows = [
            {
                "image": printable(str(one.path)),
                "classes": [{"name": name, "probability": p} for name, p in one.classes],
            }
            for one in predictions
        ]
        typer.echo(json_text({"predictions": rows}))
    else:
        _print_table(list(predictions), columns)
    _say_what_was_found(unreadable, right, skip=skip)


def _readable(
    found: "Iterable[Prediction | Unreadable]", unreadable: "list[Unreadable]", right: list[bool]
) -> "Iterator[Prediction]":
    """Yield the predictions; note the images that cannot be read, and whether those of known classes were right."""
    from tudui.api.models import Unreadable

    for one in found:
        if isinstance(one, Unreadable):
            unreadable.append(one)
            continue
        if one.expected is not None:
            right.append(one.expected == one.classes[0][0])
        yield one


def _say_what_was_found(unreadable: "list[Unreadable]", right: list[bool], *, skip: bool) -> None:
    """Say what share was right, and name the images that cannot be read; DataError unless these are to be skipped."""
    if right:
        share = f"{100 * sum(right) / len(right):.2f} %"
        note(
            f"{sum(right):,} of {len(right):,} images in folders named like a class were found right ({share}); "
            f"on images that it was trained on, this is no test"
        )
    lines = [f"{one.path}: cannot be read: {one.why}" for one in unreadable[:SHOWN]]
    if len(unreadable) > SHOWN:
        lines.append(f"and {len(unreadable) - SHOWN} more images cannot be read")
    if lines and not skip:
        raise DataError("\n".join(lines) + "; mend or remove such images, or go without them: --on-bad-image skip")
    for line in lines:
        note(f"skipped, {line}")


def _write_csv(file: IO[str] | codecs.StreamWriter, predictions: "Iterable[Prediction]", columns: int) -> None:
    writer = csv.writer(file, lineterminator="\n")
    more = [name for rank in range(2, columns + 1) for name in (f"label_{rank}", f"probability_{rank}")]
    writer.writerow(["path", "label", "probability", *more])
    for one in predictions:
        cells: list[Any] = [csv_path(one.path)]
        for name, probability in one.classes:
            cells += [csv_name(name), f"{probability:.6g}"]
        writer.writerow(cells)


def _print_table(predictions: "list[Prediction]", columns: int) -> None:
    from rich.markup import escape

    from tudui.sinks.printable import plain_table

    table = plain_table()
    for heading in ("image", *("first", "second", "third")[:columns], *(f"{rank}." for rank in range(4, columns + 1))):
        table.add_column(heading, overflow="fold")
    for one in predictions:
        table.add_row(escape(str(one.path)), *(escape(f"{name} {100 * p:.1f} %") for name, p in one.classes))
    if table.row_count:
        output(json=False).print(table)
