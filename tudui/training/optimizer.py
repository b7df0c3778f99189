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
        config, running = self.config, self.running
        common: dict[str, Any] = {
            "lr": self.rate,
            "weight_decay": config.weight_decay,
            "fused": True,
            "maximize": False,
        }
        if isinstance(config, SgdConfig):
            buffers: list[Tensor | None] = [*running.get("momentum", [None] * len(parameters))]
            nesterov = config.nesterov and config.momentum > 0
            sgd(parameters, gradients, buffers, momentum=config.momentum, dampening=0.0, nesterov=nesterov, **common)
            return
        beta1, beta2 = config.betas
        adam(
            parameters, gradients, running["exp_avg"], running["exp_avg_sq"], [], running["step"], amsgrad=False,
            beta1=beta1, beta2=beta2, eps=1e-8, decoupled_weight_decay=config.name == "adamw", **common,
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
