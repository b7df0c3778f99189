"""One output of a notebook's cell that changes in place; Rich's live display needs widgets there."""

import time
from io import StringIO

from rich.console import Console, RenderableType

from tudui.sinks.printable import printable_console

WIDTH = 100
PATIENCE = 0.2  # seconds between two changes: a notebook keeps up with no more
PRE = "margin:0; white-space:pre; overflow-x:auto; line-height:normal; font-family:monospace"


class Page:
    """What its console printed and, below that, what changes; the cell keeps what is there when the block ends."""

    def __init__(self) -> None:
        self.console = _recording()
        self.below: RenderableType | None = None
        self.name: str | None = None  # of the output, once there is one
        self.shown = 0.0

    def show(self, below: RenderableType | None) -> None:
        """Show what was printed, and this below it."""
        self.below = below
        if time.monotonic() > self.shown + PATIENCE:
            self.close()

    def close(self) -> None:
        """Show everything as it is now, without waiting."""
        from IPython.display import display

        changing = _recording()
        if self.below is not None:
            changing.print(self.below)
        both = (self.console, changing)
        markup = "".join(console.export_html(clear=False, inline_styles=True, code_format="{code}") for console in both)
        content = {
            "text/html": f'<pre style="{PRE}">{markup}</pre>',
            "text/plain": "".join(console.export_text(clear=False) for console in both),
        }
        if self.name is None:
            self.name = display(content, raw=True, display_id=True).display_id
        else:
            display(content, raw=True, display_id=self.name, update=True)
        self.shown = time.monotonic()


def _recording() -> Console:
    return printable_console(
        StringIO(), record=True, force_jupyter=False, color_system="truecolor", width=WIDTH, soft_wrap=False
    )
