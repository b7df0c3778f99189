"""A network as an ONNX file, from bytes or rows to probabilities or numbers; and what onnxruntime computes of it."""

import io
import logging
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from tudui.config.own_code import allowed
from tudui.errors import UsageError
from tudui.exported import KEY, Description
from tudui.inference.prepared import Prepared
from tudui.text import in_a_line
from tudui.weights import Weights

OPSET, IR = 18, 8  # of 2022, so that older runtimes can read the file; torch writes no older opset
BATCH = "batch"  # name of the axis of variable length
INSTEAD = "use --format safetensors"


def require_onnx() -> tuple[ModuleType, ModuleType]:
    """Return onnx and onnxruntime; UsageError if one, or the onnxscript that torch needs, is not installed."""
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  # torch's exporter imports it
    except ImportError as error:
        needed = "pip install onnx onnxruntime onnxscript"
        raise UsageError(f"--format onnx: {error.name} is not installed; {needed}") from None
    return onnx, onnxruntime


class _Whole(nn.Module):
    """A prepared network that gives probabilities beside its logits."""

    def __init__(self, prepared: Prepared) -> None:
        super().__init__()
        self.prepared = prepared

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        outputs = self.prepared(inputs)
        return (outputs,) if self.prepared.of_numbers else (outputs, outputs.softmax(1))


def _names(weights: Weights) -> tuple[str, list[str]]:
    """Return the names of the input and of the outputs."""
    outputs = ["values"] if weights.what == "numbers" else ["logits", "probabilities"]
    return weights.shape.samples, outputs


def onnx_bytes(weights: Weights, description: Description) -> bytes:
    """Return a file whose input is images uint8 [N, 3, H, W] or rows float32 [N, F], and whose outputs are `_Whole`'s.

    torch.export traces the network without values and refuses a branch on them; the older TorchScript exporter would
    record one side of it. UsageError if torch cannot translate the network, or only for one N.
    """
    onnx, _ = require_onnx()
    of_images, (inputs, outputs) = len(weights.shape.input) == 3, _names(weights)
    example = torch.zeros(2, *weights.shape.input, dtype=torch.uint8 if of_images else torch.float32)
    try:
        with _quiet():
            program = torch.onnx.export(
                _Whole(Prepared(weights, description.preparation)).eval(), (example,), dynamo=True, verbose=False,
                opset_version=OPSET, input_names=[inputs], output_names=outputs,
                dynamic_shapes=({0: torch.export.Dim(BATCH)},),
            )  # fmt: skip
        assert program is not None
        whole = program.model_proto
        _clear(whole)
        whole.ir_version, whole.graph.name = IR, "tudui"
        whole.producer_name, whole.producer_version = "tudui", description.version
        onnx.helper.set_model_props(whole, {KEY: description.text()})
        onnx.checker.check_model(whole, full_check=True)
        content: bytes = whole.SerializeToString()
    except Exception as error:  # of the user's code, or of a library
        reason = _reason(error)
        raise UsageError(f"--format onnx: cannot translate {weights.network.name}: {reason}; {INSTEAD}") from None
    if whole.graph.input[0].type.tensor_type.shape.dim[0].dim_param != BATCH:
        raise UsageError(f"--format onnx: {weights.network.name} takes one number of {inputs} only; {INSTEAD}")
    return content


def _clear(message: Any) -> None:
    """Remove what the exporter adds to each node, with paths and lines of this machine's files."""
    for field, value in message.ListFields():
        if field.name in ("metadata_props", "doc_string"):
            message.ClearField(field.name)
        elif field.message_type:
            for part in [value] if hasattr(value, "ListFields") else value:
                _clear(part)


def _reason(error: BaseException) -> str:
    """Return the first cause of an error, with the line of the user's own code that it is from."""
    while error.__cause__:
        error = error.__cause__
    own = {file.path for file in allowed()}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in own]
    return "".join(f"{frame.filename}:{frame.lineno}: " for frame in frames[-1:]) + in_a_line(error)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter prints and logs, and its warnings, off the terminal."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        with warnings.catch_warnings(action="ignore"), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def onnx_outputs(path: Path, batches: Sequence[Tensor]) -> Tensor:
    """Return the logits or values [N, K] that onnxruntime computes on the CPU from batches of images or rows."""
    _, onnxruntime = require_onnx()
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        name, first = session.get_inputs()[0].name, session.get_outputs()[0].name
        found = [session.run([first], {name: images.numpy()})[0] for images in batches]
    except Exception as error:  # the library has its own classes
        raise UsageError(f"--format onnx: onnxruntime cannot compute it: {in_a_line(error)}; {INSTEAD}") from None
    return torch.cat([torch.from_numpy(part) for part in found])
