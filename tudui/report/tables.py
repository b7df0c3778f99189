"""The report's tables for any task."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from tudui.comparison.outcome import Comparison, Row
from tudui.losses import in_unit
from tudui.losses.residual import PLAIN
from tudui.report import words
from tudui.report.document import Block, Heading, Paragraph, Short, Table
from tudui.report.words import UNKNOWN, noise_words, with_unit
from tudui.tasks import Figure, Metric
from tudui.tasks.metric import PERCENT


def main_table(comparison: Comparison, noise: float) -> Table:
    """Return the main table of one noise level: the metric of the last weights, and differences to the baseline."""
    metric, unit = comparison.metric, comparison.metric.unit
    tuned = comparison.plan.comparison.tuned_parameters
    head = [
        "loss", "learning rate", *tuned, "seeds", with_unit(f"test {metric.title}", unit), "95 % interval",
        f"difference to {comparison.baseline}", "its 95 % interval", "over seeds only", "p", "p Holm",
        "p equivalent", "verdict",
    ]  # fmt: skip
    rows = []
    for row in comparison.rows_at(noise):
        score, pair = row.metrics.get(metric.name), comparison.pair_of(row)
        cells = [row.variant, f"{row.learning_rate:g}", *_tuned_cells(row, comparison), words.seeds_words(row)]
        cells += [words.mean_sd(score, unit), words.between(score.interval, unit)] if score else ["diverged", UNKNOWN]
        if pair and (found := pair.found):
            cells.append(words.difference(found.difference, unit))
            cells += [words.between(ends, unit, signed=True) for ends in (found.interval, found.interval_seeds_only)]
            cells += [words.p_value(p) for p in (found.p, pair.p_holm, pair.p_equivalent_holm)]
        else:
            cells += [UNKNOWN] * (len(head) - len(cells) - 1)
        rows.append([*cells, words.verdict_words(comparison, pair) if pair else "baseline"])
    caption = f"Test {metric.title} of the last weights, {noise_words(comparison, noise)}"
    return Table(f"{caption}: mean ± standard deviation over seeds", head, rows, words=("loss", "verdict"))


def _tuned_cells(row: Row, comparison: Comparison) -> list[str]:
    """Return the tuned settings of a row's loss, residuals with the unit of the target too."""
    names = comparison.plan.comparison.tuned_parameters
    found, residuals = row.parameters(names), in_unit(row.runs[0].planned.config.loss, comparison.task)
    shown = {
        name: f"{value:g}" + (f" ({residuals[name]})" if name in residuals else "") for name, value in found.items()
    }
    return [shown.get(name, UNKNOWN) for name in names]


def failures_table(comparison: Comparison) -> Table:
    """Return the variants with runs that failed: how many, and the exact interval of the rate."""
    rows = [
        [row.variant, noise_words(comparison, row.label_noise), words.FAILED[flag], f"{rate.runs} of {rate.of}",
         words.between(rate.interval, PERCENT, 0)]
        for row in comparison.rows
        for flag, rate in row.failures.items()
        if rate.runs
    ]  # fmt: skip
    head = [
        "loss",
        "labels" if comparison.task.kind == "classes" else "targets",
        "failure",
        "runs",
        "95 % interval of the rate, %",
    ]
    return Table("Runs that failed", head, rows, words=head[:3])


def scores_table(comparison: Comparison, noise: float) -> Table:
    """Return each variant's other results: selected weights, validation, other scores, time."""
    first = comparison.task.metrics[0]
    metrics = [metric for metric in comparison.task.metrics if metric != comparison.metric]
    figures, rows = comparison.task.figures, comparison.rows_at(noise)
    scores: list[Metric | Figure] = [*metrics, *figures]
    reach = next((row.reach for row in rows if row.finished), None)
    target = first.unit.text(reach, 0 if first.proportion else None) if reach else "the mark"
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
            words.mean_sd(row.selected, first.unit),
            words.mean_sd(row.validation, first.unit),
            *(words.mean_sd({**row.figures, **row.metrics}.get(score.name), score.unit) for score in scores),
            *(_reached([found[place] for found in row.reached]) for place in (0, 1)),
        ]
        if row.finished
        else [row.variant, "diverged", *[UNKNOWN] * (len(head) - 2)]
        for row in rows
    ]
    return Table(f"Other scores, {noise_words(comparison, noise)}", head, shown, words=("loss",))


def _reached(found: Sequence[float | None]) -> str:
    """Return the mean over the seeds that reached the score, and their number."""
    known = [value for value in found if value is not None]
    if not known:
        return "not reached"
    return f"{fmean(known):.1f}" + (f" ({len(known)} of {len(found)} seeds)" if len(known) < len(found) else "")


def losses_tables(comparison: Comparison) -> Iterator[Block]:
    """Yield the value of every final model under every loss, if a run finished."""
    if not any(row.finished for row in comparison.rows):
        return
    yield Heading("Every model under every loss")
    yield Paragraph(
        "Each row is one kind of model, each column a loss at its defaults"
        + (" (residual losses on logits)" if comparison.task.kind == "classes" else ", on the scale of the targets")
        + ". Values of "
        "different losses are not comparable across columns, and no loss is ranked by its own value."
    )
    for noise in comparison.noise_levels:
        rows = [row for row in comparison.rows_at(noise) if row.finished]
        head = ["trained with", *(rows[0].losses if rows else ())]
        caption = f"Mean value on the test {comparison.samples} under each loss, {noise_words(comparison, noise)}"
        if rows:
            yield Table(
                caption, head, [[row.variant, *map(_value, row.losses.values())] for row in rows], words=head[:1]
            )


def _value(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def differing_table(comparison: Comparison) -> Table:
    """Return what differs between the variants: the loss section, the learning rate and other tuned settings."""
    levels, tuned = comparison.noise_levels, comparison.plan.comparison.tuned_parameters
    chosen = {
        (row.variant, row.label_noise): [f"{row.learning_rate:g}", *_tuned_cells(row, comparison)]
        for row in comparison.rows
    }
    head = ["variant", "loss section"]
    head += [f"{name}, {noise_words(comparison, level)}" for level in levels for name in ("learning rate", *tuned)]
    rows = []
    for name, section in comparison.plan.comparison.variants.items():
        settings = section.model_dump(mode="json", exclude_none=True, exclude={*tuned})
        residuals = in_unit(section, comparison.task)  # by the scale of the first run
        if comparison.task.kind == "numbers":
            settings = {key: value for key, value in settings.items() if key not in ("form", *PLAIN)}
        shown = ", ".join(
            f"{key}: {f'{value:g}' if isinstance(value, float) else value}"
            + (f" ({residuals[key]})" if key in residuals else "")
            for key, value in settings.items()
        )
        rows.append([name, shown, *(cell for level in levels for cell in chosen[name, level])])
    return Table("What differs between the variants", head, rows, words=("variant", "loss section"))


def hashes_table(comparison: Comparison) -> Table:
    """Return the hashes of the initial state of each noise level's and seed's runs."""
    names, numbers = list(next(iter(comparison.hashes.values()))), comparison.task.kind == "numbers"
    found = {place: [hashes[name] for name in names] for place, hashes in comparison.hashes.items()}
    rows = [
        [
            place.replace("noise", "outliers") if numbers else place,
            *(Short(one) if isinstance(one, str) else f"{len(one)} different ones" for one in hashes),
        ]
        for place, hashes in found.items()
    ]
    return Table(
        f"sha256 of every loss's initial state, by {words.level_name(comparison)} and seed (first 8 digits)",
        ["runs", *("targets" if numbers and name == "labels" else name.replace("_", " ") for name in names)],
        rows,
        words=("runs",),
    )
