"""The model card: what a model was trained on, by which recipe, how good it was found, and what it cannot do."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tudui.config import Config
from tudui.config.data_sets import FOLDER
from tudui.config.load import flatten
from tudui.config.loss_spec import loss_spec
from tudui.config.network_spec import network_spec
from tudui.data.torchvision_sets import SETS
from tudui.events import Evaluated
from tudui.exported import Description
from tudui.inference.history import History, without_paths
from tudui.inference.loading import loading_code
from tudui.text import markdown_text, printable
from tudui.weights import Weights

MAX_ROWS = 100  # of the table of classes; with more, the least accurate
LEAST = 20
MAX_WARNINGS = 20
PATHS = ("train.init_from", "data.noise_matrix", "data.noise_manifest")  # of which only the name is told
UNTOLD = ("log.", "checkpoint.", "device", "expect", "data.name", "data.dir", "data.cache", "data.on_bad_image")

Lines = Iterator[str]


def model_card(
    weights: Weights,
    description: Description,
    config: Config | None,
    history: History,
    *,
    format: str,
    out: Path,
    file: Sequence[str],
    best: bool,
) -> str:
    """Return the Markdown of a card; `config` is None for weights that come without their run.

    `file` says of the exported file what only its writer knows, a line each; `best`, that validation chose the weights.
    """
    sections = (
        _head(weights, out, file, description),
        _data(weights, config, history),
        _recipe(config, history),
        _accuracy(config, history, best=best),
        _limits(weights, config, history),
        _rest(weights, format, out),
    )
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _head(weights: Weights, out: Path, file: Sequence[str], description: Description) -> Lines:
    parameters = sum(tensor.numel() for tensor in weights.tensors.values())
    yield f"# {markdown_text(out.stem)}"
    yield ""
    yield f"A network that puts a picture into one of {weights.number_of_classes} classes ({parameters:,} parameters)."
    yield ""
    yield f"- file: {markdown_text(out.name)}, by Tudui {description.version}"
    yield f"- made from: {markdown_text(description.origin)}{_epochs(weights)}"
    yield from (f"- {line}" for line in file)
    network = network_spec(weights.network.name)
    yield f"- network: {markdown_text(network.name)}, {markdown_text(network.title)}"
    yield f"- input: {description.input}"
    yield f"- mean {_numbers(description.mean)}; std {_numbers(description.std)}"
    if weights.preparation is None:
        yield "- how pixels were prepared in training is **not known**: [0, 1] is assumed, as in the course's scripts"


def _epochs(weights: Weights) -> str:
    return "" if weights.epoch is None else f", the weights after epoch {weights.epoch}"


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def _data(weights: Weights, config: Config | None, history: History) -> Lines:
    yield "## Data"
    yield ""
    if config is None:
        yield "**Not known**: the weights came without their run, so what they were trained on is not told here."
    else:
        name = config.data.name
        shown = f"{FOLDER}{Path(name.removeprefix(FOLDER)).name}" if name.startswith(FOLDER) else name
        yield f"- data set: {markdown_text(shown)}"
        if history.images:
            yield f"- images: {', '.join(f'{count:,} {split}' for split, count in history.images.items())}"
        yield f"- fingerprint (sha256 of classes, labels and some 500 images of each split): {weights.data}"
        noise = config.data.label_noise
        if noise:
            kind = config.data.noise_kind
            yield f"- **wrong labels on purpose** ({kind}): {noise:g} of those of training and validation, none in test"
        elif config.data.noise_manifest:
            yield "- **wrong labels on purpose** in training and validation, those of another run; none in test"
    names = weights.class_names[:MAX_ROWS]
    more = f", and {weights.number_of_classes - MAX_ROWS:,} more" if weights.number_of_classes > MAX_ROWS else ""
    yield f"- classes: {', '.join(markdown_text(name) for name in names)}{more}"
    if weights.classes is None:
        yield "- the names of the classes are **not known**; these were made up, in the order of the outputs"
    if config and history.warnings:
        yield "- what the run said:"
        for message in history.warnings[:MAX_WARNINGS]:
            yield f"    - {markdown_text(without_paths(message, config)[:400])}"
        if len(history.warnings) > MAX_WARNINGS:
            yield f"    - and {len(history.warnings) - MAX_WARNINGS} more"


def _recipe(config: Config | None, history: History) -> Lines:
    yield "## Recipe"
    yield ""
    if config is None:
        yield "**Not known**: neither loss nor settings are told by the file."
        return
    spec = loss_spec(config.loss.name)
    yield f"Loss: {markdown_text(spec.title)}, {markdown_text(spec.formula)}; form {config.loss.form}."
    yield ""
    yield "| setting | value |"
    yield "| :--- | :--- |"
    for key, value in flatten(config).items():
        if not key.startswith(UNTOLD):
            told = Path(value).name if key in PATHS and value else value
            yield f"| {key} | {markdown_text(_setting(told))} |"
    if history.result:
        hardware = history.result.hardware
        where = f"{hardware.gpu or hardware.cpu}, {hardware.threads} threads, {hardware.precision}"
        versions = ", ".join(f"{name} {number}" for name, number in history.result.versions.items())
        yield ""
        yield f"Computed on {markdown_text(where)}; {markdown_text(versions)}."


def _setting(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _accuracy(config: Config | None, history: History, *, best: bool) -> Lines:
    yield "## Accuracy"
    yield ""
    test = history.test
    if config is None:
        yield "**Not known**: measure it on images that the network has never seen, with `tudui evaluate`."
        return
    if test is None or test.images == 0:
        yield f"**Not known**: {history.unknown}. `tudui evaluate` measures them."
        return
    yield f"**Test accuracy {_share(_hits(test), test.images)}**. The interval is Wilson's; it holds for the"
    yield "draw of test images alone."
    yield ""
    yield f"- protocol: {_protocol(config)}"
    chosen = "those of the epoch with the best validation accuracy" if best else "those of the last epoch"
    yield f"- weights: {chosen} ({test.epoch}), scored once, when the run had ended"
    yield f"- n = 1: one run with seed {config.seed}. Another seed gives other weights and another accuracy; how far"
    yield "  they spread is not in the interval, and is measured by `tudui compare-losses`"
    if history.validation:
        validation = history.validation
        caution = "; these weights were chosen by it, so it is too high" if best else ""
        wrong = " (its labels are partly wrong on purpose)" if config.data.has_wrong_labels else ""
        yield f"- validation accuracy: {_share(_hits(validation), validation.images)}{wrong}{caution}"
    ece, nll = test.scores["ece"], test.scores["nll"]
    yield f"- calibration on the test images: expected error {ece:.4f} over 15 bins (0 is perfect; do not trust the"
    yield f"  probabilities beyond this error), NLL {nll:.4f}"
    if config.precision != "fp32":
        yield f"- the run computed in {config.precision}; what loads this file may compute in fp32 and differ slightly"
    yield ""
    yield from _classes(test)


def _protocol(config: Config) -> str:
    if config.data.name == "digits":
        held = "a stratified fifth of the digits, the same for every seed"
    elif config.data.name in SETS:
        held = f"the official test images of {config.data.name}"
    else:
        held = "the data set's own test images; where it has none, a stratified fifth, the same for every seed"
    return (
        f"{held}. The run trained on none of them and chose no weights by them; "
        f"whether people chose its settings by them, it cannot know"
    )


def _hits(line: Evaluated) -> int:
    return sum(row[index] for index, row in enumerate(line.details["confusion"]))


def _share(hits: int, images: int) -> str:
    """Return a share with its 95 % interval (Wilson 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(hits, images).proportion_ci(0.95, method="wilson")
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * hits / images:.2f} % ({hits:,} of {images:,}; 95 % interval {low:.1f} to {high:.1f} %)"


def _classes(test: Evaluated) -> Lines:
    confusion = test.details["confusion"]
    names = [markdown_text(name) for name in test.details["per_class_accuracy"]]
    rows = [(index, row[index], sum(row)) for index, row in enumerate(confusion) if sum(row)]
    if len(rows) > MAX_ROWS:
        rows = sorted(rows, key=lambda row: row[1] / row[2])[:LEAST]
        yield f"The {LEAST} least accurate of {len(names)} classes:"
        yield ""
    yield "| class | test accuracy | most often taken for |"
    yield "| :--- | :--- | :--- |"
    for index, hits, images in rows:
        others = {other: count for other, count in enumerate(confusion[index]) if other != index and count}
        worst = max(others, key=lambda other: others[other], default=None)
        taken = "" if worst is None else f"{names[worst]} ({others[worst]})"
        yield f"| {names[index]} | {_share(hits, images)} | {taken} |"


def _limits(weights: Weights, config: Config | None, history: History) -> Lines:
    _, height, width = weights.shape.input
    yield "## Limits"
    yield ""
    yield f"- It sees {width} x {height} pixels: a picture is scaled until it covers them, and its centre is cut out."
    yield "- It knows its classes only. A picture of anything else is put into one of them as well, often with a high"
    yield "  probability; nothing in the file tells such a picture from others."
    yield "- Its accuracy holds for pictures made as those of the test were. Other cameras, sizes, crops or times are"
    yield "  other data, on which it has to be measured again."
    if config is not None:
        yield "- It is one run with one seed, not the best or the mean of several."
        if config.data.has_wrong_labels:
            yield "- It was trained on labels that are partly wrong, on purpose: for comparing losses, not for use."
    if history.test and history.test.images < 1000:
        yield f"- The test is small ({history.test.images} images): look at the interval and not at the accuracy alone."
    yield "- The labels of the test images were taken to be right; those of most data sets are not all."


def _rest(weights: Weights, format: str, out: Path) -> Lines:
    code = loading_code(format, printable(out.name), weights)
    yield "## Licence"
    yield ""
    yield "Not stated. Whoever hands this file on says under which terms, and whether the images' own terms allow it."
    yield ""
    yield "## Loading it"
    yield ""
    if code is None:
        yield f"With Tudui and the package of the network {weights.network.name}: `tudui predict FILE IMAGE`."
        return
    if format != "onnx":
        yield "With Tudui: `tudui predict FILE IMAGE`. Without it:"
        yield ""
    yield "```python"
    yield code.rstrip()
    yield "```"
