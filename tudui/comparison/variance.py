"""`--explain-variance`: how much of a score's variance comes from weights, order, split, wrong labels and images.

Runs that differ from the first reported run in one sub-seed alone, at least 8 for each source (Bouthillier et al. 2021,
Accounting for Variance in Machine Learning Benchmarks).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy import stats

from tudui.comparison.done import RunRecord
from tudui.comparison.runs import PlannedRun
from tudui.comparison.statistics import Interval, mean_squares
from tudui.config import Override, config_from
from tudui.config.plan import Plan
from tudui.tasks import Metric

FEWEST_LEVELS = 8
ALPHA = 0.05
SUB_SEEDS = {
    "initial weights": "train.weights_seed",
    "order and augmentation": "data.order_seed",
    "split": "data.split_seed",
    "wrong labels": "data.noise_seed",
}
IMAGES, REST = "test samples", "runs x samples"


@dataclass(frozen=True, kw_only=True)
class Component:
    """The part of one run's variance that comes from one source."""

    source: str
    n: int  # runs that differ in this source alone
    variance: float  # unbiased, so below 0 by chance if the source has little or no effect
    interval: Interval | None  # of 95 %

    @property
    def sd(self) -> float:
        """The standard deviation that the source alone gives the score of one run."""
        return math.sqrt(max(self.variance, 0.0))


@dataclass(frozen=True, kw_only=True)
class Explained:
    """The components of a variant's score or, with a baseline, of its difference to the baseline, of one run."""

    variant: str
    baseline: str | None
    label_noise: float
    components: tuple[Component, ...]  # largest first

    def share(self, component: Component) -> float:
        """Return the share of a component in their sum, from 0 to 1."""
        total = sum(part.sd**2 for part in self.components)
        return component.sd**2 / total if total else 0.0


def runs_of_sources(plan: Plan, reported: Sequence[PlannedRun]) -> dict[str, list[PlannedRun]]:
    """Return the runs by source: those of the plan's first seed again, with other sub-seeds of this source."""
    levels = max(FEWEST_LEVELS, plan.comparison.seeds)
    return {
        source: [
            _with_sub_seed(run, key, level)
            for level in range(1, levels)
            for run in reported
            if run.seed == plan.base.seed and _has_effect(source, run)
        ]
        for source, key in SUB_SEEDS.items()
    }


def _has_effect(source: str, run: PlannedRun) -> bool:
    data = run.config.data
    return {"split": data.validation > 0, "wrong labels": data.is_spoiled}.get(source, True)


def _with_sub_seed(run: PlannedRun, key: str, level: int) -> PlannedRun:
    section, name = key.split(".")
    own = getattr(getattr(run.config, section), name)
    value = (run.seed if own is None else own) + level
    config = config_from(run.config.model_dump(mode="json"), "the plan", [Override(key, value, "--explain-variance")])
    return PlannedRun(f"{run.name}-{name.removesuffix('_seed')}{value}", run.variant, run.label_noise, config)


def explain(
    plan: Plan, first: Sequence[RunRecord], others: Mapping[str, Sequence[RunRecord]], metric: Metric
) -> Iterator[Explained]:
    """Yield the components of every variant's score and of its difference to the baseline, at each noise level.

    `first` are the records of the plan's first seed, `others` those of each source.
    """
    comparison = plan.comparison
    for noise in comparison.levels:
        values = {
            variant: {
                source: [_values(run, metric) for run in (*first, *runs) if _is_of(run, variant, noise)]
                for source, runs in others.items()
            }
            for variant in comparison.variants
        }
        for variant, of_variant in values.items():
            yield Explained(variant=variant, baseline=None, label_noise=noise, components=components(of_variant))
        of_baseline = values.pop(comparison.baseline)
        for variant, of_variant in values.items():
            differences = {
                source: [
                    None if one is None or other is None else one - other
                    for one, other in zip(of_variant[source], of_baseline[source], strict=True)
                ]
                for source in others
            }
            yield Explained(
                variant=variant,
                baseline=comparison.baseline,
                label_noise=noise,
                components=components(differences),
            )


def _is_of(run: RunRecord, variant: str, noise: float) -> bool:
    return (run.planned.variant, run.planned.label_noise) == (variant, noise)


def _values(run: RunRecord, metric: Metric) -> np.ndarray | None:
    """Return a run's values [N]; None if it diverged."""
    if not run.finished:
        return None
    values = run.predictions[metric.name]
    return values.astype(np.int64 if values.dtype.kind in "biu" else np.float64)


def components(by_source: Mapping[str, Sequence[np.ndarray | None]]) -> tuple[Component, ...]:
    """Return the components of each source's runs, values [N] or None, and of the test images; largest first."""
    finished = {source: [one for one in runs if one is not None] for source, runs in by_source.items()}
    arrays = {source: np.stack(runs) for source, runs in finished.items() if len(runs) > 1}
    found = [component(source, values) for source, values in arrays.items()]
    if arrays:
        images, rest = zip(*(_of_images(values) for values in arrays.values()), strict=True)
        n = sum(len(values) - 1 for values in arrays.values()) + 1
        found.append(Component(source=IMAGES, n=n, variance=fmean(images), interval=None))
        found.append(Component(source=REST, n=n, variance=fmean(rest), interval=None))
    return tuple(sorted(found, key=lambda part: -part.variance))


def component(source: str, values: np.ndarray) -> Component:
    """Return the component of a source with n levels from values [n, N]: (MS_levels - MS_residual) / N.

    It is the variance of the mean over infinitely many images. The interval is that of a variance of normal values,
    (n - 1) MS_levels / chi squared, less the residual, whose n N degrees of freedom leave no doubt.
    """
    levels, images = values.shape
    of_levels, _, rest = mean_squares(values)
    low, high = (
        max(0.0, ((levels - 1) * of_levels / float(stats.chi2.ppf(share, levels - 1)) - rest) / images)
        for share in (1 - ALPHA / 2, ALPHA / 2)
    )
    return Component(source=source, n=levels, variance=(of_levels - rest) / images, interval=(low, high))


def _of_images(values: np.ndarray) -> tuple[float, float]:
    """Return the variance of one run's mean over its N images that other images, and that both together, give it."""
    levels, images = values.shape
    _, of_images, rest = mean_squares(values)
    return (of_images - rest) / (levels * images), rest / images
