"""The network, the loss and the first batch of the first epoch, as in training."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tudui.config import Config
from tudui.config.loss_spec import Loss
from tudui.data import Dataset, EpochDraw, draw_epoch, load_data
from tudui.errors import UsageError
from tudui.run.prepare import prepare
from tudui.training.device import resolve_machine
from tudui.training.network import Network


@dataclass(frozen=True)
class FirstBatch:
    """Everything one backward needs, without an optimizer, which is slow to import."""

    config: Config
    data: Dataset
    draw: EpochDraw
    network: Network
    loss: Loss
    images: Tensor  # uint8 [B, 3, 32, 32]
    labels: Tensor  # int64 [B]
    batches: int  # in an epoch

    @property
    def model(self) -> nn.Module:
        """The network's layers before the first step."""
        return self.network.model

    def mean_loss(self) -> Tensor:
        """Return the mean loss of the batch, with a new graph."""
        return self.loss(self.network(self.images), self.labels).mean()

    def first(self, number: int) -> tuple[Tensor, Tensor]:
        """Return prepared images float32 [N, 3, 32, 32] and labels [N] of the first samples."""
        return self.network.preparation(self.images[:number]), self.labels[:number]

    def losses_of_batches(self, number: int) -> list[float]:
        """Return the mean loss of each of the epoch's first batches, before the first step."""
        size, values = self.config.train.batch_size, []
        for start in range(0, min(number, self.batches) * size, size):
            images, labels = self.draw.batch(self.data.train, start, start + size)
            with torch.no_grad():
                values.append(float(self.loss(self.network(images), labels).mean()))
        return values


def first_batch(config: Config) -> FirstBatch:
    """Return the first batch of a run of the course's network; UsageError for another network or too few images."""
    if config.network.name != "tudui":
        raise UsageError(
            f"network.name: {config.network.name}; this command works only with the network tudui; use --set "
            "network=tudui"
        )
    threads = config.train.threads
    # one batch is little work: on a busy machine two threads mostly wait for each other
    torch.set_num_threads(1 if threads == "auto" else threads)
    # auto is the CPU here: on a GPU, gradients may differ in their last bits from one backward to the next
    config = config.model_copy(update={"device": "cpu"}) if config.device == "auto" else config
    config, _ = resolve_machine(config)
    data = load_data(config.data, config.seed).to(torch.device(config.device))
    size = config.train.batch_size
    if size > len(data.train):
        raise UsageError(f"train.batch_size: {size} is more than the {len(data.train)} training images; lower it")
    training = prepare(config, data)
    state = training.state
    draw = draw_epoch(len(data.train), seed=config.seed, epoch=0, data=config.data).to(state.network.device)
    images, labels = draw.batch(data.train, 0, size)
    return FirstBatch(config, data, draw, state.network, training.loss, images, labels, state.steps_per_epoch)
