"""One output of a notebook's cell that is updated in place; Rich's live display needs widgets."""

import time
from io import StringIO

from rich.console import Console, RenderableType

from tudui.sinks.printable import printable_console

WIDTH = 100
PATIENCE = 0.2  # seconds between two updates; a notebook is too slow for more
PRE = "margin:0; white-space:pre; overflow-x:auto; line-height:normal; font-family:monospace"


class Page:
    """Lines that its console printed and, below them, one renderable that changes."""

    def __init__(self) -> None:
        self.console = _recording()
        self.below: RenderableType | None = None
        self.name: str | None = None  # display id of the output
        self.shown = 0.0

    def show(self, below: RenderableType | None) -> None:
        """Show the printed lines, and `below` under them."""
        self.below = below
        if time.monotonic() > self.shown + PATIENCE:
            self.close()

    def close(self) -> None:
        """Update the output immediately."""
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
        shown = display(content, raw=True, display_id=self.name or True, update=self.name is not None)
        self.name = self.name or shown.display_id
        self.shown = time.monotonic()


def _recording() -> Console:
    return printable_console(
        StringIO(), record=True, force_jupyter=False, color_system="truecolor", width=WIDTH, soft_wrap=False
    )
