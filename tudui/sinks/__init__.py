"""Receivers of events: the record in JSON lines, TensorBoard, the terminal."""

from collections.abc import Callable

from tudui.events import Event

Sink = Callable[[Event], None]
