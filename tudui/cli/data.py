"""`tudui data`: list, check."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from tudui.api.console import note
from tudui.cli import completion
from tudui.cli.commands import Commands
from tudui.cli.flags import Asked, JsonOption, argument, configured
from tudui.cli.printing import print_json, print_line, print_table
from tudui.errors import DataError
from tudui.invocation import tudui_command
from tudui.text import printable

if TYPE_CHECKING:
    from tudui.api.data import CheckedData, Sizes, Values

app = Commands(help="Look at data sets before training on them.")

SETS = {
    "digits": ("1,797", "10", "handwritten digits, 8x8 grey, scaled; comes with Tudui"),
    "cifar10": ("60,000", "10", "photographs, 32x32; 170 MB download"),
    "cifar100": ("60,000", "100", "photographs, 32x32; 169 MB download"),
    "mnist": ("70,000", "10", "handwritten digits, 28x28 grey, framed; 12 MB download"),
    "fashion-mnist": ("70,000", "10", "clothes, 28x28 grey, framed; 31 MB download"),
    "svhn": ("99,289", "10", "house numbers, 32x32; 246 MB download"),
    "rotated-digits": ("1,797", "numbers", "the digits, each turned; the target is the angle; comes with Tudui"),
    "diabetes": ("442", "numbers", "a table of 10 measurements and the progression of a disease; comes with Tudui"),
    "folder:PATH": ("any", "any", "your own images: PATH/CLASS/*.jpg, or PATH/train/CLASS/*.jpg"),
    "table:FILE.csv": ("any", "any", "your own table; a column of targets is named with --target"),
}
MOST = 100  # features in a table


@app.command("list")
def list_command() -> None:
    """List the data sets that can be trained on.

    Examples:
      tudui data list
      tudui train --data cifar10
    """
    from tudui.config.data_sets import data_sets

    others = {name: ("", "", f"from another package: {point.value}") for name, point in data_sets().items()}
    rows = [
        (name, f"{images:>7}", f"{classes:>7}", what)
        for name, (images, classes, what) in (SETS | others | SETS).items()
    ]
    print_table(("name", "samples", "classes", "what"), rows, left=4)


@app.command()
@configured("data.target", "data.labels", "data.on_missing", "data.dir", "data.size", file=False)
def check(
    name: Annotated[str, argument("NAME|PATH", "Data set, folder of images, or CSV file.", completion.data_sets)],
    asked: Asked,
    json: JsonOption = False,
) -> None:
    """Read a data set and report what it contains, its sizes, and which images cannot be read.

    Examples:
      tudui data check my-images/ --size 64
      tudui data check flowers.csv --target species
    """
    from tudui.api.data import check_data
    from tudui.data.columns import MissingValues
    from tudui.data.folder import some_of

    reading = {"target": asked.value("data.target") or (), "labels": asked.value("data.labels"),
               "data_dir": asked.value("data.dir"), "size": asked.value("data.size")}  # fmt: skip
    refused = None
    try:
        found = check_data(name, on_missing=asked.value("data.on_missing"), **reading)
    except MissingValues as error:
        refused = error
        try:
            found = check_data(name, on_missing="median", **reading)
        except DataError:  # too few rows have a target
            raise error from None
    data, counts, bad = found.data, found.counts, found.source.unreadable
    if json:
        mean, std = data.preparation.mean, data.preparation.std
        about = {"name": data.name, "images": counts, "mean": mean, "std": std, "notes": data.notes}
        sizes = found.sizes and asdict(found.sizes)
        features = {"features": [asdict(one) for one in found.features]} if found.features else {}
        far = [asdict(one) for one in found.far_targets]
        print_json(
            about | features | {"targets": found.targets, "far_targets": far, "sizes": sizes, "unreadable": dict(bad)}
        )
    else:
        print_line(data.name)
        if found.targets:
            _print_targets(found)
            note(*(far.words for far in found.far_targets))
        else:
            rows = [(label, *(f"{split[label]:,}" for split in counts.values())) for label in data.task.names]
            total = ("all", *(f"{sum(split.values()):,}" for split in counts.values()))
            print_table(("class", *counts), rows, total=total)
        if found.features:
            _print_features(found.features)
        for line in _about(found.sizes) if found.sizes else ():
            print_line(line)
        said = [*([some_of(bad)] if bad else []), *([" missing values, of "] if refused else [])]  # by the error below
        note(*(text for text in data.notes if not any(one in text for one in said)))
    if refused:
        raise refused
    if bad:
        skip = f"{tudui_command()} train --data {shlex.quote(found.name)} --set data.on_bad_image=skip"
        raise DataError(
            f"{found.name}: {len(bad):,} of {len(bad) + len(found.source.store):,} images cannot be read: "
            f"{some_of(bad)}; fix or delete them, or skip them with: {skip}"
        )


def _print_features(values: "Sequence[Values]") -> None:
    """Print the range of each feature of a table."""
    lacking = any(one.missing for one in values)
    rows = []
    for one in values[:MOST]:
        shown = [f"{value:.5g}" for value in (one.minimum, one.median, one.maximum)]
        rows.append((printable(one.name), *shown, *([f"{one.missing:,}"] if lacking else [])))
    print_table(("feature", "minimum", "median", "maximum", *(["missing"] if lacking else [])), rows)
    if len(values) > MOST:
        print_line(f"and {len(values) - MOST:,} more")


def _print_targets(found: "CheckedData") -> None:
    """Print the spread of each target column in each split."""
    from tudui.tasks import Numbers

    task = found.data.task
    assert isinstance(task, Numbers)
    rows = [
        (
            name,
            split,
            f"{len(found.data.splits()[split]):,}",
            *(task.unit_of(column).text(one) for one in spread.values()),
        )
        for column, name in enumerate(task.names)
        for split, spread in ((split, spreads[name]) for split, spreads in found.targets.items())
    ]
    print_table(("target", "split", "rows", "minimum", "25 %", "median", "75 %", "maximum"), rows, left=2)


def _about(sizes: "Sizes") -> Iterator[str]:
    height, width = sizes.size
    (low, middle, high), (narrow, usual, wide) = sizes.heights, sizes.widths
    if (low, high, narrow, wide) == (height, height, width, width):
        yield f"all images are {height} x {width} pixels, and stay as they are"
        return
    yield f"original height {low:,} to {high:,} pixels (median {middle:,}), width {narrow:,} to {wide:,} ({usual:,})"
    yield f"at {height} x {width} pixels, {100 * sizes.smaller:.0f} % of the images are smaller and are enlarged"
    scaled = f"{sizes.pixels:.1f} of its pixels become one" if sizes.pixels > 1 else "all its pixels are kept"
    yield f"the median image loses {100 * sizes.cut:.0f} % of its area outside the centre; {scaled}"
