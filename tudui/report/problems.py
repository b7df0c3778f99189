"""The report of a grid of problems: a verdict for each problem, and what they say together."""

from collections.abc import Iterator

from tudui.comparison.problems import Problems, steps_of
from tudui.language import say
from tudui.report import words
from tudui.report.answer import forest
from tudui.report.conclusions import (
    SHOWN,
    are_compared,
    compared,
    conclusions,
    have_mean,
    protocol_of_problems,
    why_no_mean,
)
from tudui.report.document import Block, Bullets, Code, Folded, Heading, Judged, Lead, Link, Paragraph, Table
from tudui.report.problem_pictures import pictures_of_problems
from tudui.report.words import UNKNOWN, counted, listed, noise_words, title_of_score


def title_of_problems(problems: Problems) -> str:
    """Return the report's title."""
    data, losses = counted(len(problems.comparisons), "problem"), listed(list(problems.first.plan.comparison.variants))
    return say("Losses compared on {data}: {losses}", data=data, losses=losses)


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
            forest(one, noise)._replace(caption=say("{name}, {noise}", name=name, noise=noise_words(one, noise)))
            for noise in levels
            for name, one in problems.comparisons.items()
        ),
        Heading(say("Problem by problem")),
        Paragraph(
            say(
                "The name of a problem leads to its own report. Verdicts there are corrected for the comparisons of "
                "that report, here for those of all problems, so some may differ."
                if first.plan.comparison.family == "report"
                else "The name of a problem leads to its own report, with the same verdicts."
            )
        ),
        problem_table(problems),
        Folded(say("Every score and verdict"), [verdict_table(problems, noise) for noise in levels]),
        *pictures_of_problems(problems),
        Heading(say("Protocol")),
        Code(problems.command),
        Bullets(list(protocol_of_problems(problems))),
    ]


def summary_of_problems(problems: Problems) -> list[Block]:
    """Return the answer and the main tables."""
    return [
        Bullets(conclusions(problems)),
        *verdicts_by_problem(problems),
        *(Paragraph(text) for text in why_no_mean(problems)),
    ]


def verdicts_by_problem(problems: Problems) -> Iterator[Table]:
    """Yield the table of every variant's verdict and difference in every problem, if variants are compared."""
    if not are_compared(problems):
        return
    first, several = problems.first, len(problems.first.noise_levels) > 1
    level = [say("outliers") if first.task.kind == "numbers" else say("label noise")] if several else []
    tallies = [tally for noise in first.noise_levels for tally in compared(problems, noise)]
    rows = []
    for variant in dict.fromkeys(tally.variant for tally in tallies):
        for noise in first.noise_levels:
            cells: list[str] = [variant, *([noise_words(first, noise)] if several else [])]
            for one in problems.every:
                pair = next(pair for pair in one.pairs_at(noise) if pair.variant == variant)
                difference = words.difference(pair.found.difference if pair.found else None, one.metric.unit)
                size = words.size_of_difference(difference, one.metric.unit)
                cells.append(Judged(size, words.verdict_name(pair.verdict), pair.verdict))
            rows.append(cells)
    heads = [say("loss"), *level, *problems.comparisons]
    text = (
        "Verdict and difference to {baseline} in each problem; more is better"
        if first.metric.better == "more"
        else "Verdict and difference to {baseline} in each problem; less is better"
    )
    caption = say(text, baseline=first.baseline)
    yield Table(caption, heads, rows, words=heads)


def _tallies(problems: Problems) -> list[Block]:
    """Return the numbers of verdicts; folded if they say no more than the table of all verdicts."""
    tables = tally_tables(problems)
    if tables and not have_mean(problems):
        return [Folded(say("Number of problems with each verdict"), tables)]
    return [*tables]


def tally_tables(problems: Problems) -> list[Table]:
    """Return a table for each noise level, if variants are compared."""
    return [_tally_table(problems, noise) for noise in problems.first.noise_levels if are_compared(problems)]


def _tally_table(problems: Problems, noise: float) -> Table:
    """Return in how many problems each variant has which verdict; with enough problems, mean difference and rank."""
    unit, with_mean = problems.first.metric.unit, have_mean(problems)
    head = [say("loss"), *map(words.verdict_name, SHOWN)]
    if with_mean:
        head += [*long_heads(), say("mean rank")]
    rows = []
    for tally in (one for one in problems.tallies if one.label_noise == noise):
        cells = [str(tally.verdicts[verdict]) if tally.verdicts else UNKNOWN for verdict in SHOWN]
        if with_mean:
            mean, rank = tally.mean, tally.mean_rank
            cells += [words.difference(mean.difference, unit) if mean else UNKNOWN]
            cells += [words.between(mean.interval if mean else None, unit, signed=True)]
            cells += [words.number(mean.between if mean else None, unit), UNKNOWN if rank is None else f"{rank:.1f}"]
        rows.append([tally.variant, *cells])
    caption = say(
        "Number of problems with each verdict against {baseline}, {noise}",
        baseline=problems.first.baseline, noise=noise_words(problems.first, noise),
    )  # fmt: skip
    return Table(caption, head, rows, words=head[:1])


def long_heads() -> list[str]:
    """Return the heads of the mean's columns, for which a terminal has no room."""
    return [say("mean difference"), say("its 95 % interval"), say("deviation between problems")]


def rare_heads() -> list[str]:
    """Return the verdicts that have no column in a terminal if no problem has them."""
    return [words.verdict_name(verdict) for verdict in SHOWN[4:]]


def verdict_table(problems: Problems, noise: float) -> Table:
    """Return the score and the verdict of each variant in each problem."""
    baseline = problems.first.baseline
    head = [
        say("problem"), say("loss"), say("learning rate"), say("seeds"), say("test score"),
        say("difference to {baseline}", baseline=baseline), say("its 95 % interval"), say("p Holm"), say("verdict"),
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
                    f"{words.mean_sd(score, unit)} {say(unit.value)}".rstrip() if score else say("diverged"),
                    words.difference(found.difference if found else None, unit),
                    words.between(found.interval if found else None, unit, signed=True),
                    words.p_value(pair.p_holm if pair else None),
                    words.verdict_words(comparison, pair) if pair else say("baseline"),
                ]
            )
    caption = say(
        "Test {metric} of the last weights, {noise}: mean ± standard deviation over seeds",
        metric=listed(sorted({title_of_score(one.metric) for one in problems.every})),
        noise=noise_words(problems.first, noise),
    )
    return Table(caption, head, rows, words=(*head[:2], head[-1]))


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
    head = [say(name) for name in ("problem", "network", "data", "test samples", "steps per run")]
    return Table(say("The problems"), head, rows, words=head[:3])
