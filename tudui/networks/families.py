"""Networks of other libraries, by name: `torchvision:resnet18`, `timm:resnet18`. The last layer has the task's size."""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tudui.config.network_spec import NetworkParameters, NetworkSpec, Shape
from tudui.errors import DataError, UsageError, did_you_mean
from tudui.text import in_a_line

if TYPE_CHECKING:
    from torch import Tensor, nn

# arguments that a model of torchvision needs besides the number of classes
ALSO = {"googlenet": {"aux_logits": False, "init_weights": False}, "inception_v3": {"aux_logits": False}}


class FamilyParameters(NetworkParameters):
    """The section of a network of another library."""

    pretrained: bool = Field(False, description="start from the library's pretrained weights, except in the last layer")


def torchvision_arguments(name: str, shape: Shape) -> dict[str, Any]:
    """Return the arguments of torchvision's get_model besides the name; without trained weights."""
    size = {"image_size": shape.input[1]} if name.startswith("vit_") else {}
    return {"weights": None, "num_classes": shape.outputs, **size, **ALSO.get(name, {})}


def build_torchvision(parameters: FamilyParameters, shape: Shape) -> "nn.Module":
    """Return a classification model of torchvision: [B, 3, H, W] -> [B, K]."""
    from torchvision import models

    name = _known(parameters.name, models.list_models(module=models))
    with _errors_of(parameters.name, shape):
        model: nn.Module = models.get_model(name, **torchvision_arguments(name, shape))
        if parameters.pretrained:
            trained = models.get_model_weights(name).DEFAULT
            _begin_with(model, trained.get_state_dict(progress=False, check_hash=True))
    return model


def build_timm(parameters: FamilyParameters, shape: Shape) -> "nn.Module":
    """Return a model of timm: [B, C, H, W] -> [B, K]."""
    try:
        import timm
    except ImportError:
        raise UsageError(f"network {parameters.name}: needs timm; install it with: pip install 'tudui[timm]'") from None
    name = _known(parameters.name, timm.list_models(), is_tagged=timm.is_model)
    options: dict[str, Any] = {"num_classes": shape.outputs, "in_chans": shape.input[0]}
    options["pretrained"] = parameters.pretrained
    with _errors_of(parameters.name, shape):
        try:
            model: nn.Module = timm.create_model(name, img_size=shape.input[1], **options)
        except TypeError:  # a convolutional network has no img_size
            model = timm.create_model(name, **options)
    return model


@contextmanager
def _errors_of(full: str, shape: Shape) -> Iterator[None]:
    """Turn what a library raises while it builds a model into one line, and ignore warnings of later defaults."""
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except OSError as error:
        raise DataError(_not_reached(full, error)) from None
    except (RuntimeError, ValueError, AssertionError) as error:
        name = full.partition(":")[2]
        raise UsageError(f"network {full}: {in_a_line(error)}; {_another(name, shape)}") from None


def _another(name: str, shape: Shape) -> str:
    """Return what to choose for a model that cannot be built: a transformer needs a multiple of its patches."""
    patch = re.search("patch([0-9]+)", name) or re.fullmatch("vit_._([0-9]+)", name)
    side, step = shape.input[1], int(patch[1]) if patch else 1
    if side % step == 0:
        return "choose another --size or network"
    return f"use --size {max(1, round(side / step)) * step}, a multiple of its patches of {step} pixels"


def _known(full: str, known: Iterable[str], is_tagged: Callable[[str], bool] = lambda _: False) -> str:
    """Return a model's name in its library; UsageError with the closest one if there is none."""
    library, _, name = full.partition(":")
    if name in known or is_tagged(name):  # timm: resnet18.a1_in1k, a model with a choice of trained weights
        return name
    raise UsageError(f"network {full}: {library} has no such classification model{did_you_mean(name, known)}")


def _begin_with(model: "nn.Module", trained: "Mapping[str, Tensor]") -> None:
    """Load the tensors of the same name and shape; those of a last layer for other classes stay as they are."""
    own = model.state_dict()
    model.load_state_dict({**own, **{k: v for k, v in trained.items() if k in own and v.shape == own[k].shape}})


def _not_reached(name: str, error: OSError) -> str:
    return (
        f"network {name}: its trained weights cannot be downloaded ({in_a_line(error)}); "
        f"download them elsewhere, and use --init-from FILE without network.pretrained"
    )


TORCHVISION = NetworkSpec(
    name="torchvision", title="a classification model of torchvision, for example torchvision:resnet18",
    build=build_torchvision, parameters=FamilyParameters, family=True,
)  # fmt: skip
TIMM = NetworkSpec(
    name="timm", title="a model of timm, for example timm:resnet18", build=build_timm, parameters=FamilyParameters,
    family=True,
)  # fmt: skip
