"""The report of a grid of problems: a verdict for each problem, and what they say together."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from tudui.comparison.outcome import Comparison
from tudui.comparison.over_problems import FEWEST_PROBLEMS, Tally, have_one_metric
from tudui.comparison.problems import Problems, steps_of
from tudui.comparison.verdict import Verdict
from tudui.report import words
from tudui.report.answer import forest, levels_words
from tudui.report.document import (
    Block,
    Bullets,
    Code,
    Folded,
    Heading,
    Judged,
    Lead,
    Link,
    Paragraph,
    Table,
)
from tudui.report.problem_pictures import pictures_of_problems
from tudui.report.protocol import held_equal, rates_words
from tudui.report.words import UNKNOWN, counted, listed, noise_words

SHOWN = (
    Verdict.BETTER, Verdict.EQUIVALENT, Verdict.WORSE, Verdict.NOT_DISTINGUISHABLE, Verdict.UNSTABLE, Verdict.IDENTICAL,
    Verdict.NO_VERDICT,
)  # fmt: skip
MEANS = ("mean difference", "its 95 % interval", "deviation between problems")
RARE = tuple(words.verdict_name(verdict) for verdict in SHOWN[4:])  # no column in a terminal if no problem has it


def title_of_problems(problems: Problems) -> str:
    """Return the report's title."""
    return f"Losses compared on {counted(len(problems.comparisons), 'problem')}: {listed(_variants(problems))}"


def report_of_problems(problems: Problems) -> list[Block]:
    """Return the whole report."""
    first, levels = problems.first, problems.first.noise_levels
    return [
        Heading(title_of_problems(problems), 1),
        *(Lead(text) for text in conclusions(problems)),
        *verdicts_by_problem(problems),
        *(Paragraph(text) for text in why_no_mean(problems)),
        *_tallies(problems),
        *(
            forest(one, noise)._replace(caption=f"{name}, {noise_words(one, noise)}")
            for noise in levels
            for name, one in problems.comparisons.items()
        ),
        Heading("Problem by problem"),
        Paragraph(
            "The name of a problem leads to its own report. Verdicts there are corrected for the comparisons of that "
            "report, here for those of all problems, so some may differ."
            if first.plan.comparison.family == "report"
            else "The name of a problem leads to its own report, with the same verdicts."
        ),
        *(verdict_table(problems, noise) for noise in levels),
        *pictures_of_problems(problems),
        Heading("Protocol"),
        Code(problems.command),
        problem_table(problems),
        Bullets(list(protocol_of_problems(problems))),
    ]


def summary_of_problems(problems: Problems) -> list[Block]:
    """Return the answer and the main tables."""
    return [
        Bullets(conclusions(problems)),
        *verdicts_by_problem(problems),
        *(Paragraph(text) for text in why_no_mean(problems)),
    ]


def are_compared(problems: Problems) -> bool:
    """Return whether there is a variant to compare with the baseline."""
    return any(one.pairs for one in problems.comparisons.values())


def _variants(problems: Problems) -> list[str]:
    return list(problems.first.plan.comparison.variants)


def _compared(problems: Problems, noise: float) -> list[Tally]:
    """Return the tallies of one noise level, without the baseline's."""
    return [tally for tally in problems.tallies if tally.label_noise == noise and tally.verdicts]


def conclusions(problems: Problems) -> list[str]:
    """Return for each variant in how many problems it has which verdict, and the mean difference, by noise level."""
    first, found = problems.first, []
    for variant in _variants(problems):
        tallies = [one for noise in first.noise_levels for one in _compared(problems, noise) if one.variant == variant]
        ranges = groupby(tallies, lambda tally: _counts(problems, tally))
        parts = [f"{text} {levels_words(first, [one.label_noise for one in same])}".rstrip() for text, same in ranges]
        if parts:
            found.append(f"{variant} against {first.baseline}: {'; '.join(parts)}.")
    return found


def _counts(problems: Problems, tally: Tally) -> str:
    """Return in how many problems a variant has which verdict, and the mean difference if there is one."""
    verdicts, number = tally.verdicts or {}, len(problems.comparisons)
    counts = [f"{words.verdict_name(verdict)} in {verdicts[verdict]}" for verdict in SHOWN if verdicts[verdict]]
    text = f"{listed(counts)} of {counted(number, 'problem')}"
    return f"{text} (mean difference {_mean(problems, tally)})" if tally.mean else text


def _mean(problems: Problems, tally: Tally) -> str:
    unit, mean = problems.first.metric.unit, tally.mean
    assert mean is not None
    size = f"{words.difference(mean.difference, unit)} {unit.difference}".rstrip()
    return f"{size} ({words.between(mean.interval, unit, signed=True)}) over {mean.n} problems"


def why_no_mean(problems: Problems) -> Iterator[str]:
    """Yield in one sentence why there is no mean difference and no rank, if there is none."""
    number = len(problems.comparisons)
    if not are_compared(problems):
        return
    if not have_one_metric(list(problems.comparisons.values())):
        metrics = {words.with_unit(one.metric.title, one.metric.unit) for one in problems.comparisons.values()}
        yield f"There is no mean over problems: the metrics of their verdicts differ ({', '.join(sorted(metrics))})."
    elif number < FEWEST_PROBLEMS:
        yield (
            f"There is no mean over {counted(number, 'problem')}: with fewer than {FEWEST_PROBLEMS}, its 95 % interval "
            f"is wider than three standard deviations of the differences, so only the list says something."
        )


def verdicts_by_problem(problems: Problems) -> Iterator[Table]:
    """Yield the table of every variant's verdict and difference in every problem, if variants are compared."""
    if not are_compared(problems):
        return
    first, several = problems.first, len(problems.first.noise_levels) > 1
    level = ["outliers" if first.task.kind == "numbers" else "label noise"] if several else []
    rows = []
    for noise in first.noise_levels:
        for tally in _compared(problems, noise):
            cells: list[str] = [tally.variant, *([noise_words(first, noise)] if several else [])]
            for one in problems.comparisons.values():
                pair, unit = (
                    next(pair for pair in one.pairs_at(noise) if pair.variant == tally.variant),
                    one.metric.unit,
                )
                difference = words.difference(pair.found.difference if pair.found else None, unit)
                size = f"{difference} {unit.difference}".rstrip()
                cells.append(Judged(size, words.verdict_name(pair.verdict), pair.verdict))
            rows.append(cells)
    heads = ["loss", *level, *problems.comparisons]
    yield Table(f"Verdict and difference to {first.baseline} in each problem", heads, rows, words=heads)


def _tallies(problems: Problems) -> list[Block]:
    """Return the numbers of verdicts; folded if they say no more than the table of all verdicts."""
    tables = tally_tables(problems)
    return [Folded("Number of problems with each verdict", tables)] if tables and not have_mean(problems) else [*tables]


def have_mean(problems: Problems) -> bool:
    """Return whether there is a mean difference over problems."""
    return are_compared(problems) and not list(why_no_mean(problems))


def tally_tables(problems: Problems) -> list[Table]:
    """Return a table for each noise level, if variants are compared."""
    return [_tally_table(problems, noise) for noise in problems.first.noise_levels if are_compared(problems)]


def _tally_table(problems: Problems, noise: float) -> Table:
    """Return in how many problems each variant has which verdict; with enough problems, mean difference and rank."""
    unit, with_mean = problems.first.metric.unit, not list(why_no_mean(problems))
    head = ["loss", *map(words.verdict_name, SHOWN)]
    if with_mean:
        head += [*MEANS, "mean rank"]
    rows = []
    for tally in (one for one in problems.tallies if one.label_noise == noise):
        cells = [str(tally.verdicts[verdict]) if tally.verdicts else UNKNOWN for verdict in SHOWN]
        if with_mean:
            mean, rank = tally.mean, tally.mean_rank
            cells += [words.difference(mean.difference, unit) if mean else UNKNOWN]
            cells += [words.between(mean.interval if mean else None, unit, signed=True)]
            cells += [words.number(mean.between if mean else None, unit), UNKNOWN if rank is None else f"{rank:.1f}"]
        rows.append([tally.variant, *cells])
    caption = f"Number of problems with each verdict against {problems.first.baseline}"
    return Table(f"{caption}, {noise_words(problems.first, noise)}", head, rows, words=("loss",))


def verdict_table(problems: Problems, noise: float) -> Table:
    """Return the score and the verdict of each variant in each problem."""
    baseline = problems.first.baseline
    head = [
        "problem", "loss", "learning rate", "seeds", "test score", f"difference to {baseline}", "its 95 % interval",
        "p Holm", "verdict",
    ]  # fmt: skip
    rows = []
    for name, comparison in problems.comparisons.items():
        metric, unit = comparison.metric, comparison.metric.unit
        for row in comparison.rows_at(noise):
            score, pair = row.metrics.get(metric.name), comparison.pair_of(row)
            found = pair.found if pair else None
            rows.append(
                [
                    Link(name, f"{name}/report.html"),
                    row.variant,
                    f"{row.learning_rate:g}",
                    words.seeds_words(row),
                    f"{words.mean_sd(score, unit)} {unit.value}".rstrip() if score else "diverged",
                    words.difference(found.difference if found else None, unit),
                    words.between(found.interval if found else None, unit, signed=True),
                    words.p_value(pair.p_holm if pair else None),
                    words.verdict_words(comparison, pair) if pair else "baseline",
                ]
            )
    titles = listed(sorted({one.metric.title for one in problems.comparisons.values()}))
    caption = f"Test {titles} of the last weights, {noise_words(problems.first, noise)}"
    return Table(f"{caption}: mean ± standard deviation over seeds", head, rows, words=("problem", "loss", "verdict"))


def problem_table(problems: Problems) -> Table:
    """Return what the problems are."""
    rows = [
        [
            Link(name, f"{name}/report.html"),
            one.plan.base.network.name,
            one.plan.base.data.name,
            UNKNOWN if one.test_images is None else f"{one.test_images:,}",
            f"{steps_of(one):,}",
        ]
        for name, one in problems.comparisons.items()
    ]
    return Table(
        "The problems",
        ["problem", "network", "data", "test images", "steps per run"],
        rows,
        words=["problem", "network", "data"],
    )


def protocol_of_problems(problems: Problems) -> Iterator[str]:
    """Yield what is equal in all problems and what is not, and how to read the numbers."""
    comparisons = list(problems.comparisons.values())
    first = comparisons[0]
    base, plan = first.plan.base, first.plan.comparison
    size = [counted(base.train.epochs, "epoch"), f"batches of {base.train.batch_size}", counted(plan.seeds, "seed")]
    yield (
        f"Equal for every loss and every problem: {', '.join(size)}, {base.optimizer.name}, {base.schedule.name}. "
        f"The same epochs are more steps on more images."
    )
    if plan.lr == "tuned" and not plan.tuned_parameters:
        curves = [curve for one in comparisons for curve in one.tuning]
        longer = sum({*curve.rates} > {*plan.rates} for curve in curves)
        yield (
            f"Not held equal: the learning rate. Each loss, noise level and problem has the best of the same "
            f"{len(plan.rates)} rates, by validation images, on {plan.tuning_seeds} unreported seeds each; in {longer} "
            f"of {counted(len(curves), 'search').replace('searchs', 'searches')} the best was at an end, and up to 3 "
            f"rates past it were tried."
        )
    else:
        yield rates_words(first)
    unequal = {name: one for name, one in problems.comparisons.items() if one.unequal}
    yield from (f"{name}: {held_equal(one)}" for name, one in unequal.items())
    if are_compared(problems):
        units = sorted({one.metric.unit.difference for one in comparisons} - {""})
        inside = f" in {listed(units)}" if units else ""
        yield f"Differences are variant minus baseline{inside}, paired by seed and image."
    if any(pair.n > 1 for one in comparisons for pair in one.pairs):
        yield words.rule(_all_in_one(problems), level="noise level of a problem")
    if first.metric.better == "less":
        yield f"Lower {first.metric.title} is better."
    if have_mean(problems):
        yield (
            "The mean gives each problem the same weight. Its 95 % interval (Hartung and Knapp, t with one degree of "
            "freedom less than problems) covers other problems of this kind. It is too short if problems share a "
            "network or a data set and so go the same way; no verdict follows from it. Rank 1 is the best loss of a "
            "problem."
        )
    if first.plan.comparison.explain_variance:
        yield "What the scores vary with is in the report of each problem."
    for name, one in problems.comparisons.items():
        yield from (f"Warning, {name}: {text}." for text in one.warnings)


def _all_in_one(problems: Problems) -> Comparison:
    """Return a comparison with the pairs of all problems."""
    pairs = tuple(pair for one in problems.comparisons.values() for pair in one.pairs)
    return replace(problems.first, pairs=pairs)
