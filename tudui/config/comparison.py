"""Every setting of a comparison: type, range, default and meaning."""

from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, model_validator

from tudui.config.loss_spec import LossParameters, loss_spec
from tudui.config.parts import Positive, Section, Share

DEFAULT_LOSSES = {"classes": ("ce", "mse", "l1", "huber"), "numbers": ("mse", "l1", "huber")}  # the first: the baseline


MAX_RUNS = 10_000  # of a comparison


class ComparisonConfig(Section):
    """The losses to compare, how often, and with which learning rates."""

    variants: dict[str, SerializeAsAny[LossParameters]] = Field(
        default_factory=lambda: {name: loss_spec(name).parameters(name=name) for name in DEFAULT_LOSSES["classes"]},
        min_length=1,
        max_length=100,
        description="losses by name, also gce:q=0.5 or FILE.py:NAME; in a file also sections with your own names",
    )
    seeds: int = Field(5, ge=1, le=1000, description="runs per variant and noise level, from the config's seed up")
    until_decided: bool = Field(
        False, description="replaces `seeds`: look after 3, 5, 7 and 10 seeds, and stop each comparison that is decided"
    )
    max_seeds: int = Field(10, ge=3, le=1000, description="most seeds with `until_decided`")
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
    baseline: str = Field("ce", description="variant to compare the others with; without ce, the first")
    metric: str | None = Field(None, description="metric of the verdicts, for example top5; null: the task's first")
    margin: Positive | None = Field(
        None,
        description="the smallest difference that matters, for the verdict equivalent; of accuracy, 0.01 is one point; "
        "null: 1 point, or 5 % of the baseline's value",
    )
    family: Literal["report", "level"] = Field(
        "report", description="comparisons that Holm's correction counts: of the whole report, or of each noise level"
    )
    lr: Literal["recipe", "same", "tuned"] = Field(
        "recipe",
        description="recipe: each loss's own rate; same: optimizer.lr for all (auto: the baseline's recipe); "
        "tuned: the best of `rates` on validation images for each, and of up to 3 rates beyond if it is at an end",
    )
    rates: tuple[Positive, ...] = Field(
        (0.01, 0.02, 0.05, 0.1, 0.2),
        strict=False,
        min_length=2,
        max_length=100,
        description="rates to try with lr: tuned",
    )
    tuning_seeds: int = Field(2, ge=2, le=100, description="runs per rate, with seeds that are not reported")
    explain_variance: bool = Field(
        False, description="more runs, to report what the scores vary with: weights, order, split, wrong labels, images"
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
