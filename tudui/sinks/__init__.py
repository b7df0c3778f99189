"""Receivers of events: the record in JSON lines, the terminal, and those that `log.sinks` names."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tudui.config.plug_ins import load, plug_ins, room_modules
from tudui.events import Event

if TYPE_CHECKING:
    from torch import nn

    from tudui.config import Config
    from tudui.data import Dataset

Sink = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What a sink is opened with, in the first process of a run."""

    folder: Path  # of the sink alone, RUN/NAME; it may not exist yet. Resume truncates its files named *.tudui*
    config: "Config"
    data: "Dataset"
    model: "nn.Module"  # with the weights of `last_step`
    last_step: int  # 0 for a new run; a resumed one calls the sink with later events only


def open_sink(name: str, run: RunInfo) -> AbstractContextManager[Sink]:
    """Return the context manager of a sink that `log.sinks` names; ConfigError if its package fails to load."""
    if name in room_modules("tudui.sinks.named"):
        found = import_module(f"tudui.sinks.named.{name}").open_sink
    else:
        found = load(plug_ins("tudui.sinks")[name])
    opened: AbstractContextManager[Sink] = found(run)
    return opened
