"""The description in an exported file: written by `tudui export`, checked when it is read.

It is the same in each format: a value in torch's, JSON text in the metadata of safetensors and ONNX.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import torch
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, field_validator, model_validator
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from tudui import __version__
from tudui.config.describe import shorten
from tudui.config.network_spec import MAX_FEATURES, InputSize
from tudui.config.parts import LARGEST
from tudui.data import Preparation
from tudui.errors import DataError, WeightsError
from tudui.files import opened
from tudui.networks.course import IMAGE_SHAPE
from tudui.tasks import Classes, Task, task_from
from tudui.text import in_a_line, shown_as_it_is

KEY, SUM = "tudui", "tudui.sha256"  # safetensors has no checksums of its own
FORMAT = 1
MAX_BYTES = 64 * 2**20  # of a file apart from tensors; a checkpoint with 10,000 classes and Adam has 9 MB in all
SHARE = 8  # of this machine's memory for a file with the tensors of a large network
MAX_HEADER = 4 * 2**20  # bytes of a safetensors header; 10,000 long class names need 1 MiB

_Text = Annotated[str, Field(max_length=255)]
_Mean = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]  # of a table's features
_Deviation = Annotated[float, Field(gt=0, le=LARGEST)]


class Channels(BaseModel):
    """Mean and deviation of each channel or feature, as files contain them."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    mean: Annotated[tuple[_Mean, ...], Field(min_length=1, max_length=MAX_FEATURES), FailFast()]
    fill: Annotated[tuple[_Mean, ...], Field(max_length=MAX_FEATURES), FailFast()] = ()  # for missing values
    std: Annotated[tuple[_Deviation, ...], Field(min_length=1, max_length=MAX_FEATURES), FailFast()]

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if len(self.mean) != len(self.std) or len(self.fill) not in (0, len(self.mean)):
            raise ValueError("mean and std must have the same length, and fill, unless it is empty")
        return self

    @property
    def preparation(self) -> Preparation:
        """How bytes become the inputs of the network."""
        return Preparation(self.mean, self.std, self.fill)


class Description(Channels):
    """The origin of weights, their network and classes or target columns, and the preparation of inputs."""

    format: int = FORMAT
    version: _Text = __version__  # of Tudui
    origin: _Text
    classes: Annotated[tuple[_Text, ...], FailFast()]
    input: _Text = ""  # in words
    network: dict[str, Any] = Field(default_factory=lambda: {"name": "tudui"})  # its section of the config
    image: InputSize = IMAGE_SHAPE  # of one image, or the number of features of a row
    features: Annotated[tuple[_Text, ...], FailFast()] = ()  # names of a table's columns
    task: dict[str, Any] = Field(default_factory=dict)  # of numbers, as `Task.about`; {}: classes

    @field_validator("classes", "features", "origin")
    @classmethod
    def _readable(cls, texts: Any) -> Any:
        if not all(map(shown_as_it_is, [texts] if isinstance(texts, str) else texts)):
            raise ValueError("control characters")
        return texts

    @classmethod
    def read(cls, values: Any, path: Path) -> Self:
        """Return a description from values or JSON text; WeightsError if it is damaged or has another format."""
        try:
            if isinstance(values, str):
                values = json.loads(values)
            written = values.get("format") if isinstance(values, dict) else None
            if type(written) is not int or written != FORMAT:
                raise WeightsError(f"{path}: exported in format {shorten(written)}; this Tudui reads {FORMAT}")
            return cls.model_validate(values)
        except ValidationError as error:
            wrong = ".".join(map(str, error.errors(include_input=False)[0]["loc"])) or "all values"
        except (ValueError, RecursionError) as error:
            wrong = in_a_line(error)
        raise WeightsError(f"{path}: its description is damaged ({wrong}); export it again")

    def checked_task(self, path: Path) -> Task:
        """Return what the outputs are; WeightsError if its values are damaged."""
        try:
            task = task_from(self.task, str(path)) if self.task else Classes(names=self.classes)
        except DataError as error:
            raise WeightsError(str(error)) from None
        if task.names != self.classes:
            raise WeightsError(f"{path}: its description is damaged (task); export it again")
        return task

    def text(self) -> str:
        """Return JSON, for formats whose metadata is text."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False)


def check_size(path: Path) -> int:
    """Return the size in bytes of a file with weights; WeightsError if it does not exist or is too large."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file") from None
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0  # not on Windows
    if size > (most := max(MAX_BYTES, memory // SHARE)):
        raise WeightsError(f"{path}: {size:,} bytes are too many for weights ({most:,} allowed)")
    return size


def safetensors_bytes(tensors: Mapping[str, Tensor], description: Description) -> bytes:
    """Return the content of a safetensors file; equal models give equal bytes."""
    text = description.text()
    # copies, because the library refuses weights that a network uses under two names
    whole = save(
        {name: tensor.clone() for name, tensor in tensors.items()},
        {"format": "pt", KEY: text, SUM: _sum(tensors, text)},
    )
    length = int.from_bytes(whole[:8], "little")
    # the library writes its metadata in a random order
    header = json.dumps(json.loads(whole[8 : 8 + length]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + whole[8 + length :]


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], Description | None]:
    """Return tensors, and the description if Tudui exported the file; WeightsError if it is damaged."""
    check_size(path)
    with opened(path) as file:
        if (length := int.from_bytes(file.read(8), "little")) > MAX_HEADER:
            raise WeightsError(f"{path}: a header of {length:,} bytes is too long ({MAX_HEADER:,} allowed)")
    try:
        with safe_open(path, framework="pt") as file:
            # copies, because the mapped file may change or vanish
            tensors = {name: file.get_tensor(name).clone() for name in file.offset_keys()}
            about = file.metadata() or {}
    except Exception as error:  # the library raises almost anything for a damaged file
        raise WeightsError(f"{path}: cannot be read as safetensors ({in_a_line(error)}); use another copy") from None
    if not {KEY, SUM} & about.keys():
        return tensors, None
    if about.get(SUM) != _sum(tensors, about.get(KEY, "")):
        raise WeightsError(f"{path}: damaged: it does not fit its checksum; use another copy")
    return tensors, Description.read(about.get(KEY, ""), path)


def _sum(tensors: Mapping[str, Tensor], text: str) -> str:
    """Return the sha256 of a description and of all tensors with their names."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
