"""Tasks: what outputs and targets mean, and what a network is scored by."""

from tudui.tasks.classes import Classes
from tudui.tasks.metric import Figure, Metric, Task, Unit, metric_named

__all__ = ["Classes", "Figure", "Metric", "Task", "Unit", "metric_named"]
