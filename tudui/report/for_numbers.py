"""The report's parts for regression: the second metric, predicted over true values, residuals, errors by sample."""

from collections.abc import Iterator

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from tudui.comparison.outcome import Comparison, Row
from tudui.comparison.pairs import finished_in_both, values_of
from tudui.comparison.runs import cell_name
from tudui.language import say, speaking_in_pictures
from tudui.report import words
from tudui.report.document import Block, Gallery, Heading, Paragraph, Picture, gallery
from tudui.report.drawing import axis_title, empty_picture, label_ends, new_picture, png, styles_of
from tudui.report.tables import main_table
from tudui.report.words import capitalised, noise_words, title_of_score
from tudui.style import INK, LABEL, PANEL, TICKS, TITLE, equal_axes, finish
from tudui.tasks import Numbers

MOST_COLUMNS = 4  # with pictures
BINS = 48  # of each side of predicted over true
ENDS = (0.005, 0.995)  # quantiles of the predictions between which they are drawn in place
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
POINTS = 401  # of a line of sorted differences


def second_verdicts(comparison: Comparison, noise: float) -> str:
    """Return the verdicts of one level by the second metric, for example `By squared error instead: l1 worse.`"""
    second = comparison.second
    if second is None or not second.pairs_at(noise):
        return ""
    found = [
        f"{pair.variant} {words.with_size(words.verdict_name(pair.verdict), second, pair)}"
        for pair in second.pairs_at(noise)
    ]
    return say("By {metric} instead: {verdicts}.", metric=title_of_score(second.metric), verdicts=say("; ").join(found))


def judged(comparison: Comparison) -> str:
    """Return which metric favours which loss, and on what all losses are judged."""
    spoiled = any(comparison.noise_levels)
    return say(
        "Absolute error favours l1 and squared error favours mse, because each loss was made for its error. So both "
        "are shown, on {test}.",
        test=say("test targets without outliers") if spoiled else say("the same test targets"),
    )


def second_tables(comparison: Comparison) -> Iterator[Block]:
    """Yield the verdicts by the second metric, if there is one."""
    if comparison.second is None:
        return
    title = title_of_score(comparison.second.metric)
    yield Heading(say("The same models by {metric}", metric=title), 3)
    yield Paragraph(judged(comparison))
    if any(pair.found for pair in comparison.second.pairs):
        yield Paragraph(words.rule(comparison.second))
    yield from (main_table(comparison.second, noise) for noise in comparison.noise_levels)


def pictures(comparison: Comparison) -> Iterator[Block]:
    """Yield predicted over true values, residuals, and the differences of each sample's error to the baseline."""
    task, levels = comparison.task, comparison.noise_levels
    assert isinstance(task, Numbers)
    columns = range(min(task.outputs, MOST_COLUMNS))
    yield Heading(say("Predicted over true values"))
    if task.outputs > MOST_COLUMNS:
        text = "Pictures show the first {shown} of {columns} columns."
        yield Paragraph(say(text, shown=MOST_COLUMNS, columns=task.outputs))
    drawn = [predicted_picture(comparison, noise, column) for noise in levels for column in columns]
    yield gallery(drawn, otherwise=say("No run finished."))
    yield Heading(say("Residuals"))
    drawn = [residual_picture(comparison, noise, column) for noise in levels for column in columns]
    yield gallery(drawn, otherwise=say("No run finished."))
    if shown := [one for noise in levels if (one := difference_picture(comparison, noise))]:
        text = "Absolute error of each test {sample}, minus {baseline}"
        yield Heading(say(text, sample=comparison.samples[:-1], baseline=comparison.baseline))
        yield Gallery(shown)


def predicted_picture(comparison: Comparison, noise: float, column: int) -> Picture | None:
    """Return a panel per loss with the density of predicted over true values; None if no run finished."""
    task, rows = comparison.task, comparison.finished_at(noise)
    assert isinstance(task, Numbers)
    if not rows:
        return None
    styles, unit = styles_of(comparison.plan.comparison.variants), task.unit_of(column)
    true = rows[0].finished[0].predictions["label"][:, column].astype(np.float64)
    by_row = [_predicted(row, column) for row in rows]
    bottom, top = (float(end) for end in np.quantile(np.concatenate(by_row), ENDS))
    ends = min(float(true.min()), bottom), max(float(true.max()), top)
    lines, across = -(-len(rows) // 2), min(len(rows), 2)
    figure = empty_picture(1.15 * PANEL, 0.9 + 3.4 * lines)
    for place, (row, predicted) in enumerate(zip(rows, by_row, strict=True)):
        axes, style = figure.add_subplot(lines, across, place + 1), styles[row.variant]
        x, y = np.tile(true, len(row.finished)), np.clip(predicted, *ends)
        counts, x_edges, y_edges = np.histogram2d(x, y, bins=BINS, range=(ends, ends))
        shades = LinearSegmentedColormap.from_list(style.label, ["white", style.colour])
        shown = np.ma.masked_equal(0.25 + 0.75 * counts.T / max(counts.max(), 1), 0.25)
        axes.pcolormesh(x_edges, y_edges, shown, cmap=shades, vmin=0, vmax=1)
        equal_axes(axes, *ends)
        finish(axes, title=style.label, x="", y="")
        axes.tick_params(labelsize=TICKS - 2)
    name = task.names[column]
    with speaking_in_pictures():
        figure.suptitle(noise_words(comparison, noise), fontsize=TITLE)
        figure.supxlabel(axis_title(say("true {name}", name=name), unit), fontsize=LABEL)
        figure.supylabel(axis_title(say("predicted {name}", name=name), unit), fontsize=LABEL)
    title, losses = noise_words(comparison, noise), say(", ").join(row.variant for row in rows)
    text = "Predicted over true {name} with {noise}, a panel per loss: {losses}."
    alt = say(text, name=name, noise=title, losses=losses)
    caption = say(
        "Predicted over true {name} of the last weights with {noise}, all seeds pooled: the darker, the more test "
        "{samples}. On the black line a prediction is right. The most distant 1 % of predictions may be drawn at the "
        "edge.",
        name=name, noise=title, samples=comparison.samples,
    )  # fmt: skip
    return Picture(_name("predicted", comparison, noise, column), alt, caption, png(figure))


def residual_picture(comparison: Comparison, noise: float, column: int) -> Picture | None:
    """Return quantiles of the residuals, a line per loss; None if no run finished."""
    task, rows = comparison.task, comparison.finished_at(noise)
    assert isinstance(task, Numbers)
    if not rows:
        return None
    styles, unit, name = styles_of(comparison.plan.comparison.variants), task.unit_of(column), task.names[column]
    figure, axes = new_picture(1.3 + 0.55 * len(rows))
    axes.axvline(0, color=INK, linewidth=1)
    medians = []
    for place, row in enumerate(rows):
        found, colour = residual_quantiles(row, column), styles[row.variant].colour
        first, low, start, middle, end, high, last = found
        axes.plot([low, high], [place] * 2, color=colour, linewidth=2)
        axes.plot([start, end], [place] * 2, color=colour, linewidth=10, alpha=0.45, solid_capstyle="butt")
        axes.plot([middle] * 2, [place - 0.3, place + 0.3], color=colour, linewidth=2.4, zorder=3)
        axes.plot([first, last], [place] * 2, "o", color=colour, markersize=4)
        medians.append(f"{row.variant} {words.value(middle, unit)}")
    axes.set_yticks(range(len(rows)), [styles[row.variant].label for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    with speaking_in_pictures():
        x = axis_title(say("predicted minus true {name}", name=name), unit)
        finish(axes, title=noise_words(comparison, noise), x=x, y="")
    title, shown = noise_words(comparison, noise), say(", ").join(medians)
    text = "Quantiles of predicted minus true {name} with {noise}; medians: {medians}."
    alt = say(text, name=name, noise=title, medians=shown)
    caption = say(
        "Predicted minus true {name} with {noise}, all seeds pooled: the bar contains half of the residuals, the line "
        "90 %, the dots 98 %; the tick is the median.",
        name=name, noise=title,
    )  # fmt: skip
    return Picture(_name("residuals", comparison, noise, column), alt, caption, png(figure))


def residual_quantiles(row: Row, column: int) -> list[float]:
    """Return the QUANTILES of predicted minus true values of a column, all seeds of a row pooled."""
    true = [run.predictions["label"][:, column].astype(np.float64) for run in row.finished]
    found: list[float] = np.quantile(_predicted(row, column) - np.concatenate(true), QUANTILES).tolist()
    return found


def difference_picture(comparison: Comparison, noise: float) -> Picture | None:
    """Return each sample's difference of the absolute error to the baseline, in order, a line per loss."""
    metric, styles = comparison.task.metrics[0], styles_of(comparison.plan.comparison.variants)
    baseline, *_ = [row for row in comparison.rows_at(noise) if row.variant == comparison.baseline]
    found = {
        row.variant: differences
        for row in comparison.rows_at(noise)
        if row is not baseline and len(differences := error_differences(baseline, row))
    }
    if not found:
        return None
    figure, axes = new_picture()
    axes.axhline(0, color=INK, linewidth=1)
    ends, better = {}, []
    shares = np.linspace(0, 1, POINTS)
    for variant, differences in found.items():
        style, line = styles[variant], np.quantile(differences, shares)
        axes.plot(100 * shares, line, **style.line)
        ends[style] = (100.0, float(line[-1]))
        better.append(f"{variant} {100 * np.mean(differences < 0):.0f} %")
    axes.set_xlim(0, 100)
    with speaking_in_pictures():
        y = say("{metric} minus {baseline}", metric=title_of_score(metric), baseline=comparison.baseline)
        x = say("test {samples}, sorted by difference / %", samples=comparison.samples)
        finish(axes, title=noise_words(comparison, noise), x=x, y=axis_title(y, metric.unit))
    label_ends(axes, ends)
    title, name = noise_words(comparison, noise), comparison.baseline
    text = "Absolute error minus that of {baseline} for each test sample in order, with {noise}."
    alt = say(text, baseline=name, noise=title)
    caption = say(
        "{metric} minus that of {baseline} for each of the test {samples} with {noise}, mean over the seeds that "
        "finished in both, sorted for each loss. Below the black line the loss is better: {shares} of the {samples}.",
        metric=capitalised(title_of_score(metric)), baseline=name, samples=comparison.samples, noise=title,
        shares=say(", ").join(better),
    )  # fmt: skip
    return Picture(cell_name("error-differences", noise), alt, caption, png(figure))


def error_differences(baseline: Row, row: Row) -> np.ndarray:
    """Return the absolute error of each test sample minus the baseline's [N], mean over the shared seeds; else [0]."""
    ours, theirs = finished_in_both(row, baseline)
    if not ours:
        return np.zeros(0)
    metric = row.runs[0].task.metrics[0]
    found: np.ndarray = (values_of(ours, metric).astype(np.float64) - values_of(theirs, metric)).mean(0)
    return found


def _predicted(row: Row, column: int) -> np.ndarray:
    """Return the predicted values [S N] of a column, seed after seed."""
    return np.concatenate([run.predictions["predicted"][:, column].astype(np.float64) for run in row.finished])


def _name(what: str, comparison: Comparison, noise: float, column: int) -> str:
    """Return the name of a picture's file; columns by number, as a name may contain anything."""
    of_column = f"{what}-column{column}" if comparison.task.outputs > 1 else what
    return cell_name(of_column, noise)
