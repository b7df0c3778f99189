"""What a grid of problems says together, and how to read it, in sentences."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from tudui.comparison.outcome import Comparison
from tudui.comparison.over_problems import FEWEST_PROBLEMS, Tally, have_one_metric
from tudui.comparison.problems import Problems
from tudui.comparison.verdict import Verdict
from tudui.language import say, say_recorded
from tudui.report import words
from tudui.report.answer import levels_words
from tudui.report.protocol import held_equal, rates_words
from tudui.report.words import counted, listed, title_of_score

SHOWN = (
    Verdict.BETTER, Verdict.EQUIVALENT, Verdict.WORSE, Verdict.NOT_DISTINGUISHABLE, Verdict.UNSTABLE, Verdict.IDENTICAL,
    Verdict.NO_VERDICT,
)  # fmt: skip


def are_compared(problems: Problems) -> bool:
    """Return whether there is a variant to compare with the baseline."""
    return any(one.pairs for one in problems.every)


def compared(problems: Problems, noise: float) -> list[Tally]:
    """Return the tallies of one noise level, without the baseline's."""
    return [tally for tally in problems.tallies if tally.label_noise == noise and tally.verdicts]


def conclusions(problems: Problems) -> list[str]:
    """Return for each variant in how many problems it has which verdict, and the mean difference, by noise level."""
    first, found = problems.first, []
    for variant in first.plan.comparison.variants:
        tallies = [one for noise in first.noise_levels for one in compared(problems, noise) if one.variant == variant]
        ranges = groupby(tallies, lambda tally: _counts(problems, tally))
        parts = [_at(first, [one.label_noise for one in same], counts) for counts, same in ranges]
        if parts:
            text, verdicts = "{variant} against {baseline}: {verdicts}.", say("; ").join(parts)
            found.append(say(text, variant=variant, baseline=first.baseline, verdicts=verdicts))
    return found


def _at(comparison: Comparison, levels: list[float], counts: str) -> str:
    """Return the verdicts of some noise levels."""
    where = levels_words(comparison, levels)
    return say("{counts} {levels}", counts=counts, levels=where) if where else counts


def _counts(problems: Problems, tally: Tally) -> str:
    """Return in how many problems a variant has which verdict, and the mean difference if there is one."""
    verdicts, number = tally.verdicts or {}, len(problems.comparisons)
    found = [verdict for verdict in SHOWN if verdicts[verdict]]
    if len(found) == 1 < number:
        names = {"verdict": words.verdict_name(found[0]), "number": number}
        text = say("{verdict} in both problems" if number == 2 else "{verdict} in all {number} problems", **names)
    else:
        counts = [say("{verdict} in {number}", verdict=words.verdict_name(one), number=verdicts[one]) for one in found]
        text = say("{counts} of {problems}", counts=listed(counts), problems=counted(number, "problem"))
    if not tally.mean:
        return text
    return say("{text} (mean difference {mean})", text=text, mean=_mean(problems, tally))


def _mean(problems: Problems, tally: Tally) -> str:
    unit, mean = problems.first.metric.unit, tally.mean
    assert mean is not None
    return say(
        "{size} ({interval}) over {number} problems",
        size=words.size_of_difference(words.difference(mean.difference, unit), unit),
        interval=words.between(mean.interval, unit, signed=True),
        number=mean.n,
    )


def why_no_mean(problems: Problems) -> Iterator[str]:
    """Yield in one sentence why there is no mean difference and no rank, if there is none."""
    number = len(problems.comparisons)
    if not are_compared(problems):
        return
    if not have_one_metric(problems.every):
        metrics = {words.with_unit(title_of_score(one.metric), one.metric.unit) for one in problems.every}
        text = "There is no mean over problems: the metrics of their verdicts differ ({metrics})."
        yield say(text, metrics=say(", ").join(sorted(metrics)))
    elif number < FEWEST_PROBLEMS:
        yield say(
            "There is no mean over {problems}: with fewer than {fewest}, its 95 % interval is wider than three "
            "standard deviations of the differences, so only the list is meaningful.",
            problems=counted(number, "problem"), fewest=FEWEST_PROBLEMS,
        )  # fmt: skip


def have_mean(problems: Problems) -> bool:
    """Return whether there is a mean difference over problems."""
    return are_compared(problems) and not list(why_no_mean(problems))


def protocol_of_problems(problems: Problems) -> Iterator[str]:
    """Yield what is equal in all problems and what is not, and how to read the numbers."""
    comparisons, first = problems.every, problems.first
    base, plan = first.plan.base, first.plan.comparison
    batches = say("batches of {number}", number=base.train.batch_size)
    size = [counted(base.train.epochs, "epoch"), batches, counted(plan.seeds, "seed")]
    yield say(
        "Equal for every loss and every problem: {settings}. With the same number of epochs, more samples mean more "
        "steps.",
        settings=say(", ").join([*size, base.optimizer.name, base.schedule.name]),
    )
    if plan.lr == "tuned" and not plan.tuned_parameters:
        curves = [curve for one in comparisons for curve in one.tuning]
        longer = sum({*curve.rates} > {*plan.rates} for curve in curves)
        yield say(
            "Not equal: the learning rate. For each loss, noise level and problem, the best of the same {rates} rates "
            "was chosen on validation samples, with {seeds} unreported seeds each; in {longer} of {searches} searches "
            "the best was at an end, so up to 3 rates beyond it were tried.",
            rates=len(plan.rates), seeds=plan.tuning_seeds, longer=longer, searches=len(curves),
        )  # fmt: skip
    else:
        yield rates_words(first)
    unequal = {name: one for name, one in problems.comparisons.items() if one.unequal}
    yield from (say("{name}: {text}", name=name, text=held_equal(one)) for name, one in unequal.items())
    if are_compared(problems):
        units = sorted({one.metric.unit.difference for one in comparisons} - {""})
        unit = words.inside(listed(list(map(say, units))) if units else "")
        yield say("Differences are variant minus baseline{unit}, paired by seed and sample.", unit=unit)
    if any(pair.n > 1 for one in comparisons for pair in one.pairs):
        yield words.rule(_all_in_one(problems), level=say("noise level of a problem"))
    if first.metric.better == "less":
        yield say("Lower {metric} is better.", metric=title_of_score(first.metric))
    if have_mean(problems):
        yield say(
            "The mean gives each problem the same weight. Its 95 % interval (Hartung and Knapp, t with one degree of "
            "freedom less than problems) covers other problems of this kind. It is too short if problems share a "
            "network or a data set and therefore have similar results; it gives no verdict. Rank 1 is the best loss "
            "of a problem."
        )
    if first.plan.comparison.explain_variance:
        yield say("What the scores vary with is in the report of each problem.")
    for name, one in problems.comparisons.items():
        yield from (say("Warning, {name}: {text}.", name=name, text=say_recorded(text)) for text in one.warnings)


def _all_in_one(problems: Problems) -> Comparison:
    """Return a comparison with the pairs of all problems."""
    pairs = tuple(pair for one in problems.every for pair in one.pairs)
    return replace(problems.first, pairs=pairs)
