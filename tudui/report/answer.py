"""The first screen of a report: which loss to use, every verdict on one axis, and the table that papers print."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from matplotlib.ticker import MaxNLocator

from tudui.comparison.outcome import Comparison, Pair, Row
from tudui.comparison.statistics import ALPHA
from tudui.comparison.verdict import Verdict
from tudui.config.loss_spec import LossSpec, loss_specs
from tudui.language import say, say_recorded
from tudui.report import for_numbers, words
from tudui.report.document import Axis, Best, Block, Bullets, Claim, Forest, Lead, Near, Notice, Paragraph, Table
from tudui.report.paper import table_of
from tudui.report.protocol import held_equal, rates_at_the_edge
from tudui.report.words import UNKNOWN, noise_words
from tudui.tasks import Unit

MOST_OF_ONE = 0.5  # of the variance of a difference
MOST_ZOOM = 4  # if the differences of a level are smaller than the others' by this factor, each has an axis of its own


def answer(comparison: Comparison) -> Iterator[Block]:
    """Yield the advice, the verdicts of each noise level, and the table of losses by label noise."""
    yield Lead(advice(comparison))
    rule = [words.rule(comparison)] if words.have_intervals(comparison) else []
    yield Paragraph(say(" ").join([words.how_measured(comparison), *rule]))
    for noise in comparison.noise_levels:
        yield forest(comparison, noise)
        if text := for_numbers.second_verdicts(comparison, noise):
            yield Paragraph(text)
    yield from map(Paragraph, words.folds(comparison))
    if comparison.second:
        yield Paragraph(for_numbers.judged(comparison))
    yield from reasons(comparison)
    if len(comparison.noise_levels) > 1:
        yield paper_table(comparison)


def warnings(comparison: Comparison) -> list[str]:
    """Return all warnings, what should be equal but is not, and rates that may not be the best."""
    texts = [say("{text}.", text=say_recorded(text)) for text in comparison.warnings]
    unequal = [held_equal(comparison)] if comparison.unequal else []
    return [*texts, *unequal, *rates_at_the_edge(comparison)]


def warned(comparison: Comparison) -> Iterator[Notice]:
    """Yield all warnings in one box, if there are any."""
    if texts := warnings(comparison):
        yield Notice(say("Warnings"), texts)


def forest(comparison: Comparison, noise: float) -> Forest:
    """Return the verdicts of one noise level."""
    metric = comparison.metric
    difference = _with_difference(say("difference to {baseline}", baseline=comparison.baseline), metric.unit)
    mean = words.with_unit(words.title_of_score(metric), metric.unit)
    head = (say("verdict"), say("loss"), say("{difference} (95 %)", difference=difference), mean)
    place, table = comparison.noise_levels.index(noise), table_of(comparison)
    digits = _digits(comparison, noise)
    claims = [
        _claim(comparison, row, table[row.variant][place].worse_than, digits) for row in comparison.rows_at(noise)
    ]
    return Forest(words.capitalised(noise_words(comparison, noise)), head, claims, _axis(comparison, noise))


def reasons(comparison: Comparison) -> Iterator[Block]:
    """Yield what is known of the baseline and of each loss that is better or worse, which may be the reason."""
    decided = {pair.variant for pair in comparison.pairs if pair.verdict in (Verdict.BETTER, Verdict.WORSE)}
    known = {}
    for variant, parameters in comparison.plan.comparison.variants.items():
        spec = loss_specs().get(parameters.name)
        if spec is None or spec.robust_to == LossSpec.robust_to or variant not in {*decided, comparison.baseline}:
            continue
        if comparison.task.kind == "numbers" or "numbers" not in spec.tasks:  # what is said of residuals is of numbers
            known[variant] = say("{loss} is robust to {what}.", loss=variant, what=say(spec.robust_to))
    if decided & known.keys():
        yield Paragraph(say("Possible reasons, which the comparison does not test:"))
        yield Bullets(list(known.values()))


def _with_difference(title: str, unit: Unit) -> str:
    """Return a heading of differences."""
    return say("{title}, {unit}", title=title, unit=say(unit.difference)) if unit.difference else title


def advice(comparison: Comparison) -> str:
    """Return which loss to use, a sentence for each range of noise levels with the same answer."""
    if not comparison.pairs:
        return say("There is no other loss to compare {baseline} with.", baseline=comparison.baseline)
    if not any(pair.n for pair in comparison.pairs):
        text = "No verdict: no seed finished with both {baseline} and another loss."
        return say(text, baseline=comparison.baseline)
    if all(pair.n <= 1 for pair in comparison.pairs):
        return say("No verdict: one seed shows no spread. Repeat the comparison with --seeds 3 or more.")
    top = {
        (name, noise)
        for name, cells in table_of(comparison).items()
        for noise, cell in zip(comparison.noise_levels, cells, strict=True)
        if cell.is_best or cell.is_near
    }
    ranges = groupby(comparison.noise_levels, lambda noise: _what_to_use(comparison, noise, top))
    sentences = [_sentence(comparison, list(levels), *what) for what, levels in ranges]
    if any(pair.found and (pair.found.from_one_sample or 0) > MOST_OF_ONE for pair in comparison.pairs):
        text = "But most of the uncertainty comes from one test {sample}: see the warnings."
        sentences.append(say(text, sample=comparison.samples[:-1]))
    return say(" ").join(sentences)


def _what_to_use(comparison: Comparison, noise: float, top: set[tuple[str, float]]) -> tuple[str, tuple[str, ...]]:
    """Return the end of a sentence, and the losses whose difference it needs. `top`: those that may be best."""
    pairs, baseline = comparison.pairs_at(noise), comparison.baseline
    if better := [pair.variant for pair in _by_size(pairs) if pair.verdict is Verdict.BETTER]:
        better = [name for name in better if (name, noise) in top] or better
        text = say("use {losses}: better than {baseline}", losses=say(" or ").join(better), baseline=baseline)
        return text, tuple(better)
    found = {pair.verdict for pair in pairs}
    if found == {Verdict.WORSE}:
        worse = tuple(pair.variant for pair in pairs)
        if len(worse) > 1:
            return say("keep {baseline}: every other loss is worse", baseline=baseline), worse
        return say("keep {baseline}: {loss} is worse", baseline=baseline, loss=worse[0]), worse
    return _open_or_equal(pairs, found, baseline), ()


def _open_or_equal(pairs: Sequence[Pair], found: set[Verdict], baseline: str) -> str:
    if found <= {Verdict.EQUIVALENT, Verdict.IDENTICAL}:
        names = words.listed([pair.variant for pair in pairs])
        if len(pairs) > 1:
            return say("use any of them: {losses} are equivalent to {baseline}", losses=names, baseline=baseline)
        return say("use either: {loss} is equivalent to {baseline}", loss=names, baseline=baseline)
    if found <= {Verdict.EQUIVALENT, Verdict.IDENTICAL, Verdict.WORSE}:
        return say("keep {baseline}: no other loss is better", baseline=baseline)
    return say("undecided: keep {baseline}, no other loss is shown to be better", baseline=baseline)


def _by_size(pairs: Sequence[Pair]) -> list[Pair]:
    return sorted(pairs, key=lambda pair: -abs(pair.found.difference) if pair.found else 0.0)


def _sentence(comparison: Comparison, levels: list[float], what: str, losses: tuple[str, ...]) -> str:
    where = levels_words(comparison, levels)
    if losses:
        what = say("{advice}, {size}", advice=what, size=_size(comparison, levels, losses))
    text = say("{levels}, {advice}.", levels=where, advice=what) if where else say("{advice}.", advice=what)
    return words.capitalised(text)


def _size(comparison: Comparison, levels: list[float], losses: tuple[str, ...]) -> str:
    """Return what the intervals of these losses' differences cover, at the levels with the smallest and the largest."""
    unit, every, sizes = comparison.metric.unit, [], {}
    for level in levels:
        found = [pair for pair in comparison.pairs_at(level) if pair.variant in losses]
        ends = [abs(end) for pair in found if pair.found and pair.found.interval for end in pair.found.interval]
        sizes[level] = min(ends), max(ends)
        every += found
    nearest, furthest = min(levels, key=lambda level: sizes[level][0]), max(levels, key=lambda level: sizes[level][1])
    shown = sorted({nearest, furthest})
    ranges = [words.between(sizes[level], unit, _digits(comparison, level)) for level in shown]
    texts = [words.size_of_difference(text, unit) for text in ranges]
    if len(shown) > 1:  # otherwise this level's range covers those of all others
        texts = [say("{size} with {noise}", size=text, noise=noise_words(comparison, level))
                 for text, level in zip(texts, shown, strict=True)]  # fmt: skip
    lower = any(pair.found and pair.found.difference < 0 for pair in every)
    text = "{metric} lower by {sizes} (95 % {intervals})" if lower else "{metric} higher by {sizes} (95 % {intervals})"
    intervals = say("interval" if len(every) == 1 else "intervals")
    size = say(text, metric=words.title_of_score(comparison.metric), sizes=words.listed(texts), intervals=intervals)
    if not all(pair.within_margin for pair in every):
        return size
    return say("{size}, less than {margin}", size=size, margin=words.margins_words(comparison))


def levels_words(comparison: Comparison, levels: list[float]) -> str:
    """Return for which of the noise levels something is true; "" if there is only one level."""
    every = comparison.noise_levels
    if len(levels) == len(every):
        return say("at every {level}", level=words.level_name(comparison)) if len(every) > 1 else ""
    if len(levels) > 1 and levels[-1] == every[-1]:
        return say("from {noise} on", noise=noise_words(comparison, levels[0]))
    return say("with {noise}", noise=words.listed([noise_words(comparison, level) for level in levels]))


def _axis(comparison: Comparison, noise: float) -> Axis | None:
    """Return the axis of differences: that of all levels, unless it would hide those of one level."""
    metric, scale = comparison.metric, comparison.metric.unit.scale
    found = [pair.found for pair in comparison.pairs_at(noise) if pair.found]
    if not found:
        return None
    judged = [level for level in comparison.noise_levels if any(pair.found for pair in comparison.pairs_at(level))]
    ranges = {level: _range(comparison.pairs_at(level)) for level in judged}
    common = _range(comparison.pairs)
    fits = all(common[1] - common[0] < MOST_ZOOM * (high - low) for low, high in ranges.values())
    low, high = (scale * end for end in (common if fits else ranges[noise]))
    spare, margin = 0.04 * (high - low), found[0].margin
    low, high = low - spare, high + spare
    ticks = [float(tick) for tick in MaxNLocator(7, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= tick <= high]
    title = say(
        "difference to {baseline}, better →; shaded: less than {margin}"
        if metric.better == "more"
        else "difference to {baseline}, ← better; shaded: less than {margin}",
        baseline=comparison.baseline,
        margin=words.margin_words(comparison, margin),
    )
    ends = [pair.interval for pair in found if pair.interval]
    if any(scale * start < low or scale * end > high for start, end in ends):
        title = say("{title}; {arrows}: beyond the axis", title=title, arrows="◂\N{NO-BREAK SPACE}▸")
    texts = [f"{tick:+g}".replace("-", "−") if tick else "0" for tick in ticks]
    return Axis(low, high, scale * margin, list(zip(ticks, texts, strict=True)), title)


def _range(pairs: Sequence[Pair]) -> tuple[float, float]:
    """Return the lowest and highest end of the margins and of the intervals, without those of unstable variants."""
    found = [(pair.found, pair.verdict) for pair in pairs if pair.found]
    sure = [one for one, verdict in found if verdict is not Verdict.UNSTABLE] or [one for one, _ in found]
    ends = [end for one in sure for end in (one.margin, -one.margin, *(one.interval or (one.difference,)))]
    return min(ends), max(ends)


def _claim(comparison: Comparison, row: Row, best: str, digits: int) -> Claim:
    """Return a variant's line. `best`: the loss that it is shown to be worse than, or ""."""
    metric, pair = comparison.metric, comparison.pair_of(row)
    unit, score = metric.unit, row.metrics.get(metric.name)
    mean = words.mean_sd(score, unit, digits) if score else say("diverged")
    notes = words.failures_of(row)
    if pair is None:
        return Claim(row.variant, say("baseline"), "baseline", UNKNOWN, mean, notes)
    found, ends = pair.found, None
    difference = UNKNOWN
    if found:
        difference = words.difference(found.difference, unit, digits)
        ends = (unit.scale * found.difference,) * 3
        if found.interval:
            difference += f" ({words.between(found.interval, unit, digits, signed=True)})"
            low, high = found.interval
            ends = (unit.scale * low, unit.scale * found.difference, unit.scale * high)
    needed = [say("a verdict needs {what}", what=one) for one in words.settling(comparison, pair)[:1]]
    if best and pair.verdict is Verdict.BETTER:
        notes.append(say("worse than {best}", best=best))
    notes += [*words.small(comparison, pair), *_corrected(pair), *needed]
    return Claim(row.variant, words.verdict_name(pair.verdict), pair.verdict, difference, mean, notes, ends)


def _digits(comparison: Comparison, noise: float) -> int:
    """Return the digits of a level's numbers: fewer than usual, unless one that is not 0 would be shown as 0."""
    metric, unit = comparison.metric, comparison.metric.unit
    found = [pair.found for pair in comparison.pairs_at(noise) if pair.found]
    scores = [row.metrics[metric.name] for row in comparison.rows_at(noise) if metric.name in row.metrics]
    numbers = [end for one in found for end in (one.difference, *(one.interval or ()))] + [one.sd for one in scores]
    hidden = any(number and not float(f"{unit.scale * number:.{unit.fewer}f}") for number in numbers)
    return unit.digits if hidden else unit.fewer


def _corrected(pair: Pair) -> list[str]:
    """Return why a loss is not better or worse although the interval of its difference does not contain 0."""
    if pair.verdict is not Verdict.NOT_DISTINGUISHABLE or not pair.found or (pair.found.p or 1) >= ALPHA:
        return []
    p, corrected = words.p_value(pair.found.p), words.p_value(pair.p_holm)
    return [say("p {p} alone, {corrected} after the correction", p=p, corrected=corrected)]


def paper_table(comparison: Comparison) -> Table:
    """Return the table of losses by label noise."""
    unit = comparison.metric.unit
    table, rows = table_of(comparison), []
    for variant, cells in table.items():
        shown = [words.mean_sd(cell.score, unit) if cell.score else say("diverged") for cell in cells]
        marked = [Best(text) if cell.is_best else Near(text) if cell.is_near else text
                  for text, cell in zip(shown, cells, strict=True)]  # fmt: skip
        rows.append([variant, *marked])
    text = (
        "Test {metric}, mean ± standard deviation over seeds; bold: best; underlined: not shown to be worse than the "
        "best, and not unstable"
        if any(cell.is_unstable for cells in table.values() for cell in cells)
        else "Test {metric}, mean ± standard deviation over seeds; bold: best; underlined: not shown to be worse than "
        "the best"
    )
    caption = say(text, metric=words.with_unit(words.title_of_score(comparison.metric), unit))
    head = [say("loss"), *(noise_words(comparison, noise) for noise in comparison.noise_levels)]
    return Table(caption, head, rows, head[:1])
