"""`tudui tensorboard`."""

import io
import ipaddress
import socket
import threading
from contextlib import redirect_stderr
from pathlib import Path
from typing import Annotated

import typer

from tudui.cli import completion
from tudui.cli.settings import note
from tudui.errors import UsageError
from tudui.invocation import tudui_command


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
    if not runs.is_dir():
        raise UsageError(f"{runs}: no such folder; train first: {tudui_command()} train --loss ce")
    if next(runs.rglob("*tfevents*"), None) is None:
        raise UsageError(
            f"{runs}: nothing to show, no event files below it; name a folder of runs, "
            f"or train with log.tensorboard=true"
        )
    try:
        socket.getaddrinfo(host, port)
    except OSError as error:  # also one with a blank or a name without an address
        raise UsageError(f"--host {host}: {error.strerror}; leave it out to listen on this machine only") from None
    shown = runs / "tensorboard" if (runs / "comparison.lock").exists() and (runs / "tensorboard").is_dir() else runs
    from tensorboard import program

    server = program.TensorBoard()
    server.configure(argv=["tensorboard", "--logdir", str(shown), "--host", host, "--port", str(port)])
    try:
        with redirect_stderr(io.StringIO()):  # how it reads files, which nobody has to decide about
            address = server.launch()
    except program.TensorBoardServerException as error:
        raise UsageError(f"--host {host} --port {port}: {error}; leave both out for a free one here") from None
    if _is_loopback(host):
        note("only this machine can open the address")
    else:
        note(f"--host {host}: whoever can reach this port can read the logs; leave it out to keep them to this machine")
    typer.echo(f"TensorBoard shows {runs} at {address} (Ctrl-C ends it)")
    threading.Event().wait()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
