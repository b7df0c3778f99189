"""The Tudui network: the Sequential CNN of the course, without any activation function."""

from collections import OrderedDict
from itertools import product
from typing import TYPE_CHECKING

from tudui.config.network_spec import NetworkParameters, NetworkSpec, Shape, rates_of_numbers
from tudui.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

IMAGE_SHAPE = (3, 32, 32)

FORMS = ("recipe", "plain")
# SGD's rate, and Adam's, which AdamW shares (None: not measured) -> (losses, forms). Chosen on validation images of
# digits and CIFAR-10. A new loss has its rates in its own LossSpec.
RATES: dict[tuple[float, float | None], list[tuple[str, tuple[str, ...]]]] = {
    (0.1, 0.002): [("ce focal huber mse sce smooth_l1 squentropy", FORMS), ("l1", ("plain",))],
    (0.05, 0.002): [("l1", ("recipe",))],
    (0.05, 0.0005): [("gce", FORMS)],
    (0.02, 0.0005): [("nce+mae phuber_ce", FORMS)],
    (0.02, None): [("huber mse smooth_l1", ("probabilities",))],
    (0.01, None): [("l1", ("probabilities",))],
}


def build(parameters: NetworkParameters, shape: Shape) -> "nn.Sequential":
    """Return three convolutions with max pooling and two linear layers: logits [B, K] of images [B, 3, 32, 32].

    Max pooling is the only non-linearity. With 10 classes there are 145,578 parameters.
    Source: the course's `Tudui` class, whose unnamed layers are in the same order.
    """
    from torch import nn

    if shape.input != IMAGE_SHAPE:
        if len(shape.input) == 1:
            raise UsageError(f"network.name: {parameters.name} takes images, and this data set is a table; use mlp")
        needed, got = (" x ".join(map(str, size)) for size in (IMAGE_SHAPE, shape.input))
        problem = f"{parameters.name} takes images of {needed} (got {got})"
        raise UsageError(f"network.name: {problem}; use --size {IMAGE_SHAPE[1]}, or another network")
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 32, 5, padding=2),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(32, 32, 5, padding=2),
            pool2=nn.MaxPool2d(2),
            conv3=nn.Conv2d(32, 64, 5, padding=2),
            pool3=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            linear1=nn.Linear(1024, 64),
            linear2=nn.Linear(64, shape.outputs),
        )
    )


TUDUI = NetworkSpec(
    name="tudui",
    title="three convolutions, max pooling, two linear layers",
    build=build,
    rates={
        (loss, form, optimizer): rate
        for (sgd, adam), groups in RATES.items()
        for losses, forms in groups
        for loss, form in product(losses.split(), forms)
        for optimizer, rate in (("sgd", sgd), ("adam", adam), ("adamw", adam))
        if rate is not None
    }
    # chosen on validation images of rotated-digits; SGD at 0.1 and 0.2 gains up to 0.6 degrees on right targets, but
    # with 20 % outliers huber's test error at 0.1 is 23 instead of 16 degrees
    | rates_of_numbers(sgd=0.05, adam=0.002),
)
