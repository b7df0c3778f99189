"""The progress of a comparison's runs: a live display on a terminal and in a notebook, else a line per run."""

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
    """Show the progress of this number of runs until the block ends."""
    display = _Display(runs)

    def line(progress: Progress) -> None:
        display.note(progress)
        if progress.done and display.started is not None:
            left = f", {display.left()} left" if display.left() else ""
            done = f"{display.finished()}/{display.runs} {escape(progress.run)} {progress.done}{left}"
            console.print(done, soft_wrap=True)

    def page(progress: Progress) -> None:
        display.note(progress)
        cell.show(display.render())

    if console.is_jupyter:
        with closing(Page()) as cell:
            yield page
    elif console.is_terminal:
        with Live(get_renderable=display.render, console=console, refresh_per_second=4, transient=True):
            yield display.note
    else:
        yield line


class _Display:
    def __init__(self, runs: int) -> None:
        self.runs = runs
        self.latest: dict[str, Progress] = {}
        self.started: float | None = None
        self.before = 0.0  # runs done by an earlier call

    def note(self, progress: Progress) -> None:
        if self.started is None and not progress.done:
            self.started, self.before = time.monotonic(), self.done()
        self.latest[progress.run] = progress
        self.runs = max(self.runs, len(self.latest))  # tuning may try rates beyond the grid

    def finished(self) -> int:
        return sum(bool(seen.done) for seen in self.latest.values())

    def done(self) -> float:
        return sum(seen.fraction for seen in self.latest.values())

    def left(self) -> str:
        """Return the time left at the pace so far, "" if that is unknown or 0."""
        done = self.done() - self.before
        if self.started is None or done <= 0 or self.done() == self.runs:
            return ""
        return duration((time.monotonic() - self.started) / done * (self.runs - self.done()))

    def render(self) -> Group:
        head, rows = Table.grid(padding=(0, 1)), Table.grid(padding=(0, 1))
        bar, left = ProgressBar(total=self.runs, completed=self.done(), width=30), self.left()
        head.add_row(f"{self.finished()}/{self.runs} runs", bar, f"{left} left" if left else "")
        for seen in [seen for seen in self.latest.values() if not seen.done][:RUNNING_SHOWN]:
            validation = f"validation {seen.validation}" if seen.validation else ""
            rows.add_row("  ", Text(seen.run), f"{100 * seen.fraction:.0f} %", Text(validation))
        return Group(head, rows)


def duration(seconds: float) -> str:
    """Return a readable duration, for example `1 h 02 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
