"""Numbers and verdicts in words, the same in every format of the report."""

from collections.abc import Iterator, Sequence

from tudui.comparison.outcome import Comparison, Pair, Row
from tudui.comparison.statistics import STEP, Interval, Spread
from tudui.comparison.verdict import Flag, Verdict
from tudui.language import say
from tudui.tasks import Figure, Metric, Unit

UNKNOWN = "–"
FAILED = {Flag.DIVERGED: "diverged", Flag.LOST_CLASS: "never predicts one of the classes"}
MOST_NAMES = 3  # of variants that a sentence lists; of more it says `the others` or `all of them`


def number(value: float | None, unit: Unit, digits: int | None = None) -> str:
    """Return a value on its unit's scale, without the unit's word."""
    return UNKNOWN if value is None else f"{unit.scale * value:.{unit.digits if digits is None else digits}f}"


def value(value: float, unit: Unit, digits: int | None = None) -> str:
    """Return a value with its unit, for example `97.12 %`."""
    return f"{number(value, unit, digits)} {say(unit.value)}".rstrip()


def difference(value: float | None, unit: Unit, digits: int | None = None) -> str:
    """Return a difference on its unit's scale, without the unit's word and always with its sign."""
    text = number(value, unit, digits)
    if value is None:
        return text
    if not float(text):
        return text.removeprefix("-")
    return text.replace("-", "−") if value < 0 else f"+{text}"


def size_of_difference(size: str, unit: Unit) -> str:
    """Return a number, or a range in words, with the unit of differences, for example `1 point` or `3.8 points`."""
    if unit.difference == "points":
        return say("{size} point" if size == "1" else "{size} points", size=size)
    return f"{size} {say(unit.difference)}".rstrip()


def between(interval: Interval | None, unit: Unit, digits: int | None = None, *, signed: bool = False) -> str:
    """Return an interval of values, or, if `signed`, of differences."""
    write = difference if signed else number
    return UNKNOWN if interval is None else from_to(*(write(end, unit, digits) for end in interval))


def from_to(low: object, high: object) -> str:
    """Return a range in words."""
    return say("{low} to {high}", low=low, high=high)


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
    return say("{title} {unit}", title=title, unit=say(unit.value)) if unit.value else title


def inside(unit: str) -> str:
    """Return ` in points`, to follow what is measured in this unit; `` without a unit."""
    return say(" in {unit}", unit=say(unit)) if unit else ""


def title_of_score(score: Metric | Figure) -> str:
    """Return what a metric or a figure is called."""
    before, _, column = score.title.partition("absolute error of ")
    if column and not before:
        return say("absolute error of {column}", column=column)
    before, _, tolerance = score.title.partition("within ")
    if tolerance and not before:
        return say("within {tolerance}", tolerance=sized(tolerance) if tolerance[0].isdigit() else say(tolerance))
    return say(score.title)


def sized(text: str) -> str:
    """Return a number with its unit, for example `5 degrees`, that another room has written."""
    size, _, unit = text.partition(" ")
    return f"{size} {say(unit)}".rstrip()


def counted(number: int, thing: str) -> str:
    """Return `1 seed` or `2 seeds`."""
    return say(f"{{number:,}} {thing}" if number == 1 else f"{{number:,}} {thing}s", number=number)


def listed(words: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return say(" and ").join(part for part in (say(", ").join(words[:-1]), words[-1]) if part)


def capitalised(text: str) -> str:
    """Return a text that begins with a capital letter; the rest stays as it is."""
    return text[:1].upper() + text[1:]


def level_name(comparison: Comparison) -> str:
    """Return what the levels of a comparison are, in the singular."""
    return say("share of outliers") if comparison.task.kind == "numbers" else say("noise level")


def noise_words(comparison: Comparison, noise: float) -> str:
    """Return the description of a noise level, to be read after `with`."""
    if comparison.task.kind == "numbers":
        return say("{percent:g} % outliers", percent=100 * noise) if noise else say("no added outliers")
    found = comparison.wrong_labels(noise)
    if not found or found[0].kind == "symmetric":
        return say("{percent:g} % of labels wrong", percent=100 * noise) if noise else say("no added label noise")
    kind = say(found[0].kind) + ("" if found[0].kind == "manifest" else f" {noise:g}")
    percent = 100 * comparison.wrong_share(noise)
    return say("{percent:.3g} % of labels wrong ({kind})", percent=percent, kind=kind)


def seeds_words(row: Row) -> str:
    """Return the number of seeds behind a row's numbers."""
    planned, lost = len(row.seeds), len(row.diverged)
    return part_of(planned - lost, planned) if lost else str(planned)


def part_of(number: int, whole: int) -> str:
    """Return `2 of 3`."""
    return say("{number} of {whole}", number=number, whole=whole)


def number_of_seeds(comparison: Comparison) -> str:
    """Return `3 seeds`, or `3 to 10 seeds` if the comparisons have different numbers."""
    numbers = sorted({len(row.seeds) for row in comparison.rows})
    return counted(numbers[0], "seed") if len(numbers) == 1 else from_to(numbers[0], counted(numbers[-1], "seed"))


def test_samples(comparison: Comparison, number: int | None) -> str:
    """Return `360 test images`."""
    return say("{number:,} test {samples}", number=number or 0, samples=comparison.samples)


def folds(comparison: Comparison) -> Iterator[str]:
    """Yield how the data was split into folds and what they do not tell; nothing without folds."""
    if number := comparison.plan.base.data.folds:
        yield say(
            "Each of the {samples} is tested once per seed, in {folds}. Their training sets overlap, so the intervals "
            "do not say how much other training {samples} would change, and the result is that of training on {part} "
            "of the {samples}.",
            samples=comparison.samples, folds=counted(number, "fold"), part=f"{number - 1}/{number}",
        )  # fmt: skip


def margin_words(comparison: Comparison, margin: float) -> str:
    """Return the smallest difference that matters, for example `1 point`."""
    unit = comparison.metric.unit
    return size_of_difference(f"{unit.scale * margin:.3g}", unit)


def margins_words(comparison: Comparison) -> str:
    """Return the smallest difference that matters, the same at every noise level or as a share of the error."""
    margins = {pair.found.margin for pair in comparison.pairs if pair.found}
    if len(margins) == 1:
        return margin_words(comparison, *margins)
    metric = title_of_score(comparison.metric)  # one without a step of its own
    return say(
        "{share} % of the {metric} of {baseline}", share=f"{100 * STEP:g}", metric=metric, baseline=comparison.baseline
    )


def have_intervals(comparison: Comparison) -> bool:
    """Return whether there are enough seeds for intervals and verdicts."""
    return any(pair.n > 1 for pair in comparison.pairs)


def how_measured(comparison: Comparison) -> str:
    """Return what the numbers of the tables are."""
    images, metric = comparison.test_images, comparison.metric
    title, intervals = title_of_score(metric), ""
    if have_intervals(comparison) and images:
        samples = test_samples(comparison, images)
        intervals = say("; intervals of 95 % over seeds and the {samples}", samples=samples)
    text = say(
        "Test {metric} of the last weights{unit}, ± standard deviation over {seeds}{intervals}.",
        metric=title,
        unit=inside(metric.unit.value),
        seeds=number_of_seeds(comparison),
        intervals=intervals,
    )
    less = [say("Lower {metric} is better.", metric=title)] if metric.better == "less" else []
    return say(" ").join([text, *less])


def rule(comparison: Comparison, *, level: str | None = None) -> str:
    """Return what the verdicts of this report need."""
    plan, pairs = comparison.plan.comparison, [pair for pair in comparison.pairs if pair.found]
    if plan.family == "report":
        family = say("the {comparisons} of this report", comparisons=counted(len(pairs), "comparison"))
    else:
        family = say("the comparisons of each {level}", level=level or level_name(comparison))
    numbers = listed(list(map(str, comparison.looks)))
    looks = say(" and for looks at {numbers} seeds", numbers=numbers) if len(comparison.looks) > 1 else ""
    return say(
        "Better or worse: p below 0.05, corrected for {family} (Holm){looks}. "
        "Equivalent: surely less than {margin} apart. Intervals are not corrected.",
        family=family, looks=looks, margin=margins_words(comparison),
    )  # fmt: skip


def verdict_words(comparison: Comparison, pair: Pair) -> str:
    """Return the verdict for a table that has a column of seeds."""
    failed = [
        f"{row.variant} {failure}"
        for row in comparison.rows_at(pair.label_noise)
        if row.variant in (pair.variant, pair.baseline)
        for failure in failures_of(row)
    ]
    return say("; ").join([with_size(_verdict(pair), comparison, pair), *failed])


def with_size(verdict: str, comparison: Comparison, pair: Pair) -> str:
    """Return a verdict, with a note if the difference does not matter."""
    size = small(comparison, pair)
    return say("{verdict}, {size}", verdict=verdict, size=size[0]) if size else verdict


def small(comparison: Comparison, pair: Pair) -> list[str]:
    """Return that a difference, though certain, does not matter; [] otherwise."""
    if not (pair.found and pair.within_margin and pair.verdict in (Verdict.BETTER, Verdict.WORSE)):
        return []
    return [say("by less than {margin}", margin=margin_words(comparison, pair.found.margin))]


def verdict_name(verdict: Verdict) -> str:
    """Return a verdict as a word or two."""
    return say(verdict.replace("_", " "))


def _verdict(pair: Pair) -> str:
    if pair.verdict is not Verdict.NO_VERDICT:
        return verdict_name(pair.verdict)
    return say("one seed: no verdict") if pair.n else say("no seed finished in both")


def failures_of(row: Row) -> list[str]:
    """Return which runs of a row failed, for example `diverged in 1 of 3 runs`."""
    return [
        say(
            "{failure} in {number} of {runs}",
            failure=say(FAILED[flag]),
            number=rate.runs,
            runs=counted(rate.of, "run"),
        )
        for flag, rate in row.failures.items()
        if rate.runs
    ]


def needed(comparison: Comparison, noise: float) -> str:
    """Return what would settle the undecided comparisons of a noise level; empty if there are none."""
    pairs = [pair for pair in comparison.pairs_at(noise) if pair.found]
    if pairs and all(pair.n == 1 for pair in pairs):
        return say("One seed shows no spread: intervals and verdicts need --seeds 2 or more; 5 are better.")
    parts = {pair.variant: settling(comparison, pair) for pair in pairs}
    settled = [say("{name}: {text}", name=name, text=say(", ").join(one)) for name, one in parts.items() if one]
    if not settled:
        return ""
    shown = settled[:MOST_NAMES]
    if more := len(settled) - len(shown):
        shown.append(say("{number} more in comparison.json", number=more))
    return say("What a verdict needs (80 % power): {settled}.", settled=say("; ").join(shown))


def settling(comparison: Comparison, pair: Pair) -> list[str]:
    """Return for each size of a true difference the seeds, or the test images, that show it."""
    parts = []
    for need in sorted(pair.needed, key=lambda need: need.seeds is None):  # what more seeds can show comes first
        size = margin_words(comparison, need.difference)
        if need.seeds is None:
            samples = test_samples(comparison, need.samples)
            parts.append(say("more than {samples} if the true difference is {size}", samples=samples, size=size))
            continue
        most = say("any number") if need.most is None else f"{need.most:,}"
        seeds, ends = counted(need.seeds, "seed"), from_to(f"{need.fewest:,}", most)
        parts.append(say("{seeds} ({ends}) if the true difference is {size}", seeds=seeds, ends=ends, size=size))
    return parts
