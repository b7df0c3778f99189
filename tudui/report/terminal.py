"""Comparisons on the terminal."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tudui.comparison.outcome import Comparison
from tudui.report import words
from tudui.report.protocol import held_equal
from tudui.report.variance import advice, variance_table
from tudui.report.words import UNKNOWN, mean_sd, noise_words
from tudui.sinks.printable import plain_table

WIDE = 110  # columns


def terminal(comparison: Comparison, console: Console) -> None:
    """Print a table per noise level, and its conclusions in words."""
    for noise in comparison.noise_levels:
        console.print(_table(comparison, noise, narrow=console.width < WIDE))
        for figure in comparison.task.beside:
            found = [
                f"{row.variant} {mean_sd(row.figures.get(figure.name), figure.unit)}"
                for row in comparison.rows_at(noise)
            ]
            console.print(escape(f"{words.with_unit(figure.title, figure.unit)}: {', '.join(found)}"))
        console.print()
    images, metric = comparison.test_images, comparison.metric
    several = any(pair.n > 1 for pair in comparison.pairs)
    inside = f" in {metric.unit.value}" if metric.unit.value else ""
    over = f"± standard deviation over {words.number_of_seeds(comparison)}"
    on = f"; intervals of 95 % over seeds and the {images:,} test {comparison.samples}" if several and images else ""
    less = f" Lower {metric.title} is better." if metric.better == "less" else ""
    console.print(f"Test {metric.title} of the last weights{inside}, {over}{on}.{less}", style="dim")
    if several:
        console.print(words.rule(comparison), style="dim")
    for text in comparison.warnings:
        console.print(f"[yellow]warning:[/] {escape(text)}")
    if comparison.unequal:
        console.print(f"[yellow]warning:[/] {escape(held_equal(comparison))}")
    for noise in comparison.noise_levels:
        console.print(escape(words.headline(comparison, noise)))
        if power := words.needed(comparison, noise):
            console.print(escape(power), style="dim")
    if comparison.explained:
        _print_variance(comparison, console)


def _print_variance(comparison: Comparison, console: Console) -> None:
    """Print what the scores vary with."""
    for noise in comparison.noise_levels:
        found = variance_table(comparison, noise)
        table = plain_table(*found.head, left=2, title=escape(found.caption))
        for row in found.rows:
            table.add_row(*map(escape, row))
        console.print()
        console.print(table)
    for text in advice(comparison):
        console.print(escape(text))


def _table(comparison: Comparison, noise: float, *, narrow: bool) -> Table:
    """Return the table; in a narrow one, long cells have two lines."""
    metric = comparison.metric
    table = plain_table(title=escape(noise_words(comparison, noise)), gap=1 if narrow else 2)
    table.add_column("loss", overflow="fold", min_width=6)
    for head in ("rate", metric.title, "95 %\ninterval", f"minus {comparison.baseline}", "p\nHolm"):
        table.add_column(escape(head), justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    digits, width = metric.unit.fewer, len("distinguishable") if narrow else 24
    for row in comparison.rows_at(noise):
        score, pair = row.metrics.get(metric.name), comparison.pair_of(row)
        cells = [row.variant, f"{row.learning_rate:g}", "diverged", UNKNOWN, UNKNOWN, UNKNOWN, "baseline"]
        if score:
            interval = words.between(score.interval, metric.unit, digits).replace(" to ", "–")
            cells[2:4] = mean_sd(score, metric.unit, digits), interval
        if pair:
            cells[6] = fill(words.verdict_words(comparison, pair), width, break_long_words=False)
        if pair and pair.found:
            difference = words.difference(pair.found.difference, metric.unit)
            if pair.found.interval:
                ends = words.between(pair.found.interval, metric.unit, signed=True)
                difference += f"{chr(10) if narrow else ' '}({ends})"
            cells[4:6] = difference, words.p_value(pair.p_holm)
        table.add_row(*(Group(*map(Text, cell.split("\n"))) for cell in cells))  # a text would lose its line breaks
    return table


def side_by_side(first: Comparison, second: Comparison, console: Console) -> None:
    """Print the scores of two comparisons and the differences of their plans; their runs are not paired."""
    console.print(f"first:  {escape(first.command)}", soft_wrap=True)
    console.print(f"second: {escape(second.command)}", soft_wrap=True)
    metric = first.metric
    rows = [{(row.variant, row.label_noise): row for row in side.rows} for side in (first, second)]
    title = words.with_unit(f"test {metric.title}", metric.unit)
    targets = "labels" if first.task.kind == "classes" else "targets"
    table = plain_table("loss", targets, "first", "second", "second minus first", left=2, title=title)
    for variant, noise in sorted(rows[0] | rows[1], key=lambda key: key[1]):
        found = [side.get((variant, noise)) for side in rows]
        scores = [row.metrics.get(metric.name) if row else None for row in found]
        shown = [
            "missing" if row is None else "diverged" if score is None else mean_sd(score, metric.unit)
            for row, score in zip(found, scores, strict=True)
        ]
        known = [score.mean for score in scores if score is not None]
        more = words.difference(known[1] - known[0], metric.unit) if len(known) == 2 else UNKNOWN
        table.add_row(escape(variant), escape(noise_words(first if found[0] else second, noise)), *shown, more)
    console.print(table)
    console.print()
    console.print(escape(_differing(first, second)))
    console.print("The runs of two comparisons are not paired, so there is no significance test.", style="dim")


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return nested values by their dotted key."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


def _differing(first: Comparison, second: Comparison) -> str:
    values = [{name: side.values[name] for name in ("plan", "versions", "hardware")} for side in (first, second)]
    one, two = (side["plan"].pop("variants") for side in values)
    sides = [_flat(side) for side in values]
    differing = [
        f"{key.removeprefix('plan.').removeprefix('base.')} {sides[0].get(key)} → {sides[1].get(key)}"
        for key in sides[0] | sides[1]
        if sides[0].get(key) != sides[1].get(key)
    ]
    differing += [f"variant {name}: {one[name]} → {two[name]}" for name in one if two.get(name, one[name]) != one[name]]
    if differing:
        return f"What differs: {'; '.join(differing)}."
    return "The two plans are the same." if one.keys() == two.keys() else "The two plans differ only in their variants."
