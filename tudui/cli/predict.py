"""`tudui predict`: the classes or numbers of image files and rows, as a table, CSV or JSON."""

import codecs
import csv
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal

from tudui.api.console import console_on, note
from tudui.cli.flags import (
    BestOption,
    JsonOption,
    NormalizeOption,
    OverwriteOption,
    OwnDataOption,
    OwnNetworkOption,
    WeightsArgument,
    argument,
    how,
    show,
)
from tudui.cli.printing import print_json, print_line
from tudui.errors import DataError, UsageError
from tudui.files import refuse_overwriting, written_aside
from tudui.text import csv_name, csv_path, printable

if TYPE_CHECKING:
    from tudui.api.models import Prediction, Unreadable
    from tudui.tasks import Unit

SHOWN = 10  # unreadable images that are named
SPLIT = "Instead of image files: predict images of the run's own data, with their true classes."
BAD = "For an unreadable image; refuse: exit code 3 after all images, and --out is not written."


def predict_command(
    weights: WeightsArgument,
    images: Annotated[
        list[Path] | None, argument("IMAGE|FOLDER...", "Image files, folders with all images below them, or CSV files.")
    ] = None,
    split: Annotated[Literal["train", "validation", "test", "all"] | None, how(None, SPLIT)] = None,
    top: Annotated[int, show(None, "Classes per image, the most probable first.", min=1, max=1000)] = 3,
    as_csv: Annotated[bool, show(None, "Print comma-separated values.", "--csv")] = False,
    out: Annotated[Path | None, show("FILE", "Write comma-separated values to a file.", "--out", "-o")] = None,
    overwrite: OverwriteOption = False,
    on_bad_image: Annotated[Literal["refuse", "skip"], how(None, BAD)] = "refuse",
    normalize: NormalizeOption = None,
    best: BestOption = False,
    network: OwnNetworkOption = None,
    data: OwnDataOption = None,
    json: JsonOption = False,
) -> None:
    """Predict the most probable classes of each image or row, or its numbers in the target's unit.

    A network for a table reads CSV files with the same columns. If the classes are known, for example from the names
    of the folders, the accuracy is printed at the end. The file of --out also has the true class, if it is known, and
    the split. If it contains letters that are not English, it begins with a byte order mark (BOM) for Excel.

    Examples:
      tudui predict runs/digits-ce-seed0 seven.png
      tudui predict runs/digits-ce-seed0 --split test --out test.csv
    """
    if json and (as_csv or out):
        raise UsageError("--json: cannot be combined with --csv or --out, which write comma-separated values")
    from rich.progress import track

    from tudui.api.models import predict

    if out:
        refuse_overwriting(out, overwrite=overwrite)
    found = predict(
        weights, images or (), split=split, top=top, normalize=normalize, best=best, network=network, data=data
    )
    rows_on_the_screen = as_csv and sys.stdout.isatty()
    hidden = rows_on_the_screen or not sys.stderr.isatty()
    shown = track(found, "Predicting", console=console_on(stderr=True), transient=True, disable=hidden)
    unreadable: list[Unreadable] = []
    right: list[bool] = []
    predictions = _readable(shown, unreadable, right)
    of_rows = bool(found.weights.features)
    columns, skip = min(top, found.weights.number_of_classes), on_bad_image == "skip"
    units = found.units
    if out:
        with written_aside(out) as file:
            if not "".join([*found.weights.class_names, *map(str, found.paths)]).isascii():
                file.write(codecs.BOM_UTF8)
            _write_csv(codecs.getwriter("utf-8")(file), predictions, columns, units)
            _report(unreadable, right, skip=skip, split=split, of_rows=of_rows)  # an error leaves the file unwritten
        print_line(f"wrote {out}")
        return
    if as_csv:
        _write_csv(sys.stdout, predictions, columns, units)
    elif json:
        rows = []
        for one in predictions:
            if units:
                rows.append({"row": printable(str(one.path)), **_values(one, units), "split": one.split})
                continue
            classes = [{"name": name, "probability": p} for name, p in one.classes]
            known = {"true": one.expected, "split": one.split}
            rows.append({"image": printable(str(one.path)), "classes": classes, **known})
        print_json({"predictions": rows})
    else:
        _print_table(list(predictions), columns, units)
    _report(unreadable, right, skip=skip, split=split, of_rows=of_rows)


def _readable(
    found: "Iterable[Prediction | Unreadable]", unreadable: "list[Unreadable]", right: list[bool]
) -> "Iterator[Prediction]":
    """Yield the predictions; collect the unreadable images, and whether predictions of known classes are right."""
    from tudui.api.models import Unreadable

    for one in found:
        if isinstance(one, Unreadable):
            unreadable.append(one)
            continue
        if isinstance(one.expected, str):
            right.append(one.expected == one.classes[0][0])
        yield one


def _report(unreadable: "list[Unreadable]", right: list[bool], *, skip: bool, split: str | None, of_rows: bool) -> None:
    """Print the accuracy, and name the unreadable images; DataError unless these are skipped."""
    if right:
        where = "rows with their class" if of_rows else "images in folders named after a class"
        what = "rows" if of_rows else "images"
        which = f"{what}, split {split})" if split else f"{where}); training {what} are not a test"
        note(f"accuracy {100 * sum(right) / len(right):.2f} % ({sum(right):,} of {len(right):,} {which}")
    lines = [f"{one.path}: cannot be read: {one.why}" for one in unreadable[:SHOWN]]
    if len(unreadable) > SHOWN:
        lines.append(f"and {len(unreadable) - SHOWN} more cannot be read")
    if lines and not skip:
        raise DataError(*lines[:-1], f"{lines[-1]}; fix or delete them, or skip them with --on-bad-image skip")
    note(*(f"skipped, {line}" for line in lines))


def _values(one: "Prediction", units: "Mapping[str, Unit]") -> dict[str, Any]:
    """Return predicted and true values with their units, as plain values."""
    expected = dict(zip(units, one.expected or (), strict=False))
    values = [
        {"name": name, "value": value, "unit": units[name].value, "true": expected.get(name)}
        for name, value in one.classes
    ]
    return {"values": values}


def _write_csv(
    file: IO[str] | codecs.StreamWriter,
    predictions: "Iterable[Prediction]",
    columns: int,
    units: "Mapping[str, Unit]",
) -> None:
    writer = csv.writer(file, lineterminator="\n")
    if units:
        names = [csv_name(f"{name}{end}") for name in units for end in ("", "_unit", "_true")]
        writer.writerow(["path", *names, "split"])
        for one in predictions:
            found = _values(one, units)["values"]
            known = [cell for value in found for cell in (f"{value['value']:.9g}", value["unit"], value["true"])]
            writer.writerow([csv_path(one.path), *known, one.split])
        return
    more = [name for rank in range(2, columns + 1) for name in (f"label_{rank}", f"probability_{rank}")]
    writer.writerow(["path", "label", "probability", *more, "true", "split"])
    for one in predictions:
        cells: list[Any] = [csv_path(one.path)]
        for name, probability in one.classes:
            cells += [csv_name(name), f"{probability:.6g}"]
        writer.writerow([*cells, csv_name(str(one.expected or "")), one.split])


def _print_table(predictions: "list[Prediction]", columns: int, units: "Mapping[str, Unit]") -> None:
    from rich.markup import escape
    from rich.text import Text

    from tudui.sinks.printable import plain_table

    table = plain_table()
    if units:
        true = any(one.expected for one in predictions)
        heads = [f"{head}{name}" for name in units for head in ("", *(["true "] if true else []))]
        table = plain_table(*map(escape, ["row", *heads]))
        for one in predictions:
            cells = [
                units[value["name"]].text(value[key])
                for value in _values(one, units)["values"]
                for key in ("value", *(["true"] if true else []))
            ]
            table.add_row(Text(str(one.path)), *map(Text, cells))
        console_on().print(table)
        return
    for heading in ("image", *("first", "second", "third")[:columns], *(f"{rank}." for rank in range(4, columns + 1))):
        table.add_column(heading, overflow="fold")
    for one in predictions:
        table.add_row(Text(str(one.path)), *(Text(f"{name} {100 * p:.1f} %") for name, p in one.classes))
    if table.row_count:
        console_on().print(table)
