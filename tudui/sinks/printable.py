"""A console on which no name from a file steers the terminal; Rich lets escape sequences through."""

from typing import IO, Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult

from tudui.errors import printable


def printable_console(file: IO[str], **options: Any) -> Console:
    """Return a console that writes to the file, or into the cell of a notebook."""
    console = Console(file=file, highlight=False, **options)
    console.push_render_hook(_OnlyPrintable())
    return console


class _OnlyPrintable(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Printable(content) for content in renderables]


class _Printable:
    def __init__(self, content: ConsoleRenderable) -> None:
        self.content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.content, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))
