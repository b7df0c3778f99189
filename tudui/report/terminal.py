"""Comparisons on the terminal."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tudui.comparison.outcome import Comparison
from tudui.comparison.rows import Pair
from tudui.report.words import (
    UNKNOWN,
    apart,
    between,
    counted,
    difference,
    headline,
    mean_sd,
    needed,
    noise_words,
    p_value,
    verdict_words,
    with_unit,
)
from tudui.sinks.printable import plain_table

WIDE = 110  # columns


def terminal(comparison: Comparison, console: Console) -> None:
    """Print a table per noise level, and what it says."""
    for noise in comparison.noise_levels:
        console.print(_table(comparison, noise, narrow=console.width < WIDE))
        console.print()
    seeds, images, metric = comparison.plan.comparison.seeds, comparison.test_images, comparison.metric
    inside = f" in {metric.unit.value}" if metric.unit.value else ""
    over = f"± standard deviation over {counted(seeds, 'seed')}"
    on = f"; intervals of 95 % over seeds and the {images:,} test images" if seeds > 1 and images else ""
    less = f" Lower {metric.title} is better." if metric.better == "less" else ""
    console.print(f"Test {metric.title} of the last weights{inside}, {over}{on}.{less}", style="dim")
    if seeds > 1:
        console.print("Better or worse takes p (Holm) below 0.05 and an interval without 0.", style="dim")
    for text in comparison.warnings:
        console.print(f"[yellow]warning:[/] {escape(text)}")
    for noise in comparison.noise_levels:
        console.print(escape(headline(comparison, noise)))
        if words := needed(comparison, noise):
            console.print(escape(words), style="dim")


def _table(comparison: Comparison, noise: float, *, narrow: bool) -> Table:
    """Return the table; in a narrow one, long cells have two lines."""
    metric = comparison.metric
    table = plain_table(title=escape(noise_words(comparison, noise)), gap=1 if narrow else 2)
    table.add_column("loss", overflow="fold", min_width=6)
    for head in ("rate", metric.title, "95 %\ninterval", f"minus {comparison.baseline}", "p\nHolm"):
        table.add_column(escape(head), justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in comparison.rows_at(noise):
        score, pair, digits = row.metrics.get(metric.name), comparison.pair_of(row), metric.unit.digits - 1
        shown = ["diverged", UNKNOWN]
        if score:
            interval = between(score.interval, metric.unit, digits).replace(" to ", "–")
            shown = [mean_sd(score, metric.unit, digits), interval]
        against = _against(comparison, pair, narrow=narrow) if pair else [UNKNOWN, UNKNOWN, "baseline"]
        table.add_row(*(escape(cell) for cell in (row.variant, f"{row.learning_rate:g}", *shown, *against)))
    return table


def _against(comparison: Comparison, pair: Pair, *, narrow: bool) -> list[str]:
    """Return the difference with its interval, p and the verdict."""
    width = len("distinguishable") if narrow else 24
    verdict = fill(verdict_words(comparison, pair), width, break_long_words=False)
    if not pair.found:
        return [UNKNOWN, UNKNOWN, verdict]
    unit = comparison.metric.unit
    shown = difference(pair.found.difference, unit)
    if pair.found.interval is not None:
        shown += f"{chr(10) if narrow else ' '}({apart(pair.found.interval, unit)})"
    return [shown, p_value(pair.p_holm), verdict]


def side_by_side(first: Comparison, second: Comparison, console: Console) -> None:
    """Print the scores of two comparisons and what differs between their plans; their runs are not paired."""
    console.print(f"first:  {escape(first.command)}", soft_wrap=True)
    console.print(f"second: {escape(second.command)}", soft_wrap=True)
    metric, sides = first.metric, (first, second)
    rows = [{(row.variant, row.label_noise): row for row in side.rows} for side in sides]
    title = with_unit(f"test {metric.title}", metric.unit)
    table = plain_table("loss", "labels", "first", "second", "second minus first", left=2, title=title)
    for key in sorted(rows[0] | rows[1], key=lambda key: key[1]):
        found = [side[key].metrics.get(metric.name) if key in side else None for side in rows]
        shown = [
            "not there" if key not in side else "diverged" if one is None else mean_sd(one, metric.unit)
            for side, one in zip(rows, found, strict=True)
        ]
        known = [one.mean for one in found if one is not None]
        more = difference(known[1] - known[0], metric.unit) if len(known) == 2 else UNKNOWN
        labels = noise_words(first if key in rows[0] else second, key[1])
        table.add_row(escape(key[0]), escape(labels), *shown, more)
    console.print(table)
    console.print()
    console.print(escape(_differing(first, second)))
    console.print("The runs of two comparisons are not paired, so nothing is said of significance.", style="dim")


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return nested values by their dotted key."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


def _differing(first: Comparison, second: Comparison) -> str:
    """Return the settings in which two comparisons differ."""
    values = first.values, second.values
    sides = [_flat({name: side[name] for name in ("plan", "versions", "hardware")}) for side in values]
    differing = [
        f"{key.removeprefix('plan.').removeprefix('base.')} {sides[0].get(key)} → {sides[1].get(key)}"
        for key in sides[0] | sides[1]
        if sides[0].get(key) != sides[1].get(key) and not key.startswith("plan.variants.")
    ]
    variants = [side["plan"]["variants"] for side in values]
    changed = [name for name in variants[0] if name in variants[1] and variants[0][name] != variants[1][name]]
    differing += [f"variant {name}: {variants[0][name]} → {variants[1][name]}" for name in changed]
    if not differing:
        return (
            "The two plans differ in nothing but the variants."
            if variants[0].keys() != variants[1].keys()
            else ("The two plans are the same.")
        )
    return f"What differs: {'; '.join(differing)}."
