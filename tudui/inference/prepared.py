"""A trained network that takes images or rows as they are."""

import torch
from torch import Tensor, nn

from tudui.data import Preparation
from tudui.tasks import Numbers
from tudui.weights import Weights


class Prepared(nn.Module):
    """A network with its preparation, and the scale of its targets; in evaluation mode.

    Images uint8 [N, 3, H, W] or rows float32 [N, F] to logits, or to values in the unit of the targets, float32 [N, K].
    `names` are the classes, or the columns of the target.
    """

    mean: Tensor
    std: Tensor
    fill: Tensor
    location: Tensor
    scale: Tensor

    def __init__(self, weights: Weights, preparation: Preparation) -> None:
        super().__init__()
        self.network, self.names = weights.model(), weights.class_names
        self.divisor = 255 if len(weights.shape.input) == 3 else 1
        for name, values in (("mean", preparation.mean), ("std", preparation.std)):
            self.register_buffer(name, torch.tensor(values).view(-1, *[1] * (len(weights.shape.input) - 1)))
        self.fills = bool(preparation.fill)
        self.register_buffer("fill", torch.tensor(preparation.fill or 0.0))
        self.of_numbers = isinstance(weights.task, Numbers)
        if isinstance(weights.task, Numbers):
            for name, values in (("location", weights.task.location), ("scale", weights.task.scale)):
                self.register_buffer(name, torch.tensor(values))
        self.eval()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits or values [N, K]."""
        if self.fills:
            inputs = torch.where(inputs.isnan(), self.fill, inputs)
        outputs: Tensor = self.network((inputs.float() / self.divisor - self.mean) / self.std)
        return outputs * self.scale + self.location if self.of_numbers else outputs
