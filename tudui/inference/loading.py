"""Code that loads an exported file without Tudui; docs/handing-on.md shows the same, and a test runs it."""

import json
import re
from collections.abc import Sequence
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


# what differs for numbers as targets, and for rows of a table: text of the code above, and its replacement
_NUMBERS = (
    (
        """\
with torch.inference_mode():
    probabilities = network((pixels / 255 - mean) / std).softmax(1)[0]
print(about["classes"][int(probabilities.argmax())], float(probabilities.max()))
""",
        """\
location, scale = (torch.tensor(about["task"][name]) for name in ("location", "scale"))
with torch.inference_mode():
    values = (network((pixels / 255 - mean) / std) * scale + location)[0]
print(dict(zip(about["classes"], values.tolist())))
""",
    ),
    (
        """\
probabilities = session.run(["probabilities"], {"images": pixels})[0][0]
print(about["classes"][int(probabilities.argmax())], float(probabilities.max()))
""",
        """\
values = session.run(["values"], {"images": pixels})[0][0]
print(dict(zip(about["classes"], values.tolist())))
""",
    ),
)
_ROWS = (
    ("from PIL import Image, ImageOps\n", ""),
    (".view(3, 1, 1)", ""),
    ("(pixels / 255 - mean)", "(row - mean)"),
    ('{"images": pixels}', '{"rows": row}'),
)
_PICTURE = re.compile(r"image = ImageOps.*\npixels = .*\n")


def loading_code(format: str, name: str, weights: Weights) -> str | None:
    """Return Python that loads a file of this name and prints what it predicts; None if it needs Tudui."""
    found = ("", "") if format == "onnx" else _network_code(weights)
    if found is None:
        return None
    code = _LOADING[format]
    if weights.what == "numbers":
        code = _replaced(code, _NUMBERS)
    if len(weights.shape.input) == 1:
        make = "np.array" if format == "onnx" else "torch.tensor"
        values = f"{make}([[{', '.join(['0.0'] * weights.shape.input[0])}]]"
        dtype = ", dtype=np.float32" if format == "onnx" else ""
        row = f'row = {values}{dtype})  # in the order of about["features"]\n'
        if weights.preparation and weights.preparation.fill and format != "onnx":  # where the file does it
            row += 'row = torch.where(row.isnan(), torch.tensor(about["fill"]), row)  # NaN is a missing value\n'
        code = _replaced(_PICTURE.sub(lambda _: row, code), _ROWS)
        code = code.replace("import numpy as np\n", "") if format != "onnx" else code
    else:
        _, height, width = weights.shape.input
        code = code.replace("WIDTH", str(width)).replace("HEIGHT", str(height))
    code = code.replace(f'"model.{"pt" if format == "torch" else format}"', json.dumps(name))
    return code.replace("IMPORT", found[0]).replace("NETWORK", found[1])


def _replaced(code: str, pairs: Sequence[tuple[str, str]]) -> str:
    for old, new in pairs:
        code = code.replace(old, new)
    return code


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
