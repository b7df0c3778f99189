"""Builds the optimizer that a config names."""

import torch
from torch import nn

from tudui.config.schema import AdamConfig, OptimizerConfig, SgdConfig


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Return the optimizer of all parameters of the model."""
    assert config.lr != "auto", "load_config looks the rate up"
    if isinstance(config, SgdConfig):
        return torch.optim.SGD(
            model.parameters(),
            lr=config.lr,
            momentum=config.momentum,
            nesterov=config.nesterov and config.momentum > 0,
            weight_decay=config.weight_decay,
        )
    kind = torch.optim.Adam if isinstance(config, AdamConfig) else torch.optim.AdamW
    return kind(model.parameters(), lr=config.lr, betas=config.betas, weight_decay=config.weight_decay)
