"""Commands on finished runs: `tudui evaluate`, `tudui runs`, `tudui export`."""

import csv
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tudui.api.console import console_on
from tudui.cli.flags import (
    Asked,
    BestOption,
    JsonOption,
    NormalizeOption,
    OverwriteOption,
    OwnDataOption,
    OwnLossOption,
    OwnNetworkOption,
    WeightsArgument,
    argument,
    configured,
    how,
    show,
)
from tudui.cli.printing import print_json, print_line, print_table
from tudui.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from rich.table import Table

    from tudui.api.models import Scored
    from tudui.tasks import Figure, Metric

MAX_CONFUSION = 20
SORTED_BY = "name, status, loss, data, seed, epochs, planned, validation, test, seconds, differs, metric or unit."


@configured("data.name", "data.target", "data.labels", "data.dir", "data.on_bad_image", "data.on_missing", file=False)
def evaluate_command(
    weights: WeightsArgument,
    asked: Asked,
    split: Annotated[Literal["train", "validation", "test", "all"], how(None, "Which images are scored.")] = "test",
    normalize: NormalizeOption = None,
    best: BestOption = False,
    network: OwnNetworkOption = None,
    loss: OwnLossOption = None,
    json: JsonOption = False,
) -> None:
    """Evaluate trained weights: every metric, each class or the residuals, and the value of every loss.

    Examples:
      tudui evaluate runs/digits-ce-seed0
      tudui evaluate tudui_9.pth --data cifar10 --normalize none
    """
    from tudui.api.models import evaluate

    data, data_dir = asked.value("data.name"), asked.value("data.dir")
    bad = asked.value("data.on_bad_image")
    scored = evaluate(
        weights, data, target=asked.value("data.target") or (), labels=asked.value("data.labels"), data_dir=data_dir,
        split=split, on_bad_image=bad, on_missing=asked.value("data.on_missing"), normalize=normalize, best=best,
        network=network, loss=loss,
    )  # fmt: skip
    if json:
        found = scored.evaluated
        about = {"origin": scored.weights.origin, "split": found.split, "weights": found.weights}
        print_json({**about, "images": found.images, **found.values(), "losses": found.losses, **found.details})
    else:
        _print_scores(scored)


def _print_scores(scored: "Scored") -> None:
    evaluated = scored.evaluated
    measured: list[Metric | Figure] = [*scored.task.metrics, *scored.task.figures]
    noun = scored.weights.shape.samples
    samples = f"{noun}, of all splits" if evaluated.split == "all" else f"{evaluated.split} {noun}"
    print_line(f"{scored.weights.origin}: {evaluated.images:,} {samples}")
    print_line("   ".join(f"{one.title} {one.unit.text(evaluated.scores[one.name])}" for one in measured))
    losses = [(name, f"{value:.4f}") for name, value in evaluated.losses.items()]
    print_table(("loss", "mean"), losses, title="mean of each loss")
    if scored.task.kind == "numbers":
        print_line("Each loss at its defaults, on the scale of the training targets.", style="dim")
        _print_residuals(scored)
        return
    print_line(
        "Each loss at its defaults; residual losses compare logits with one-hot targets. "
        "Do not compare the values of different losses.",
        style="dim",
    )
    per_class, confusion = evaluated.details["per_class_accuracy"], evaluated.details["confusion"]
    with_confusion = len(per_class) <= MAX_CONFUSION
    rows = []
    for index, (name, accuracy) in enumerate(per_class.items()):
        counts = [count or "·" for count in confusion[index]] if with_confusion else []
        rows.append((name if name == str(index) else f"{index} {name}", _percent(accuracy, 1, " %"), *counts))
    columns = map(str, range(len(per_class) if with_confusion else 0))
    title = "accuracy per class; rows of the confusion matrix"
    print_table(("true class", "accuracy", *columns), rows, title=title)


def _print_residuals(scored: "Scored") -> None:
    """Print quantiles of predicted minus true, a row per target column."""
    from tudui.tasks import Numbers
    from tudui.tasks.details import QUANTILES

    assert isinstance(scored.task, Numbers)
    rows = []
    for column, (name, found) in enumerate(scored.evaluated.details["residuals"].items()):
        unit = scored.task.unit_of(column)
        cells = (f"{quantile:.{unit.digits}f}" for quantile in found["quantiles"])
        rows.append((f"{name}, {unit.value}" if unit.value else name, *cells))
    heads = (f"{100 * share:g} %" for share in QUANTILES)
    print_table(("predicted minus true", *heads), rows, title="quantiles of the residuals")


def _percent(share: float | None, digits: int, unit: str = "") -> str | None:
    return None if share is None else f"{100 * share:.{digits}f}{unit}"


def runs_command(
    folder: Annotated[Path, argument("DIR", "Folder with runs, at any depth.")] = Path("runs"),
    sort: Annotated[str, show("COLUMN", SORTED_BY)] = "name",
    as_csv: Annotated[bool, show(None, "Print comma-separated values; accuracies as fractions.", "--csv")] = False,
    json: JsonOption = False,
) -> None:
    """List the runs below a folder, in one table.

    Examples:
      tudui runs
      tudui runs --sort test --csv
    """
    from tudui.api.runs import RunRow, runs

    columns = [field.name for field in fields(RunRow)]
    if sort not in columns:
        raise UsageError(f"--sort {sort}: no such column{did_you_mean(sort, columns)}; there are: {', '.join(columns)}")
    numeric = sort in ("epochs", "planned", "validation", "test", "seconds")  # largest first, unknown ones last

    def place(row: dict[str, Any]) -> Any:
        value = row[sort]
        return (value is None, -value if numeric and value is not None else value, row["name"])

    rows = sorted(map(asdict, runs(folder)), key=place)
    if json:
        print_json({"runs": rows})
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    elif not rows:
        raise UsageError(f"{folder}: contains no runs; train first, or name the folder of your runs")
    else:
        _print_runs(rows)


def _print_runs(rows: list[dict[str, Any]]) -> None:
    """Print the table; names are whole, so where it is too wide, columns that a name usually contains are left out."""
    console = console_on()
    for left_out in ((), ("s",), ("s", "seed"), ("s", "seed", "data"), ("s", "seed", "data", "loss")):
        table = _runs_table(rows, left_out)
        needed = console.measure(table, options=console.options.update(width=100_000)).minimum
        if needed <= console.width:
            break
    console.print(table, width=max(needed, console.width), crop=False, no_wrap=True)


def _runs_table(rows: list[dict[str, Any]], left_out: tuple[str, ...]) -> "Table":
    from rich.cells import cell_len
    from rich.text import Text

    from tudui.sinks.printable import plain_table

    of_classes = all(row["unit"] in (None, "%") for row in rows)
    heads = dict(
        zip(("val. %", "test %") if of_classes else ("validation", "test"), ("validation", "test"), strict=True)
    )

    def _score(value: float | None, unit: str | None) -> str | None:
        if value is None or of_classes or unit == "%":
            return _percent(value, 2, "" if of_classes else " %")
        return f"{value:.5g} {unit or ''}".rstrip()

    def shown(row: dict[str, Any]) -> dict[str, Any]:
        scores = {head: _score(row[split], row["unit"]) for head, split in heads.items()}
        seconds = None if row["seconds"] is None else f"{row['seconds']:.1f}"
        epochs = f"{row['epochs']}/{row['planned']}"
        return {name: row[name] for name in ("name", "status", "loss", "data", "seed")} | {
            "epochs": epochs, **scores, "s": seconds, "differs": row["differs"]
        }  # fmt: skip

    table = plain_table(gap=1)
    lines = [{name: Text("-" if cell is None else str(cell)) for name, cell in shown(row).items()} for row in rows]
    for column in [name for name in lines[0] if name not in left_out]:
        width = max(cell_len(column), *(line[column].cell_len for line in lines))
        if column == "differs" and not any(row["differs"] for row in rows):
            continue
        right = column in ("seed", "epochs", *heads, "s")
        table.add_column(
            column, justify="right" if right else "left", min_width=min(width, 14) if column == "differs" else width
        )
    for line in lines:
        table.add_row(*(line[str(column.header)] for column in table.columns))
    return table


def export_command(
    weights: WeightsArgument,
    format: Annotated[
        Literal["safetensors", "onnx", "torch"] | None,
        show(None, "File format.  [default: from the ending of --out, else safetensors]"),
    ] = None,
    out: Annotated[Path | None, show("FILE", "File to write.  [default: the run's name, here]", "--out", "-o")] = None,
    overwrite: OverwriteOption = False,
    best: BestOption = False,
    network: OwnNetworkOption = None,
    data: OwnDataOption = None,
    json: JsonOption = False,
) -> None:
    """Write a trained model as one file that others can load without Tudui, and a model card beside it.

    The file contains weights, class names and how pixels are prepared (ONNX: the preparation itself). It is read back
    and compared with the weights on test images before it is renamed into place. docs/handing-on.md shows how to load
    each format.

    Examples:
      tudui export runs/digits-ce-seed0
      tudui export tudui_9.pth --format onnx --out course.onnx
    """
    from tudui.api.models import export

    done = export(weights, out, format=format, best=best, overwrite=overwrite, network=network, data=data)
    check = done.check
    if json:
        values = {"out": str(done.path), "card": str(done.card), "format": done.format, "bytes": done.size}
        print_json({**values, "check": {**asdict(check), "tolerance": check.tolerance}})
        return
    print_line(f"wrote {done.path} ({done.size:,} bytes) and {done.card}")
    print_line(
        f"read back on {check.images} {check.of}: largest difference of {check.what} {check.difference:.2g} "
        f"(the largest is {check.largest:.3g}; allowed: {check.tolerance:g} of it)"
    )
