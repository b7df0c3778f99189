"""What an exported file says of its weights besides their numbers: written by `tudui export`, checked when it is read.

The same description lies in each format: as a value in torch's, as JSON text in safetensors' and ONNX's metadata.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import torch
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, field_validator
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from tudui import __version__
from tudui.config.describe import shorten
from tudui.config.network_spec import ImageSize
from tudui.data import Preparation
from tudui.data.folder import shown_as_it_is
from tudui.errors import WeightsError
from tudui.networks.course import IMAGE_SHAPE
from tudui.text import in_a_line

KEY, SUM = (
    "tudui",
    "tudui.sha256",
)  # of the description, and of everything in a safetensors file, which has no checksums
FORMAT = 1
MAX_HEADER = 4 * 2**20  # bytes of a safetensors file before its numbers; 10,000 long names of classes take 1 MiB

_Text = Annotated[str, Field(max_length=255)]
_Mean = Annotated[float, Field(ge=-1e6, le=1e6)]
_Deviation = Annotated[float, Field(ge=1e-6, le=1e6)]


class Description(BaseModel):
    """Where weights come from, the names of their classes, and how pixels become their inputs."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    format: int = FORMAT
    version: _Text = __version__  # of Tudui
    origin: _Text
    classes: Annotated[tuple[_Text, ...], FailFast()]
    input: _Text = ""  # in words
    network: dict[str, Any] = Field(default_factory=lambda: {"name": "tudui"})  # its section of the config
    image: ImageSize = IMAGE_SHAPE
    mean: tuple[_Mean, _Mean, _Mean]
    std: tuple[_Deviation, _Deviation, _Deviation]

    @field_validator("classes", "origin")
    @classmethod
    def _readable(cls, texts: Any) -> Any:
        if not all(map(shown_as_it_is, [texts] if isinstance(texts, str) else texts)):
            raise ValueError("control characters")
        return texts

    @property
    def preparation(self) -> Preparation:
        """How bytes become the numbers that the network sees."""
        return Preparation(self.mean, self.std)

    @classmethod
    def read(cls, values: Any, path: Path) -> Self:
        """Return what a file says, as values or JSON text; WeightsError where it is damaged or of another version."""
        try:
            if isinstance(values, str):
                values = json.loads(values)
            written = values.get("format") if isinstance(values, dict) else None
            if type(written) is not int or written != FORMAT:
                raise WeightsError(
                    f"{path}: was exported in format {shorten(written)}; this version of Tudui reads {FORMAT}"
                )
            return cls.model_validate(values)
        except ValidationError as error:
            wrong = ".".join(map(str, error.errors(include_input=False)[0]["loc"])) or "all of it"
            raise WeightsError(f"{path}: its description is damaged ({wrong}); export it again") from None
        except (ValueError, RecursionError) as error:
            raise WeightsError(f"{path}: its description is damaged ({in_a_line(error)}); export it again") from None

    def values(self) -> dict[str, Any]:
        """Return plain values, for torch's format."""
        return self.model_dump(mode="json")

    def text(self) -> str:
        """Return JSON, for formats whose metadata is text."""
        return json.dumps(self.values(), ensure_ascii=False)


def safetensors_bytes(tensors: Mapping[str, Tensor], description: Description) -> bytes:
    """Return the content of a safetensors file; the same model is the same bytes."""
    text = description.text()
    whole = save(dict(tensors), {"format": "pt", KEY: text, SUM: _sum(tensors, text)})
    length = int.from_bytes(whole[:8], "little")
    # the library writes its metadata in another order each time
    header = json.dumps(json.loads(whole[8 : 8 + length]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + whole[8 + length :]


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], Description | None]:
    """Return tensors and their description, which only a file exported by Tudui has; WeightsError where damaged."""
    with path.open("rb") as file:
        if (length := int.from_bytes(file.read(8), "little")) > MAX_HEADER:
            raise WeightsError(f"{path}: a header of {length:,} bytes is too long ({MAX_HEADER:,} allowed)")
    try:
        with safe_open(path, framework="pt") as file:
            # copies: the file is mapped into memory, and may change or vanish
            tensors = {name: file.get_tensor(name).clone() for name in file.offset_keys()}
            about = file.metadata() or {}
    except Exception as error:  # whatever the library makes of a damaged file
        raise WeightsError(f"{path}: cannot be read as safetensors ({in_a_line(error)}); take another copy") from None
    if not {KEY, SUM} & about.keys():
        return tensors, None
    if about.get(SUM) != _sum(tensors, about.get(KEY, "")):
        raise WeightsError(f"{path}: damaged: it does not fit its checksum; take another copy")
    return tensors, Description.read(about.get(KEY, ""), path)


def _sum(tensors: Mapping[str, Tensor], text: str) -> str:
    """Return the sha256 of a description and of all tensors, by name."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
