"""How an exported file is loaded without Tudui; docs/handing-on.md shows the same lines, and a test runs them."""

import json

_NETWORK = """\
network = nn.Sequential(
    OrderedDict(
        conv1=nn.Conv2d(3, 32, 5, padding=2),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(32, 32, 5, padding=2),
        pool2=nn.MaxPool2d(2),
        conv3=nn.Conv2d(32, 64, 5, padding=2),
        pool3=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
        linear1=nn.Linear(1024, 64),
        linear2=nn.Linear(64, len(about["classes"])),
    )
)
network.load_state_dict(tensors)
mean, std = (torch.tensor(about[name]).view(3, 1, 1) for name in ("mean", "std"))
image = ImageOps.fit(Image.open("picture.png").convert("RGB"), (32, 32), Image.Resampling.BILINEAR)
pixels = torch.tensor(np.asarray(image)).permute(2, 0, 1)[None]  # uint8 [1, 3, 32, 32]
with torch.inference_mode():
    probabilities = network((pixels / 255 - mean) / std).softmax(1)[0]
print(about["classes"][int(probabilities.argmax())], float(probabilities.max()))
"""

LOADING = {
    "safetensors": """\
import json
from collections import OrderedDict
import numpy as np
import torch
from PIL import Image, ImageOps
from safetensors import safe_open
from torch import nn

with safe_open("model.safetensors", framework="pt") as file:
    about = json.loads(file.metadata()["tudui"])
    tensors = {name: file.get_tensor(name) for name in file.keys()}

"""
    + _NETWORK,
    "torch": """\
from collections import OrderedDict
import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn

content = torch.load("model.pt", weights_only=True)
about, tensors = content["tudui"], content["state_dict"]

"""
    + _NETWORK,
    "onnx": """\
import json
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
about = json.loads(session.get_modelmeta().custom_metadata_map["tudui"])
image = ImageOps.fit(Image.open("picture.png").convert("RGB"), (32, 32), Image.Resampling.BILINEAR)
pixels = np.asarray(image).transpose(2, 0, 1)[None]  # uint8 [1, 3, 32, 32]
probabilities = session.run(["probabilities"], {"images": pixels})[0][0]
print(about["classes"][int(probabilities.argmax())], float(probabilities.max()))
""",
}


def loading_code(format: str, name: str) -> str:
    """Return Python that loads a file of this name and prints the class of a picture."""
    return LOADING[format].replace(f'"model.{"pt" if format == "torch" else format}"', json.dumps(name))
