"""A model with the preparation of its inputs, its device and its precision."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tudui.config import Config
from tudui.data import Preparation
from tudui.training.device import AUTOCAST


@dataclass(frozen=True)
class Network:
    """Computes logits from bytes, in the same way for training, evaluation and prediction."""

    model: nn.Module
    preparation: Preparation
    device: torch.device
    autocast: torch.dtype | None = None  # bf16 or fp16 in forward and backward; weights stay fp32
    channels_last: bool = True

    @classmethod
    def of(cls, model: nn.Module, preparation: Preparation, config: Config) -> "Network":
        """Return the model on the device and in the precision of a resolved config."""
        device = torch.device(config.device)
        if config.train.channels_last:
            model = model.to(memory_format=torch.channels_last)
        return cls(model.to(device), preparation, device, AUTOCAST[config.precision], config.train.channels_last)

    def __call__(self, images: Tensor) -> Tensor:
        """Return logits float32 [B, K] of images uint8 [B, 3, H, W] on the device."""
        inputs = self.preparation(images)
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        with self.arithmetic():
            logits: Tensor = self.model(inputs)
        return logits.float()

    def arithmetic(self) -> AbstractContextManager[object]:
        """Return the context in which forward passes run."""
        return torch.autocast(self.device.type, dtype=self.autocast) if self.autocast else nullcontext()
