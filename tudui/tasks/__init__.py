"""Tasks: what outputs and targets mean, and how a network is scored."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tudui.errors import DataError
from tudui.tasks.classes import Classes
from tudui.tasks.metric import Figure, Metric, Unit, metric_named
from tudui.tasks.numbers import Numbers
from tudui.tasks.task import Task, check_scores, scores_of

__all__ = [
    "Classes",
    "Figure",
    "Metric",
    "Numbers",
    "Task",
    "Unit",
    "check_scores",
    "metric_named",
    "scores_of",
    "task_from",
]

_KINDS: dict[str, TypeAdapter[Task]] = {"classes": TypeAdapter(Classes), "numbers": TypeAdapter(Numbers)}


def task_from(about: Mapping[str, Any], where: str) -> Task:
    """Return the task from the values of `Task.about`; DataError, which begins with `where`, if they are damaged."""
    kind = about.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise DataError(f"{where}: its task is of an unknown kind")
    values = {name: value for name, value in about.items() if name != "kind"}
    try:
        return _KINDS[kind].validate_python(values)
    except ValidationError:
        raise DataError(f"{where}: its task is damaged") from None
