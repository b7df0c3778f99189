"""SGD, Adam and AdamW as torch computes them, with state that keeps its addresses for CUDA graphs.

These are torch.optim's functions without its classes: their first use imports a compiler and takes as long as
importing torch. The rate is a tensor, so that a captured step reads its current value.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from tudui.config.schema import OptimizerConfig, SgdConfig
from tudui.training.gradients import trained


class Optimizer:
    """The update of all parameters of a model from their `.grad`."""

    def __init__(self, model: nn.Module, config: OptimizerConfig) -> None:
        assert config.lr != "auto", "load_config looks the rate up"
        self.config, self.peak = config, config.lr
        self.parameters = list(trained(model).values())
        self.buffers = list(model.buffers())  # a forward pass changes them, for example running means
        self.rate = torch.full((), config.lr, dtype=torch.float32, device=self.parameters[0].device)
        names = ["exp_avg", "exp_avg_sq"]
        if isinstance(config, SgdConfig):
            names = ["momentum"] if config.momentum else []  # zeros give the same first step as no momentum
        self.running = {name: [torch.zeros_like(p) for p in self.parameters] for name in names}
        if not isinstance(config, SgdConfig):
            self.running["step"] = [torch.zeros((), device=p.device) for p in self.parameters]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The parameters as `torch.amp.GradScaler` reads them."""
        return [{"params": self.parameters}]

    @torch.no_grad()
    def step(self) -> None:
        """Change every parameter by its gradient."""
        parameters: list[Tensor] = [*self.parameters]
        gradients = [p.grad for p in parameters if p.grad is not None]
        assert len(gradients) == len(parameters), "backward fills every gradient"
        config = self.config
        if isinstance(config, SgdConfig):
            buffers: list[Tensor | None] = [*self.running.get("momentum", [None] * len(parameters))]
            sgd(
                parameters, gradients, buffers, fused=True,
                weight_decay=config.weight_decay, momentum=config.momentum, lr=self.rate,
                dampening=0.0, nesterov=config.nesterov and config.momentum > 0, maximize=False,
            )  # fmt: skip
            return
        adam(
            parameters, gradients, self.running["exp_avg"], self.running["exp_avg_sq"], [], self.running["step"],
            fused=True, decoupled_weight_decay=config.name == "adamw", amsgrad=False,
            beta1=config.betas[0], beta2=config.betas[1], lr=self.rate, weight_decay=config.weight_decay,
            eps=1e-8, maximize=False,
        )  # fmt: skip

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
