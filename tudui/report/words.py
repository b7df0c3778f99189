"""Numbers and verdicts in words, the same in every form of the report."""

from collections.abc import Mapping, Sequence
from typing import Any

Values = Mapping[str, Any]
UNKNOWN = "–"


def percent(fraction: float | None, digits: int = 2) -> str:
    """Return a fraction in percent, without the sign."""
    return UNKNOWN if fraction is None else f"{100 * fraction:.{digits}f}"


def points(difference: float | None, digits: int = 2) -> str:
    """Return a difference of fractions in points of percent, always with its sign."""
    if difference is None:
        return UNKNOWN
    text = f"{100 * difference:+.{digits}f}"
    return f"{0:.{digits}f}" if not float(text) else text.replace("-", "−")


def between(interval: Sequence[float] | None, digits: int = 2, *, signed: bool = False) -> str:
    """Return an interval of fractions in percent or, signed, of differences in points."""
    if interval is None:
        return UNKNOWN
    shown = points if signed else percent
    return " to ".join(shown(end, digits) for end in interval)


def p_value(p: float | None) -> str:
    """Return a p value with three decimals."""
    if p is None:
        return UNKNOWN
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def mean_sd(spread: Values | None, digits: int = 2, *, scale: float = 100) -> str:
    """Return mean ± standard deviation over seeds; the mean alone of one seed."""
    if spread is None:
        return UNKNOWN
    mean = f"{scale * spread['mean']:.{digits}f}"
    return mean if spread["sd"] is None else f"{mean} ± {scale * spread['sd']:.{digits}f}"


def counted(number: int, thing: str) -> str:
    """Return `1 seed` or `2 seeds`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def listed(words: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def noise_levels(values: Values) -> list[float]:
    """Return the shares of wrong labels, in the plan's order."""
    return list(values["plan"]["label_noise"])


def noise_words(values: Values, noise: float) -> str:
    """Return what the labels of a noise level are like, as `with ...`."""
    data = values["plan"]["base"]["data"]
    if data["noise_manifest"]:
        return "wrong labels from a manifest"
    if not noise:
        return "no label noise"
    share = f"{100 * noise:g} %"
    return f"{share} asymmetric label noise" if data["noise_kind"] == "asymmetric" else f"{share} of labels wrong"


def rows_at(values: Values, noise: float) -> list[Values]:
    """Return the rows of one noise level."""
    return [row for row in values["rows"] if row["label_noise"] == noise]


def pair_of(values: Values, row: Values) -> Values | None:
    """Return the comparison of a row with the baseline; None for the baseline itself."""
    key = (row["variant"], row["label_noise"])
    return next((pair for pair in values["pairs"] if (pair["variant"], pair["label_noise"]) == key), None)


def seeds_words(row: Values) -> str:
    """Return how many seeds a row stands on."""
    planned, lost = len(row["seeds"]), len(row["diverged"])
    return f"{planned - lost} of {planned}" if lost else str(planned)


def short_verdict(pair: Values) -> str:
    """Return the verdict for a table that has a column of seeds."""
    words, _, lost = pair["verdict"].partition("; ")
    return str(words.partition(" with these")[0]) + (f"; {lost}" if lost else "")


def headline(values: Values, noise: float) -> str:
    """Return in one sentence which losses are better than the baseline at this noise level."""
    pairs = [pair for pair in values["pairs"] if pair["label_noise"] == noise]
    where = f"With {noise_words(values, noise)}"
    if not pairs:
        (row,) = rows_at(values, noise)
        if row["accuracy"] is None:
            return f"{where}, {row['variant']} diverged with every seed."
        return (
            f"{where}, {row['variant']} reaches {percent(row['accuracy']['mean'])} % test accuracy; "
            f"there is no other loss to compare it with."
        )
    groups: dict[str, list[Values]] = {}
    for pair in pairs:
        groups.setdefault(pair["verdict"].partition(";")[0], []).append(pair)
    order = sorted(groups, key=lambda verdict: (verdict != "better", verdict != "worse"))
    lost = dict.fromkeys(words for pair in pairs for words in pair["verdict"].split("; ")[1:])
    left_out = f" Left out of this: {listed(list(lost))}." if lost else ""
    return f"{where}, " + "; ".join(_group(verdict, groups[verdict]) for verdict in order) + "." + left_out


def _group(verdict: str, pairs: Sequence[Values]) -> str:
    """Return what one verdict says of the variants that share it."""
    names, baseline = listed([pair["variant"] for pair in pairs]), pairs[0]["baseline"]
    are = "is" if len(pairs) == 1 else "are"
    if verdict in ("better", "worse"):
        sized = listed([f"{pair['variant']} ({points(pair['difference'], 1)} points)" for pair in pairs])
        return f"{sized} {are} {verdict} than {baseline}"
    if verdict == "identical":
        return f"{names} {are} identical to {baseline}, right and wrong on the same test images in every seed"
    if verdict.startswith("not distinguishable"):
        return f"{names} {are} {verdict.replace('distinguishable', f'distinguishable from {baseline}', 1)}"
    if verdict.startswith("one seed"):
        return f"one seed gives no verdict on {names} against {baseline}"
    return f"{names} cannot be compared with {baseline}: {verdict}"


def needed(values: Values, noise: float) -> str:
    """Return what it would take to see a difference of one point where none was seen; empty where that is not known."""
    pairs = [pair for pair in values["pairs"] if pair["label_noise"] == noise and pair["n"]]
    if pairs and all(pair["n"] == 1 for pair in pairs):
        return "One seed shows no spread: intervals and verdicts need --seeds 2 or more, and 5 to see much."
    open_ones = [pair for pair in pairs if pair["verdict"].startswith("not distinguishable")]
    seeds = {pair["variant"]: pair["seeds_for_one_point"] for pair in open_ones if pair["seeds_for_one_point"]}
    enough = [f"{number:,} for {variant}" for variant, number in seeds.items()]
    beyond = [pair["variant"] for pair in open_ones if pair["more_images_needed"]]
    parts = [f"about this many seeds: {listed(enough)}"] if enough else []
    if beyond:
        names = listed(beyond) if len(beyond) <= 3 else "the others" if enough else "all of them"
        parts.append(f"more test images for {names}: no number of seeds would do on these {values['test_images']:,}")
    if not parts:
        return ""
    baseline = values["plan"]["baseline"]
    return f"To see a difference of 1 point to {baseline} takes {'; '.join(parts)} (80 % power at the 5 % level)."
