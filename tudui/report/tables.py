"""The report's tables that any task has."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from tudui.comparison.outcome import Comparison
from tudui.report.document import Short, Table
from tudui.report.words import (
    UNKNOWN,
    apart,
    between,
    difference,
    mean_sd,
    noise_words,
    p_value,
    seeds_words,
    verdict_words,
    with_unit,
)
from tudui.tasks import Figure, Metric


def main_table(comparison: Comparison, noise: float) -> Table:
    """Return the main table of one noise level: the metric of the last weights, and differences to the baseline."""
    metric = comparison.metric
    sign_flip = any(pair.found and pair.found.p_sign_flip is not None for pair in comparison.pairs)
    head = [
        "loss", "learning rate", "seeds", with_unit(f"test {metric.title}", metric.unit), "95 % interval",
        f"difference to {comparison.baseline}", "its 95 % interval", "over seeds only", "p", "p Holm",
        *(["p sign-flip"] if sign_flip else []), "verdict",
    ]  # fmt: skip
    rows = []
    for row in comparison.rows_at(noise):
        first = [row.variant, f"{row.learning_rate:g}", seeds_words(row)]
        score, pair = row.metrics.get(metric.name), comparison.pair_of(row)
        first += [mean_sd(score, metric.unit), between(score.interval, metric.unit)] if score else ["diverged", UNKNOWN]
        words = verdict_words(comparison, pair) if pair else "baseline"
        if not pair or not pair.found:
            rows.append([*first, *[UNKNOWN] * (len(head) - 6), words])
            continue
        found = pair.found
        rows.append(
            [
                *first,
                difference(found.difference, metric.unit),
                apart(found.interval, metric.unit),
                apart(found.interval_seeds_only, metric.unit),
                p_value(found.p),
                p_value(pair.p_holm),
                *([p_value(found.p_sign_flip)] if sign_flip else []),
                words,
            ]
        )
    caption = (
        f"Test {metric.title} of the last weights, {noise_words(comparison, noise)}: "
        f"mean ± standard deviation over seeds"
    )
    return Table(caption, head, rows, words=("loss", "verdict"))


def yardsticks_table(comparison: Comparison, noise: float) -> Table:
    """Return what else there is to say of each variant's models: selected weights, validation, other scores, time."""
    first = comparison.task.metrics[0]
    metrics = [metric for metric in comparison.task.metrics if metric != comparison.metric]
    figures, rows = comparison.task.figures, comparison.rows_at(noise)
    scores: list[Metric | Figure] = [*metrics, *figures]
    reach = next((row.reach for row in rows if row.finished), None)
    target = first.unit.text(reach, 0) if reach else "the mark"
    head = [
        "loss",
        with_unit(f"test {first.title}", first.unit) + ", selected weights",
        with_unit(f"validation {first.title}", first.unit),
        *(with_unit(score.title, score.unit) for score in scores),
        f"epochs to {target}",
        f"seconds to {target}",
    ]
    shown = [
        [
            row.variant,
            mean_sd(row.selected, first.unit),
            mean_sd(row.validation, first.unit),
            *(mean_sd(row.metrics[metric.name], metric.unit) for metric in metrics),
            *(mean_sd(row.figures.get(figure.name), figure.unit) for figure in figures),
            *(_reached([found[place] for found in row.reached]) for place in (0, 1)),
        ]
        if row.finished
        else [row.variant, "diverged", *[UNKNOWN] * (len(head) - 2)]
        for row in rows
    ]
    return Table(f"Other yardsticks, {noise_words(comparison, noise)}", head, shown, words=("loss",))


def _reached(found: Sequence[float | None]) -> str:
    """Return the mean over the seeds that got there, and how many did."""
    there = [value for value in found if value is not None]
    if not there:
        return "not reached"
    some = f" ({len(there)} of {len(found)} seeds)" if len(there) < len(found) else ""
    return f"{fmean(there):.1f}{some}"


def losses_table(comparison: Comparison, noise: float) -> Table | None:
    """Return the value of every final model under every loss; None if no run finished."""
    rows = [row for row in comparison.rows_at(noise) if row.finished]
    if not rows:
        return None
    names = list(rows[0].losses)
    caption = f"Mean value on the test images under each loss, {noise_words(comparison, noise)}"
    shown = [[row.variant, *(_value(row.losses[name]) for name in names)] for row in rows]
    return Table(caption, ["trained with", *names], shown, words=("trained with",))


def _value(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def differing_table(comparison: Comparison) -> Table:
    """Return what is not the same for all variants: the loss section and the learning rate."""
    levels = comparison.noise_levels
    rates = {(row.variant, row.label_noise): f"{row.learning_rate:g}" for row in comparison.rows}
    head = ["variant", "loss section", *(f"learning rate, {noise_words(comparison, level)}" for level in levels)]
    rows = [
        [
            name,
            ", ".join(
                f"{key}: {_plain(value)}" for key, value in section.model_dump(mode="json").items() if value is not None
            ),
            *(rates[name, level] for level in levels),
        ]
        for name, section in comparison.plan.comparison.variants.items()
    ]
    return Table("What differs between the variants", head, rows, words=("variant", "loss section"))


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def hashes_table(comparison: Comparison) -> Table:
    """Return what the runs of each noise level and seed began from."""
    names = list(next(iter(comparison.hashes.values())))
    rows: list[list[str | Short]] = []
    for place, hashes in comparison.hashes.items():
        rows.append([place, *(_hash(hashes[name]) for name in names)])
    return Table(
        "sha256 of what every loss began from, by noise level and seed (first 8 digits)",
        ["runs", *(name.replace("_", " ") for name in names)],
        rows,
        words=("runs",),
    )


def _hash(value: str | Sequence[str]) -> str | Short:
    return Short(value) if isinstance(value, str) else f"{len(value)} different ones"
