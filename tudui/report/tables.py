"""The report's tables for any task."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from tudui.comparison.outcome import Comparison, Row
from tudui.language import say
from tudui.losses import in_unit
from tudui.losses.residual import PLAIN
from tudui.report import words
from tudui.report.document import Block, Heading, Paragraph, Short, Table
from tudui.report.words import UNKNOWN, noise_words, title_of_score, with_unit
from tudui.tasks import Figure, Metric
from tudui.tasks.metric import PERCENT


def main_table(comparison: Comparison, noise: float) -> Table:
    """Return the main table of one noise level: the metric of the last weights, and differences to the baseline."""
    metric, unit = comparison.metric, comparison.metric.unit
    tuned = comparison.plan.comparison.tuned_parameters
    head = [
        say("loss"), say("learning rate"), *tuned, say("seeds"),
        with_unit(say("test {metric}", metric=title_of_score(metric)), unit), say("95 % interval"),
        say("difference to {baseline}", baseline=comparison.baseline), say("its 95 % interval"),
        say("over seeds only"), "p", say("p Holm"), say("p equivalent"), say("verdict"),
    ]  # fmt: skip
    rows = []
    for row in comparison.rows_at(noise):
        score, pair = row.metrics.get(metric.name), comparison.pair_of(row)
        cells = [row.variant, f"{row.learning_rate:g}", *_tuned_cells(row, comparison), words.seeds_words(row)]
        cells += (
            [words.mean_sd(score, unit), words.between(score.interval, unit)] if score else [say("diverged"), UNKNOWN]
        )
        if pair and (found := pair.found):
            cells.append(words.difference(found.difference, unit))
            cells += [words.between(ends, unit, signed=True) for ends in (found.interval, found.interval_seeds_only)]
            cells += [words.p_value(p) for p in (found.p, pair.p_holm, pair.p_equivalent_holm)]
        else:
            cells += [UNKNOWN] * (len(head) - len(cells) - 1)
        rows.append([*cells, words.verdict_words(comparison, pair) if pair else say("baseline")])
    caption = say(
        "Test {metric} of the last weights, {noise}: mean ± standard deviation over seeds",
        metric=title_of_score(metric), noise=noise_words(comparison, noise),
    )  # fmt: skip
    return Table(caption, head, rows, words=(head[0], head[-1]))


def _tuned_cells(row: Row, comparison: Comparison) -> list[str]:
    """Return the tuned settings of a row's loss, residuals with the unit of the target too."""
    names = comparison.plan.comparison.tuned_parameters
    found, residuals = row.parameters(names), in_unit(row.runs[0].planned.config.loss, comparison.task)
    shown = {
        name: f"{value:g}" + (f" ({words.sized(residuals[name])})" if name in residuals else "")
        for name, value in found.items()
    }
    return [shown.get(name, UNKNOWN) for name in names]


def failures_table(comparison: Comparison) -> Table:
    """Return the variants with runs that failed: how many, and the exact interval of the rate."""
    rows = [
        [row.variant, noise_words(comparison, row.label_noise), say(words.FAILED[flag]),
         words.part_of(rate.runs, rate.of), words.between(rate.interval, PERCENT, 0)]
        for row in comparison.rows
        for flag, rate in row.failures.items()
        if rate.runs
    ]  # fmt: skip
    head = [
        say("loss"),
        say("labels") if comparison.task.kind == "classes" else say("targets"),
        say("failure"),
        say("runs"),
        say("95 % interval of the rate, %"),
    ]
    return Table(say("Runs that failed"), head, rows, words=head[:3])


def scores_table(comparison: Comparison, noise: float) -> Table:
    """Return each variant's other results: selected weights, validation, other scores, time."""
    first = comparison.task.metrics[0]
    metrics = [metric for metric in comparison.task.metrics if metric != comparison.metric]
    figures, rows = comparison.task.figures, comparison.rows_at(noise)
    scores: list[Metric | Figure] = [*metrics, *figures]
    reach = next((row.reach for row in rows if row.finished), None)
    target = words.value(reach, first.unit, 0 if first.proportion else None) if reach else say("the target score")
    title = title_of_score(first)
    tested = with_unit(say("test {metric}", metric=title), first.unit)
    head = [
        say("loss"),
        say("{metric}, selected weights", metric=tested),
        with_unit(say("validation {metric}", metric=title), first.unit),
        *(with_unit(title_of_score(score), score.unit) for score in scores),
        say("epochs to {target}", target=target),
        say("seconds to {target}", target=target),
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
        else [row.variant, say("diverged"), *[UNKNOWN] * (len(head) - 2)]
        for row in rows
    ]
    return Table(say("Other scores, {noise}", noise=noise_words(comparison, noise)), head, shown, words=head[:1])


def _reached(found: Sequence[float | None]) -> str:
    """Return the mean over the seeds that reached the score, and their number."""
    known = [value for value in found if value is not None]
    if not known:
        return say("not reached")
    if len(known) == len(found):
        return f"{fmean(known):.1f}"
    return say("{mean:.1f} ({number} of {seeds} seeds)", mean=fmean(known), number=len(known), seeds=len(found))


def losses_tables(comparison: Comparison) -> Iterator[Block]:
    """Yield the value of every final model under every loss, if a run finished."""
    if not any(row.finished for row in comparison.rows):
        return
    yield Heading(say("Every model under every loss"))
    text = say(
        "Each row is one kind of model, each column a loss at its defaults (residual losses on logits)."
        if comparison.task.kind == "classes"
        else "Each row is one kind of model, each column a loss at its defaults, on the scale of the training "
        "targets, which outliers widen: compare values of one table only."
    )
    ranked = "Values of different losses are not comparable across columns, and no loss is ranked by its own value."
    yield Paragraph(say(" ").join([text, say(ranked)]))
    for noise in comparison.noise_levels:
        rows = comparison.finished_at(noise)
        head = [say("trained with"), *(rows[0].losses if rows else ())]
        text, noise_level = "Mean value on the test {samples} under each loss, {noise}", noise_words(comparison, noise)
        caption = say(text, samples=comparison.samples, noise=noise_level)
        if rows:
            yield Table(
                caption, head, [[row.variant, *map(_value, row.losses.values())] for row in rows], words=head[:1]
            )


def _value(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def chosen_settings(comparison: Comparison) -> dict[tuple[str, float], list[str]]:
    """Return the learning rate and the tuned settings of each variant and noise level."""
    return {
        (row.variant, row.label_noise): [f"{row.learning_rate:g}", *_tuned_cells(row, comparison)]
        for row in comparison.rows
    }


def differing_table(comparison: Comparison) -> Table:
    """Return what differs between the variants: the loss section, the learning rate and other tuned settings."""
    levels, tuned = comparison.noise_levels, comparison.plan.comparison.tuned_parameters
    chosen = chosen_settings(comparison)
    head = [say("variant"), say("loss section")]
    head += [
        say("{name}, {noise}", name=name, noise=noise_words(comparison, level))
        for level in levels
        for name in (say("learning rate"), *tuned)
    ]
    rows = []
    for name, section in comparison.plan.comparison.variants.items():
        settings = section.model_dump(mode="json", exclude_none=True, exclude={*tuned})
        residuals = in_unit(section, comparison.task)  # by the scale of the first run
        if comparison.task.kind == "numbers":
            settings = {key: value for key, value in settings.items() if key not in ("form", *PLAIN)}
        shown = ", ".join(
            f"{key}: {f'{value:g}' if isinstance(value, float) else value}"
            + (f" ({words.sized(residuals[key])})" if key in residuals else "")
            for key, value in settings.items()
        )
        rows.append([name, shown, *(cell for level in levels for cell in chosen[name, level])])
    return Table(say("What differs between the variants"), head, rows, words=head[:2])


def hashes_table(comparison: Comparison) -> Table:
    """Return the hashes of the initial state of each noise level's and seed's runs."""
    names, numbers = list(next(iter(comparison.hashes.values()))), comparison.task.kind == "numbers"
    found = {place: [hashes[name] for name in names] for place, hashes in comparison.hashes.items()}
    rows = [
        [
            place.replace("noise", "outliers") if numbers else place,
            *(
                Short(one) if isinstance(one, str) else say("{number} different ones", number=len(one))
                for one in hashes
            ),
        ]
        for place, hashes in found.items()
    ]
    caption = say(
        "sha256 of every loss's initial state, by {level} and seed (first 8 digits)", level=words.level_name(comparison)
    )
    shown = ("targets" if numbers and name == "labels" else name.replace("_", " ") for name in names)
    head = [say("runs"), *map(say, shown)]
    return Table(caption, head, rows, words=head[:1])
