"""The model card: training data, recipe, measured accuracy and limits of an exported model."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tudui.config import Config
from tudui.config.data_sets import path_in
from tudui.config.load import flatten
from tudui.config.loss_spec import loss_spec
from tudui.config.network_spec import network_spec
from tudui.config.own_code import OwnCode
from tudui.data.torchvision_sets import SETS
from tudui.events import Evaluated
from tudui.exported import Description
from tudui.inference.history import History, without_paths
from tudui.inference.loading import loading_code
from tudui.inference.number_card import error_lines, scaling_lines
from tudui.losses import in_unit
from tudui.tasks import Numbers
from tudui.tasks.classes import confusion_rows
from tudui.tasks.metric import wilson
from tudui.text import markdown_text, printable
from tudui.weights import Weights

MAX_ROWS = 100  # of the table of classes; with more, only the LEAST accurate
LEAST = 20
MAX_WARNINGS = 20
# the card shows their names only
PATHS = ("train.init_from", "data.labels", "data.noise_matrix", "data.noise_manifest", "data.outlier_manifest")
LEFT_OUT = ("log.", "checkpoint.", "device", "expect", "data.name", "data.dir", "data.cache", "data.on_bad_image")

Lines = Iterator[str]


def model_card(
    weights: Weights,
    description: Description,
    config: Config | None,
    history: History,
    *,
    format: str,
    out: Path,
    about_file: Sequence[str],
    best: bool,
) -> str:
    """Return the Markdown of a card; `config` is None for weights without their run.

    `about_file` has lines that only the writer of the file knows; with `best`, validation chose the weights.
    """
    sections = {
        f"# {markdown_text(out.stem)}": _head(weights, out, about_file, description, format),
        "## Data": _data(weights, config, history),
        "## Recipe": _recipe(weights, config, history),
        "## Accuracy": _accuracy(weights, config, history, best=best),
        "## Limits": _limits(weights, config, history),
        "## Licence": ["Not stated. Before you share this file, choose its terms and check those of the data."],
        "## Loading it": _loading(weights, format, out),
    }
    return "\n\n".join("\n".join([title, "", *lines]) for title, lines in sections.items()) + "\n"


def _head(weights: Weights, out: Path, about_file: Sequence[str], description: Description, format: str) -> Lines:
    parameters = sum(tensor.numel() for tensor in weights.tensors.values())
    epoch = "" if weights.epoch is None else f", the weights after epoch {weights.epoch}"
    name, title = weights.network.name, network_spec(weights.network.name).title
    if isinstance(weights.network, OwnCode):
        title = f"of the file {name.partition(':')[0]} with sha256 {weights.network.code}"
    mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (description.mean, description.std))
    inputs = "images" if len(weights.shape.input) == 3 else "rows of a table"
    if isinstance(weights.task, Numbers):
        names = ", ".join(map(markdown_text, weights.task.names))
        yield f"A network that predicts {names} from {inputs} ({parameters:,} parameters)."
    else:
        number = weights.number_of_classes
        yield f"A network that classifies {inputs} into {number} classes ({parameters:,} parameters)."
    yield ""
    yield f"- file: {markdown_text(out.name)}, by Tudui {description.version}"
    yield f"- made from: {markdown_text(description.origin)}{epoch}"
    yield from (f"- {line}" for line in about_file)
    yield f"- network: {markdown_text(name)}, {markdown_text(title)}"
    yield f"- input: {description.input}"
    yield f"- mean {mean}; std {std}"
    if weights.features:
        yield f"- features, in this order: {', '.join(map(markdown_text, weights.features[:MAX_ROWS]))}"
    if any("=" in name for name in weights.features):
        yield "- COLUMN=TEXT is 1 in rows where the column has this text, else 0"
    if description.fill:
        yield f"- a missing number (NaN) becomes: {', '.join(f'{value:.4g}' for value in description.fill)}"
    if isinstance(weights.task, Numbers):
        yield from scaling_lines(weights.task, format)
    if weights.preparation is None:
        yield "- how pixels were prepared in training is **not known**: [0, 1] is assumed, as in the course's scripts"


def _data(weights: Weights, config: Config | None, history: History) -> Lines:
    if config is None:
        yield "**Not known**: a weights file does not say what it was trained on."
    else:
        kind, place = path_in(config.data.name)
        yield f"- data set: {markdown_text(kind + Path(place).name if kind else place)}"
        if history.images:
            yield f"- samples: {', '.join(f'{count:,} {split}' for split, count in history.images.items())}"
        yield f"- fingerprint (sha256 of classes, labels and about 500 samples of each split): {weights.data}"
        if config.data.has_wrong_labels:
            found, nominal = history.wrong_labels, f"{config.data.noise_source}, level {config.data.label_noise:g}"
            share = markdown_text(found.text(weights.class_names)) if found else nominal
            yield f"- **wrong labels on purpose** in training and validation: {share}; none in test"
        if history.outliers:
            yield f"- **outliers on purpose** among the targets: {history.outliers.text()}; none in test"
    if not isinstance(weights.task, Numbers):
        yield from _class_names(weights)
    if config and history.warnings:
        yield "- warnings of the run:"
        for message in history.warnings[:MAX_WARNINGS]:
            yield f"    - {markdown_text(without_paths(message, config)[:400])}"
        if len(history.warnings) > MAX_WARNINGS:
            yield f"    - and {len(history.warnings) - MAX_WARNINGS} more"


def _class_names(weights: Weights) -> Lines:
    count = weights.number_of_classes
    more = f", and {count - MAX_ROWS:,} more" if count > MAX_ROWS else ""
    yield f"- classes: {', '.join(map(markdown_text, weights.class_names[:MAX_ROWS]))}{more}"
    if weights.classes is None:
        yield "- the names of the classes are **not known**; these only number the outputs"


def _recipe(weights: Weights, config: Config | None, history: History) -> Lines:
    if config is None:
        yield "**Not known**: a weights file contains neither loss nor settings."
        return
    spec = loss_spec(config.loss.name)
    yield f"Loss: {markdown_text(spec.title)}, {markdown_text(spec.formula)}; form {config.loss.form}."
    yield ""
    residuals = in_unit(config.loss, weights.task) if weights.task else {}
    yield "| setting | value |"
    yield "| :--- | :--- |"
    for key, value in flatten(config).items():
        if not key.startswith(LEFT_OUT):
            shown = _setting(Path(value).name if key in PATHS and value else value)
            of_loss = key.removeprefix("loss.")
            more = f" ({residuals[of_loss]})" if key.startswith("loss.") and of_loss in residuals else ""
            yield f"| {key} | {markdown_text(shown + more)} |"
    if history.result:
        hardware = history.result.hardware
        machine = f"{hardware.gpu or hardware.cpu}, {hardware.threads} threads, {hardware.precision}"
        versions = ", ".join(f"{name} {number}" for name, number in history.result.versions.items())
        yield ""
        yield f"Computed on {markdown_text(machine)}; {markdown_text(versions)}."


def _setting(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _accuracy(weights: Weights, config: Config | None, history: History, *, best: bool) -> Lines:
    test, validation = history.test, history.validation
    if config is None or test is None or test.images == 0:
        unknown = history.unknown if config else "a weights file contains no accuracy"
        yield f"**Not known**: {unknown}. Measure it on data that is new to the network, with `tudui evaluate`."
        return
    protocol, chosen = _protocol(config), "the best validation score" if best else ""
    if isinstance(weights.task, Numbers):
        yield from error_lines(weights.task, history, protocol=protocol, chosen=chosen, seed=config.seed)
        return
    yield f"**Test accuracy {_share(_hits(test), test.images)}**. The interval (Wilson) covers only the random choice"
    yield "of test samples."
    yield ""
    yield f"- protocol: {protocol}"
    chosen = "those of the epoch with the best validation accuracy" if best else "those of the last epoch"
    yield f"- weights: {chosen} ({test.epoch}), scored once, when the run had ended"
    yield f"- n = 1: one run with seed {config.seed}. Other seeds give other accuracies; this spread is not in the"
    yield "  interval. `tudui compare-losses` measures it."
    if validation:
        caution = "; these weights were chosen by it, so it is too high" if best else ""
        wrong = " (its labels are partly wrong on purpose)" if config.data.has_wrong_labels else ""
        yield f"- validation accuracy: {_share(_hits(validation), validation.images)}{wrong}{caution}"
    ece, nll = test.scores["ece"], test.scores["nll"]
    yield f"- calibration on the test samples: expected error {ece:.4f} over 15 bins (0 is perfect; do not trust the"
    yield f"  probabilities beyond this error), NLL {nll:.4f}"
    if config.precision != "fp32":
        yield f"- the run computed in {config.precision}; a program that loads this file in fp32 may differ slightly"
    yield ""
    yield from _classes(test)


def _protocol(config: Config) -> str:
    if config.data.name == "digits":
        samples = "a stratified fifth of the digits, the same for every seed"
    elif config.data.name in SETS:
        samples = f"the official test samples of {config.data.name}"
    else:
        samples = "the data set's own test samples or, if it has none, a stratified fifth, the same for every seed"
    return (
        f"{samples}. The run neither trained on them nor chose weights by them; people may have chosen settings by them"
    )


def _hits(line: Evaluated) -> int:
    return sum(row[index] for index, row in confusion_rows(line.details).items())


def _share(hits: int, images: int) -> str:
    """Return a share with its 95 % interval (Wilson 1927)."""
    low, high = wilson(hits / images, images)
    return f"{100 * hits / images:.2f} % ({hits:,} of {images:,}; 95 % interval {100 * low:.1f} to {100 * high:.1f} %)"


def _classes(test: Evaluated) -> Lines:
    names = [markdown_text(name) for name in test.details["per_class_accuracy"]]
    rows = sorted(confusion_rows(test.details).items())
    if len(rows) > MAX_ROWS:
        rows = sorted(rows, key=lambda item: item[1][item[0]] / item[1].total())[:LEAST]
        yield f"The {LEAST} least accurate of {len(names)} classes:\n"
    yield "| class | test accuracy | most often predicted as |"
    yield "| :--- | :--- | :--- |"
    for index, row in rows:
        count, other = max(((count, -other) for other, count in row.items() if other != index), default=(0, 0))
        wrong = f"{names[-other]} ({count})" if count else ""
        yield f"| {names[index]} | {_share(row[index], row.total())} | {wrong} |"


def _limits(weights: Weights, config: Config | None, history: History) -> Lines:
    if isinstance(weights.task, Numbers):
        yield "- It gives a number for any input, also for one that is unlike all of the training, and no error bar."
        if history.outliers:
            yield "- Some training targets were wrong on purpose: use it to compare losses, not in practice."
        return
    if len(weights.shape.input) == 3:
        _, height, width = weights.shape.input
        yield f"- Its input is {width} x {height} pixels: images are scaled to cover them, and the centre is cut out."
        yield "- Its accuracy is for images like those of the test. Measure it again for other cameras, sizes or crops."
    yield "- It knows its classes only. It assigns an input of anything else to one of them, often with a high"
    yield "  probability, and cannot detect such an input."
    if config is not None:
        yield "- It is one run with one seed, not the best or the mean of several."
        if config.data.has_wrong_labels:
            yield "- Some training labels were wrong on purpose: use it to compare losses, not in practice."
    if history.test and history.test.images < 1000:
        yield f"- The test is small ({history.test.images} samples): read the interval, not only the accuracy."
    yield "- The test labels were assumed to be right; most data sets contain some wrong ones."


def _loading(weights: Weights, format: str, out: Path) -> Lines:
    code, name = loading_code(format, printable(out.name), weights), weights.network.name
    if format != "onnx":
        own = isinstance(weights.network, OwnCode)
        of_others = not network_spec(name).build.__module__.startswith("tudui.")
        package = f" and the package of the network {name}" if of_others else ""
        flag = f" --network PATH/TO/{name}" if own else ""
        what = "TABLE.csv" if weights.features else "IMAGE"
        yield f"With Tudui{package}: `tudui predict FILE {what}{flag}`."
        executed = f", in the folder of {name.partition(':')[0]}, which this executes" if own else ""
        yield f"Without it{executed}:\n" if code else "Without it: export the network with `--format onnx`."
    if code:
        yield from ("```python", code.rstrip(), "```")
