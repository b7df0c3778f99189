"""A model with the preparation of its inputs, its device and its precision."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tudui.config import Config
from tudui.data import Preparation
from tudui.networks.modules.check import check_outputs, naming
from tudui.training.device import AUTOCAST


@dataclass(frozen=True)
class Network:
    """Computes logits from bytes, in the same way for training, evaluation and prediction."""

    model: nn.Module
    preparation: Preparation
    device: torch.device
    name: str  # for messages
    outputs: int  # K
    autocast: torch.dtype | None = None  # bf16 or fp16 in forward and backward; weights stay fp32
    channels_last: bool = True
    frozen: tuple[str, ...] = ()  # layers that train.freeze names

    @classmethod
    def of(cls, model: nn.Module, preparation: Preparation, config: Config, outputs: int) -> "Network":
        """Return the model on the device and in the precision of a resolved config."""
        device = torch.device(config.device)
        if config.train.channels_last:
            model = model.to(memory_format=torch.channels_last)
        return cls(
            model.to(device), preparation, device, config.network.name, outputs, AUTOCAST[config.precision],
            config.train.channels_last, config.train.freeze,
        )  # fmt: skip

    def __call__(self, images: Tensor) -> Tensor:
        """Return logits float32 [B, K] of images uint8 [B, 3, H, W] on the device; UsageError names what raised."""
        inputs = self.preparation(images)
        if self.channels_last and inputs.dim() == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        with self.arithmetic(), naming(self.model, self.name):
            logits = self.model(inputs)
        return check_outputs(logits, self.name, (len(images), self.outputs), self.device).float()

    def train(self) -> None:
        """Set the model to training. Frozen layers stay in evaluation: they keep running means, and drop nothing."""
        self.model.train()
        for name, module in self.model.named_modules():
            if is_below(name, self.frozen):
                module.eval()

    def arithmetic(self) -> AbstractContextManager[object]:
        """Return the context in which forward passes run."""
        return torch.autocast(self.device.type, dtype=self.autocast) if self.autocast else nullcontext()


def is_below(name: str, layers: Sequence[str]) -> bool:
    """Return whether a layer or parameter is one of these, or is inside one."""
    return any(f"{name}.".startswith(f"{layer}.") for layer in layers)
