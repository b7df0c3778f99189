"""Every setting of a comparison: type, range, default and meaning."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, model_validator

from tudui.config.loss_spec import LossParameters, loss_spec
from tudui.config.parts import Positive, Section, Share

DEFAULT_LOSSES = {"classes": ("ce", "mse", "l1", "huber"), "numbers": ("mse", "l1", "huber")}  # the first: the baseline


MAX_RUNS = 10_000  # of a comparison
MOST_BEYOND = 3  # rates tried past an end of the grid
SCALES = (0.1, 0.3, 1.0, 3.0)  # to try for a setting of a loss that is a residual, in scaled units
OF_LOSS = "loss."  # how a tuned setting of a loss begins


class ComparisonConfig(Section):
    """The losses to compare, how often, and with which learning rates."""

    variants: dict[str, SerializeAsAny[LossParameters]] = Field(
        default_factory=lambda: {name: loss_spec(name).parameters(name=name) for name in DEFAULT_LOSSES["classes"]},
        min_length=1,
        max_length=100,
        description="losses by name, with parameters as in gce:q=0.5, or FILE.py:NAME; in a config file also sections "
        "with your own names",
    )
    seeds: int = Field(5, ge=1, le=1000, description="runs per variant and noise level, from the config's seed up")
    until_decided: bool = Field(
        False,
        description="instead of `seeds`: look at the verdicts after 3, 5, 7 and 10 seeds, and stop each comparison "
        "that is decided",
    )
    max_seeds: int = Field(10, ge=3, le=1000, description="largest number of seeds with `until_decided`")
    label_noise: tuple[Share, ...] = Field(
        (0.0,),
        strict=False,
        min_length=1,
        max_length=100,
        description="shares of wrong labels in training and validation, from 0 to 1",
    )
    outliers: tuple[Share, ...] = Field(
        (0.0,),
        strict=False,
        min_length=1,
        max_length=100,
        description="for numbers: shares of targets to spoil in training and validation, from 0 to 1",
    )
    baseline: str = Field("ce", description="loss to compare the others with; if ce is not among them, the first one")
    metric: str | None = Field(None, description="metric of the verdicts, for example top5; null: the task's first")
    margin: Positive | None = Field(
        None,
        description="the smallest difference that matters: losses are equivalent if they surely differ by less; 0.01 "
        "is one point of accuracy; "
        "null: 1 point, or 5 % of the baseline's value",
    )
    family: Literal["report", "level"] = Field(
        "report",
        description="which comparisons Holm's correction counts: all of the report, or those of each noise level",
    )
    lr: Literal["recipe", "same", "tuned"] = Field(
        "recipe",
        description="recipe: the rate measured for each loss; same: optimizer.lr for all (auto: the baseline's recipe "
        "rate); tuned: for each loss the best of `rates` on validation images; if it is at an end, up to 3 rates "
        "beyond are tried too",
    )
    rates: tuple[Positive, ...] = Field(
        (0.01, 0.02, 0.05, 0.1, 0.2),
        strict=False,
        min_length=2,
        max_length=100,
        description="rates to try with lr: tuned",
    )
    tuning_seeds: int = Field(2, ge=2, le=100, description="runs per rate, with seeds that are not reported")
    tune: tuple[str, ...] = Field(
        (),
        strict=False,
        max_length=5,
        description="settings to choose on validation data, for example lr,loss.delta, with the same number of runs "
        "for each loss; lr alone is the same as lr: tuned",
    )
    tune_values: dict[str, Annotated[tuple[float, ...], Field(strict=False, min_length=1, max_length=10)]] = Field(
        default_factory=dict,
        description="values to try for a setting of a loss, for example {delta: [0.5, 1]}; by default 0.1, 0.3, 1 and "
        "3 for residuals, for example delta",
    )
    explain_variance: bool = Field(
        False,
        description="do more runs, to report how much of the spread comes from weights, order, split, wrong labels "
        "and test images",
    )
    forms: tuple[Literal["recipe", "plain"], ...] = Field(
        ("recipe",),
        strict=False,
        min_length=1,
        description="plain: residual losses as in torch.nn; both: compare both forms",
    )
    reach: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] = Field(
        "auto", description="validation score to reach, for its time; auto: a tenth worse than the baseline's last"
    )
    reported_at: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(
        (), strict=False, max_length=100, description="numbers of seeds of earlier reports; written by Tudui"
    )

    @property
    def levels(self) -> tuple[float, ...]:
        """The shares of wrong targets: of labels or, if there are any, of outliers."""
        return self.outliers if any(self.outliers) else self.label_noise

    @property
    def tuned_parameters(self) -> tuple[str, ...]:
        """The settings of losses to choose on validation, without `loss.`."""
        return tuple(key.removeprefix(OF_LOSS) for key in self.tune if key.startswith(OF_LOSS))

    def values_to_try(self, parameter: str) -> tuple[float, ...]:
        """Return the values to try for a setting of a loss."""
        return self.tune_values.get(parameter, SCALES)

    @property
    def settings_to_try(self) -> int:
        """How many settings are tried for each loss and noise level, without rates past an end of `rates` alone."""
        if not self.tuned_parameters:
            return len(self.rates)
        return len(self.rates) + MOST_BEYOND + sum(len(self.values_to_try(name)) for name in self.tuned_parameters)

    @model_validator(mode="before")
    @classmethod
    def _tune_of_lr(cls, values: Any) -> Any:
        """Set `lr: tuned` for `tune: [lr, ...]`, of which `tune: [lr]` says no more."""
        tune = values.get("tune") if isinstance(values, Mapping) else None
        if not isinstance(tune, list | tuple) or "lr" not in tune:
            return values
        if (lr := values.get("lr", "tuned")) != "tuned":
            raise ValueError(f"tune names lr, and lr is {lr}; use lr: tuned, or tune: []")
        return {**values, "lr": "tuned", "tune": [] if list(tune) == ["lr"] else tune}

    @model_validator(mode="after")
    def _tune_is_possible(self) -> "ComparisonConfig":
        if wrong := [key for key in self.tune if key != "lr" and not key.startswith(OF_LOSS)]:
            raise ValueError(f"tune: {wrong[0]} cannot be tuned; use lr, or loss.NAME, for example lr,loss.delta")
        if self.tune and "lr" not in self.tune:
            raise ValueError(
                f"tune: the rate is tuned too, because it depends on the loss; use lr,{','.join(self.tune)}"
            )
        if unused := [name for name in self.tune_values if name not in self.tuned_parameters]:
            raise ValueError(f"tune_values: {unused[0]} is not tuned; use tune: [lr, loss.{unused[0]}]")
        return self

    @model_validator(mode="after")
    def _one_kind(self) -> "ComparisonConfig":
        if any(self.outliers) and any(self.label_noise):
            raise ValueError("outliers and label_noise: outliers are for numbers, label noise is for classes; set one")
        return self

    @model_validator(mode="after")
    def _few_enough(self) -> "ComparisonConfig":
        runs = len(self.variants) * len(self.levels) * (self.max_seeds if self.until_decided else self.seeds)
        if runs > MAX_RUNS:
            raise ValueError(f"{runs:,} runs are too many; at most {MAX_RUNS:,} can be compared")
        return self
