"""comparison.csv: a row per variant and noise level, fractions and not percent."""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

from tudui.report.words import Values, pair_of

SPREADS = ("accuracy_selected", "validation_accuracy", "nll", "ece")


def csv_text(values: Values) -> str:
    """Return the text of comparison.csv; what is not known is empty."""
    rows = [dict(_columns(values, row)) for row in values["rows"]]
    names = max((list(row) for row in rows), key=len)  # a variant that diverged has no values by class and loss
    file = StringIO()
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _columns(values: Values, row: Values) -> Iterator[tuple[str, Any]]:
    yield from ((name, row[name]) for name in ("name", "variant", "label_noise", "learning_rate"))
    yield "seeds", len(row["seeds"])
    yield "seeds_diverged", len(row["diverged"])
    accuracy = row["accuracy"] or {}
    yield from ((f"accuracy_{name}", accuracy.get(name)) for name in ("mean", "sd", "n"))
    yield from _ends("accuracy_interval", accuracy.get("interval"))
    yield from _ends("accuracy_interval_seeds_only", accuracy.get("interval_seeds_only"))
    for name in SPREADS:
        spread = row.get(name) or {}
        yield f"{name}_mean", spread.get("mean")
        yield f"{name}_sd", spread.get("sd")
    learned = row.get("train") or {"clean": {}, "flipped": {}}
    yield "train_right_labels_accuracy", learned["clean"].get("accuracy")
    yield "train_wrong_labels_accuracy", learned["flipped"].get("accuracy")
    yield "train_wrong_labels_true_accuracy", learned["flipped"].get("true_accuracy")
    yield "reach_validation_accuracy", row.get("reach", {}).get("validation_accuracy")

    pair = pair_of(values, row) or {}
    yield from ((name, pair.get(name)) for name in ("baseline", "difference"))
    yield "difference_sd", pair.get("sd")
    yield "difference_n", pair.get("n")
    yield from _ends("difference_interval", pair.get("interval"))
    yield from _ends("difference_interval_seeds_only", pair.get("interval_seeds_only"))
    yield from ((name, pair.get(name)) for name in ("p", "p_sign_flip", "p_holm", "identical", "constant"))
    yield from ((name, pair.get(name)) for name in ("seeds_for_one_point", "more_images_needed", "verdict"))
    yield from ((f"loss_{name}", value) for name, value in row.get("loss_values", {}).items())
    yield from ((f"accuracy_of_class_{name}", value) for name, value in row.get("per_class_accuracy", {}).items())


def _ends(name: str, interval: Any) -> Iterator[tuple[str, Any]]:
    low, high = interval or (None, None)
    yield f"{name}_low", low
    yield f"{name}_high", high
