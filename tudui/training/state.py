"""All state of the loop: created, saved and restored together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from tudui.config import Config
from tudui.config.own_code import is_own
from tudui.data import Dataset
from tudui.distributed import World
from tudui.errors import UsageError
from tudui.networks import build_network
from tudui.networks.modules.check import check_network
from tudui.seeding import sub_seed
from tudui.training.network import Network, is_below
from tudui.training.optimizer import Optimizer
from tudui.training.schedule import Schedule, build_schedule


@dataclass
class Progress:
    """The state of the loop besides tensors, complete at every yield."""

    epoch: int = 0  # epochs done
    step: int = 0  # steps done
    epoch_loss_sum: float = 0.0  # over the images of the running epoch
    epoch_score_sum: float = 0.0  # of the task's first metric
    epoch_images: int = 0
    images: int = 0  # of all epochs
    best_epoch: int = 0
    best_score: float | None = None  # of that metric on validation
    collapsed: bool = False  # the warning was given
    steepest: str | None = None  # the layer with the largest gradient in the last step, named if the loss diverges
    seconds: float = 0.0  # in the loop


@dataclass
class TrainState:
    """Model, optimizer and progress."""

    network: Network
    random_layers: bool  # a forward pass draws random numbers, for example for dropout
    own_code: bool  # network or loss are the user's, and may draw them in a later step only
    optimizer: Optimizer
    schedule: Schedule
    scaler: torch.amp.GradScaler | None  # fp16 only
    clip: float | None
    steps_per_epoch: int
    epochs_planned: int
    progress: Progress = field(default_factory=Progress)

    @property
    def steps_planned(self) -> int:
        """Steps of the whole run."""
        return self.epochs_planned * self.steps_per_epoch

    def state_dict(self) -> dict[str, Any]:
        """Return tensors and plain values only."""
        return {
            "model": self.network.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict() if self.scaler else None,
            "progress": asdict(self.progress),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.network.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.scaler:
            self.scaler.load_state_dict(saved["scaler"])
        self.progress = Progress(**saved["progress"])


def new_state(config: Config, data: Dataset) -> TrainState:
    """Return the state before the first step of a resolved config; UsageError if no batch is full."""
    images, batch = len(data.train), config.train.batch_size
    steps_per_epoch = images // batch if config.train.drop_last else -(-images // batch)
    if steps_per_epoch == 0:
        raise UsageError(
            f"train.batch_size: {batch} is more than the {images} training {data.noun}s, so no batch is ever full; "
            f"use a smaller one, for example --set train.batch_size={max(images // 4, 1)}"
        )
    seed = sub_seed(config.train.weights_seed, config.seed)
    model = build_network(config.network, data.shape, seed=seed)
    freeze(model, config.train.freeze)
    network = Network.of(model, data.preparation, config, data.shape.outputs)
    steps = config.train.epochs * steps_per_epoch
    smallest = batch if config.train.drop_last else images % batch or batch
    return TrainState(
        network=network,
        random_layers=check_network(network.model, network.name, data.shape, network.device, min(2, smallest)),
        own_code=is_own(config.network.name) or is_own(config.loss.name),
        optimizer=Optimizer(network.model, config.optimizer),
        schedule=build_schedule(config.schedule, steps=steps, steps_per_epoch=steps_per_epoch),
        scaler=torch.amp.GradScaler(network.device.type) if network.autocast == torch.float16 else None,
        clip=config.train.clip,
        steps_per_epoch=steps_per_epoch,
        epochs_planned=config.train.epochs,
    )


def freeze(model: nn.Module, prefixes: Sequence[str]) -> None:
    """Keep the parameters below these layers as they are; UsageError for a name without parameters."""
    for prefix in prefixes:
        found = [p for name, p in model.named_parameters() if is_below(name, [prefix])]
        if not found:
            layers = ", ".join(dict.fromkeys(name.partition(".")[0] for name, _ in model.named_parameters()))
            raise UsageError(f"train.freeze: the network has no parameters below '{prefix}'; it has {layers}")
        for parameter in found:
            parameter.requires_grad_(False)


def images_left_out(config: Config, data: Dataset) -> list[str]:
    """Return a warning if drop_last leaves out more than a tenth of the training images, else nothing."""
    images, rest = len(data.train), len(data.train) % config.train.batch_size
    left = f"{rest} of {images} training {data.noun}s are left out of each epoch"
    text = f"{left}; use them with --set train.drop_last=false"
    return [text] if config.train.drop_last and 10 * rest > images else []


def normalised_apart(network: Network, world: World) -> list[str]:
    """Return a warning if each process normalises its own share of a batch, else nothing."""
    if world.size == 1:
        return []
    kinds = torch.nn.modules.batchnorm._BatchNorm
    layers = [
        name
        for name, module in network.model.named_modules()
        if isinstance(module, kinds) and not isinstance(module, nn.SyncBatchNorm) and not is_below(name, network.frozen)
    ]
    text = (
        f"each of the {world.size} processes normalises its own share of a batch ({', '.join(layers[:3])}"
        f"{', ...' if layers[3:] else ''}), so the result differs from that of one process"
    )
    return [text] if layers else []
