"""A loss from another package: a power of the residual on probabilities."""

from typing import Literal

from pydantic import Field

from tudui.losses import LossParameters, LossSpec


class CubedParameters(LossParameters):
    """Parameters of `cubed`."""

    name: Literal["cubed"] = "cubed"
    power: float = Field(3.0, gt=0)


def build(parameters, classes):
    from torch.nn.functional import one_hot

    def cubed(logits, labels):
        residual = logits.softmax(1) - one_hot(labels, classes.number)
        return residual.abs().pow(parameters.power).sum(1)

    return cubed


CUBED = LossSpec(
    name="cubed",
    title="a power of the residual",
    formula="|p - onehot|^power",
    robust_to="nothing",
    source="an example",
    parameters=CubedParameters,
    build=build,
    rates={("recipe", "sgd"): 0.05},
)
