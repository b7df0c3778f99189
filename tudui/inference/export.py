"""Export: write a model in one of three formats; read it back and compare before the file gets its name."""

import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from tudui.config import Config, config_from
from tudui.data import Preparation, load_data
from tudui.data.torchvision_sets import would_be_fetched
from tudui.errors import TuduiError, UsageError, WeightsError
from tudui.exported import FORMAT, KEY, Description, safetensors_bytes
from tudui.files import disk_errors, write_text, written_aside
from tudui.inference.history import history_of
from tudui.inference.model_card import model_card
from tudui.inference.onnx_file import onnx_bytes, onnx_outputs, require_onnx
from tudui.inference.scores import known_of
from tudui.tasks import Numbers
from tudui.text import printable
from tudui.training.network import Network
from tudui.weights import Weights, read_weights

FORMATS = {".safetensors": "safetensors", ".onnx": "onnx", ".pt": "torch", ".pth": "torch"}  # by ending
TOLERANCE = 1e-4  # of the largest logit: fp32 on a CPU, sums in another order
IMAGES, PIXELS = 256, 256 * 32 * 32  # for the comparison: at most; fewer of more pixels, but 16


@dataclass(frozen=True)
class Check:
    """The difference between the exported weights and the written file, read back."""

    images: int
    of: str  # kind of images
    difference: float  # largest, of a logit or a predicted value
    largest: float  # absolute logit or value
    what: str = "logits"
    tolerance: float = TOLERANCE  # of the largest logit

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.difference <= self.tolerance * self.largest


@dataclass(frozen=True)
class Export:
    """The written files and their check."""

    path: Path
    card: Path
    format: str
    size: int  # bytes
    check: Check
    notes: tuple[str, ...]


def place_of(source: Path, out: Path | None, format: str | None) -> tuple[Path, str]:
    """Return the file to write and its format; a missing one follows from the other. UsageError if they differ."""
    if format is None:
        format = FORMATS.get(out.suffix.lower() if out else ".safetensors")
        if format is None:
            raise UsageError(f"--out {out}: must end with {', '.join(FORMATS)}; or add --format")
    endings = [ending for ending, name in FORMATS.items() if name == format]
    if out is None:
        name = source.resolve().name if source.is_dir() else source.stem
        out = Path((re.sub(r"[^\w+.-]+", "-", name).lstrip("-.") or "model") + endings[0])
    elif out.suffix.lower() not in endings:
        raise UsageError(f"--out {out}: the ending of format {format} is {' or '.join(endings)}")
    return out, format


def card_of(out: Path) -> Path:
    """Return the path of the model card of an exported file."""
    return out.with_name(f"{out.name}.md")


def export_model(source: Path, out: Path, *, format: str, best: bool = False) -> Export:
    """Write the weights of a run or file, and their card; WeightsError if the file, read back, gives other logits."""
    if format == "onnx":
        require_onnx()
    weights = read_weights(source, best=best)
    description, history = describe(weights, source), history_of(source, weights)
    config = config_from(weights.config, weights.origin) if weights.config else None
    images, of, notes = _images_to_check(config, weights)
    notes += [weights.note] if weights.note else []
    if history.problem:
        notes.append(f"the card says nothing of accuracy, because {history.problem}")
    batches = [part for part in images.tensor_split([1, 8]) if len(part)]  # of 1, 7 and the rest
    expected = outputs_of(weights, description.preparation, batches)
    content = _content(format, weights, description)
    with written_aside(out) as file:
        with disk_errors(out):
            file.write(content)
            file.flush()
        found = (onnx_outputs if format == "onnx" else _outputs_in)(Path(file.name), batches)
        what = "values" if weights.what == "numbers" else "logits"
        check = Check(len(images), of, float((found - expected).abs().max()), float(expected.abs().max()), what)
        if not check.passed:
            raise WeightsError(
                f"{out}: not written: read back, its {check.what} differ by up to {check.difference:.2g} "
                f"(allowed: {TOLERANCE:g} of the largest, {check.largest:.3g}); try another --format"
            )
    card = card_of(out)
    about_file = (
        f"sha256: {hashlib.sha256(content).hexdigest()}",
        f"checked: read back on {check.images} {check.of}; its {what} differ by at most {check.difference:.2g} "
        f"(the largest is {check.largest:.3g})",
    )
    text = model_card(weights, description, config, history, format=format, out=out, about_file=about_file, best=best)
    write_text(card, text)
    return Export(out, card, format, len(content), check, tuple(notes))


def describe(weights: Weights, source: Path) -> Description:
    """Return the description of weights; WeightsError if a name contains control characters."""
    preparation = weights.preparation or Preparation()
    file = Path(weights.origin).name
    origin = f"{source.resolve().name}/checkpoints/{file}" if source.is_dir() else source.name
    values = {
        "format": FORMAT, "origin": printable(origin)[:255], "classes": weights.class_names,
        "mean": preparation.mean, "std": preparation.std, "fill": preparation.fill,
        "network": weights.network.model_dump(mode="json"),
        "image": weights.shape.input, "input": _input_words(weights), "features": weights.features,
        "task": weights.task.about() if isinstance(weights.task, Numbers) else {},
    }  # fmt: skip
    return Description.read(values, source)


def _input_words(weights: Weights) -> str:
    if len(weights.shape.input) == 1:
        return f"float32, {weights.shape.input[0]} features; prepared as (value - mean) / std per feature"
    _, height, width = weights.shape.input
    return f"uint8 RGB, {width} x {height}; prepared as (pixel / 255 - mean) / std per channel"


def outputs_of(weights: Weights, preparation: Preparation, batches: Sequence[Tensor]) -> Tensor:
    """Return logits, or numbers in the target's unit, [N, K] of batches of images or rows, in fp32 on the CPU."""
    name, outputs = weights.network.name, weights.shape.outputs
    network = Network(weights.model(), preparation, torch.device("cpu"), name, outputs, channels_last=False)
    with torch.inference_mode():
        found = torch.cat([network(images) for images in batches])
        return weights.task.predicted(found) if isinstance(weights.task, Numbers) else found


def _images_to_check(config: Config | None, weights: Weights) -> tuple[Tensor, str, list[str]]:
    """Return test images of the run's data with their kind; if there are none, random bytes and the reason."""
    shape = weights.shape
    count = min(IMAGES, max(16, PIXELS // prod(shape.input[1:])))
    why = "a weights file does not say what it was trained on"
    if config is not None and would_be_fetched(config.data):
        why = f"{config.data.name} is not on this machine"
    elif config is not None:
        try:
            test = load_data(config.data, config.seed, known_of(weights)).test
            rows = test.rows[:: max(1, len(test) // count)][:count]
            kind = shape.samples
            return test.store[rows], f"test {kind} of the run's own data", []
        except TuduiError as error:
            why = str(error).splitlines()[0]
    generator = torch.Generator().manual_seed(0)
    if len(shape.input) == 1:
        return (
            torch.randn(count, *shape.input, generator=generator),
            "rows of random numbers",
            [f"checked on rows of random numbers, because {why}"],
        )
    pixels = torch.randint(256, (count, *shape.input), dtype=torch.uint8, generator=generator)
    return pixels, "images of random bytes", [f"checked on images of random bytes, because {why}"]


def _content(format: str, weights: Weights, description: Description) -> bytes:
    if format == "onnx":
        return onnx_bytes(weights, description)
    if format == "safetensors":
        return safetensors_bytes(weights.tensors, description)
    whole = io.BytesIO()
    torch.save({KEY: description.model_dump(mode="json"), "state_dict": weights.tensors}, whole)
    return whole.getvalue()


def _outputs_in(path: Path, batches: Sequence[Tensor]) -> Tensor:
    weights = read_weights(path)
    assert weights.preparation is not None
    return outputs_of(weights, weights.preparation, batches)
