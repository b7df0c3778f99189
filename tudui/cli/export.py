"""`tudui export`: a model to hand on, and its card."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from tudui.api.console import output
from tudui.cli.flags import BestOption, JsonOption, OverwriteOption, WeightsArgument
from tudui.files import json_text


def export_command(
    weights: WeightsArgument,
    format: Annotated[
        Literal["safetensors", "onnx", "torch"] | None,
        typer.Option(help="Kind of file.  [default: by the ending of --out, else safetensors]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="File to write.  [default: the run's name, here]")
    ] = None,
    overwrite: OverwriteOption = False,
    best: BestOption = False,
    json: JsonOption = False,
) -> None:
    """Write a trained model as one file that others can load without Tudui, and a model card beside it.

    The file holds weights, class names and how pixels are prepared (ONNX: the preparation itself). It is read back and
    compared with the weights on test images before it takes its name. docs/handing-on.md shows how to load each format.

    Examples:
      tudui export runs/digits-ce-seed0
      tudui export tudui_9.pth --format onnx --out course.onnx
    """
    from rich.markup import escape

    from tudui.api.models import export

    done = export(weights, out, format=format, best=best, overwrite=overwrite)
    if json:
        values = {"out": str(done.path), "card": str(done.card), "format": done.format, "bytes": done.size}
        typer.echo(json_text({**values, "check": {**asdict(done.check), "tolerance": done.check.tolerance}}))
        return
    console, check = output(json=False), done.check
    console.print(f"wrote {escape(str(done.path))} ({done.size:,} bytes) and {escape(str(done.card))}", soft_wrap=True)
    console.print(
        f"read back on {check.images} {escape(check.of)}: largest difference of a logit {check.difference:.2g} "
        f"(largest logit {check.largest:.3g}; allowed: {check.tolerance:g} of it)",
        soft_wrap=True,
    )
