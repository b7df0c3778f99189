"""All sinks of a run: the record, whose errors end it, and others, which are dropped if they raise."""

import traceback
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tudui.errors import StopTraining, TuduiError
from tudui.events import Event, RunEnded, Warned
from tudui.sinks import Sink
from tudui.text import in_a_line


class Sinks:
    """Sinks in order: the record, those that the config names, and the caller's listeners."""

    def __init__(self, record: Iterable[Sink] = (), named: Iterable[Sink] = (), listeners: Iterable[Sink] = ()) -> None:
        self.record, self.listeners = list(record), list(listeners)
        self.others = [*named, *self.listeners]
        self.dropped: list[str] = []  # what went wrong in each sink that raised
        self.stopped = False  # whether one has raised StopTraining

    def __call__(self, event: Event) -> None:
        """Send an event to every sink."""
        if isinstance(event, RunEnded):  # before it is recorded, so that it names every sink that was dropped
            self.tell(event, self.others)
            event = replace(event, result={**event.result, **self.drops()})
        for sink in self.record:
            sink(event)
        if not isinstance(event, RunEnded):
            self.tell(event, self.others)

    def drops(self) -> dict[str, list[str]]:
        """Return what a result says of sinks that raised; nothing if none did."""
        return {"dropped_sinks": self.dropped} if self.dropped else {}

    def tell(self, event: Event, sinks: Iterable[Sink]) -> None:
        """Send an event to some sinks, and a warning to all for one that raised; a TuduiError ends the run."""
        for sink in [sink for sink in sinks if sink in self.others]:
            try:
                sink(event)
            except StopTraining:
                self.stopped = True
            except TuduiError:
                raise
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(place.filename).name}:{place.lineno}"
                what = in_a_line(f"{type(error).__name__}: {error}")
                self.others.remove(sink)
                self.dropped.append(f"a sink failed at {type(event).__name__} ({where}: {what})")
                self(Warned(step=event.step, message=f"{self.dropped[-1]}; training continues without it"))
