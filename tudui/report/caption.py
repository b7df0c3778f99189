"""The caption of the table for papers: what its marks mean, how its targets were spoiled and its rates chosen."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tudui.comparison.outcome import Comparison, Pair
from tudui.comparison.verdict import Verdict
from tudui.config.data_sets import short_name
from tudui.language import say
from tudui.report.protocol import rates_listed, tuned_words, where_spoiled
from tudui.report.words import (
    counted,
    from_to,
    level_name,
    listed,
    margins_words,
    number_of_seeds,
    test_samples,
    title_of_score,
)  # fmt: skip
from tudui.text import latex_text

# what LaTeX prints for a verdict, and how the caption explains it
MARKS = {
    Verdict.BETTER: ("+", "better than {baseline}"),
    Verdict.WORSE: ("-", "worse than {baseline}"),
    Verdict.EQUIVALENT: (r"\approx", "equivalent to {baseline}"),
    Verdict.IDENTICAL: ("=", "identical to {baseline}"),
    Verdict.UNSTABLE: (r"\ast", "unstable against {baseline}"),
}

LABEL_NOISE = {
    "symmetric": "Label noise is symmetric: every other class is equally likely.",
    "asymmetric": "Label noise is asymmetric: some classes get the label of a class that is often confused with them.",
    "matrix": "Label noise is asymmetric: a given confusion matrix has the share of each wrong label.",
    "manifest": "The wrong labels are listed in a file.",
}
OUTLIERS = {
    "shift": "Outliers are targets shifted up by {size:g} interquartile ranges of the training targets.",
    "scale": "Outliers are targets whose distance from the median of the training targets is multiplied by {size:g}.",
    "swap": "Outliers are targets taken from another sample.",
    "manifest": "The outliers are listed in a file.",
}


def caption(comparison: Comparison, every: Sequence[Pair], *, unstable: bool) -> str:
    """Return the caption in LaTeX; `every`: the tests of the underlines; `unstable`: whether any cell is."""
    sentences = [_scores(comparison), *_marks(comparison)]
    if unstable:
        sentences.append(_unstable(comparison))
    sentences += [*_tests(comparison, every), *_spoiled(comparison), *where_spoiled(comparison), *_rates(comparison)]
    return say(" ").join(sentences)


def _scores(comparison: Comparison) -> str:
    base, metric, tested = comparison.plan.base, comparison.metric, comparison.test_images
    score = f"{title_of_score(metric)} / {say(metric.unit.value)}".removesuffix(" / ")
    folds = [counted(base.data.folds, "fold")] if base.data.folds else []
    size = [number_of_seeds(comparison), *folds, *([test_samples(comparison, tested)] if tested else [])]
    return say(
        r"Test {score} of {network} ({parameters}) on {data} after {epochs}, with {size}: mean $\pm$ standard "
        "deviation over the seeds. Bold: best mean; underlined: not shown to be worse than the best.",
        score=latex_text(score), network=latex_text(base.network.name), data=latex_text(short_name(base.data.name)),
        parameters=counted(comparison.rows[0].runs[0].parameters, "parameter"),
        epochs=counted(base.train.epochs, "epoch"), size=listed(size),
    )  # fmt: skip


def _marks(comparison: Comparison) -> Iterator[str]:
    found, baseline = {pair.verdict for pair in comparison.pairs}, latex_text(comparison.baseline)
    marks = [
        f"${{}}^{{{mark}}}$ {say(words, baseline=baseline)}"
        for verdict, (mark, words) in MARKS.items()
        if verdict in found
    ]
    if marks:
        yield say("{marks}; no mark: not decided.", marks=say(", ").join(marks))


def _unstable(comparison: Comparison) -> str:
    """Return what makes a loss unstable."""
    if comparison.task.kind == "classes":
        return say("Unstable: runs diverged, or never predict a class; not underlined.")
    return say("Unstable: runs diverged; not underlined.")


def _tests(comparison: Comparison, every: Sequence[Pair]) -> Iterator[str]:
    """Yield what each correction counts, and the margin."""
    per_level = comparison.plan.comparison.family == "level"
    text = (
        "Two-sided tests at level 0.05 over seeds and test {samples}, corrected by Holm's method: for marks over the "
        "{comparisons} with {baseline} at each {level}, for underlines over the {pairs} of losses there."
        if per_level
        else "Two-sided tests at level 0.05 over seeds and test {samples}, corrected by Holm's method: for marks over "
        "the {comparisons} with {baseline}, for underlines over the {pairs} of losses in the table."
    )
    marks, underlines = (_sizes(pairs, per_level=per_level) for pairs in (comparison.pairs, every))
    yield say(
        text, samples=comparison.samples, baseline=latex_text(comparison.baseline), level=level_name(comparison),
        comparisons=_up_to(marks, counted(marks[-1], "comparison")),
        pairs=_up_to(underlines, counted(underlines[-1], "pair")),
    )  # fmt: skip
    if len(comparison.looks) > 1:
        yield say("Both are corrected for looks at {numbers} seeds too.", numbers=listed([*map(str, comparison.looks)]))
    yield say("Margin of equivalence, by two one-sided tests: {margin}.", margin=latex_text(margins_words(comparison)))


def _sizes(pairs: Iterable[Pair], *, per_level: bool) -> list[int]:
    """Return how many tests a correction counts, ascending: several numbers if levels differ."""
    found = Counter(pair.label_noise if per_level else None for pair in pairs if pair.p_holm is not None)
    return sorted({*found.values()}) or [0]


def _up_to(sizes: Sequence[int], most: str) -> str:
    return most if len(sizes) == 1 else from_to(sizes[0], most)


def _spoiled(comparison: Comparison) -> Iterator[str]:
    """Yield of which kind the label noise is, or how outliers are made; nothing if there are none."""
    runs = [run for row in comparison.rows for run in row.runs]
    if wrong := next((run.wrong_labels for run in runs if run.wrong_labels), None):
        yield say(LABEL_NOISE[wrong.kind])
    if outliers := next((run.outliers for run in runs if run.outliers), None):
        yield say(OUTLIERS[outliers.kind], size=outliers.size)


def _rates(comparison: Comparison) -> Iterator[str]:
    """Yield the learning rates, or how they and other settings were chosen."""
    plan, rows = comparison.plan.comparison, comparison.rows_at(comparison.noise_levels[0])
    if plan.lr == "same":
        yield say("All losses have the learning rate {rate:g}.", rate=rows[0].learning_rate)
        return
    if plan.lr == "recipe":
        rates = listed([f"{row.learning_rate:g} ({latex_text(row.variant)})" for row in rows])
        text = "Learning rates, chosen beforehand on validation data with right targets: {rates}."
        yield say(text, rates=rates)
        return
    number = rows[0].runs[0].validation_samples
    yield say(
        "The settings below were chosen for each loss and {level} by the validation {metric} after the last epoch, "
        "mean over {seeds} with {samples} each, from the rates {rates}.",
        level=level_name(comparison), metric=latex_text(title_of_score(comparison.task.metrics[0])),
        seeds=counted(plan.tuning_seeds, "unreported seed"), rates=rates_listed(plan.rates),
        samples=say("{number:,} validation {samples}", number=number, samples=comparison.samples),
    )  # fmt: skip
    further = sorted({rate for curve in comparison.tuning for rate in curve.rates} - {*plan.rates})
    if plan.tuned_parameters:
        yield latex_text(tuned_words(comparison))
    elif further:
        yield say("Where the best was at an end, rates past it were tried too: {rates}.", rates=rates_listed(further))
    if any(curve.at_the_edge for curve in comparison.tuning):
        yield say("Some chosen rates are still at an end of those tried.")
