"""Receivers of events: the record in JSON lines, the terminal, and those that `log.sinks` names."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tudui.config.own_code import is_own, own_errors, own_object, path_of
from tudui.config.plug_ins import load, plug_ins, room_modules
from tudui.errors import UsageError
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
    """Return the context manager of a sink that `log.sinks` names.

    ConfigError if its package fails to load; UsageError, also on entry, for what is wrong in a file of the user.
    """
    if is_own(name):
        return _own_sink(name, run)
    if name in room_modules("tudui.sinks.named"):
        found = import_module(f"tudui.sinks.named.{name}").open_sink
    else:
        found = load(plug_ins("tudui.sinks")[name])
    opened: AbstractContextManager[Sink] = found(run)
    return opened


@contextmanager
def _own_sink(name: str, run: RunInfo) -> Iterator[Sink]:
    """Open what the user's function or class returns: a function of events, or a context manager of one."""
    make = own_object(name, run.config.log.code[name], "--sink")
    if not callable(make):
        raise UsageError(f"{name}: must be a function or a class (got {type(make).__name__})")
    with own_errors(path_of(name)):
        opened = make(run)
        manager = opened if isinstance(opened, AbstractContextManager) else nullcontext(opened)
        sink = manager.__enter__()
        if not callable(sink):
            what = f"must return a function of events, or a context manager of one (got {type(sink).__name__})"
            raise UsageError(f"{name}: {what}")
    try:
        yield sink
    except BaseException:
        with suppress(Exception):  # what ended the run is more important
            manager.__exit__(*sys.exc_info())
        raise
    with own_errors(path_of(name), "closing it: "):
        manager.__exit__(None, None, None)
