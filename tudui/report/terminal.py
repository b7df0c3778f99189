"""Comparisons on the terminal."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tudui.comparison.collect import Comparison
from tudui.report.tables import flat
from tudui.report.words import (
    UNKNOWN,
    Values,
    between,
    counted,
    headline,
    mean_sd,
    needed,
    noise_levels,
    noise_words,
    p_value,
    pair_of,
    points,
    rows_at,
    short_verdict,
)
from tudui.sinks.printable import plain_table

WIDE = 110  # columns


def terminal(comparison: Comparison, console: Console) -> None:
    """Print a table per noise level, and what it says."""
    values = comparison.values
    for noise in noise_levels(values):
        console.print(_table(values, noise, narrow=console.width < WIDE))
        console.print()
    seeds, images = values["plan"]["seeds"], values["test_images"]
    over = f"± standard deviation over {counted(seeds, 'seed')}"
    on = f"; intervals of 95 % over seeds and the {images:,} test images" if seeds > 1 and images else ""
    console.print(f"Test accuracy of the last weights in %, {over}{on}.", style="dim")
    if seeds > 1:
        console.print("Better or worse takes p (Holm) below 0.05 and an interval without 0.", style="dim")
    for text in values["warnings"]:
        console.print(f"[yellow]warning:[/] {escape(text)}")
    for noise in noise_levels(values):
        console.print(escape(headline(values, noise)))
        if words := needed(values, noise):
            console.print(escape(words), style="dim")


def _table(values: Values, noise: float, *, narrow: bool) -> Table:
    """Return the table; in a narrow one, long cells have two lines."""
    title = escape(noise_words(values, noise))
    table = plain_table(title=title, gap=1 if narrow else 2)
    table.add_column("loss", overflow="fold", min_width=6)
    for head in ("rate", "accuracy", "95 %\ninterval", f"minus {escape(values['plan']['baseline'])}", "p\nHolm"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in rows_at(values, noise):
        accuracy, pair = row["accuracy"], pair_of(values, row)
        shown = ["diverged", UNKNOWN]
        if accuracy is not None:
            shown = [mean_sd(accuracy, 1), between(accuracy["interval"], 1).replace(" to ", "–")]
        against = [UNKNOWN, UNKNOWN, "baseline"] if pair is None else _against(pair, narrow=narrow)
        table.add_row(*(escape(cell) for cell in (row["variant"], f"{row['learning_rate']:g}", *shown, *against)))
    return table


def _against(pair: Values, *, narrow: bool) -> list[str]:
    """Return the difference with its interval, p and the verdict."""
    verdict = fill(short_verdict(pair), len("distinguishable") if narrow else 24, break_long_words=False)
    if not pair["n"]:
        return [UNKNOWN, UNKNOWN, verdict]
    difference = points(pair["difference"])
    if pair["interval"] is not None:
        difference += f"{chr(10) if narrow else ' '}({between(pair['interval'], signed=True)})"
    return [difference, p_value(pair["p_holm"]), verdict]


def side_by_side(first: Mapping[str, Any], second: Mapping[str, Any], console: Console) -> None:
    """Print the accuracies of two comparisons and what differs between their plans; their runs are not paired."""
    console.print(f"first:  {escape(first['command'])}", soft_wrap=True)
    console.print(f"second: {escape(second['command'])}", soft_wrap=True)
    rows = [{(row["variant"], row["label_noise"]): row for row in values["rows"]} for values in (first, second)]
    table = plain_table("loss", "labels", "first", "second", "second minus first", left=2, title="test accuracy %")
    for key in sorted(rows[0] | rows[1], key=lambda key: key[1]):
        values = first if key in rows[0] else second
        found = [side[key]["accuracy"] if key in side else None for side in rows]
        shown = [
            "not there" if key not in side else "diverged" if one is None else mean_sd(one)
            for side, one in zip(rows, found, strict=True)
        ]
        known = [one["mean"] for one in found if one is not None]
        difference = points(known[1] - known[0]) if len(known) == 2 else UNKNOWN
        table.add_row(escape(key[0]), escape(noise_words(values, key[1])), *shown, difference)
    console.print(table)
    console.print()
    console.print(escape(_differing(first, second)))
    console.print("The runs of two comparisons are not paired, so nothing is said of significance.", style="dim")


def _differing(first: Values, second: Values) -> str:
    """Return the settings in which two comparisons differ."""
    sides = [flat({name: values[name] for name in ("plan", "versions", "hardware")}) for values in (first, second)]
    differing = [
        f"{key.removeprefix('plan.').removeprefix('base.')} {sides[0].get(key)} → {sides[1].get(key)}"
        for key in sides[0] | sides[1]
        if sides[0].get(key) != sides[1].get(key) and not key.startswith("plan.variants.")
    ]
    variants = [values["plan"]["variants"] for values in (first, second)]
    changed = [name for name in variants[0] if name in variants[1] and variants[0][name] != variants[1][name]]
    differing += [f"variant {name}: {variants[0][name]} → {variants[1][name]}" for name in changed]
    if not differing:
        return (
            "The two plans differ in nothing but the variants."
            if variants[0].keys() != variants[1].keys()
            else ("The two plans are the same.")
        )
    return f"What differs: {'; '.join(differing)}."
