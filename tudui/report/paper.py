"""The table that papers print: a row per loss, a column per share of wrong labels; as LaTeX and as CSV."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

from tudui.comparison.outcome import Comparison, Pair, Row
from tudui.comparison.pairs import every_pair_of
from tudui.comparison.runs import cell_name
from tudui.comparison.statistics import Summary
from tudui.comparison.verdict import Verdict
from tudui.config.comparison import OF_LOSS
from tudui.language import say, tag
from tudui.report.caption import MARKS, caption
from tudui.report.tables import chosen_settings
from tudui.report.words import number, title_of_score
from tudui.text import csv_name, latex_text

# of the columns of `--csv wide` for a noise level
ENDS = ("", "-sd", "-seeds", "-best", "-verdict", "-difference", "-low", "-high", "-p_holm")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A variant at one noise level."""

    score: Summary | None  # of the metric of the verdicts; None: every run diverged
    pair: Pair | None  # None for the baseline
    is_best: bool  # has the best mean of its noise level
    worse_than: str  # the best, if this variant is shown to be worse than it, or ""
    is_near: bool  # not shown to be worse than the best, and not unstable
    is_unstable: bool  # against the baseline or the best


def table_of(comparison: Comparison) -> dict[str, list[Cell]]:
    """Return a cell per noise level of each variant."""
    return _table(comparison, _every_pair(comparison))


def _every_pair(comparison: Comparison) -> list[Pair]:
    """Return the tests of "near the best", corrected for every two variants: the best is chosen by the same runs."""
    return every_pair_of(comparison.plan.comparison, comparison.rows, comparison.metric)


def _table(comparison: Comparison, every: Sequence[Pair]) -> dict[str, list[Cell]]:
    worse, unstable = set(), set()
    for pair in every:
        sides = pair.variant, pair.baseline
        if pair.verdict in (Verdict.BETTER, Verdict.WORSE):
            worse.add((pair.label_noise, *(sides if pair.verdict is Verdict.WORSE else sides[::-1])))
        elif pair.verdict is Verdict.UNSTABLE:
            unstable |= {(pair.label_noise, *sides), (pair.label_noise, *sides[::-1])}
    table: dict[str, list[Cell]] = {name: [] for name in comparison.plan.comparison.variants}
    for noise in comparison.noise_levels:
        rows = comparison.rows_at(noise)
        best = _best(rows, comparison)
        for row in rows:
            pair_of_row, to_best = comparison.pair_of(row), (noise, row.variant, best.variant if best else "")
            is_unstable = to_best in unstable or bool(pair_of_row and pair_of_row.verdict is Verdict.UNSTABLE)
            is_near = bool(row.finished) and row is not best and to_best not in worse and not is_unstable
            cell = Cell(
                score=row.metrics.get(comparison.metric.name), pair=pair_of_row,
                worse_than=to_best[2] if to_best in worse else "",
                is_best=row is best, is_near=is_near, is_unstable=is_unstable,
            )  # fmt: skip
            table[row.variant].append(cell)
    return table


def _best(rows: list[Row], comparison: Comparison) -> Row | None:
    """Return the row with the best mean; one with runs that diverged only if every row has some."""
    metric = comparison.metric
    whole = [row for row in rows if not row.diverged] or [row for row in rows if row.finished]
    choose = max if metric.better == "more" else min
    return choose(whole, key=lambda row: row.metrics[metric.name].mean, default=None)


def latex(comparison: Comparison) -> str:
    """Return the table in LaTeX, and one of the settings that were tuned; it needs the package booktabs."""
    metric, plan = comparison.metric, comparison.plan.comparison
    numbers = comparison.task.kind == "numbers"
    spoiled = say("training targets made outliers") if numbers else say("training labels made wrong")
    title = spoiled if len(comparison.noise_levels) > 1 else latex_text(title_of_score(metric))
    every = _every_pair(comparison)
    table = _table(comparison, every)
    unstable = any(cell.is_unstable for cells in table.values() for cell in cells)
    scores = {name: [_latex_cell(cell, comparison) for cell in cells] for name, cells in table.items()}
    lines = [
        r"% needs \usepackage{booktabs}" + ("" if tag() == "en" else r" and \usepackage{ctex}, for XeLaTeX"),
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{caption(comparison, every, unstable=unstable)}}}",
        r"  \label{tab:losses}",
        *_tabular(comparison, [title], scores),
    ]
    if plan.lr == "tuned":
        titles, chosen = [say("learning rate"), *map(latex_text, plan.tuned_parameters)], chosen_settings(comparison)
        settings = {
            name: [latex_text(chosen[name, level][place]) for place in range(len(titles)) for level in plan.levels]
            for name in plan.variants
        }
        lines += _tabular(comparison, titles, settings)
    return "\n".join([*lines, r"\end{table}", ""])


def _tabular(comparison: Comparison, titles: Sequence[str], rows: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a table with a row per loss, and under each title a column per noise level."""
    shares = [rf"{100 * comparison.wrong_share(noise):.3g}\,\%" for noise in comparison.noise_levels]
    many, head = len(shares), titles
    lines = ["", r"  \medskip", rf"  \begin{{tabular}}{{l{'r' * many * len(titles)}}}", r"    \toprule"]
    if many > 1:
        groups = " & ".join(rf"\multicolumn{{{many}}}{{c}}{{{title}}}" for title in titles)
        ends = range(many + 1, many * len(titles) + 2, many)
        rules = " ".join(rf"\cmidrule(l){{{end - many + 1}-{end}}}" for end in ends)
        lines += [rf"    & {groups} \\", f"    {rules}"]
        head = shares * len(titles)
    lines += [rf"    {' & '.join([say('loss'), *head])} \\", r"    \midrule"]
    lines += [rf"    {' & '.join([latex_text(name), *cells])} \\" for name, cells in rows.items()]
    return [*lines, r"    \bottomrule", r"  \end{tabular}"]


def _latex_cell(cell: Cell, comparison: Comparison) -> str:
    if cell.score is None:
        return say("diverged")
    unit = comparison.metric.unit
    text = number(cell.score.mean, unit)
    if cell.score.sd is not None:
        text += rf" \pm {number(cell.score.sd, unit)}"
    if cell.is_best:
        text = rf"\mathbf{{{text}}}"
    if cell.is_near:
        text = rf"\underline{{{text}}}"
    mark, _ = MARKS.get(cell.pair.verdict, ("", "")) if cell.pair else ("", "")
    return f"${text}$" + (rf"\rlap{{$^{{{mark}}}$}}" if mark else "")


def wide_csv(comparison: Comparison) -> str:
    """Return the table as CSV: a row per loss; per noise level its score, the test of it, and what was tuned."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    levels, plan = comparison.noise_levels, comparison.plan.comparison
    word = "outliers" if comparison.task.kind == "numbers" else "noise"
    tuned = ["learning_rate", *(OF_LOSS + name for name in plan.tuned_parameters)] if plan.lr == "tuned" else []
    names = [cell_name(comparison.metric.name, noise, word) for noise in levels]
    settings = [cell_name(name, noise, word) for name in tuned for noise in levels]
    writer.writerow(["loss", *(f"{name}{end}" for name in names for end in ENDS), *settings])
    chosen = {(row.variant, row.label_noise): _settings(row, plan.tuned_parameters) for row in comparison.rows}
    for variant, cells in table_of(comparison).items():
        values = [value for cell in cells for value in _csv_cells(cell)]
        values += [chosen[variant, noise].get(name) for name in tuned for noise in levels]
        writer.writerow([csv_name(variant), *values])
    return file.getvalue()


def _csv_cells(cell: Cell) -> Iterator[object]:
    """Yield a value for each of ENDS."""
    yield from (None, None, 0) if cell.score is None else (cell.score.mean, cell.score.sd, cell.score.n)
    yield "best" if cell.is_best else "not_shown_worse" if cell.is_near else ""
    yield cell.pair.verdict.value if cell.pair else "baseline"
    found = cell.pair.found if cell.pair else None
    yield found and found.difference
    yield from (found and found.interval) or (None, None)
    yield cell.pair and cell.pair.p_holm


def _settings(row: Row, parameters: Sequence[str]) -> dict[str, float]:
    of_loss = {OF_LOSS + name: value for name, value in row.parameters(parameters).items()}
    return {"learning_rate": row.learning_rate, **of_loss}
