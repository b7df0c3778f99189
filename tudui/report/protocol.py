"""How the comparison was made, and how its numbers are to be read."""

from tudui.comparison.outcome import Comparison, settings_of_every_run
from tudui.config.dump import yaml_text
from tudui.report.document import Block, Bullets, Code, Folded, Heading, Paragraph
from tudui.report.tables import differing_table, hashes_table
from tudui.report.words import counted, listed

RATES = {
    "recipe": "Not held equal: the learning rate. Each loss has its recipe's, chosen beforehand on validation images.",
    "same": "Held equal as well: the learning rate, which suits some losses better than others.",
}


def held_equal(comparison: Comparison) -> str:
    """Return one sentence on what the runs of one seed shared, as the hashes show it."""
    differing = {
        name for hashes in comparison.hashes.values() for name, seen in hashes.items() if isinstance(seen, list)
    }
    shared = {
        "initial_weights": "initial weights",
        "order_and_augmentation": "order and augmentation of the images",
        "labels": "labels (the wrong ones too)",
        "test": "test images",
        "data": "images",
    }
    if differing:
        names = listed([shared.get(name, name) for name in sorted(differing)])
        return f"NOT held equal, though they should be: {names} differ between losses of the same seed."
    names = listed([words for name, words in shared.items() if name != "data"])
    sets = counted(len(comparison.hashes), "set")
    return f"Held equal for one seed, whatever the loss: {names}; sha256 shows it for {sets} of runs."


def rates_words(comparison: Comparison) -> str:
    """Return in one or two sentences by which learning rates the losses were trained."""
    plan, first = comparison.plan.comparison, comparison.task.metrics[0]
    if plan.lr != "tuned":
        return RATES[plan.lr]
    grid, seeds = ", ".join(f"{rate:g}" for rate in plan.rates), plan.tuning_seeds
    return (
        f"Not held equal: the learning rate. Each loss and noise level has the best of {grid} by validation "
        f"{first.title}, all with the same budget, on {counted(seeds, 'seed')} "
        f"{'that is' if seeds == 1 else 'that are'} not reported."
    )


def protocol(comparison: Comparison) -> list[Block]:
    """Return the section on the protocol."""
    return [
        Heading("Protocol"),
        Heading("What was held equal, and what was not", 3),
        Bullets(
            [
                held_equal(comparison),
                rates_words(comparison),
                "Everything else but the loss section is the same in every run: the settings below.",
            ]
        ),
        differing_table(comparison),
        Folded("Settings of every run", [Code(yaml_text(settings_of_every_run(comparison.plan)))]),
        Folded("Hashes of what the runs began from", [hashes_table(comparison)]),
        Paragraph("The hashes in full, and every number of this report, are in comparison.json."),
        Heading("How to read the numbers", 3),
        Bullets(_reading(comparison)),
    ]


def _reading(comparison: Comparison) -> list[str]:
    data, metric = comparison.plan.base.data, comparison.metric
    noisy = any(comparison.noise_levels) or data.noise_manifest
    constant = any(pair.found and pair.found.constant for pair in comparison.pairs)
    unit = f" in {metric.unit.difference}" if metric.unit.difference else ""
    selected = (
        "The weights selected on validation stand beside it."
        if data.validation
        else "There was no validation split, so that the selected weights are the last."
    )
    return [
        f"The headline is the {metric.title} of the last weights: it needs no selection, so that no loss can gain by a "
        f"lucky epoch. {selected} The test images were read once per run for the last weights and once for the "
        f"selected.",
        *(["Validation labels are as noisy as training labels; test labels are right."] if noisy else []),
        f"Differences are variant minus baseline{unit}, paired seed by seed and image by image.",
        "An interval of 95 % covers other seeds and other test images of the same kind. “Over seeds only” takes these "
        "test images as given: it says what more seeds would show on them, not how the losses compare in general.",
        "p is the paired t test over seeds on these test images; p Holm is corrected for the number of variants at one "
        "noise level. No interval is corrected, and nothing is corrected across noise levels.",
        *(["Where every seed has the same difference, p is that of the sign-flip test."] if constant else []),
        *([f"Lower {metric.title} is better."] if metric.better == "less" else []),
        "“Better” and “worse” need both: p Holm below 0.05, and an interval over seeds and test images without 0. "
        "“Identical” is the same value on every test image in every seed. “Not distinguishable” is not “equal”: "
        "the interval says how large a difference may still be.",
        "± is the standard deviation over seeds; with one seed there is neither deviation nor interval.",
        "Diverged runs are excluded, which makes their loss look better than it is; the seeds column shows how many.",
    ]
