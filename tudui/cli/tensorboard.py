"""`tudui tensorboard`."""

import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from tudui.api.console import note
from tudui.cli import completion

RESCAN = 5  # seconds, as often as TensorBoard itself looks for new files


def tensorboard_command(
    runs: Annotated[
        Path,
        typer.Argument(
            metavar="RUNS",
            help="A run folder, a folder of runs, or a comparison.",
            autocompletion=lambda incomplete: completion.runs(incomplete) + completion.comparisons(incomplete),
        ),
    ] = Path("runs"),
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 0,
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Address to listen on; any but the default opens the logs to others."),
    ] = "127.0.0.1",
) -> None:
    """Start TensorBoard, unless told otherwise for this machine only, and print its address.

    Examples:
      tudui tensorboard
      tudui tensorboard runs/digits-ce-seed0 --port 6006
    """
    from tudui.api.dashboards import tensorboard

    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that the folder of links goes too
    with tensorboard(runs, host=host, port=port) as shown:
        if shown.for_others:
            note(
                f"--host {host}: whoever can reach this port can read the logs; "
                f"leave it out to keep them to this machine"
            )
        else:
            note("only this machine can open the address")
        typer.echo(f"TensorBoard shows {runs} at {shown.address} (Ctrl-C ends it)")
        while True:
            time.sleep(RESCAN)
            shown.refresh()
