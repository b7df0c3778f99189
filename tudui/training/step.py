"""One step of training: forward, loss, backward, optimizer."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tudui.training.gradients import clip_, gradients_of, norms
from tudui.training.state import TrainState

if TYPE_CHECKING:
    from tudui.config.loss_spec import Loss

# (state, images uint8 [B, 3, 32, 32], labels int64 [B], loss) -> [2 + P]: mean loss, correct predictions, and the
# norm of each parameter's gradient before clipping; float32 on the device, so that nothing waits for it
Step = Callable[[TrainState, Tensor, Tensor, "Loss"], Tensor]


def eager_step(state: TrainState, images: Tensor, labels: Tensor, loss: "Loss") -> Tensor:
    """Do one step as it is written in every tutorial; returns what `Step` says."""
    model, optimizer, scaler = state.network.model, state.optimizer, state.scaler
    logits = state.network(images)
    mean = loss(logits, labels).mean()
    optimizer.zero_grad()
    if scaler:
        scaler.scale(mean).backward()
        scaler.unscale_(optimizer)
    else:
        mean.backward()
    gradients = gradients_of(model)
    layer_norms = norms(gradients)
    if state.clip is not None:
        clip_(gradients, layer_norms, state.clip)
    if scaler:
        scaler.step(optimizer)
        scaler.update()
    else:
        optimizer.step()
    correct = (logits.argmax(1) == labels).sum()
    return torch.cat([torch.stack([mean.detach(), correct]), layer_norms])
