"""A run on the terminal or in a notebook with a progress bar, elsewhere in plain lines."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from tudui.events import Evaluated, Event, RunEnded, RunStarted, StepEnd, Warned
from tudui.sinks import Sink
from tudui.sinks.notebook import Page
from tudui.sinks.printable import lasting, plain_table
from tudui.tasks import Task, task_from


@contextmanager
def console_sink(console: Console) -> Iterator[Sink]:
    """Show events on the console until the block ends."""
    with lasting(console):
        if console.is_jupyter:
            with closing(Page()) as page:
                yield _InNotebook(page)
        elif console.is_terminal:
            with Progress(*_columns(), console=console, transient=True) as progress:
                yield _Bar(console, progress)
        else:
            yield _Lines(console)


def _columns() -> list[ProgressColumn]:
    return [
        TextColumn("{task.fields[epoch]}"),
        BarColumn(bar_width=14),  # fits into 80 columns
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[scores]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    ]


class _Lines:
    def __init__(self, console: Console) -> None:
        self.console = console
        self.pending: StepEnd | None = None
        self.task: Task  # of the first event
        self.samples: str

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self.started(event)
            case StepEnd():
                self.steps(event)
            case Evaluated(split="validation", weights="last"):
                self.epoch_line(f"  validation {self.score(event.scores)}")
            case Warned():
                self.epoch_line()
                self.console.print(f"[yellow]warning:[/] {escape(event.message)}")
            case RunEnded():
                self.epoch_line()
                self.ended(event)

    def started(self, event: RunStarted) -> None:
        self.task, self.samples = task_from(event.task, event.name), event.samples
        if event.step:
            self.console.print(f"resuming {escape(event.name)} at step {event.step:,} of {event.steps_planned:,}")
            return
        counts = ", ".join(f"{number:,} {split}" for split, number in event.images.items())
        name = event.config["loss"]["name"]
        residuals = ", ".join(f"{key} = {text}" for key, text in event.residuals.items())
        loss = f"{name} ({residuals})" if residuals else name
        about = (
            self.task.kind == "classes" and f"{self.task.outputs} classes"
        ) or f"target {', '.join(self.task.names)}"
        lines = [f"{event.name}: loss {loss}, {event.parameters:,} parameters, {about}", f"{event.samples}: {counts}"]
        lines += [f"wrong labels: {event.wrong_labels.text(self.task.names)}"] if event.wrong_labels else []
        lines += [f"outliers: {event.outliers.text()}"] if event.outliers else []
        self.console.print(escape("\n".join(lines)))

    def score(self, scores: Mapping[str, float]) -> str:
        metric = self.task.metrics[0]
        return metric.unit.text(scores[metric.name], metric.unit.fewer)

    def steps(self, event: StepEnd) -> None:
        if event.epoch_done:
            self.epoch_line()
            self.pending = event

    def epoch_line(self, validation: str = "") -> None:
        event, self.pending = self.pending, None
        if event is None:
            return
        self.console.print(
            f"epoch {event.epoch:>3}/{event.epochs_planned}  loss {event.epoch_loss:.4f}  "
            f"{self.task.metrics[0].title} {self.score(event.epoch_scores)}{validation}  "
            f"{event.timing.images_per_second:,.0f} {self.samples}/s",
            soft_wrap=True,
            markup=False,
        )

    def ended(self, event: RunEnded) -> None:
        result = event.result
        title = f"{result['loss']}, seed {result['seed']}: {event.status}"
        table = plain_table("", *(column.title for column in self.task.brief), "loss", title=title)
        for labels, name in (("right", "clean"), ("wrong", "flipped")):
            if (result["train"] or {}).get(name, {}).get("images"):
                table.add_row(f"train, {labels} labels", self.score(result["train"][name]))
        for split in ("validation", "test"):
            if scores := result.get(split):
                shown = (column.unit.text(scores[column.name]) for column in self.task.brief)
                table.add_row(split, *shown, f"{scores['loss']:.4f}")
        if table.row_count:
            self.console.print(table)
        seconds, speed = result["timing"]["seconds"], result["timing"]["images_per_second"]
        self.console.print(f"{result['steps']:,} steps in {seconds:.1f} s in the loop, {speed:,.0f} {self.samples}/s")


class _Bar(_Lines):
    """A bar for every event, below the lines of finished epochs."""

    def __init__(self, console: Console, progress: Progress) -> None:
        super().__init__(console)
        self.progress = progress
        self.bar = progress.add_task("", total=None, epoch="starting", scores="")

    def steps(self, event: StepEnd) -> None:
        super().steps(event)
        self.progress.update(
            self.bar,
            total=event.steps_planned,
            completed=event.step,
            epoch=f"epoch {event.epoch}/{event.epochs_planned}",
            scores=f"loss {event.epoch_loss:.3f} {self.task.metrics[0].title} {self.score(event.epoch_scores)} "
            f"{event.timing.images_per_second:,.0f} {'img' if self.samples == 'images' else self.samples}/s",
        )


class _InNotebook(_Bar):
    def __init__(self, page: Page) -> None:
        super().__init__(page.console, Progress(*_columns(), console=page.console))
        self.page = page

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        self.page.show(None if isinstance(event, RunEnded) else self.progress)
