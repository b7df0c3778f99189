"""Learning-rate schedules: functions from a step's number to a factor of the peak rate."""

import math
from collections.abc import Callable

from tudui.config.optimizing import CosineConfig, OneCycleConfig, ScheduleConfig, StepConfig

Schedule = Callable[[int], float]  # step, from 0 -> factor of the learning rate


def build_schedule(config: ScheduleConfig, *, steps: int, steps_per_epoch: int) -> Schedule:
    """Return the factor of each of `steps` steps."""
    if isinstance(config, OneCycleConfig):
        return _one_cycle(config, steps)
    warmup = round(config.warmup * steps_per_epoch)

    def after(step: int) -> float:
        match config:
            case CosineConfig(final=final):
                return _cosine(1.0, final, min((step - warmup) / max(steps - warmup, 1), 1.0))
            case StepConfig(factor=factor, every=every):
                return factor ** (step // (every * steps_per_epoch))
        return 1.0

    return lambda step: (step + 1) / warmup * after(warmup) if step < warmup else after(step)


def _one_cycle(config: OneCycleConfig, steps: int) -> Schedule:
    top = max(config.peak * steps - 1, 0.0)
    last = max(steps - 1, 1)
    between = _cosine if config.shape == "cosine" else _linear

    def factor(step: int) -> float:
        if step < top:
            return between(config.start, 1.0, step / top)
        return between(1.0, config.final, min((step - top) / max(last - top, 1e-9), 1.0))

    return factor


def _cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def _linear(first: float, last: float, share: float) -> float:
    return first + (last - first) * share
