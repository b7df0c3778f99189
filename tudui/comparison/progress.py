"""All runs of a comparison on one display: a bar and what is running on a terminal and in a notebook, else lines."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tudui.comparison.executors import Listener, Progress
from tudui.sinks.notebook import Page

RUNNING_SHOWN = 8


@contextmanager
def progress_display(console: Console, runs: int) -> Iterator[Listener]:
    """Show the progress of so many runs until the block ends."""
    display = _Display(console, runs)
    if console.is_jupyter:
        with closing(Page()) as page:

            def show(progress: Progress) -> None:
                display.note(progress)
                page.show(display.render())

            yield show
        return
    if not console.is_terminal:
        yield display.line
        return
    with Live(get_renderable=display.render, console=console, refresh_per_second=4, transient=True):
        yield display.note


class _Display:
    def __init__(self, console: Console, runs: int) -> None:
        self.console, self.runs = console, runs
        self.at: dict[str, Progress] = {}
        self.started: float | None = None
        self.before = 0.0  # runs that an earlier call had done

    def note(self, progress: Progress) -> None:
        """Take a message in."""
        if self.started is None and not progress.done:
            self.started, self.before = time.monotonic(), self.done()
        self.at[progress.run] = progress

    def line(self, progress: Progress) -> None:
        """Take a message in, and print a line where a run is done."""
        self.note(progress)
        if progress.done and self.started is not None:
            finished = sum(bool(seen.done) for seen in self.at.values())
            self.console.print(
                f"{finished}/{self.runs} {escape(progress.run)} {progress.done}{self.left()}", soft_wrap=True
            )

    def done(self) -> float:
        return sum(seen.fraction for seen in self.at.values())

    def left(self) -> str:
        """Return the time left, at the pace so far."""
        if self.started is None:
            return ""
        gone, done = time.monotonic() - self.started, self.done() - self.before
        seconds = gone / done * (self.runs - self.done()) if done > 0 else 0
        return f", {duration(seconds)} left" if seconds else ""

    def render(self) -> Group:
        finished = sum(bool(seen.done) for seen in self.at.values())
        head = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=self.runs, completed=self.done(), width=30)
        head.add_row(f"{finished}/{self.runs} runs", bar, Text(self.left().lstrip(", ")))
        rows = Table.grid(padding=(0, 1))
        running = [seen for seen in self.at.values() if not seen.done][:RUNNING_SHOWN]
        for seen in running:
            validation = "" if seen.validation is None else f"validation {100 * seen.validation:.1f} %"
            rows.add_row("  ", Text(seen.run), f"{100 * seen.fraction:.0f} %", validation)
        return Group(head, rows)


def duration(seconds: float) -> str:
    """Return seconds as people say them."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
