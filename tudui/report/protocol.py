"""The report's protocol: how the comparison was made, and how to read its numbers."""

from collections.abc import Iterable, Iterator

from tudui.comparison.curve import Curve
from tudui.comparison.outcome import Comparison, settings_of_every_run
from tudui.config.comparison import MOST_BEYOND
from tudui.config.dump import yaml_text
from tudui.language import say
from tudui.report.document import Block, Bullets, Code, Folded, Heading, Paragraph
from tudui.report.tables import differing_table, hashes_table
from tudui.report.words import counted, inside, level_name, listed, noise_words, title_of_score

SHARED = {
    "initial_weights": "initial weights",
    "order_and_augmentation": "order and augmentation of the samples",
    "labels": "labels (the wrong ones too)",
    "test": "test samples",
}
OF_ROWS = {"order_and_augmentation": "order of the rows"}
OF_NUMBERS = {"labels": "targets (the outliers too)"}


def held_equal(comparison: Comparison) -> str:
    """Return one sentence on what the runs of one seed shared, according to the hashes."""
    if comparison.unequal:
        names = listed([_shared(comparison, name) for name in comparison.unequal])
        text = "NOT equal, though they should be: {names} differ between losses with the same seed."
        return say(text, names=names)
    text = "Equal for every loss with the same seed: {shared}; sha256 confirms {sets}."
    shared = listed([_shared(comparison, name) for name in SHARED])
    return say(text, shared=shared, sets=counted(len(comparison.hashes), "set"))


def _shared(comparison: Comparison, name: str) -> str:
    """Return what a hash is of."""
    rows = OF_ROWS if comparison.samples == "rows" else {}
    numbers = OF_NUMBERS if comparison.task.kind == "numbers" else {}
    return say({**SHARED, "data": "samples", **rows, **numbers}.get(name, name))


def rates_words(comparison: Comparison) -> str:
    """Return in one or two sentences by which learning rates the losses were trained."""
    plan, first = comparison.plan.comparison, comparison.task.metrics[0]
    if plan.lr == "same":
        return say("Also equal: the learning rate, which suits some losses better than others.")
    several = len({row.learning_rate for row in comparison.rows}) > 1
    sentences = [say("Not equal: the learning rate.") if several else say("Also equal: the learning rate.")]
    if plan.lr == "recipe":
        sentences.append(say("Each loss has its recipe rate, which was chosen earlier on validation samples."))
        if any(comparison.noise_levels):
            text = (
                "These rates were measured on right targets; with wrong ones others may be much better, and that can "
                "change the verdict: --lr tuned chooses a rate for each loss and {level}."
            )
            sentences.append(say(text, level=level_name(comparison)))
        return say(" ").join(sentences)
    text = "For each loss and {level}, the best of {rates} was chosen by validation {metric}, with {seeds} each."
    sentences.append(
        say(
            text, level=level_name(comparison), rates=rates_listed(plan.rates), metric=title_of_score(first),
            seeds=counted(plan.tuning_seeds, "unreported seed"),
        )
    )  # fmt: skip
    further = sorted({rate for curve in comparison.tuning for rate in curve.rates} - {*plan.rates})
    if plan.tuned_parameters:
        sentences.append(tuned_words(comparison))
    elif further:
        text = "If the best rate was at an end, rates beyond it were tried too ({rates}; the pictures show which)."
        sentences.append(say(text, rates=rates_listed(further)))
    sentences.append(say("Intervals and p values take what was chosen as fixed."))
    return say(" ").join(sentences)


def tuned_words(comparison: Comparison) -> str:
    """Return how the settings of the losses were tuned, and that each loss had as many runs for it."""
    plan = comparison.plan.comparison
    values = listed([f"{name} ({rates_listed(plan.values_to_try(name))})" for name in plan.tuned_parameters])
    return say(
        "Up to {most} rates beyond an end of the grid were tried, and then, at the best rate, {values} for the losses "
        "that have this setting. Each loss and noise level had {runs} tuning runs. The remaining runs tried rates "
        "near the best one; a loss without such a setting had more of them.",
        most=MOST_BEYOND, values=values, runs=comparison.tuning[0].runs,
    )  # fmt: skip


def rates_listed(rates: Iterable[float]) -> str:
    """Return `0.01, 0.02`."""
    return ", ".join(f"{rate:g}" for rate in rates)


def protocol(comparison: Comparison) -> list[Block]:
    """Return the section on the protocol."""
    return [
        Heading(say("Protocol")),
        Heading(say("What was equal for all losses, and what was not"), 3),
        Bullets(
            [
                held_equal(comparison),
                rates_words(comparison),
                say("All other settings, except those of the loss, are the same in every run; they are listed below."),
            ]
        ),
        differing_table(comparison),
        Folded(say("Settings of every run"), [Code(yaml_text(settings_of_every_run(comparison.plan)))]),
        Folded(say("Hashes of the initial state of the runs"), [hashes_table(comparison)]),
        Paragraph(say("The hashes in full, and every number of this report, are in comparison.json.")),
        Heading(say("How to read the numbers"), 3),
        Bullets(list(_reading(comparison))),
    ]


def _reading(comparison: Comparison) -> Iterator[str]:
    yield _on_the_headline(comparison)
    yield from _on_data(comparison)
    yield say(
        "An interval of 95 % covers other seeds and other test {samples} of the same kind. “Over seeds only” is about "
        "these test {samples} alone: it says what more seeds would show on them, not how the losses compare in "
        "general.",
        samples=comparison.samples,
    )
    yield say(
        "p belongs to that interval: an interval of 1 − p instead of 95 % would just touch 0. p Holm is p corrected "
        "for {family}. No interval is corrected.",
        family=_family(comparison),
    )
    if comparison.metric.better == "less":
        yield say("Lower {metric} is better.", metric=title_of_score(comparison.metric))
    yield say(
        "“Better” and “worse” need p Holm below 0.05. “Equivalent” means that the difference is surely smaller than "
        "the margin: p equivalent, corrected in the same way, is below 0.05. “Identical” is the same value on every "
        "test sample in every seed. “Not distinguishable” is none of these: the data cannot decide."
    )
    lost = say("; or some of fewer than 10 runs never predict a class") if comparison.task.kind == "classes" else ""
    yield say(
        "“Unstable”: runs diverged, and the difference would no longer be certain if these runs had the score of a "
        "network whose outputs are all equal{lost}. The difference shown is that of the runs that finished.",
        lost=lost,
    )
    yield say("± is the standard deviation over seeds; with one seed there is no deviation and no interval.")
    yield say("Diverged runs are excluded from means and intervals; the seeds column shows how many.")
    if comparison.plan.base.data.folds:
        yield say("With folds, the runs of all folds of a seed count as one run; it diverged if one of them did.")


def _on_the_headline(comparison: Comparison) -> str:
    selected = (
        say("The weights selected on validation are shown too.")
        if comparison.plan.base.data.validation
        else say("There was no validation split.")
    )
    return say(
        "The main result is the {metric} of the last weights: it needs no selection, so no loss can gain from a lucky "
        "epoch. {selected} The test samples were read once per run for the last weights and once for the selected "
        "ones.",
        metric=title_of_score(comparison.metric), selected=selected,
    )  # fmt: skip


def where_spoiled(comparison: Comparison) -> list[str]:
    """Return which splits have wrong targets; [] if none were made wrong."""
    if not (any(comparison.noise_levels) or comparison.plan.base.data.is_spoiled):
        return []
    if comparison.task.kind == "numbers":
        return [say("Validation targets have as many outliers as training targets; test targets are right.")]
    return [say("Validation labels are as noisy as training labels; test labels are right.")]


def _on_data(comparison: Comparison) -> Iterator[str]:
    yield from where_spoiled(comparison)
    unit = inside(comparison.metric.unit.difference)
    yield say("Differences are variant minus baseline{unit}, paired by seed and sample.", unit=unit)


def _family(comparison: Comparison) -> str:
    """Return for what p is corrected."""
    if comparison.plan.comparison.family == "level":
        family = say("the variants of one {level}, not across levels", level=level_name(comparison))
    else:
        family = say("all comparisons of this report")
    if len(comparison.looks) == 1:
        return family
    looks = listed([str(look) for look in comparison.looks])
    return say("{family}, and for verdicts looked at after {looks} seeds", family=family, looks=looks)


def rates_at_the_edge(comparison: Comparison) -> list[str]:
    """Return which learning rates were chosen at the edge of the grid; [] if none were."""
    edges = [chosen_value(comparison, curve, curve.chosen) for curve in comparison.tuning if curve.at_the_edge]
    text = "Learning rates at the edge of the grid, so one beyond it may be better: {rates}."
    return [say(text, rates=say("; ").join(edges))] if edges else []


def chosen_value(comparison: Comparison, curve: Curve, value: float) -> str:
    """Return a value that was chosen, with the loss and the noise level."""
    noise = noise_words(comparison, curve.label_noise)
    return say("{loss} ({noise}): {value:g}", loss=curve.variant, noise=noise, value=value)
