"""Set up runs: from configs to data, networks and losses before the first step."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from tudui.config import Config
from tudui.data import Dataset, dataset_of, read_source
from tudui.data.stream import placed
from tudui.distributed import ALONE, World
from tudui.losses import build_loss
from tudui.training.device import set_up
from tudui.training.state import new_state
from tudui.training.step import Training


def load_datasets(configs: Sequence[Config]) -> list[Dataset]:
    """Return the data of each run, on its device; the images are read once and shared.

    The configs are resolved, and differ at most in loss, rate, seed and wrong labels.
    """
    first = configs[0]
    source = read_source(first.data)
    set_up(first)  # after the reading, whose memory should be freed
    device = torch.device(first.device)
    store = placed(source.store, device)
    if store.device.type != device.type:
        note = (
            f"{first.data.name}: {store.numel() / 1e9:.1f} GB of images do not fit on {device}; batches are sent to it"
        )
        source = replace(source, notes=[*source.notes, note])
    return [dataset_of(source, config.data, config.seed).to(device, store) for config in configs]


def prepare(config: Config, data: Dataset, world: World = ALONE) -> Training:
    """Return a run before its first step.

    On GPUs, the processes of a run normalise a batch together; SyncBatchNorm has the tensors of BatchNorm. Not tested.
    """
    state = new_state(config, data)
    if world.size > 1 and state.network.device.type == "cuda":
        torch.nn.SyncBatchNorm.convert_sync_batchnorm(state.network.model)  # in place
    return Training(state, data, build_loss(config.loss, data.task), config, world)
