"""comparison.csv: a row per variant and noise level, in each metric's own unit (accuracies are fractions)."""

import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

from tudui.comparison.outcome import Comparison
from tudui.config.comparison import OF_LOSS
from tudui.text import csv_name

Cells = Iterator[tuple[str, Any]]


def csv_text(comparison: Comparison) -> str:
    """Return the text of comparison.csv; unknown values are empty."""
    values, level = comparison.values, comparison.level_name
    pairs = {(pair["variant"], pair[level]): pair for pair in values["pairs"]}
    found = [(row, pairs.get((row["variant"], row[level]), {})) for row in values["rows"]]
    rows = [dict(_columns(row, pair, comparison)) for row, pair in found]
    names = max((list(row) for row in rows), key=len)  # a variant that diverged has no values by class and loss
    file = StringIO()
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _columns(row: dict[str, Any], pair: dict[str, Any], comparison: Comparison) -> Cells:
    yield from _cells(row, "", "name", "variant", comparison.level_name, "learning_rate")
    yield from _cells(row["loss"], OF_LOSS, *comparison.plan.comparison.tuned_parameters)
    yield "seeds", len(row["seeds"])
    yield "seeds_diverged", len(row["diverged"])
    yield "seeds_lost_class", len(row["lost_class"])
    for metric in comparison.task.metrics:
        found = row["metrics"].get(metric.name)
        yield from _cells(found, f"{metric.name}_", "mean", "sd", "n", "interval", "interval_seeds_only")
    for figure in comparison.task.figures:
        yield from _cells(row["figures"].get(figure.name), f"{figure.name}_", "mean", "sd")
    first = comparison.task.metrics[0].name
    for name in (f"{first}_selected", f"validation_{first}"):
        yield from _cells(row.get(name), f"{name}_", "mean", "sd")
    learned = row.get("train") or {"clean": {}, "flipped": {}}
    yield from _cells(learned["clean"], "train_right_labels_", first)
    yield from _cells(learned["flipped"], "train_wrong_labels_", first, f"true_{first}")
    yield from _cells(row.get("reach"), "reach_", f"validation_{first}")

    yield from _cells(pair, "", "baseline", "metric", "difference")
    yield from _cells(pair, "difference_", "sd", "n", "interval", "interval_seeds_only")
    yield from _cells(pair, "", "p", "p_holm", "p_equivalent", "p_equivalent_holm", "identical")
    yield from _cells(pair, "", "margin", "within_margin", "verdict")
    yield "flags", " ".join(pair.get("flags", ()))
    for number, size in enumerate(("margin", "difference")):
        need = dict(enumerate(pair.get("needed", ()))).get(number)
        yield from ((f"{name}_for_{size}", need and need[name]) for name in ("seeds", "samples"))
    yield from ((f"loss_{name}", value) for name, value in row.get("loss_values", {}).items())
    classes = row.get("per_class_accuracy", {})
    yield from ((csv_name(f"accuracy_of_class_{name}"), value) for name, value in classes.items())


def _cells(values: Mapping[str, Any] | None, prefix: str, *names: str) -> Cells:
    for name in names:
        value = (values or {}).get(name)
        if name.startswith("interval"):
            yield from zip((f"{prefix}{name}_low", f"{prefix}{name}_high"), value or (None, None), strict=True)
        else:
            yield f"{prefix}{name}", value
