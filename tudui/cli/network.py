"""`tudui network`: list, show."""

from dataclasses import asdict
from typing import Annotated

from tudui.cli import completion
from tudui.cli.commands import Commands
from tudui.cli.flags import Asked, JsonOption, argument, configured, how
from tudui.cli.printing import print_json, print_line, print_table

app = Commands(help="Look at the networks: their layers, sizes and speed.")


@app.command("list")
def list_command(json: JsonOption = False) -> None:
    """List the networks that can be trained.

    Examples:
      tudui network list
      tudui train --network resnet20
    """
    from tudui.api.networks import describe_networks

    networks = describe_networks()
    if json:
        print_json({"networks": networks})
    else:
        print_table(("name", "what"), networks.items(), left=2)


@app.command("show")
@configured("data.name", "data.target", "data.labels", "data.dir", "data.size", "train.batch_size", "device")
def show_command(
    name: Annotated[str, argument("NAME", "Network, as in tudui network list.", completion.networks)],
    asked: Asked,
    classes: Annotated[int, how("N", "Number of classes, without --data.", min=2, max=100_000)] = 10,
    json: JsonOption = False,
) -> None:
    """Show a network's layers, outputs, parameters and operations, and with --data how long an epoch takes.

    Examples:
      tudui network show resnet20
      tudui network show torchvision:resnet18 --size 64 --data digits
    """
    from tudui.api.configs import load
    from tudui.api.networks import describe, seconds_per_epoch
    from tudui.config import Override

    rate = [] if asked.value("optimizer.lr") else [Override("optimizer.lr", 0.01, "not used")]
    config = load(asked.config, [*asked.overrides, Override("network", name, name), *rate]).config
    if asked.value("data.name"):
        found, seconds = describe(config), seconds_per_epoch(config)
    else:
        found, seconds = describe(config, classes=classes), None
    if json:
        print_json(asdict(found) | {"seconds_per_epoch": seconds})
        return
    rows = [
        (
            layer.name,
            layer.kind,
            " x ".join(map(str, layer.outputs)),
            f"{layer.parameters:,}" if layer.parameters else "",
        )
        for layer in found.layers
    ]
    print_table(("layer", "kind", "output", "parameters"), rows, left=2)
    print_line(
        f"{found.name} on {found.shape.words}: {found.parameters:,} parameters, "
        f"{found.operations:,} multiplications per {found.shape.samples[:-1]}"
    )
    if seconds is not None:
        print_line(f"about {seconds:.3g} s per epoch on {config.data.name}, on this machine")
