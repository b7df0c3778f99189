"""Numbers and verdicts in words, the same in every form of the report."""

from collections.abc import Sequence

from tudui.comparison.outcome import Comparison
from tudui.comparison.rows import Pair, Row, Spread
from tudui.comparison.statistics import Interval, Summary
from tudui.comparison.verdict import Verdict
from tudui.tasks import Unit
from tudui.tasks.metric import PERCENT

UNKNOWN = "–"
FIRST = {Verdict.BETTER: 0, Verdict.WORSE: 1}  # in a sentence on several variants
MOST_NAMES = 3  # of variants in a sentence that can do without them


def number(value: float | None, unit: Unit, digits: int | None = None) -> str:
    """Return a value on its unit's scale, without the unit's word."""
    return UNKNOWN if value is None else f"{unit.scale * value:.{unit.digits if digits is None else digits}f}"


def difference(value: float | None, unit: Unit, digits: int | None = None) -> str:
    """Return a difference on its unit's scale, without the unit's word and always with its sign."""
    if value is None:
        return UNKNOWN
    digits = unit.digits if digits is None else digits
    text = f"{unit.scale * value:+.{digits}f}"
    return f"{0:.{digits}f}" if not float(text) else text.replace("-", "−")


def between(interval: Interval | None, unit: Unit, digits: int | None = None) -> str:
    """Return an interval of values."""
    return UNKNOWN if interval is None else " to ".join(number(end, unit, digits) for end in interval)


def apart(interval: Interval | None, unit: Unit) -> str:
    """Return an interval of differences."""
    return UNKNOWN if interval is None else " to ".join(difference(end, unit) for end in interval)


def percent(fraction: float | None, digits: int = 2) -> str:
    """Return a fraction in percent, without the sign."""
    return number(fraction, PERCENT, digits)


def p_value(p: float | None) -> str:
    """Return a p value with three decimals."""
    if p is None:
        return UNKNOWN
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def mean_sd(spread: Summary | Spread | None, unit: Unit, digits: int | None = None) -> str:
    """Return mean ± standard deviation over seeds; the mean alone of one seed."""
    if spread is None:
        return UNKNOWN
    mean = number(spread.mean, unit, digits)
    return mean if spread.sd is None else f"{mean} ± {number(spread.sd, unit, digits)}"


def with_unit(title: str, unit: Unit) -> str:
    """Return a heading of values."""
    return f"{title} {unit.value}".rstrip()


def counted(number: int, thing: str) -> str:
    """Return `1 seed` or `2 seeds`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def listed(words: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def noise_words(comparison: Comparison, noise: float) -> str:
    """Return what the labels of a noise level are like, as `with ...`."""
    data = comparison.plan.base.data
    if data.noise_manifest:
        return "wrong labels from a manifest"
    if not noise:
        return "no label noise"
    share = f"{100 * noise:g} %"
    return f"{share} asymmetric label noise" if data.noise_kind == "asymmetric" else f"{share} of labels wrong"


def seeds_words(row: Row) -> str:
    """Return how many seeds a row's numbers come from."""
    planned, lost = len(row.seeds), len(row.diverged)
    return f"{planned - lost} of {planned}" if lost else str(planned)


def verdict_words(comparison: Comparison, pair: Pair) -> str:
    """Return the verdict for a table that has a column of seeds."""
    return "; ".join([_verdict(pair), *_lost(comparison, [pair])])


def _verdict(pair: Pair) -> str:
    if pair.verdict is not Verdict.NO_VERDICT:
        return pair.verdict.replace("_", " ")
    return "one seed: no verdict" if pair.n else "no seed finished in both"


def _lost(comparison: Comparison, pairs: Sequence[Pair]) -> list[str]:
    """Return which sides of the pairs lost seeds, each once."""
    lost = {}
    for pair in pairs:
        sides = {row.variant: row for row in comparison.rows_at(pair.label_noise)}
        for row in (sides[pair.variant], sides[pair.baseline]):
            if row.diverged:
                of = counted(len(row.seeds), "seed")
                lost[row.variant] = f"{row.variant} diverged with {len(row.diverged)} of {of}"
    return list(lost.values())


def headline(comparison: Comparison, noise: float) -> str:
    """Return in one sentence which variants are better than the baseline at this noise level."""
    pairs, metric = comparison.pairs_at(noise), comparison.metric
    start = f"With {noise_words(comparison, noise)}"
    if not pairs:
        (row,) = comparison.rows_at(noise)
        if not row.metrics:
            return f"{start}, {row.variant} diverged with every seed."
        return (
            f"{start}, {row.variant} reaches {metric.unit.text(row.metrics[metric.name].mean)} test {metric.title}; "
            f"there is no other loss to compare it with."
        )
    groups: dict[str, list[Pair]] = {}
    for pair in sorted(pairs, key=lambda pair: FIRST.get(pair.verdict, len(FIRST))):
        groups.setdefault(_verdict(pair), []).append(pair)
    lost = _lost(comparison, pairs)
    left_out = f" Left out of this: {listed(lost)}." if lost else ""
    return f"{start}, " + "; ".join(_group(comparison, group) for group in groups.values()) + "." + left_out


def _group(comparison: Comparison, pairs: Sequence[Pair]) -> str:
    """Return what one verdict says of the variants that share it."""
    names, baseline, unit = listed([pair.variant for pair in pairs]), pairs[0].baseline, comparison.metric.unit
    are = "is" if len(pairs) == 1 else "are"
    match pairs[0].verdict:
        case Verdict.BETTER | Verdict.WORSE:
            sizes = [difference(pair.found.difference, unit, unit.digits - 1) for pair in pairs if pair.found]
            sized = [
                f"{pair.variant} ({f'{size} {unit.difference}'.rstrip()})"
                for pair, size in zip(pairs, sizes, strict=True)
            ]
            return f"{listed(sized)} {are} {pairs[0].verdict} than {baseline}"
        case Verdict.IDENTICAL:
            same = "right and wrong on the same" if comparison.metric.proportion else "with the same values on all"
            return f"{names} {are} identical to {baseline}, {same} test images in every seed"
        case Verdict.NO_VERDICT if not pairs[0].n:
            return f"{names} cannot be compared with {baseline}: no seed finished in both"
        case Verdict.NO_VERDICT:
            return f"one seed gives no verdict on {names} against {baseline}"
    seeds = sorted({pair.n for pair in pairs})
    over = f"these {seeds[0]} seeds" if len(seeds) == 1 else f"these {seeds[0]} to {seeds[-1]} seeds"
    words = _verdict(pairs[0]).replace("distinguishable", f"distinguishable from {baseline}")
    return f"{names} {are} {words} with {over}"


def needed(comparison: Comparison, noise: float) -> str:
    """Return what it would take to see a difference worth seeing where none was seen; empty if that is not known."""
    pairs = [pair for pair in comparison.pairs_at(noise) if pair.found]
    if pairs and all(pair.n == 1 for pair in pairs):
        return "One seed shows no spread: intervals and verdicts need --seeds 2 or more, and 5 to see much."
    opened = {pair.variant: pair.found for pair in pairs if pair.found and pair.verdict is Verdict.NOT_DISTINGUISHABLE}
    enough = [f"{found.seeds_for_step:,} for {name}" for name, found in opened.items() if found.seeds_for_step]
    beyond = [name for name, found in opened.items() if found.more_images_needed]
    parts = [f"about this many seeds: {listed(enough)}"] if enough else []
    if beyond:
        names = listed(beyond) if len(beyond) <= MOST_NAMES else "the others" if enough else "all of them"
        images = f"{comparison.test_images:,}"
        parts.append(f"more test images for {names}: no number of seeds would do on these {images}")
    if not parts:
        return ""
    step = _step(comparison, [found.step for found in opened.values()])
    takes = "; ".join(parts)
    return f"To see a difference of {step} to {comparison.baseline} takes {takes} (80 % power at the 5 % level)."


def _step(comparison: Comparison, steps: Sequence[float]) -> str:
    """Return how large a difference is worth seeing, with its unit."""
    unit, fixed = comparison.metric.unit, comparison.metric.step is not None
    size = f"{unit.scale * max(steps):.3g}"
    word = unit.difference.removesuffix("s") if size == "1" and unit.difference == "points" else unit.difference
    return f"{size} {word}".rstrip() + ("" if fixed else f" (5 % of {comparison.baseline}'s value)")
