"""`tudui network`: the known networks, and what one consists of."""

from tudui.config import Config
from tudui.config.network_spec import Shape, network_specs
from tudui.config.own_code import OWN
from tudui.data import load_data
from tudui.data.decoding import SIDE
from tudui.networks.modules.describe import Description, describe_network
from tudui.run.estimate import estimate


def describe_networks() -> dict[str, str]:
    """Return every network by name, with what it is; a family as `torchvision:NAME`."""
    families = {name: f"{name}:NAME" for name, spec in network_specs().items() if spec.family and name != OWN}
    return {families.get(name, name): spec.title for name, spec in network_specs().items()}


def describe(config: Config, *, classes: int | None = None) -> Description:
    """Return the layers, outputs, parameters and operations of a config's network.

    For the images and classes of its data set, which is read; or for images of its data.size in this number of classes.
    """
    side = config.data.size or SIDE
    shape = load_data(config.data, config.seed).shape if classes is None else Shape((3, side, side), classes)
    return describe_network(config.network, shape)


def seconds_per_epoch(config: Config) -> float:
    """Return about how long an epoch takes on this machine, from a few measured steps on the config's data."""
    return estimate([config]).epoch
