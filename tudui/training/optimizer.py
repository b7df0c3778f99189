"""SGD, Adam and AdamW as torch computes them, with state that keeps its addresses for CUDA graphs.

These are torch.optim's functions without its classes: their first use imports a compiler and takes as long as
importing torch. The rate is a tensor, so that a captured step reads its current value.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from tudui.config.optimizing import AdamConfig, AdamWConfig, OptimizerConfig, SgdConfig
from tudui.training.gradients import trained


class Sgd:
    """The running sums of SGD, and its update."""

    def __init__(self, config: SgdConfig, parameters: Sequence[Tensor]) -> None:
        self.config = config
        # zeros give the same first step as no momentum
        self.running = {"momentum": _zeros_like(parameters)} if config.momentum else {}

    def __call__(
        self, parameters: list[Tensor], gradients: list[Tensor], running: dict[str, list[Tensor]], rate: Tensor
    ) -> None:
        """Change the parameters and their running sums in place."""
        config = self.config
        buffers: list[Tensor | None] = [*running.get("momentum", [None] * len(parameters))]
        sgd(
            parameters, gradients, buffers, momentum=config.momentum, dampening=0.0, maximize=False, fused=True,
            nesterov=config.nesterov and config.momentum > 0, weight_decay=config.weight_decay, lr=rate,
        )  # fmt: skip


class Adam:
    """The running sums of Adam and of AdamW, and their update."""

    def __init__(self, config: AdamConfig | AdamWConfig, parameters: Sequence[Tensor]) -> None:
        self.config = config
        self.running = {name: _zeros_like(parameters) for name in ("exp_avg", "exp_avg_sq")}
        self.running["step"] = [torch.zeros((), device=p.device) for p in parameters]

    def __call__(
        self, parameters: list[Tensor], gradients: list[Tensor], running: dict[str, list[Tensor]], rate: Tensor
    ) -> None:
        """Change the parameters and their running sums in place."""
        config = self.config
        adam(
            parameters, gradients, running["exp_avg"], running["exp_avg_sq"], [], running["step"], amsgrad=False,
            beta1=config.betas[0], beta2=config.betas[1], eps=1e-8, weight_decay=config.weight_decay,
            decoupled_weight_decay=config.name == "adamw", lr=rate, maximize=False, fused=True,
        )  # fmt: skip


def _zeros_like(parameters: Sequence[Tensor]) -> list[Tensor]:
    return [torch.zeros_like(p) for p in parameters]


# A new optimizer is a section in config/optimizing.py and a class here; `running` is what a checkpoint keeps of it.
# Its update changes all tensors in place; `fused` is for torch's own functions.
UPDATES: dict[type[OptimizerConfig], Any] = {SgdConfig: Sgd, AdamConfig: Adam, AdamWConfig: Adam}


class Optimizer:
    """The update of all parameters of a model from their `.grad`."""

    def __init__(self, model: nn.Module, config: OptimizerConfig) -> None:
        assert config.lr != "auto", "load_config looks the rate up"
        self.peak = config.lr
        self.parameters = list(trained(model).values())
        self.buffers = list(model.buffers())  # a forward pass changes them, for example running means
        self.rate = torch.full((), config.lr, dtype=torch.float32, device=self.parameters[0].device)
        self.update = UPDATES[type(config)](config, self.parameters)
        self.running: dict[str, list[Tensor]] = self.update.running

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The parameters as `torch.amp.GradScaler` reads them."""
        return [{"params": self.parameters}]

    @torch.no_grad()
    def step(self) -> None:
        """Change every parameter that has a gradient."""
        used = {number: p.grad for number, p in enumerate(self.parameters) if p.grad is not None}
        running = {name: [tensors[number] for number in used] for name, tensors in self.running.items()}
        self.update([self.parameters[number] for number in used], [*used.values()], running, self.rate)

    def tensors(self) -> list[Tensor]:
        """Return everything that a step changes besides gradients."""
        return [*self.parameters, *self.buffers, *(tensor for tensors in self.running.values() for tensor in tensors)]

    def state_dict(self) -> dict[str, list[Tensor]]:
        """Return the running sums; the rate follows from the schedule."""
        return self.running

    def load_state_dict(self, saved: dict[str, list[Tensor]]) -> None:
        """Restore what `state_dict` returned."""
        for name, tensors in self.running.items():
            for tensor, value in zip(tensors, saved[name], strict=True):
                if value.shape != tensor.shape:
                    raise ValueError(f"{name} of shape {list(value.shape)}, expected {list(tensor.shape)}")
                tensor.copy_(value)
