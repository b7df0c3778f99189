"""Numbers and verdicts in words, the same in every format of the report."""

from collections.abc import Sequence

from tudui.comparison.outcome import Comparison, Pair, Row
from tudui.comparison.statistics import Interval, Spread
from tudui.comparison.verdict import Flag, Verdict
from tudui.tasks import Unit

UNKNOWN = "–"
FAILED = {Flag.DIVERGED: "diverged", Flag.LOST_CLASS: "lost a class"}
MOST_NAMES = 3  # of variants that a sentence lists; of more it says `the others` or `all of them`


def number(value: float | None, unit: Unit, digits: int | None = None) -> str:
    """Return a value on its unit's scale, without the unit's word."""
    return UNKNOWN if value is None else f"{unit.scale * value:.{unit.digits if digits is None else digits}f}"


def difference(value: float | None, unit: Unit, digits: int | None = None) -> str:
    """Return a difference on its unit's scale, without the unit's word and always with its sign."""
    text = number(value, unit, digits)
    if value is None:
        return text
    if not float(text):
        return text.removeprefix("-")
    return text.replace("-", "−") if value < 0 else f"+{text}"


def between(interval: Interval | None, unit: Unit, digits: int | None = None, *, signed: bool = False) -> str:
    """Return an interval of values, or, if `signed`, of differences."""
    write = difference if signed else number
    return UNKNOWN if interval is None else " to ".join(write(end, unit, digits) for end in interval)


def p_value(p: float | None) -> str:
    """Return a p value with three decimals."""
    if p is None:
        return UNKNOWN
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def mean_sd(spread: Spread | None, unit: Unit, digits: int | None = None) -> str:
    """Return mean ± standard deviation over seeds; only the mean for one seed."""
    if spread is None:
        return UNKNOWN
    mean = number(spread.mean, unit, digits)
    return mean if spread.sd is None else f"{mean} ± {number(spread.sd, unit, digits)}"


def with_unit(title: str, unit: Unit) -> str:
    """Return a heading of values."""
    return f"{title} {unit.value}".rstrip()


def with_difference(title: str, unit: Unit) -> str:
    """Return a heading of differences."""
    return f"{title}, {unit.difference}" if unit.difference else title


def counted(number: int, thing: str) -> str:
    """Return `1 seed` or `2 seeds`."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def listed(words: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def level_words(comparison: Comparison) -> str:
    """Return what the levels of a comparison are, in the singular."""
    return "share of outliers" if comparison.task.kind == "numbers" else "level of label noise"


def level_name(comparison: Comparison) -> str:
    """Return what the levels of a comparison are called in a text on method."""
    return "share of outliers" if comparison.task.kind == "numbers" else "noise level"


def noise_words(comparison: Comparison, noise: float) -> str:
    """Return the description of a noise level, to be read after `with`."""
    if comparison.task.kind == "numbers":
        return f"{100 * noise:g} % outliers" if noise else "no outliers"
    found = comparison.wrong_labels(noise)
    if not found or found[0].kind == "symmetric":
        return f"{100 * noise:g} % of labels wrong" if noise else "no label noise"
    level = "" if found[0].kind == "manifest" else f" {noise:g}"
    return f"{100 * comparison.wrong_share(noise):.3g} % of labels wrong ({found[0].kind}{level})"


def seeds_words(row: Row) -> str:
    """Return the number of seeds behind a row's numbers."""
    planned, lost = len(row.seeds), len(row.diverged)
    return f"{planned - lost} of {planned}" if lost else str(planned)


def number_of_seeds(comparison: Comparison) -> str:
    """Return `3 seeds`, or `3 to 10 seeds` if the comparisons have different numbers."""
    numbers = sorted({len(row.seeds) for row in comparison.rows})
    return counted(numbers[0], "seed") if len(numbers) == 1 else f"{numbers[0]} to {counted(numbers[-1], 'seed')}"


def margin_words(comparison: Comparison, margin: float) -> str:
    """Return the smallest difference that matters, for example `1 point`."""
    unit = comparison.metric.unit
    size = f"{unit.scale * margin:.3g}"
    word = unit.difference.removesuffix("s") if size == "1" and unit.difference == "points" else unit.difference
    return f"{size} {word}".rstrip()


def rule(comparison: Comparison, *, level: str | None = None) -> str:
    """Return what the verdicts of this report need."""
    plan, pairs = comparison.plan.comparison, [pair for pair in comparison.pairs if pair.found]
    margins = sorted({pair.found.margin for pair in pairs if pair.found})
    if plan.family == "report":
        family = f"the {counted(len(pairs), 'comparison')} of this report"
    else:
        family = f"the comparisons of each {level or level_name(comparison)}"
    looks = f" and for looks at {listed(list(map(str, comparison.looks)))} seeds" if len(comparison.looks) > 1 else ""
    margin = " to ".join(margin_words(comparison, one) for one in dict.fromkeys((margins[0], margins[-1])))
    return (
        f"Better or worse: p below 0.05, corrected for {family} (Holm){looks}. "
        f"Equivalent: surely less than {margin} apart."
    )


def second_verdicts(comparison: Comparison, noise: float) -> str:
    """Return the verdicts of one level by the second metric, for example `By squared error: l1 worse.`; else ``."""
    second = comparison.second
    if second is None or not second.pairs_at(noise):
        return ""
    found = [
        " ".join([pair.variant, ", ".join([verdict_name(pair.verdict), *small(second, pair)])])
        for pair in second.pairs_at(noise)
    ]
    return f"By {second.metric.title}: {'; '.join(found)}."


def verdict_words(comparison: Comparison, pair: Pair) -> str:
    """Return the verdict for a table that has a column of seeds."""
    failed = [
        f"{row.variant} {failure}"
        for row in comparison.rows_at(pair.label_noise)
        if row.variant in (pair.variant, pair.baseline)
        for failure in failures_of(row)
    ]
    return "; ".join([", ".join([_verdict(pair), *small(comparison, pair)]), *failed])


def small(comparison: Comparison, pair: Pair) -> list[str]:
    """Return that a difference, though certain, does not matter; [] otherwise."""
    if not (pair.found and pair.within_margin and pair.verdict in (Verdict.BETTER, Verdict.WORSE)):
        return []
    return [f"by less than {margin_words(comparison, pair.found.margin)}"]


def verdict_name(verdict: Verdict) -> str:
    """Return a verdict as a word or two."""
    return verdict.replace("_", " ")


def _verdict(pair: Pair) -> str:
    if pair.verdict is not Verdict.NO_VERDICT:
        return verdict_name(pair.verdict)
    return "one seed: no verdict" if pair.n else "no seed finished in both"


def failures_of(row: Row) -> list[str]:
    """Return which runs of a row failed, for example `diverged in 1 of 3 runs`."""
    return [
        f"{FAILED[flag]} in {rate.runs} of {counted(rate.of, 'run')}"
        for flag, rate in row.failures.items()
        if rate.runs
    ]


def needed(comparison: Comparison, noise: float) -> str:
    """Return what would settle the undecided comparisons of a noise level; empty if there are none."""
    pairs = [pair for pair in comparison.pairs_at(noise) if pair.found]
    if pairs and all(pair.n == 1 for pair in pairs):
        return "One seed shows no spread: intervals and verdicts need --seeds 2 or more; 5 are better."
    settled = [f"{pair.variant}: {', '.join(parts)}" for pair in pairs if (parts := settling(comparison, pair))]
    if not settled:
        return ""
    shown = settled[:MOST_NAMES]
    more = f"; {len(settled) - len(shown)} more in comparison.json" if len(settled) > len(shown) else ""
    return f"What would settle it (80 % power): {'; '.join(shown)}{more}."


def settling(comparison: Comparison, pair: Pair) -> list[str]:
    """Return for each size of a true difference the seeds, or the test images, that show it."""
    parts = []
    for need in pair.needed:
        size = margin_words(comparison, need.difference)
        if need.seeds is None:
            parts.append(f"more than {need.samples:,} test {comparison.samples} to see {size}")
            continue
        most = "any number" if need.most is None else f"{need.most:,}"
        parts.append(f"{counted(need.seeds, 'seed')} ({need.fewest:,} to {most}) to see {size}")
    return parts
