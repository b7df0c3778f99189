"""The report's pictures of tuning: the validation score over the learning rate and over settings of losses."""

from collections.abc import Mapping, Sequence

import numpy as np

from tudui.comparison.outcome import Comparison
from tudui.comparison.runs import cell_name
from tudui.language import say, speaking_in_pictures
from tudui.report.document import Picture
from tudui.report.drawing import axis_title, label_ends, new_picture, png, styles_of
from tudui.report.words import capitalised, noise_words, title_of_score
from tudui.style import finish


def tuning_picture(comparison: Comparison, noise: float) -> Picture:
    """Return the validation score by the task's first metric over the learning rate, the chosen rates marked."""
    curves = {one.variant: (one.rates, one.scores, one.chosen) for one in comparison.tuning if one.label_noise == noise}
    text = (
        "Learning rates with {noise}: a dot is a tuning seed, the line their mean, the diamond the chosen rate. {lost}"
    )
    caption = say(text, noise=noise_words(comparison, noise), lost=_about_lost_runs(comparison))
    return _search_picture(
        comparison, noise, curves, name="learning-rates", what="learning rate", x="peak learning rate", caption=caption
    )


def sensitivity_picture(comparison: Comparison, noise: float, name: str) -> Picture:
    """Return the validation score over a tuned setting of the losses that have it, at the best rate of each."""
    curves, rates = {}, []
    for curve in comparison.tuning:
        for one in curve.over:
            if curve.label_noise == noise and one.name == name:
                curves[curve.variant] = (one.values, one.scores, one.chosen)
                rates.append(f"{curve.variant} {one.rate:g}")
    residual = any(name in loss.in_scaled_units for loss in comparison.plan.comparison.variants.values())
    x = "{name}, scaled units" if residual and comparison.task.kind == "numbers" else "{name}"
    caption = say(
        "{setting} with {noise}: a dot is a tuning seed, the line their mean, the diamond the chosen value. {lost} At "
        "the best rate before {name} was tuned: {rates}.",
        setting=capitalised(name), noise=noise_words(comparison, noise), name=name,
        rates=say(", ").join(rates), lost=_about_lost_runs(comparison),
    )  # fmt: skip
    return _search_picture(comparison, noise, curves, name=f"sensitivity-{name}", what=name, x=x, caption=caption)


def _about_lost_runs(comparison: Comparison) -> str:
    """Return how runs that diverged are drawn over the values that were tried."""
    if comparison.task.metrics[0].better == "more":
        return say("A run that diverged counts as 0.")
    return say("Runs that diverged are not drawn.")


Searched = tuple[Sequence[float], Sequence[Sequence[float]], float]  # values, scores [values, seeds], the chosen value


def _search_picture(
    comparison: Comparison,
    noise: float,
    curves: Mapping[str, Searched],
    *,
    name: str,
    what: str,
    x: str,
    caption: str,
) -> Picture:
    """Return the validation score over the values that were tried of one setting, by variant."""
    first, styles = comparison.task.metrics[0], styles_of(comparison.plan.comparison.variants)
    figure, axes = new_picture()
    ends = {}
    for variant, (values, by_seed, chosen) in curves.items():
        style = styles[variant]
        scores = first.unit.scale * np.array(by_seed)  # [values, seeds]
        means = scores.mean(1).tolist()
        axes.plot(values, means, **style.line)
        axes.plot(values, scores, "o", markersize=4, color=style.colour)
        best = means[values.index(chosen)]
        axes.plot(chosen, best, "D", markersize=10, markerfacecolor="none", color=style.colour, mew=2)
        if (finished := np.flatnonzero(np.isfinite(means))).size:  # a run that diverged has no score
            ends[style] = (values[finished[-1]], means[finished[-1]])
    ticks = sorted({value for values, _, _ in curves.values() for value in values})
    if ticks[0] > 0:
        axes.set_xscale("log")
        ticks = _apart(ticks)
    axes.set_xticks(ticks, [f"{value:g}" for value in ticks], rotation=45 if len(ticks) > 6 else 0)
    axes.minorticks_off()
    with speaking_in_pictures():
        y = axis_title(say("validation {metric}", metric=title_of_score(first)), first.unit)
        finish(axes, title=noise_words(comparison, noise), x=say(x, name=what), y=y)
    label_ends(axes, ends)
    alt = say(
        "Validation {metric} over the {setting} with {noise}; chosen: {chosen}.",
        metric=title_of_score(first), setting=say(what), noise=noise_words(comparison, noise),
        chosen=say(", ").join(f"{variant} {chosen:g}" for variant, (_, _, chosen) in curves.items()),
    )  # fmt: skip
    return Picture(cell_name(name, noise), alt, caption, png(figure))


def _apart(values: Sequence[float]) -> list[float]:
    """Return ascending values without those within 15 % of the one before, because their labels would overlap."""
    kept = [values[0]]
    for value in values[1:]:
        if value > 1.15 * kept[-1]:
            kept.append(value)
    return kept
