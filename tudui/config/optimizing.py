"""The sections `optimizer` and `schedule`: how the rate of learning is used and how it changes."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tudui.config.parts import Fraction, NotNegative, Positive, Section, Share

LearningRate = Annotated[
    Positive | Literal["auto"],
    Field(description="peak learning rate; auto: the recipe rate, which was measured for this network and loss"),
]
WeightDecay = Annotated[NotNegative, Field(description="shrinks every weight towards 0")]
Betas = Annotated[tuple[Fraction, Fraction], Field(strict=False, description="decay rates of the two running means")]


class OptimizerSection(Section):
    """What all optimizers have."""

    # what `lr: auto` is if network and loss have no recipe for this optimizer; None: the user must set it
    usual_rate: ClassVar[float | None] = None


class SgdConfig(OptimizerSection):
    """Stochastic gradient descent."""

    name: Literal["sgd"] = "sgd"
    lr: LearningRate = "auto"
    momentum: Annotated[Fraction, Field(description="share of the last update in the next one; 0: none")] = 0.9
    nesterov: bool = Field(True, description="use Nesterov's momentum, which looks one update ahead")
    weight_decay: WeightDecay = 5e-4


class AdamConfig(OptimizerSection):
    """Adam; weight decay is added to the gradient."""

    name: Literal["adam"]
    lr: LearningRate = "auto"
    betas: Betas = (0.9, 0.999)
    weight_decay: WeightDecay = 0.0


class AdamWConfig(OptimizerSection):
    """Adam; weight decay is separate from the gradient."""

    name: Literal["adamw"]
    lr: LearningRate = "auto"
    betas: Betas = (0.9, 0.999)
    weight_decay: WeightDecay = 0.01


OptimizerConfig = Annotated[SgdConfig | AdamConfig | AdamWConfig, Field(discriminator="name")]

WarmUp = Annotated[NotNegative, Field(description="epochs of linear increase of the rate from 0")]


class ConstantConfig(Section):
    """A constant rate; only with this schedule can a finished run be extended."""

    name: Literal["constant"]
    warmup: WarmUp = 0.0


class CosineConfig(Section):
    """Half a cosine from the peak down to `final` times the peak."""

    name: Literal["cosine"]
    warmup: WarmUp = 0.0
    final: Annotated[Share, Field(description="last rate, as a share of the peak")] = 0.0


class OneCycleConfig(Section):
    """Up to the peak and down again, each as half a cosine or linear."""

    name: Literal["one-cycle"] = "one-cycle"
    shape: Literal["cosine", "linear"] = Field("cosine", description="shape of the increase and of the decrease")
    peak: Annotated[float, Field(gt=0, lt=1, description="position of the peak, as a share of the run")] = 0.3
    start: Annotated[Share, Field(description="first rate, as a share of the peak")] = 0.04
    final: Annotated[Share, Field(description="last rate, as a share of the peak")] = 0.0


class StepConfig(Section):
    """The rate is multiplied by `factor` every `every` epochs."""

    name: Literal["step"]
    warmup: WarmUp = 0.0
    every: int = Field(30, ge=1, description="epochs between reductions of the rate")
    factor: Annotated[float, Field(gt=0, le=1, description="factor of each reduction")] = 0.1


ScheduleConfig = Annotated[ConstantConfig | CosineConfig | OneCycleConfig | StepConfig, Field(discriminator="name")]
