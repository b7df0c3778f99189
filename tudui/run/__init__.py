"""A run, from its config to its folder."""

from tudui.run.stages import Run
from tudui.run.train import Job, train, train_together

__all__ = ["Job", "Run", "train", "train_together"]
