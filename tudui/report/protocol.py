"""The report's protocol: how the comparison was made, and how to read its numbers."""

from collections.abc import Iterable, Iterator

from tudui.comparison.outcome import Comparison, settings_of_every_run
from tudui.config.comparison import MOST_BEYOND
from tudui.config.dump import yaml_text
from tudui.report.document import Block, Bullets, Code, Folded, Heading, Paragraph
from tudui.report.tables import differing_table, hashes_table
from tudui.report.words import counted, level_name, listed

SHARED = {
    "initial_weights": "initial weights",
    "order_and_augmentation": "order and augmentation of the images",
    "labels": "labels (the wrong ones too)",
    "test": "test images",
}


def held_equal(comparison: Comparison) -> str:
    """Return one sentence on what the runs of one seed shared, according to the hashes."""
    if comparison.unequal:
        names = listed(
            [_words(comparison, {**SHARED, "data": "images"}.get(name, name)) for name in comparison.unequal]
        )
        return f"NOT held equal, though they should be: {names} differ between losses of the same seed."
    sets = counted(len(comparison.hashes), "set")
    shared = _words(comparison, listed(list(SHARED.values())))
    return f"Held equal for one seed and every loss: {shared}; sha256 confirms {sets}."


def _words(comparison: Comparison, text: str) -> str:
    """Return a text on images and labels in the words of the comparison's data."""
    if comparison.samples == "rows":
        text = text.replace("order and augmentation of the images", "order of the rows").replace("image", "row")
    if comparison.task.kind == "numbers":
        text = text.replace("labels (the wrong ones too)", "targets (the outliers too)").replace("labels", "targets")
    return text


def rates_words(comparison: Comparison) -> str:
    """Return in one or two sentences by which learning rates the losses were trained."""
    plan, first = comparison.plan.comparison, comparison.task.metrics[0]
    if plan.lr == "same":
        return "Held equal as well: the learning rate, which suits some losses better than others."
    start = "Not held equal: the learning rate."
    if plan.lr == "recipe":
        return _words(comparison, f"{start} Each loss has its recipe's, chosen beforehand on validation images.")
    grid, seeds = _rates(plan.rates), counted(plan.tuning_seeds, "unreported seed")
    level = level_name(comparison)
    words = f"{start} Each loss and {level} has the best of {grid} by validation {first.title}, on {seeds} each."
    if plan.tuned_parameters:
        return f"{words} {_tuned_words(comparison)}"
    if further := sorted({rate for curve in comparison.tuning for rate in curve.rates} - {*plan.rates}):
        words += (
            f" If the best was at an end, rates past it were tried too ({_rates(further)}; the pictures show which)."
        )
    return words


def _tuned_words(comparison: Comparison) -> str:
    """Return how the settings of the losses were tuned, and that each loss had as many runs for it."""
    plan = comparison.plan.comparison
    values = listed([f"{name} ({_rates(plan.values_to_try(name))})" for name in plan.tuned_parameters])
    return (
        f"A rate past an end of the grid was tried up to {MOST_BEYOND} times, then at the best rate {values}, for the "
        f"losses that have it. Each loss and noise level had {comparison.tuning[0].runs} tuning runs: those that were "
        f"left, more for a loss without such a setting, tried rates near its best one."
    )


def _rates(rates: Iterable[float]) -> str:
    return ", ".join(f"{rate:g}" for rate in rates)


def protocol(comparison: Comparison) -> list[Block]:
    """Return the section on the protocol."""
    return [
        Heading("Protocol"),
        Heading("What was held equal, and what was not", 3),
        Bullets(
            [
                held_equal(comparison),
                rates_words(comparison),
                "Everything else except the loss section is the same in every run: the settings below.",
            ]
        ),
        differing_table(comparison),
        Folded("Settings of every run", [Code(yaml_text(settings_of_every_run(comparison.plan)))]),
        Folded("Hashes of the initial state of the runs", [hashes_table(comparison)]),
        Paragraph("The hashes in full, and every number of this report, are in comparison.json."),
        Heading("How to read the numbers", 3),
        Bullets([_words(comparison, text) for text in _reading(comparison)]),
    ]


def _reading(comparison: Comparison) -> Iterator[str]:
    data, metric = comparison.plan.base.data, comparison.metric
    selected = (
        "The weights selected on validation are shown too." if data.validation else "There was no validation split."
    )
    yield (
        f"The headline is the {metric.title} of the last weights: it needs no selection, so no loss can gain from a "
        f"lucky epoch. {selected} The test images were read once per run for the last weights and once for the "
        f"selected ones."
    )
    if any(comparison.noise_levels) or data.noise_manifest:
        if comparison.task.kind == "numbers":
            yield "Validation targets have as many outliers as training targets; test targets are right."
        else:
            yield "Validation labels are as noisy as training labels; test labels are right."
    unit = f" in {metric.unit.difference}" if metric.unit.difference else ""
    yield f"Differences are variant minus baseline{unit}, paired by seed and image."
    yield (
        "An interval of 95 % covers other seeds and other test images of the same kind. “Over seeds only” takes these "
        "test images as given: it says what more seeds would show on them, not how the losses compare in general."
    )
    yield (
        f"p belongs to that interval: an interval of 1 − p instead of 95 % would just touch 0. p Holm is p corrected "
        f"for {_family(comparison)}. No interval is corrected."
    )
    lost = "; or some of fewer than 10 runs lost a class" if comparison.task.kind == "classes" else ""
    if metric.better == "less":
        yield f"Lower {metric.title} is better."
    yield (
        "“Better” and “worse” need p Holm below 0.05. “Equivalent” means that the difference is surely smaller than "
        "the margin: p equivalent, corrected in the same way, is below 0.05. “Identical” is the same value on every "
        "test image in every seed. “Not distinguishable” is none of these: the data cannot decide."
    )
    yield (
        f"“Unstable”: runs diverged, and the difference would not be certain if they scored as a network whose outputs "
        f"are all equal{lost}. The difference is that of the runs that finished."
    )
    yield "± is the standard deviation over seeds; with one seed there is neither deviation nor interval."
    yield "Diverged runs are excluded from means and intervals; the seeds column shows how many."


def _family(comparison: Comparison) -> str:
    """Return for what p is corrected."""
    per_level = comparison.plan.comparison.family == "level"
    family = (
        f"the variants of one {level_name(comparison)}, not across levels"
        if per_level
        else "all comparisons of this report"
    )
    looks = listed([str(look) for look in comparison.looks])
    return f"{family}, and for verdicts looked at after {looks} seeds" if len(comparison.looks) > 1 else family
