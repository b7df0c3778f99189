"""What comes after training: `tudui evaluate`, `tudui runs`."""

import csv
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tudui.api.console import output
from tudui.cli.flags import HOW, SHOW, Asked, BestOption, JsonOption, NormalizeOption, WeightsArgument, configured
from tudui.errors import UsageError, did_you_mean
from tudui.files import json_text

if TYPE_CHECKING:
    from tudui.api.models import Scored
    from tudui.tasks import Figure, Metric

MAX_CONFUSION = 20


@configured("data.name", "data.dir", file=False)
def evaluate_command(
    weights: WeightsArgument,
    asked: Asked,
    split: Annotated[
        Literal["train", "validation", "test"], typer.Option(help="Which images are scored.", rich_help_panel=HOW)
    ] = "test",
    normalize: NormalizeOption = None,
    best: BestOption = False,
    json: JsonOption = False,
) -> None:
    """Score weights: accuracy, NLL, calibration, each class, and the value under every loss.

    Examples:
      tudui evaluate runs/digits-ce-seed0
      tudui evaluate tudui_9.pth --data cifar10 --normalize none
    """
    from tudui.api.models import evaluate

    scored = evaluate(
        weights, asked.value("data.name"), data_dir=asked.value("data.dir"), split=split, normalize=normalize, best=best
    )
    if json:
        found = scored.evaluated
        about = {"origin": scored.weights.origin, "split": found.split, "weights": found.weights}
        scores = {"images": found.images, **found.values(), "losses": found.losses, **found.details}
        typer.echo(json_text({**about, **scores}))
        return
    _print_scores(scored)


def _print_scores(scored: "Scored") -> None:
    from rich.markup import escape

    from tudui.sinks.printable import plain_table

    console, evaluated = output(json=False), scored.evaluated
    measured: list[Metric | Figure] = [*scored.task.metrics, *scored.task.figures]
    per_class, confusion = evaluated.details["per_class_accuracy"], evaluated.details["confusion"]
    console.print(
        f"{escape(scored.weights.origin)}: {evaluated.images:,} {evaluated.split} images\n"
        + "   ".join(f"{one.title} {one.unit.text(evaluated.scores[one.name])}" for one in measured),
        soft_wrap=True,
    )
    losses = plain_table("loss", "mean", title="mean of each loss")
    for name, value in evaluated.losses.items():
        losses.add_row(escape(name), f"{value:.4f}")
    console.print(losses)
    console.print(
        "Each loss at its defaults; residual losses compare logits with one-hot targets. "
        "A loss's value says nothing beside another's.",
        style="dim",
    )
    names = list(per_class)
    with_confusion = len(names) <= MAX_CONFUSION
    columns = [str(index) for index in range(len(names) if with_confusion else 0)]
    classes = plain_table("true class", "accuracy", *columns, title="accuracy per class; rows of the confusion matrix")
    for index, (name, accuracy) in enumerate(per_class.items()):
        shown = "-" if accuracy is None else f"{100 * accuracy:.1f} %"
        row = [str(count) if count else "·" for count in confusion[index]] if with_confusion else []
        classes.add_row(escape(name if name == str(index) else f"{index} {name}"), shown, *row)
    console.print(classes)


def runs_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with runs, at any depth.")] = Path("runs"),
    sort: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="name, status, loss, data, seed, epochs, planned, validation, test or seconds.",
            rich_help_panel=SHOW,
        ),
    ] = "name",
    as_csv: Annotated[
        bool,
        typer.Option("--csv", help="Print comma-separated values; accuracies as fractions.", rich_help_panel=SHOW),
    ] = False,
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
    numeric = sort in ("epochs", "planned", "validation", "test", "seconds")  # best or longest first, unknown ones last

    def place(row: RunRow) -> Any:
        value = getattr(row, sort)
        return (value is None, -value if numeric and value is not None else value, row.name)

    rows = sorted(runs(folder), key=place)
    if json:
        typer.echo(json_text({"runs": [asdict(row) for row in rows]}))
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    elif not rows:
        raise UsageError(f"{folder}: no runs here; train first, or name the folder of your runs")
    else:
        _print_runs([asdict(row) for row in rows], columns)


def _print_runs(rows: list[dict[str, Any]], columns: list[str]) -> None:
    from rich.markup import escape

    from tudui.sinks.printable import plain_table

    table = plain_table(gap=1)
    headings = {"validation": "val. %", "test": "test %", "seconds": "s"}
    columns = [column for column in columns if column != "planned"]
    for column in columns:
        words = column in ("name", "status", "loss", "data")
        heading = headings.get(column, column)
        table.add_column(
            heading,
            justify="left" if words else "right",
            no_wrap=column != "name",
            overflow="fold" if column == "name" else "ellipsis",
            min_width=12 if column == "name" else None,
            max_width=14 if column == "data" else None,
        )
    for row in rows:
        for split in ("validation", "test"):
            row[split] = "-" if row[split] is None else f"{100 * row[split]:.2f}"
        row["epochs"] = f"{row['epochs']}/{row['planned']}"
        row["seconds"] = "-" if row["seconds"] is None else f"{row['seconds']:.1f}"
        table.add_row(*(escape(str(row[column])) for column in columns))
    output(json=False).print(table)
