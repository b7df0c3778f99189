"""Squentropy: cross entropy plus the squared logits of the wrong classes."""

from typing import TYPE_CHECKING, Literal

from tudui.config.loss_spec import Loss, LossParameters, LossSpec

if TYPE_CHECKING:
    from torch import Tensor

    from tudui.tasks import Classes


class SquentropyParameters(LossParameters):
    """Parameters of `squentropy`."""

    name: Literal["squentropy"] = "squentropy"


def build(parameters: SquentropyParameters, task: "Classes") -> Loss:
    """Return -log p_y + the mean of the K - 1 wrong classes' squared logits."""
    from torch.nn import functional

    def squentropy(logits: "Tensor", labels: "Tensor") -> "Tensor":
        wrong = logits.square().scatter(1, labels[:, None], 0).sum(1)  # no difference, in which small ones are lost
        return functional.cross_entropy(logits, labels, reduction="none") + wrong / (task.outputs - 1)

    return squentropy


SQUENTROPY = LossSpec(
    name="squentropy",
    title="squentropy",
    formula="-log p_y + mean over the wrong classes of z_k²",
    robust_to="overconfidence: wrong logits stay near 0, so calibration is better than with cross entropy",
    source="Hui, Belkin, Wright 2023, Cut your Losses with Squentropy",
    parameters=SquentropyParameters,
    build=build,
)
