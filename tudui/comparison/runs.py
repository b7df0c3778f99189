"""The runs of a plan: ordinary configs that differ only in loss, noise level, seed and rate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tudui.comparison.looks import looks_of
from tudui.config import Config, Override, config_from
from tudui.config.data_sets import kind_of
from tudui.config.network_spec import recipe_name, recipe_rate
from tudui.config.plan import Plan
from tudui.errors import ConfigError

Cell = tuple[str, float]  # variant and noise level
Rates = Mapping[Cell, float]
Parameters = tuple[tuple[str, float], ...]  # tuned settings of a loss, by name
NOTHING_ELSE: Mapping[Cell, Parameters] = {}


@dataclass(frozen=True)
class PlannedRun:
    """One run of a comparison."""

    name: str  # of its folder
    variant: str
    label_noise: float  # the share of wrong labels, or of outliers
    config: Config

    @property
    def cell(self) -> str:
        """A readable name of its loss and noise level, for example `gce-noise20`."""
        return cell_name(self.variant, self.label_noise, "outliers" if self.config.data.outliers else "noise")

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.config.seed

    @property
    def rate(self) -> float:
        """Peak learning rate."""
        assert self.config.optimizer.lr != "auto"
        return self.config.optimizer.lr


def reported_runs(
    plan: Plan,
    rates: Rates,
    seeds: Mapping[Cell, int] | None = None,
    parameters: Mapping[Cell, Parameters] = NOTHING_ELSE,
) -> tuple[PlannedRun, ...]:
    """Return the reported runs; their names contain what is tuned, because a larger grid may change it.

    With folds, those of one variant, noise level and seed follow each other. `seeds` gives each variant and noise level
    a number of seeds of its own, instead of the most that the plan allows; `parameters` gives it tuned settings.
    """
    first, tuned = plan.base.seed, plan.comparison.lr == "tuned"
    seeds = seeds or dict.fromkeys(rates, looks_of(plan.comparison)[-1])
    runs = tuple(
        planned_run(
            plan,
            variant,
            noise,
            seed=first + number,
            rate=rates[variant, noise],
            rate_in_name=tuned,
            parameters=parameters.get((variant, noise), ()),
            fold=fold,
        )
        for number in range(max(seeds.values()))
        for noise in plan.comparison.levels
        for variant in plan.comparison.variants
        if number < seeds[variant, noise]
        for fold in range(1, (plan.base.data.folds or 1) + 1)
    )
    names = [run.name for run in runs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError([f"comparison.variants: two variants would both be called {twice[0]}; rename one"])
    return runs


def given_rates(plan: Plan) -> dict[tuple[str, float], float]:
    """Return the rates of `lr: recipe` and `lr: same`; ConfigError if a loss has no recipe."""
    comparison, given = plan.comparison, plan.base.optimizer.lr
    rates: dict[tuple[str, float], float] = {}
    for variant in comparison.variants:
        if comparison.lr != "same":
            rate = _recipe(plan, variant)
        else:
            rate = _recipe(plan, comparison.baseline) if given == "auto" else given
        rates |= {(variant, noise): rate for noise in comparison.levels}
    return rates


def _recipe(plan: Plan, variant: str) -> float:
    loss, optimizer = plan.comparison.variants[variant], plan.base.optimizer.name
    task = plan.base.kind.task
    if rate := recipe_rate(plan.base.network, loss, optimizer, task):
        return rate
    kind_of(dict(plan.base.data), sure=True)  # if the file that says the task cannot be read, this says why
    recipe = recipe_name(plan.base.network, loss, optimizer, task)
    advice = "use --lr tuned, or --lr same --set optimizer.lr=RATE"
    raise ConfigError([f"comparison.variants.{variant}: no measured rate for {recipe}; {advice}"])


def cell_name(variant: str, noise: float, word: str = "noise") -> str:
    """Return the readable name of a variant at a noise level, for example `gce-noise20`."""
    return variant if noise == 0 else f"{variant}-{word}{100 * noise:.10g}"


def threads_of(config: Config) -> int:
    """Return the threads of each run; `auto` is 1, so that parallel runs do not compete for cores."""
    return 1 if config.train.threads == "auto" else config.train.threads


def planned_run(
    plan: Plan, variant: str, noise: float, *, seed: int, rate: float, rate_in_name: bool, parameters: Parameters = (),
    fold: int = 1,
) -> PlannedRun:  # fmt: skip
    """Return a run of the plan; `parameters` replace settings of its loss."""
    outliers = any(plan.comparison.outliers)
    settings: dict[str, Any] = {
        "loss": plan.comparison.variants[variant].model_dump(mode="json") | dict(parameters),
        "data.outliers" if outliers else "data.label_noise": noise,
        "data.fold": fold,
        "optimizer.lr": rate,
        "seed": seed,
        "train.threads": threads_of(plan.base),
        "checkpoint.best": True,  # the report shows the selected weights beside the last
    }
    overrides = [Override(key, value, "the plan") for key, value in settings.items()]
    config = config_from(plan.base.model_dump(mode="json"), "the plan", overrides)
    name = cell_name(variant, noise, "outliers" if outliers else "noise") + (f"-lr{rate:.10g}" if rate_in_name else "")
    name += "".join(f"-{key}{value:.10g}" for key, value in parameters)
    name += f"-seed{seed}" + (f"-fold{fold}" if plan.base.data.folds else "")
    return PlannedRun(name, variant, noise, config)
