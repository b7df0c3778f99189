"""comparison.csv: a row per variant and noise level, in each metric's own unit (accuracies are fractions)."""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

from tudui.comparison.outcome import Comparison
from tudui.text import csv_name

Cells = Iterator[tuple[str, Any]]


def csv_text(comparison: Comparison) -> str:
    """Return the text of comparison.csv; what is not known is empty."""
    values = comparison.values
    pairs = {(pair["variant"], pair["label_noise"]): pair for pair in values["pairs"]}
    rows = [
        dict(_columns(row, pairs.get((row["variant"], row["label_noise"]), {}), comparison)) for row in values["rows"]
    ]
    names = max((list(row) for row in rows), key=len)  # a variant that diverged has no values by class and loss
    file = StringIO()
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _columns(row: dict[str, Any], pair: dict[str, Any], comparison: Comparison) -> Cells:
    yield from ((name, row[name]) for name in ("name", "variant", "label_noise", "learning_rate"))
    yield "seeds", len(row["seeds"])
    yield "seeds_diverged", len(row["diverged"])
    for metric in comparison.task.metrics:
        found = row["metrics"].get(metric.name, {})
        yield from ((f"{metric.name}_{part}", found.get(part)) for part in ("mean", "sd", "n"))
        yield from _ends(f"{metric.name}_interval", found.get("interval"))
        yield from _ends(f"{metric.name}_interval_seeds_only", found.get("interval_seeds_only"))
    spreads = {figure.name: row["figures"].get(figure.name) for figure in comparison.task.figures}
    spreads |= {name: row.get(name) for name in ("accuracy_selected", "validation_accuracy")}
    for name, spread in spreads.items():
        yield from ((f"{name}_{part}", (spread or {}).get(part)) for part in ("mean", "sd"))
    learned = row.get("train") or {"clean": {}, "flipped": {}}
    yield "train_right_labels_accuracy", learned["clean"].get("accuracy")
    yield "train_wrong_labels_accuracy", learned["flipped"].get("accuracy")
    yield "train_wrong_labels_true_accuracy", learned["flipped"].get("true_accuracy")
    yield "reach_validation_accuracy", row.get("reach", {}).get("validation_accuracy")

    yield from ((name, pair.get(name)) for name in ("baseline", "metric", "difference"))
    yield "difference_sd", pair.get("sd")
    yield "difference_n", pair.get("n")
    yield from _ends("difference_interval", pair.get("interval"))
    yield from _ends("difference_interval_seeds_only", pair.get("interval_seeds_only"))
    yield from ((name, pair.get(name)) for name in ("p", "p_sign_flip", "p_holm", "identical", "constant"))
    yield from ((name, pair.get(name)) for name in ("step", "seeds_for_step", "more_images_needed", "verdict"))
    yield from ((f"loss_{name}", value) for name, value in row.get("loss_values", {}).items())
    classes = row.get("per_class_accuracy", {})
    yield from ((csv_name(f"accuracy_of_class_{name}"), value) for name, value in classes.items())


def _ends(name: str, interval: Any) -> Cells:
    low, high = interval or (None, None)
    yield f"{name}_low", low
    yield f"{name}_high", high
