"""The network as an ONNX file, from bytes to probabilities; and the logits that onnxruntime computes."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tudui.errors import UsageError
from tudui.exported import KEY, Description
from tudui.weights import Weights

OPSET, IR = 17, 8  # of 2022, so that older runtimes can read the file
BATCH = "batch"  # name of the axis of variable length


def require_onnx() -> tuple[ModuleType, ModuleType]:
    """Return onnx and onnxruntime; UsageError if one is not installed."""
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise UsageError(f"--format onnx: {error.name} is not installed; pip install onnx onnxruntime") from None
    return onnx, onnxruntime


def onnx_bytes(weights: Weights, description: Description) -> bytes:
    """Return a file whose input is images uint8 [N, 3, H, W]; outputs: logits and probabilities, float32 [N, K]."""
    onnx, _ = require_onnx()
    helper, types = onnx.helper, onnx.TensorProto
    nodes: list[Any] = []

    def then(operation: str, *others: str, output: str | None = None, **settings: Any) -> None:
        before = nodes[-1].output[0] if nodes else "images"
        name = output or f"{operation.lower()}{len(nodes)}"
        nodes.append(helper.make_node(operation, [before, *others], [name], **settings))

    then("Cast", output="pixels", to=types.FLOAT)
    then("Div", "white")
    then("Sub", "mean")
    then("Div", "std")
    model = weights.model()
    for layer, module in model.named_children() if isinstance(model, nn.Sequential) else [("", model)]:
        operation, settings = _operation(module)
        then(operation, *(f"{layer}.{name}" for name, _ in module.named_parameters()), **settings)
    nodes[-1].output[0] = "logits"
    then("Softmax", axis=1, output="probabilities")
    constants = {
        "white": np.array(255, np.float32),
        "mean": np.array(description.mean, np.float32).reshape(3, 1, 1),
        "std": np.array(description.std, np.float32).reshape(3, 1, 1),
        **{name: tensor.numpy() for name, tensor in weights.tensors.items()},
    }
    shape, tensor_info = [BATCH, weights.number_of_classes], helper.make_tensor_value_info
    inputs = [tensor_info("images", types.UINT8, [BATCH, *weights.shape.input])]
    outputs = [tensor_info(name, types.FLOAT, shape) for name in ("logits", "probabilities")]
    values = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "tudui", inputs, outputs, values)
    producer = {"producer_name": "tudui", "producer_version": description.version}
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR, **producer)
    helper.set_model_props(whole, {KEY: description.text()})
    onnx.checker.check_model(whole, full_check=True)
    content: bytes = whole.SerializeToString()
    return content


def _operation(module: nn.Module) -> tuple[str, dict[str, Any]]:
    """Return ONNX's name and settings of a layer; UsageError if the course's network has no such layer."""
    match module:
        case nn.Conv2d(padding_mode="zeros", groups=1, dilation=(1, 1), padding=(down, across)):
            pads = [down, across, down, across]
            return "Conv", {"kernel_shape": module.kernel_size, "strides": module.stride, "pads": pads}
        case nn.MaxPool2d(padding=0, dilation=1, ceil_mode=False, kernel_size=int(side), stride=int(stride)):
            return "MaxPool", {"kernel_shape": [side, side], "strides": [stride, stride]}
        case nn.Flatten(start_dim=1, end_dim=-1):
            return "Flatten", {"axis": 1}
        case nn.Linear():
            return "Gemm", {"transB": 1}
    raise UsageError(
        f"--format onnx: supports a chain of convolutions, max pooling and linear layers, and no "
        f"{type(module).__name__}; take --format safetensors"
    )


def onnx_logits(path: Path, images: Tensor) -> Tensor:
    """Return the logits [N, K] that onnxruntime computes on the CPU from images uint8 [N, 3, H, W]."""
    _, onnxruntime = require_onnx()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": images.numpy()})
    return torch.from_numpy(logits)
