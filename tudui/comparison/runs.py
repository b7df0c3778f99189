"""The runs that a plan stands for: an ordinary config each, which differ in loss, noise level, seed and rate alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tudui.config import Config, Override, config_from
from tudui.config.network_spec import recipe_rate
from tudui.config.plan import TUNING_SEED, Plan
from tudui.errors import ConfigError


@dataclass(frozen=True)
class PlannedRun:
    """One run of a comparison."""

    name: str  # of its folder
    variant: str
    label_noise: float
    config: Config

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.config.seed

    @property
    def rate(self) -> float:
        """Peak learning rate."""
        assert self.config.optimizer.lr != "auto"
        return self.config.optimizer.lr


# (variant, noise level) -> learning rate
Rates = Mapping[tuple[str, float], float]


def reported_runs(plan: Plan, rates: Rates) -> tuple[PlannedRun, ...]:
    """Return the runs that the report is about; their names hold a tuned rate, which a larger grid may change."""
    first, tuned = plan.base.seed, plan.comparison.lr == "tuned"
    runs = tuple(
        _run(plan, variant, noise, seed=seed, rate=rates[variant, noise], rate_in_name=tuned)
        for seed in range(first, first + plan.comparison.seeds)
        for noise in plan.comparison.label_noise
        for variant in plan.comparison.variants
    )
    names = [run.name for run in runs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError([f"comparison.variants: two variants would both be called {twice[0]}; rename one"])
    return runs


def tuning_runs(plan: Plan) -> tuple[PlannedRun, ...]:
    """Return the runs that choose the rates: the same budget each, on seeds that are not reported."""
    return tuple(
        _run(plan, variant, noise, seed=TUNING_SEED + number, rate=rate, rate_in_name=True)
        for number in range(plan.comparison.tuning_seeds)
        for rate in plan.comparison.rates
        for noise in plan.comparison.label_noise
        for variant in plan.comparison.variants
    )


def given_rates(plan: Plan) -> dict[tuple[str, float], float]:
    """Return the rates of `lr: recipe` and `lr: same`; ConfigError where a loss has no recipe."""
    comparison = plan.comparison

    def recipe(variant: str) -> float:
        loss, optimizer = comparison.variants[variant], plan.base.optimizer.name
        rate = recipe_rate(plan.base.network, loss, optimizer)
        if rate is None:
            raise ConfigError(
                [
                    f"comparison.variants.{variant}: there is no recipe rate for {loss.name}, form {loss.variant}, "
                    f"with {optimizer}; take --lr tuned, or --lr same --set optimizer.lr=RATE"
                ]
            )
        return rate

    if comparison.lr == "same":
        rate = plan.base.optimizer.lr
        one = recipe(comparison.baseline) if rate == "auto" else rate
        by_variant = dict.fromkeys(comparison.variants, one)
    else:
        by_variant = {variant: recipe(variant) for variant in comparison.variants}
    return {(variant, noise): by_variant[variant] for variant in by_variant for noise in comparison.label_noise}


def cell_name(variant: str, noise: float) -> str:
    """Return the readable name of a variant at a noise level, such as `gce-noise20`."""
    return variant if noise == 0 else f"{variant}-noise{100 * noise:.10g}"


def threads_of(config: Config) -> int:
    """Return the threads of each run: one unless the plan says otherwise, so that runs side by side do not collide."""
    return 1 if config.train.threads == "auto" else config.train.threads


def _run(plan: Plan, variant: str, noise: float, *, seed: int, rate: float, rate_in_name: bool) -> PlannedRun:
    settings: dict[str, Any] = {
        "loss": plan.comparison.variants[variant].model_dump(mode="json"),
        "data.label_noise": noise,
        "optimizer.lr": rate,
        "seed": seed,
        "train.threads": threads_of(plan.base),
        "checkpoint.best": True,  # the report shows the selected weights beside the last
    }
    overrides = [Override(key, value, "the plan") for key, value in settings.items()]
    config = config_from(plan.base.model_dump(mode="json"), "the plan", overrides)
    name = cell_name(variant, noise) + (f"-lr{rate:.10g}" if rate_in_name else "")
    return PlannedRun(f"{name}-seed{seed}", variant, noise, config)
