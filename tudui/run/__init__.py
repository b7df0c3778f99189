"""A run, from its config to its folder."""

from tudui.run.stages import Run
from tudui.run.train import train

__all__ = ["Run", "train"]
