"""The report of a grid of problems: a verdict for each problem, and what they say together."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tudui.comparison.over_problems import have_one_metric
from tudui.comparison.problems import Problems, steps_of
from tudui.report import words
from tudui.report.answer import forest
from tudui.report.conclusions import SHOWN, are_compared, compared, conclusions, protocol_of_problems, why_no_mean
from tudui.report.document import Block, Bullets, Code, Gallery, Heading, Lead, Link, Paragraph, Picture, Table
from tudui.report.drawing import axis_title, legend_below, new_picture, png, styles_of
from tudui.report.language import say, speaking_in_pictures
from tudui.report.words import UNKNOWN, counted, listed, noise_words, title_of_score
from tudui.style import INK, finish

HEIGHT = 0.32  # inches of a line in the picture


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
        *tally_tables(problems),
        *(Paragraph(text) for text in why_no_mean(problems)),
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
        *(verdict_table(problems, noise) for noise in levels),
        *_pictures(problems),
        Heading(say("Protocol")),
        Code(problems.command),
        problem_table(problems),
        Bullets(list(protocol_of_problems(problems))),
    ]


def summary_of_problems(problems: Problems) -> list[Block]:
    """Return the answer and the main tables."""
    return [
        Bullets(conclusions(problems)),
        *(Paragraph(text) for text in why_no_mean(problems)),
        *tally_tables(problems),
    ]


def tally_tables(problems: Problems) -> list[Table]:
    """Return a table for each noise level, if variants are compared."""
    return [_tally_table(problems, noise) for noise in problems.first.noise_levels if are_compared(problems)]


def _tally_table(problems: Problems, noise: float) -> Table:
    """Return in how many problems each variant has which verdict; with enough problems, mean difference and rank."""
    unit, with_mean = problems.first.metric.unit, not list(why_no_mean(problems))
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
        metric=listed(sorted({title_of_score(one.metric) for one in problems.comparisons.values()})),
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
    head = [say(name) for name in ("problem", "network", "data", "test images", "steps per run")]
    return Table(say("The problems"), head, rows, words=head[:3])


def _pictures(problems: Problems) -> Iterator[Block]:
    """Yield the differences of each noise level, if there are any and they have one scale."""
    if are_compared(problems) and have_one_metric(list(problems.comparisons.values())):
        yield Gallery([_picture(problems, noise) for noise in problems.first.noise_levels])


def _picture(problems: Problems, noise: float) -> Picture:
    """Return every difference with its interval, by problem."""
    metric, styles = problems.first.metric, styles_of(problems.first.plan.comparison.variants)
    scale, others = metric.unit.scale, [tally.variant for tally in compared(problems, noise)]
    names = list(problems.comparisons)
    figure, axes = new_picture(1.8 + HEIGHT * len(names) * (len(others) + 1))
    for place, one in enumerate(problems.comparisons.values()):
        offsets = np.linspace(-0.22, 0.22, len(others)) if len(others) > 1 else [0.0]
        for offset, variant in zip(offsets, others, strict=True):
            pair = next(pair for pair in one.pairs_at(noise) if pair.variant == variant)
            style = styles[variant]
            if pair.found is None:
                continue
            if pair.found.interval:
                ends = [scale * end for end in pair.found.interval]
                axes.plot(ends, [place + offset] * 2, color=style.colour, linewidth=2)
            label = None if axes.get_legend_handles_labels()[1].count(style.label) else style.label
            axes.plot(
                [scale * pair.found.difference], [place + offset], "o", markersize=7, color=style.colour, label=label
            )
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    unit, baseline = replace(metric.unit, value=metric.unit.difference), problems.first.baseline
    with speaking_in_pictures():
        x = say("{metric} minus {baseline}", metric=title_of_score(metric), baseline=baseline)
        finish(axes, title=noise_words(problems.first, noise), x=axis_title(x, unit), y="")
    if axes.get_legend_handles_labels()[1]:
        legend_below(figure, axes)
    what = say(
        "The difference of test {metric} to {baseline} in each problem, {noise}",
        metric=title_of_score(metric), baseline=baseline, noise=noise_words(problems.first, noise),
    )  # fmt: skip
    marks = say("{what}: a dot is the difference, the line its 95 % interval over seeds and test images.", what=what)
    return Picture(f"problems-noise{100 * noise:g}", say("{alt}.", alt=what), marks, png(figure))
