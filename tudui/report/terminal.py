"""Comparisons on the terminal."""

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from tudui.comparison.outcome import Comparison
from tudui.comparison.problems import Problems
from tudui.language import say
from tudui.report import for_numbers, words
from tudui.report.answer import advice as which_to_use
from tudui.report.answer import forest, warnings
from tudui.report.conclusions import conclusions, have_mean, protocol_of_problems, why_no_mean
from tudui.report.problems import long_heads, rare_heads, tally_tables
from tudui.report.variance import advice, variance_table
from tudui.report.words import UNKNOWN, mean_sd, noise_words
from tudui.sinks.printable import plain_table

WIDE, NARROW, INTERVAL = 100, 14, 22  # columns
COLOURS = {"better": "green", "worse": "red", "equivalent": "blue", "identical": "blue", "unstable": "yellow"}


def terminal(found: Comparison | Problems, console: Console) -> None:
    """Print the tables of a comparison or of a grid, and their conclusions in words."""
    if isinstance(found, Problems):
        terminal_of_problems(found, console)
    else:
        _terminal_of_one(found, console)


def _terminal_of_one(comparison: Comparison, console: Console) -> None:
    """Print a table per noise level, and its conclusions in words."""
    for noise in comparison.noise_levels:
        _print_verdicts(comparison, noise, console)
        for figure in comparison.task.beside:
            scores = [
                f"{row.variant} {mean_sd(row.figures.get(figure.name), figure.unit)}"
                for row in comparison.rows_at(noise)
            ]
            title = words.with_unit(words.title_of_score(figure), figure.unit)
            console.print(escape(say("{name}: {text}", name=title, text=say(", ").join(scores))))
        if text := for_numbers.second_verdicts(comparison, noise):
            console.print(escape(text))
        console.print()
    console.print(escape(which_to_use(comparison)), style="bold")
    console.print(escape(words.how_measured(comparison)), style="dim")
    if words.have_intervals(comparison):
        console.print(escape(words.rule(comparison)), style="dim")
    for text in words.folds(comparison):
        console.print(escape(text), style="dim")
    if comparison.second:
        console.print(escape(for_numbers.judged(comparison)), style="dim")
    if texts := warnings(comparison):
        console.print(say("Warnings") + say(":"), style="yellow")
    for text in texts:
        console.print(f"- {escape(text)}")
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


def _print_verdicts(comparison: Comparison, noise: float, console: Console, *, problem: str = "") -> None:
    """Print a table with a row per variant, and what else is to be known of each."""
    found = forest(comparison, noise)
    verdict, loss, difference, mean = found.head
    noise_of = say("{name}, {noise}", name=problem, noise=noise_words(comparison, noise))
    title = noise_of if problem else found.caption
    table = plain_table(title=escape(title), gap=1 if console.width < WIDE else 2)
    table.add_column(verdict, no_wrap=True)
    table.add_column(loss, overflow="fold", min_width=6)
    tuned = comparison.plan.comparison.tuned_parameters
    heads = (_in_lines(difference, INTERVAL), say("p Holm"), _in_lines(mean, NARROW), say("rate"), *tuned)
    for head in heads:
        table.add_column(escape(head), justify="right", no_wrap=True)
    for row, claim in zip(comparison.rows_at(noise), found.claims, strict=True):
        pair = comparison.pair_of(row)
        p = words.p_value(pair.p_holm) if pair else ""
        settings = row.parameters(tuned)
        shown = [f"{settings[name]:g}" if name in settings else words.UNKNOWN for name in tuned]
        cells = (claim.name, claim.difference, p, claim.mean, f"{row.learning_rate:g}", *shown)
        table.add_row(Text(claim.verdict, COLOURS.get(claim.kind, "")), *map(Text, cells))
    console.print(table)
    for claim in found.claims:
        if claim.notes:
            text = say("{name}: {text}", name=claim.name, text=say("; ").join(claim.notes))
            console.print(escape(text), style="dim")


def _in_lines(head: str, width: int) -> str:
    """Return a heading in lines of this width; a percent sign stays with its number."""
    return "\n".join(wrap(head.replace(" %", "\N{NO-BREAK SPACE}%"), width)).replace("\N{NO-BREAK SPACE}", " ")


def terminal_of_problems(problems: Problems, console: Console) -> None:
    """Print the verdicts by problem, their numbers, and the conclusions in words."""
    for noise in problems.first.noise_levels:
        for name, comparison in problems.comparisons.items():
            _print_verdicts(comparison, noise, console, problem=name)
            console.print()
    for found in tally_tables(problems) if have_mean(problems) else ():
        rare = {name for name in rare_heads() if {row[found.head.index(name)] for row in found.rows} <= {"0", UNKNOWN}}
        places = [place for place, name in enumerate(found.head) if name not in {*rare, *long_heads()}]
        heads = [found.head[place].replace(" ", "\n") for place in places]
        table = plain_table(*heads, title=escape(found.caption), gap=1 if console.width < WIDE else 2)
        for row in found.rows:
            table.add_row(*(escape(row[place]) for place in places))
        console.print(table)
        console.print()
    for text in conclusions(problems):
        console.print(escape(text), style="bold")
    for text in (*why_no_mean(problems), *protocol_of_problems(problems)):
        console.print(escape(text), style="dim")


def side_by_side(first: Comparison, second: Comparison, console: Console) -> None:
    """Print the scores of two comparisons and the differences of their plans; their runs are not paired."""
    console.print(say("first:  {command}", command=escape(first.command)), soft_wrap=True)
    console.print(say("second: {command}", command=escape(second.command)), soft_wrap=True)
    metric = first.metric
    rows = [{(row.variant, row.label_noise): row for row in side.rows} for side in (first, second)]
    title = words.with_unit(say("test {metric}", metric=words.title_of_score(metric)), metric.unit)
    targets = say("labels") if first.task.kind == "classes" else say("targets")
    heads = (say("loss"), targets, say("first"), say("second"), say("second minus first"))
    table = plain_table(*heads, left=2, title=escape(title))
    for variant, noise in sorted(rows[0] | rows[1], key=lambda key: key[1]):
        found = [side.get((variant, noise)) for side in rows]
        scores = [row.metrics.get(metric.name) if row else None for row in found]
        shown = [
            say("missing") if row is None else say("diverged") if score is None else mean_sd(score, metric.unit)
            for row, score in zip(found, scores, strict=True)
        ]
        known = [score.mean for score in scores if score is not None]
        more = words.difference(known[1] - known[0], metric.unit) if len(known) == 2 else UNKNOWN
        table.add_row(escape(variant), escape(noise_words(first if found[0] else second, noise)), *shown, more)
    console.print(table)
    console.print()
    console.print(escape(_differing(first, second)))
    text = say("The runs of two comparisons are not paired, so there is no significance test.")
    console.print(text, style="dim")


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
    differing += [
        say("variant {name}: {first} → {second}", name=name, first=one[name], second=two[name])
        for name in one
        if two.get(name, one[name]) != one[name]
    ]
    if differing:
        return say("What differs: {settings}.", settings=say("; ").join(differing))
    if one.keys() == two.keys():
        return say("The two plans are the same.")
    return say("The two plans differ only in their variants.")
