"""Code that loads an exported file without Tudui; docs/handing-on.md shows the same, and a test runs it."""

import json

from torch import nn

from tudui.weights import Weights

_IMPORTS = """\
from collections import OrderedDict
import numpy as np
import torch
from PIL import Image, ImageOps
"""
_PREDICT = """\
NETWORK
network.load_state_dict(tensors)
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
from torch import nn

with safe_open("model.safetensors", framework="pt") as file:
    about = json.loads(file.metadata()["tudui"])
    tensors = {name: file.get_tensor(name) for name in file.keys()}

"""
    + _PREDICT,
    "torch": _IMPORTS
    + """\
from torch import nn

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
    """Return Python that loads a file of this name and prints an image's class; None if torch alone cannot do it."""
    network = "" if format == "onnx" else _network_code(weights.model())
    if network is None:
        return None
    _, height, width = weights.shape.input
    code = _LOADING[format].replace(f'"model.{"pt" if format == "torch" else format}"', json.dumps(name))
    return code.replace("NETWORK", network).replace("WIDTH", str(width)).replace("HEIGHT", str(height))


def _network_code(model: nn.Module) -> str | None:
    """Return Python that builds a chain of torch's own layers; None for any other network."""
    layers = dict(model.named_children())
    if type(model) is not nn.Sequential or not all(hasattr(nn, type(layer).__name__) for layer in layers.values()):
        return None
    lines = "".join(f"        {name}=nn.{layer},\n" for name, layer in layers.items())
    return f"network = nn.Sequential(\n    OrderedDict(\n{lines}    )\n)"
