"""ResNet-20 for images of 32 x 32 pixels: the usual second network of papers on loss functions."""

from typing import TYPE_CHECKING

from tudui.config.network_spec import NetworkParameters, NetworkSpec, Shape

if TYPE_CHECKING:
    from torch import nn

WIDTHS = (16, 32, 64)  # channels of the three stages
BLOCKS = 3  # per stage


def build(parameters: NetworkParameters, shape: Shape) -> "nn.Module":
    """Return logits [B, K] of images [B, 3, H, W] of any size; with 10 classes 269,722 parameters.

    Source: He, Zhang, Ren and Sun 2016, "Deep residual learning for image recognition", section 4.2: shortcuts without
    parameters (option A), weights initialised as in He et al. 2015.
    """

    from tudui.networks.modules.residual import ResNet

    return ResNet(shape.input[0], WIDTHS, BLOCKS, shape.outputs)


# chosen on validation images of digits (10 epochs) and CIFAR-10 (3 epochs): 0.2 if it is not worse than 0.1 on either
RATES = {"ce": 0.1, "l1": 0.1, "mse": 0.2, "huber": 0.2}
RESNET20 = NetworkSpec(
    name="resnet20",
    title="residual network of 20 layers for small images",
    build=build,
    rates={(loss, "recipe", "sgd"): rate for loss, rate in RATES.items()},
)
