"""The report's tables."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from tudui.report.document import Short, Table
from tudui.report.words import (
    UNKNOWN,
    Values,
    between,
    mean_sd,
    noise_levels,
    noise_words,
    p_value,
    pair_of,
    percent,
    points,
    rows_at,
    seeds_words,
    short_verdict,
)

MOST_CLASSES = 20


def accuracy_table(values: Values, noise: float) -> Table:
    """Return the main table of one noise level: accuracy of the last weights, and differences to the baseline."""
    baseline = values["plan"]["baseline"]
    sign_flip = any(pair["p_sign_flip"] is not None for pair in values["pairs"] if pair["n"])
    head = [
        "loss", "learning rate", "seeds", "test accuracy %", "95 % interval", f"difference to {baseline}",
        "its 95 % interval", "over seeds only", "p", "p Holm", *(["p sign-flip"] if sign_flip else []), "verdict",
    ]  # fmt: skip
    rows = []
    for row in rows_at(values, noise):
        accuracy, pair = row["accuracy"], pair_of(values, row)
        first = [row["variant"], f"{row['learning_rate']:g}", seeds_words(row)]
        first += ["diverged", UNKNOWN] if accuracy is None else [mean_sd(accuracy), between(accuracy["interval"])]
        if pair is None:
            rows.append([*first, *[UNKNOWN] * (len(head) - 6), "baseline"])
            continue
        if not pair["n"]:
            rows.append([*first, *[UNKNOWN] * (len(head) - 6), short_verdict(pair)])
            continue
        rows.append(
            [
                *first,
                points(pair["difference"]),
                between(pair["interval"], signed=True),
                between(pair["interval_seeds_only"], signed=True),
                p_value(pair["p"]),
                p_value(pair["p_holm"]),
                *([p_value(pair["p_sign_flip"])] if sign_flip else []),
                short_verdict(pair),
            ]
        )
    caption = f"Test accuracy of the last weights, {noise_words(values, noise)}: mean ± standard deviation over seeds"
    return Table(caption, head, rows, words=("loss", "verdict"))


def yardsticks_table(values: Values, noise: float) -> Table:
    """Return what else there is to say of each variant's models."""
    rows = []
    for row, timing in zip(values["rows"], values["timing"]["rows"], strict=True):
        if row["label_noise"] != noise:
            continue
        if row["accuracy"] is None:
            rows.append([row["variant"], "diverged", *[UNKNOWN] * 5])
            continue
        rows.append(
            [
                row["variant"],
                mean_sd(row["accuracy_selected"]),
                mean_sd(row["validation_accuracy"]),
                mean_sd(row["nll"], 3, scale=1),
                mean_sd(row["ece"], 3, scale=1),
                _reached(row["reach"]["epochs"]),
                _reached(timing["seconds_to_reach"]),
            ]
        )
    reach = next((row["reach"]["validation_accuracy"] for row in rows_at(values, noise) if row["accuracy"]), None)
    target = f"{100 * reach:g} %" if reach else "the mark"
    head = [
        "loss", "test accuracy %, selected weights", "validation accuracy %", "NLL", "ECE",
        f"epochs to {target}", f"seconds to {target}",
    ]  # fmt: skip
    return Table(f"Other yardsticks, {noise_words(values, noise)}", head, rows, words=("loss",))


def _reached(found: Sequence[float | None]) -> str:
    """Return the mean over the seeds that got there, and how many did."""
    there = [value for value in found if value is not None]
    if not there:
        return "not reached"
    some = f" ({len(there)} of {len(found)} seeds)" if len(there) < len(found) else ""
    return f"{fmean(there):.1f}{some}"


def learned_table(values: Values, noise: float) -> Table | None:
    """Return what was learned from right labels and from wrong ones; None without wrong labels."""
    rows = [
        [
            row["variant"],
            percent(row["train"]["clean"]["accuracy"]),
            percent(row["train"]["flipped"]["accuracy"]),
            percent(row["train"]["flipped"]["true_accuracy"]),
        ]
        for row in rows_at(values, noise)
        if row.get("train")
    ]
    head = ["loss", "right labels predicted %", "wrong labels predicted %", "true class of these predicted %"]
    caption = f"Training images after the last epoch, {noise_words(values, noise)}, means over seeds"
    return Table(caption, head, rows, words=("loss",)) if rows else None


def losses_table(values: Values, noise: float) -> Table | None:
    """Return the value of every final model under every loss; None where no run finished."""
    rows = [row for row in rows_at(values, noise) if row["accuracy"]]
    if not rows:
        return None
    names = list(rows[0]["loss_values"])
    caption = f"Mean value on the test images under each loss, {noise_words(values, noise)}"
    shown = [[row["variant"], *(_value(row["loss_values"][name]) for name in names)] for row in rows]
    return Table(caption, ["trained with", *names], shown, words=("trained with",))


def _value(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def classes_table(values: Values, noise: float) -> Table | None:
    """Return the accuracy of each class; None where no run finished."""
    rows = [row for row in rows_at(values, noise) if row["accuracy"]]
    if not rows:
        return None
    names = list(rows[0]["per_class_accuracy"])
    caption = f"Test accuracy % of each class, {noise_words(values, noise)}, means over seeds"
    shown = [[name, *(percent(row["per_class_accuracy"][name], 1) for row in rows)] for name in names]
    return Table(caption, ["class", *(row["variant"] for row in rows)], shown, words=("class",))


def number_of_classes(values: Values) -> int:
    """Return how many classes there are, 0 where no run finished."""
    return max((len(row["per_class_accuracy"]) for row in values["rows"] if row["accuracy"]), default=0)


def differing_table(values: Values) -> Table:
    """Return what is not the same for all variants: the loss section and the learning rate."""
    levels = noise_levels(values)
    rates = {(row["variant"], row["label_noise"]): f"{row['learning_rate']:g}" for row in values["rows"]}
    head = ["variant", "loss section", *(f"learning rate, {noise_words(values, level)}" for level in levels)]
    rows = [
        [
            name,
            ", ".join(f"{key}: {_plain(value)}" for key, value in section.items() if value is not None),
            *(rates[name, level] for level in levels),
        ]
        for name, section in values["plan"]["variants"].items()
    ]
    return Table("What differs between the variants", head, rows, words=("variant", "loss section"))


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def flat(values: Values, above: str = "") -> dict[str, Any]:
    """Return nested values by their dotted key."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


def hashes_table(values: Values) -> Table:
    """Return what the runs of each noise level and seed began from."""
    names = list(next(iter(values["hashes"].values())))
    rows: list[list[str | Short]] = []
    for place, hashes in values["hashes"].items():
        rows.append([place, *(_hash(hashes[name]) for name in names)])
    return Table(
        "sha256 of what every loss began from, by noise level and seed (first 8 digits)",
        ["runs", *(name.replace("_", " ") for name in names)],
        rows,
        words=("runs",),
    )


def _hash(value: str | Sequence[str]) -> str | Short:
    return Short(value) if isinstance(value, str) else f"{len(value)} different ones"
