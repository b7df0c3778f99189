"""Cross entropy: the negative logarithm of the true class's softmax probability."""

from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveFloat

from tudui.config.loss_spec import Loss, LossParameters, LossSpec

if TYPE_CHECKING:
    from torch import Tensor

    from tudui.tasks import Classes


class CrossEntropyParameters(LossParameters):
    """Parameters of `ce`."""

    name: Literal["ce"] = "ce"
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread over all classes")
    class_weights: Annotated[tuple[PositiveFloat, ...], Field(strict=False)] | Literal["balanced"] | None = Field(
        None, description="a factor per class, in the classes' order; balanced: N / (K x images of the class)"
    )


def build(parameters: CrossEntropyParameters, task: "Classes") -> Loss:
    """Return cross entropy of logits; a class's weight w multiplies its term.

    With label smoothing s: (1 - s) w_y (-log p_y) + s/K times the sum over all classes of w_k (-log p_k).
    """
    import torch
    from torch.nn import functional

    from tudui.errors import ConfigError

    factors, problem = parameters.class_weights, ""
    if factors == "balanced":
        if len(task.counts) != task.outputs:
            problem = f"balanced needs class_counts, the number of training images of each of {task.outputs} classes"
        factors = tuple(sum(task.counts) / (task.outputs * max(count, 1)) for count in task.counts)
    elif factors is not None and len(factors) != task.outputs:
        names = ", ".join(task.names[:12])
        problem = f"{len(factors)} weights for {task.outputs} classes; give one for each of {names}"
    if problem:
        raise ConfigError([f"loss.class_weights: {problem}"])

    @cache  # a copy to a GPU in the first step only
    def weights(dtype: torch.dtype, device: torch.device) -> "Tensor | None":
        with torch.inference_mode(False):  # also if the first call is an evaluation, training may follow
            return None if factors is None else torch.tensor(factors, dtype=dtype, device=device)

    def cross_entropy(logits: "Tensor", labels: "Tensor") -> "Tensor":
        return functional.cross_entropy(
            logits,
            labels,
            weights(logits.dtype, logits.device),
            reduction="none",
            label_smoothing=parameters.label_smoothing,
        )

    return cross_entropy


CE = LossSpec(
    name="ce",
    title="cross entropy",
    formula="-log p_y, p = softmax(logits)",
    robust_to="neither wrong labels nor overconfidence; its gradient p - onehot does not vanish on a wrong prediction",
    source="torch.nn.functional.cross_entropy; Bishop, Pattern Recognition and Machine Learning, 4.3.4",
    parameters=CrossEntropyParameters,
    build=build,
)
