"""Code that loads an exported file without Tudui; docs/handing-on.md shows the same, and a test runs it."""

import json
from typing import Any

from torch import nn

from tudui.networks.families import TORCHVISION, torchvision_arguments
from tudui.networks.own import OwnNetwork
from tudui.networks.own import arguments as arguments_of_own
from tudui.weights import Weights

_IMPORTS = """\
import numpy as np
import torch
from PIL import Image, ImageOps
"""
_PREDICT = """\
NETWORK
network.load_state_dict(tensors)
network.eval()
mean, std = (torch.tensor(about[name]).view(3, 1, 1) for name in ("mean", "std"))
image = ImageOps.fit(Image.open("picture.png").convert("RGB"), (WIDTH, HEIGHT), Image.Resampling.BILINEAR)
pixels = torch.tensor(np.asarray(image)).permute(2, 0, 1)[None]  # uint8 [1, 3, HEIGHT, WIDTH]
with torch.inference_mode():
    probabilities = network((pixels / 255 - mean) / std).softmax(1)[0]
print(about["classes"][int(probabilities.argmax())], float(probabilities.max()))
"""

_LOADING = {
    "safetensors": "import json\n"
    + _IMPORTS
    + """\
from safetensors import safe_open
IMPORT

with safe_open("model.safetensors", framework="pt") as file:
    about = json.loads(file.metadata()["tudui"])
    tensors = {name: file.get_tensor(name) for name in file.keys()}

"""
    + _PREDICT,
    "torch": _IMPORTS
    + """\
IMPORT

content = torch.load("model.pt", weights_only=True)
about, tensors = content["tudui"], content["state_dict"]

"""
    + _PREDICT,
    "onnx": """\
import json
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
about = json.loads(session.get_modelmeta().custom_metadata_map["tudui"])
image = ImageOps.fit(Image.open("picture.png").convert("RGB"), (WIDTH, HEIGHT), Image.Resampling.BILINEAR)
pixels = np.asarray(image).transpose(2, 0, 1)[None]  # uint8 [1, 3, HEIGHT, WIDTH]
probabilities = session.run(["probabilities"], {"images": pixels})[0][0]
print(about["classes"][int(probabilities.argmax())], float(probabilities.max()))
""",
}


def loading_code(format: str, name: str, weights: Weights) -> str | None:
    """Return Python that loads a file of this name and prints an image's class; None if it needs Tudui."""
    found = ("", "") if format == "onnx" else _network_code(weights)
    if found is None:
        return None
    _, height, width = weights.shape.input
    code = _LOADING[format].replace(f'"model.{"pt" if format == "torch" else format}"', json.dumps(name))
    code = code.replace("IMPORT", found[0]).replace("NETWORK", found[1])
    return code.replace("WIDTH", str(width)).replace("HEIGHT", str(height))


def _network_code(weights: Weights) -> tuple[str, str] | None:
    """Return an import, and Python that builds the network; None for one that only its package can build."""
    parameters, library, short = weights.network, *weights.network.name.partition(":")[::2]
    if isinstance(parameters, OwnNetwork):
        arguments = _call(arguments_of_own(parameters, weights.shape))
        return (
            "from runpy import run_path",
            f"network = run_path({json.dumps(library)})[{json.dumps(short)}]({arguments})",
        )
    if library == TORCHVISION.name:
        arguments = _call(torchvision_arguments(short, weights.shape))
        return "from torchvision import models", f"network = models.get_model({json.dumps(short)}, {arguments})"
    model = weights.model()
    layers = dict(model.named_children())
    if type(model) is not nn.Sequential or not all(hasattr(nn, type(layer).__name__) for layer in layers.values()):
        return None
    if all(name.isdecimal() for name in layers):
        lines = "".join(f"    nn.{layer},\n" for layer in layers.values())
        return "from torch import nn", f"network = nn.Sequential(\n{lines})"
    lines = "".join(f"        {name}=nn.{layer},\n" for name, layer in layers.items())
    imports = "from collections import OrderedDict\nfrom torch import nn"
    return imports, f"network = nn.Sequential(\n    OrderedDict(\n{lines}    )\n)"


def _call(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())
