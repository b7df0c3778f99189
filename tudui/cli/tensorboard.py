"""`tudui tensorboard`."""

import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from tudui.api.console import note
from tudui.cli import completion
from tudui.cli.flags import argument, how
from tudui.text import one_line, printable

RESCAN = 5  # seconds, as often as TensorBoard itself looks for new files
HOST = "Address to listen on; any other than the default lets other machines read the logs."


def tensorboard_command(
    runs: Annotated[
        Path, argument("RUNS", "A run folder, a folder of runs, or a comparison.", completion.runs_and_comparisons)
    ] = Path("runs"),
    port: Annotated[int, how("N", "Port to listen on; 0 chooses a free one.", min=0, max=65535)] = 0,
    host: Annotated[str, how("ADDRESS", HOST)] = "127.0.0.1",
) -> None:
    """Start TensorBoard and print its address. Only this machine can open it, unless you set --host.

    Examples:
      tudui tensorboard
      tudui tensorboard runs/digits-ce-seed0 --port 6006
    """
    from tudui.api.dashboards import tensorboard

    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that the folder of links is deleted
    with tensorboard(runs, host=host, port=port) as shown:
        if shown.for_others:
            note(f"--host {host}: other machines can read the logs; omit it to allow only this machine")
        else:
            note("only this machine can open the address")
        typer.echo(printable(one_line(f"TensorBoard shows {runs} at {shown.address} (Ctrl-C stops it)")))
        while True:
            time.sleep(RESCAN)
            shown.refresh()
