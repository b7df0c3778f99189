"""Every setting of a run, its type, range, default and meaning."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, field_validator, model_validator

from tudui.config.data_sets import FOLDER, data_sets
from tudui.config.loss_spec import LossParameters, loss_spec
from tudui.config.network_spec import NetworkParameters
from tudui.config.parts import Section
from tudui.errors import did_you_mean

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


# What `auto` is for images in classes, the only task so far. With a second task, `load_config` picks by `data.name`.
AUTO = {"loss": "ce", "network": "tudui"}


class AugmentConfig(Section):
    """Random changes of training images, another one for every image and epoch."""

    flip: bool | Literal["alternate"] = Field(
        False,
        description="mirror an image left to right, half of the time; alternate: every other epoch, "
        "a random half of the images in the first",
    )
    shift: int = Field(0, ge=0, le=16, description="move an image by up to this many pixels each way")


class DataConfig(Section):
    """Which images, how they are split and prepared."""

    name: str = Field("digits", description=f"a name that `tudui data list` shows, or {FOLDER}PATH for your own images")
    dir: str | None = Field(
        None, description="folder with a copy of the data set, or to download it into; null: the user's cache"
    )
    validation: Fraction = Field(0.1, description="share of the training images held out, stratified; 0: none")
    shuffle: bool = Field(True, description="draw a new order every epoch")
    normalize: Literal["standardize", "none"] = Field(
        "standardize", description="standardize: mean 0, deviation 1 per channel; none: pixels in [0, 1]"
    )
    augment: AugmentConfig = AugmentConfig()
    label_noise: float = Field(
        0.0, ge=0, le=1, description="share of wrong labels given on purpose in training and validation, never in test"
    )
    noise_kind: Literal["symmetric", "asymmetric"] = Field(
        "symmetric", description="wrong labels: any other class; asymmetric: the usual pairs, or data.noise_matrix"
    )
    noise_matrix: str | None = Field(
        None, description="CSV, row: true class, column: label given; label_noise scales it, 1: as it stands"
    )
    noise_manifest: str | None = Field(None, description="label_noise.json of a run, whose wrong labels are used again")
    on_bad_image: Literal["refuse", "skip"] = Field("refuse", description="what an unreadable image file leads to")
    cache: bool = Field(True, description="keep decoded image folders in the user's cache, and use what is there")

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name in data_sets() or (name.startswith(FOLDER) and name != FOLDER):
            return name
        hint = f"; did you mean '{FOLDER}{name}'?" if Path(name).is_dir() else did_you_mean(name, data_sets())
        raise ValueError(f"must be one of {', '.join(data_sets())}, {FOLDER}PATH{hint}")

    @property
    def has_wrong_labels(self) -> bool:
        """Whether training and validation have labels that are wrong on purpose."""
        return bool(self.label_noise or self.noise_manifest)

    @model_validator(mode="after")
    def _one_noise(self) -> "DataConfig":
        if self.noise_manifest and self.label_noise:
            raise ValueError("label_noise and noise_manifest: give one of the two")
        if self.noise_matrix and self.noise_kind != "asymmetric":
            raise ValueError("noise_matrix: belongs to noise_kind asymmetric; set that too")
        return self


LearningRate = Annotated[
    Positive | Literal["auto"], Field(description="peak learning rate; auto: the rate of the loss's recipe")
]
WeightDecay = Annotated[NotNegative, Field(description="pull of every weight towards 0")]
Betas = Annotated[tuple[Fraction, Fraction], Field(strict=False, description="decay of the two running means")]


class SgdConfig(Section):
    """Stochastic gradient descent."""

    name: Literal["sgd"] = "sgd"
    lr: LearningRate = "auto"
    momentum: Annotated[Fraction, Field(description="share of the last update that the next one keeps; 0: none")] = 0.9
    nesterov: bool = Field(True, description="Nesterov's momentum, which looks one update ahead")
    weight_decay: WeightDecay = 5e-4


class AdamConfig(Section):
    """Adam; weight decay is added to the gradient."""

    name: Literal["adam"]
    lr: LearningRate = "auto"
    betas: Betas = (0.9, 0.999)
    weight_decay: WeightDecay = 0.0


class AdamWConfig(Section):
    """Adam with weight decay apart from the gradient."""

    name: Literal["adamw"]
    lr: LearningRate = "auto"
    betas: Betas = (0.9, 0.999)
    weight_decay: WeightDecay = 0.01


OptimizerConfig = Annotated[SgdConfig | AdamConfig | AdamWConfig, Field(discriminator="name")]

WarmUp = Annotated[NotNegative, Field(description="epochs over which the rate rises from 0 in a straight line")]


class ConstantConfig(Section):
    """One rate throughout; the only schedule under which a finished run can be extended."""

    name: Literal["constant"]
    warmup: WarmUp = 0.0


class CosineConfig(Section):
    """Half a cosine from the peak down to `final` times the peak."""

    name: Literal["cosine"]
    warmup: WarmUp = 0.0
    final: Annotated[float, Field(ge=0, le=1, description="last rate, times the peak")] = 0.0


class OneCycleConfig(Section):
    """Up to the peak and down again, each half a cosine or a straight line."""

    name: Literal["one-cycle"] = "one-cycle"
    shape: Literal["cosine", "linear"] = Field("cosine", description="of the way up and of the way down")
    peak: Annotated[float, Field(gt=0, lt=1, description="share of the run at which the rate is highest")] = 0.3
    start: Annotated[float, Field(ge=0, le=1, description="first rate, times the peak")] = 0.04
    final: Annotated[float, Field(ge=0, le=1, description="last rate, times the peak")] = 0.0


class StepConfig(Section):
    """The rate is multiplied by `factor` every `every` epochs."""

    name: Literal["step"]
    warmup: WarmUp = 0.0
    every: int = Field(30, ge=1, description="epochs between two drops of the rate")
    factor: Annotated[float, Field(gt=0, le=1, description="what a drop multiplies the rate by")] = 0.1


ScheduleConfig = Annotated[ConstantConfig | CosineConfig | OneCycleConfig | StepConfig, Field(discriminator="name")]


class TrainConfig(Section):
    """The loop."""

    epochs: int = Field(10, ge=1, le=1_000_000, description="passes over the training images")
    batch_size: int = Field(64, ge=1, le=1_000_000, description="images per step")
    drop_last: bool = Field(True, description="leave out the last batch of an epoch where it is not full")
    clip: Positive | None = Field(
        1.0, description="largest norm of the gradient, longer ones are shortened to it; null: no limit"
    )
    early_stopping: Annotated[int, Field(ge=1)] | None = Field(
        None, description="stop after this many epochs without a better validation accuracy"
    )
    channels_last: bool = Field(True, description="memory format of images and convolutions; faster, same function")
    threads: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        "auto", description="CPU threads; part of the result, since another number rounds differently"
    )
    init_from: str | None = Field(
        None, description="weights file or run whose weights are the start; null: drawn from the seed"
    )


class LogConfig(Section):
    """What is written down, and how often."""

    every: int = Field(10, ge=1, description="steps between two lines of the record")
    details_every: int = Field(1, ge=1, description="epochs between two histograms, image grids, confusion matrices")
    images: int = Field(32, ge=0, le=256, description="validation images shown with their predicted class; 0: none")
    tensorboard: bool = Field(True, description="write TensorBoard events beside the JSON lines")


class CheckpointConfig(Section):
    """What is kept besides the last state."""

    every: int = Field(1, ge=1, description="epochs between two checkpoints")
    best: bool = Field(True, description="also keep the weights of the best validation accuracy")


class Config(Section):
    """A whole run. The same config and seed give the same run."""

    loss: SerializeAsAny[LossParameters] = Field(
        LossParameters(name="auto"),
        description="a name that `tudui loss list` shows, which replaces the whole section of a file; auto: ce",
    )
    network: SerializeAsAny[NetworkParameters] = Field(
        NetworkParameters(name="auto"), description="a network by name; auto: tudui"
    )
    data: DataConfig = DataConfig()
    optimizer: OptimizerConfig = SgdConfig()
    schedule: ScheduleConfig = OneCycleConfig()
    train: TrainConfig = TrainConfig()
    log: LogConfig = LogConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    seed: int = Field(0, ge=0, lt=2**31, description="governs split, initial weights, order and augmentation")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps (untested); auto: a GPU if there is one")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "fp32", description="arithmetic of forward and backward; weights stay fp32; auto: bf16 where it is native"
    )
    deterministic: bool = Field(
        False, description="on a GPU: bit-equal reruns, at some cost in speed; a CPU computes so anyway"
    )
    expect: Annotated[tuple[Fraction, Fraction], Field(strict=False)] | None = Field(
        None, description="band of test accuracy that was measured; a run says whether it ends inside"
    )

    @field_validator("device")
    @classmethod
    def _named_device(cls, device: str) -> str:
        if re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", device):
            return device
        raise ValueError("must be auto, cpu, cuda, cuda:N or mps")


DEFAULT_LOSSES = ("ce", "mse", "l1", "huber")
NoiseLevel = Annotated[float, Field(ge=0, le=1)]


class ComparisonConfig(Section):
    """What is compared, how often, and by which learning rates."""

    variants: dict[str, SerializeAsAny[LossParameters]] = Field(
        default_factory=lambda: {name: loss_spec(name).parameters(name=name) for name in DEFAULT_LOSSES},
        min_length=1,
        description="losses by name, in a file also sections by names of your own",
    )
    seeds: int = Field(
        5, ge=1, le=1000, description="runs per variant and noise level; the first has the config's seed"
    )
    label_noise: tuple[NoiseLevel, ...] = Field(
        (0.0,), strict=False, min_length=1, description="shares of wrong labels in training and validation, from 0 to 1"
    )
    baseline: str = Field("ce", description="the variant that the others are compared with; without ce, the first")
    metric: str | None = Field(
        None, description="the metric of the verdicts, for example top5; null: the first one of the data's task"
    )
    lr: Literal["recipe", "same", "tuned"] = Field(
        "recipe",
        description="recipe: each loss at its own rate; same: all at optimizer.lr (auto: the baseline's recipe); "
        "tuned: each at the best of `rates` on validation images",
    )
    rates: tuple[Positive, ...] = Field(
        (0.01, 0.02, 0.05, 0.1, 0.2), strict=False, min_length=2, description="the grid of lr: tuned"
    )
    tuning_seeds: int = Field(1, ge=1, le=100, description="runs per rate of the grid, on seeds that are not reported")
    forms: tuple[Literal["recipe", "plain"], ...] = Field(
        ("recipe",),
        strict=False,
        min_length=1,
        description="plain: residual losses as torch.nn computes them; both: side by side",
    )
    reach: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] = Field(
        "auto", description="validation accuracy whose time is measured; auto: 0.9 of the baseline's last"
    )
