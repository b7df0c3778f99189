"""How the comparison was made, and how its numbers are to be read."""

from tudui.config.dump import yaml_text
from tudui.report.document import Block, Bullets, Code, Folded, Heading, Paragraph
from tudui.report.tables import differing_table, hashes_table
from tudui.report.words import Values, counted, listed

RATES = {
    "recipe": "Not held equal: the learning rate. Each loss has its recipe's, chosen beforehand on validation images.",
    "same": "Held equal as well: the learning rate, which suits some losses better than others.",
}


def held_equal(values: Values) -> str:
    """Return one sentence on what the runs of one seed shared, as the hashes show it."""
    differing = {
        name for hashes in values["hashes"].values() for name, seen in hashes.items() if isinstance(seen, list)
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
    sets = counted(len(values["hashes"]), "set")
    return f"Held equal for one seed, whatever the loss: {names}; sha256 shows it for {sets} of runs."


def rates_words(values: Values) -> str:
    """Return in one or two sentences by which learning rates the losses were trained."""
    plan = values["plan"]
    if plan["lr"] != "tuned":
        return RATES[plan["lr"]]
    grid, seeds = ", ".join(f"{rate:g}" for rate in plan["rates"]), plan["tuning_seeds"]
    return (
        f"Not held equal: the learning rate. Each loss and noise level has the best of {grid} by validation accuracy, "
        f"all with the same budget, on {counted(seeds, 'seed')} {'that is' if seeds == 1 else 'that are'} not reported."
    )


def protocol(values: Values) -> list[Block]:
    """Return the section on the protocol."""
    return [
        Heading("Protocol"),
        Heading("What was held equal, and what was not", 3),
        Bullets(
            [
                held_equal(values),
                rates_words(values),
                "Everything else but the loss section is the same in every run: the settings below.",
            ]
        ),
        differing_table(values),
        Folded("Settings of every run", [Code(yaml_text(values["plan"]["base"]))]),
        Folded("Hashes of what the runs began from", [hashes_table(values)]),
        Paragraph("The hashes in full, and every number of this report, are in comparison.json."),
        Heading("How to read the numbers", 3),
        Bullets(_reading(values)),
    ]


def _reading(values: Values) -> list[str]:
    noisy = any(values["plan"]["label_noise"]) or values["plan"]["base"]["data"]["noise_manifest"]
    validation = values["plan"]["base"]["data"]["validation"]
    constant = any(pair["n"] and pair["constant"] for pair in values["pairs"])
    selected = (
        "The weights selected on validation stand beside it."
        if validation
        else "There was no validation split, so that the selected weights are the last."
    )
    return [
        f"The headline is the accuracy of the last weights: it needs no selection, so that no loss can gain by a lucky "
        f"epoch. {selected} The test images were read once per run for the last weights and once for the selected.",
        *(["Validation labels are as noisy as training labels; test labels are right."] if noisy else []),
        "Differences are variant minus baseline in percentage points, paired seed by seed and image by image.",
        "An interval of 95 % covers other seeds and other test images of the same kind. “Over seeds only” takes these "
        "test images as given: it says what more seeds would show on them, not how the losses compare in general.",
        "p is the paired t test over seeds on these test images; p Holm is corrected for the number of variants at one "
        "noise level. No interval is corrected, and nothing is corrected across noise levels.",
        *(["Where every seed has the same difference, p is that of the exact sign-flip test."] if constant else []),
        "“Better” and “worse” need both: p Holm below 0.05, and an interval over seeds and test images without 0. "
        "“Identical” is right and wrong on the same test images in every seed. “Not distinguishable” is not “equal”: "
        "the interval says how large a difference may still be.",
        "± is the standard deviation over seeds; with one seed there is neither deviation nor interval.",
        "A run that diverged is left out of means and pairs, which flatters its loss; the column of seeds says so.",
    ]
