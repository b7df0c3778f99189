"""Every setting of a run: type, range, default and meaning."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny, field_validator, model_validator

from tudui.config.data_sets import FOLDER, TABLE, Kind, data_sets, kind_of, path_in
from tudui.config.loss_spec import LossParameters
from tudui.config.network_spec import NetworkParameters
from tudui.config.optimizing import OneCycleConfig, OptimizerConfig, ScheduleConfig, SgdConfig
from tudui.config.own_code import is_own, only_by_flag
from tudui.config.parts import Fraction, Positive, PositiveShare, Section, Share
from tudui.config.plug_ins import sink_names
from tudui.errors import did_you_mean

Seed = Annotated[int, Field(ge=0, lt=2**31)]
_at_home = os.path.expanduser  # leaves ~ as it is if there is no home folder, which Path.expanduser does not
PathName = Annotated[str, Field(min_length=1), AfterValidator(_at_home)]  # ~ is the home folder

# a single name need not be in a list
Names = Annotated[tuple[str, ...], BeforeValidator(lambda names: (names,) if isinstance(names, str) else names)]

# the meaning of `auto`, by what targets and inputs are (`kind_of`)
AUTO = {"loss": {"classes": "ce", "numbers": "huber"}, "network": {"images": "tudui", "table": "mlp"}}


class AugmentConfig(Section):
    """Random changes of training images, new for every image and epoch."""

    flip: bool | Literal["alternate"] = Field(
        False, description="mirror half of the images left to right; alternate: the other half in every other epoch"
    )
    shift: int = Field(
        0, ge=0, le=256, description="move an image by up to this many pixels in each direction, at most half its size"
    )
    crop: tuple[PositiveShare, PositiveShare] | None = Field(
        None,
        strict=False,
        description="[LOW, HIGH]: enlarge a random part with this share of the area to the whole image; null: no",
    )

    @field_validator("crop")
    @classmethod
    def _in_order(cls, crop: tuple[float, float] | None) -> tuple[float, float] | None:
        if crop and crop[0] > crop[1]:
            raise ValueError(f"must be [LOW, HIGH], the smaller share first; did you mean [{crop[1]:g}, {crop[0]:g}]?")
        return crop


class DataConfig(Section):
    """The images, their splits and preparation."""

    name: str = Field(
        "digits",
        description=f"a name from `tudui data list`, {FOLDER}PATH, {TABLE}FILE.csv, or FILE.py:NAME",
    )
    code: str | None = Field(None, description="sha256 of the file, if the name is FILE.py:NAME; set by Tudui")
    size: Annotated[int, Field(ge=8, le=512)] | None = Field(
        None, description="height and width of the images in pixels; null: 32, or the size of your own arrays"
    )
    target: Names = Field(
        (), strict=False, description="column or columns with the targets, in a table or in the file of data.labels"
    )
    labels: PathName | None = Field(
        None, description=f"CSV file that lists image files and their targets, for {FOLDER}PATH"
    )
    text: Names = Field((), strict=False, description="columns of a table whose numbers are texts, for example codes")
    ignore: Names = Field((), strict=False, description="columns of a table to leave out")
    on_missing: Literal["refuse", "drop", "median"] = Field(
        "refuse",
        description="what to do with a missing value in a table; drop: leave out the row; median: use the median of "
        "the training rows",
    )
    dir: PathName | None = Field(
        None, description="folder that contains the data set, or into which it is downloaded; null: the user's cache"
    )
    validation: Fraction = Field(0.1, description="share of training images for validation, stratified; 0: none")
    folds: Annotated[int, Field(ge=2, le=10)] | None = Field(
        None,
        description="for small data sets without test images: the number of parts that take turns as test images; "
        "a comparison trains once for each; null: none",
    )
    fold: int = Field(1, ge=1, le=10, description="the one of data.folds whose images are the test images")
    shuffle: bool = Field(True, description="use a new random order in every epoch")
    normalize: Literal["standardize", "none"] = Field(
        "standardize", description="standardize: mean 0, standard deviation 1 per channel; none: pixels in [0, 1]"
    )
    augment: AugmentConfig = AugmentConfig()
    label_noise: Share = Field(0.0, description="share of labels to make wrong in training and validation, not in test")
    noise_kind: Literal["symmetric", "asymmetric"] = Field(
        "symmetric", description="wrong labels: any other class; asymmetric: common pairs, or data.noise_matrix"
    )
    noise_matrix: PathName | None = Field(
        None, description="CSV file, row: true class, column: given label; label_noise scales it, 1: unchanged"
    )
    noise_manifest: PathName | None = Field(
        None, description="label_noise.json of a run, to use its wrong labels again"
    )
    split_seed: Seed | None = Field(None, description="seed of the validation split; null: the run's")
    order_seed: Seed | None = Field(None, description="seed of order and augmentation; null: the run's")
    noise_seed: Seed | None = Field(None, description="seed of the wrong labels; null: the run's")
    target_scale: Literal["robust", "standardize", "none"] = Field(
        "robust",
        description="how targets that are numbers are scaled for training: (target - location) / scale, both of the "
        "training targets; robust: median and interquartile range; standardize: mean and standard deviation",
    )
    tolerance: Positive | None = Field(
        None,
        description="largest error that counts for the score `within`, in the target's unit; null: about a tenth of "
        "its spread",
    )
    outliers: Share = Field(0.0, description="share of numbers to spoil in training and validation, not in test")
    outlier_kind: Literal["shift", "scale", "swap"] = Field(
        "shift",
        description="shift: add outlier_size interquartile ranges; scale: multiply the distance from the median by it; "
        "swap: take another row's target",
    )
    outlier_size: Positive = Field(5.0, description="size of outliers, see outlier_kind")
    outlier_manifest: PathName | None = Field(None, description="outliers.json of a run, to use its outliers again")
    on_bad_image: Literal["refuse", "skip"] = Field("refuse", description="what to do with an unreadable image file")
    cache: bool = Field(
        True, description="keep decoded images of folders, and large resized data sets, in the user's cache"
    )

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        kind, path = path_in(name)
        if kind and path:
            return kind + _at_home(path)
        if is_own(name) or name in data_sets():
            return name
        kind = FOLDER if Path(name).is_dir() else TABLE if Path(name).is_file() else ""
        hint = f"; did you mean '{kind}{name}'?" if kind else did_you_mean(name, data_sets())
        raise ValueError(f"must be one of {', '.join(data_sets())}, {FOLDER}PATH, {TABLE}FILE{hint}")

    @model_validator(mode="after")
    def _own(self) -> "DataConfig":
        if is_own(self.name) and self.code is None:
            raise ValueError(f"name: {only_by_flag('data', self.name)}")
        return self

    @model_validator(mode="after")
    def _fold_exists(self) -> "DataConfig":
        if self.fold > (self.folds or 1):
            which = (
                f"there are {self.folds} folds" if self.folds else "without data.folds there is only one; set that too"
            )
            raise ValueError(f"fold: {self.fold} does not exist: {which}")
        return self

    @property
    def has_wrong_labels(self) -> bool:
        """Whether training and validation labels are made wrong on purpose."""
        return bool(self.label_noise or self.noise_manifest)

    @property
    def is_spoiled(self) -> bool:
        """Whether training and validation targets of any kind are made wrong on purpose."""
        return self.has_wrong_labels or bool(self.outliers or self.outlier_manifest)

    @property
    def noise_source(self) -> Literal["symmetric", "asymmetric", "matrix", "manifest"]:
        """Where wrong labels come from; asymmetric: from common pairs."""
        return "manifest" if self.noise_manifest else "matrix" if self.noise_matrix else self.noise_kind

    @model_validator(mode="after")
    def _one_noise(self) -> "DataConfig":
        if self.noise_manifest and self.label_noise:
            raise ValueError("label_noise and noise_manifest: set only one of them")
        if self.outlier_manifest and self.outliers:
            raise ValueError("outliers and outlier_manifest: set only one of them")
        if self.noise_matrix and self.noise_kind != "asymmetric":
            raise ValueError("noise_matrix and noise_kind: a matrix needs data.noise_kind=asymmetric; set that too")
        return self


class TrainConfig(Section):
    """The training loop."""

    epochs: int = Field(10, ge=1, le=1_000_000, description="passes over the training images")
    batch_size: int = Field(64, ge=1, le=1_000_000, description="images per step")
    drop_last: bool = Field(True, description="drop the last batch of an epoch if it is not full")
    clip: Positive | None = Field(1.0, description="maximum norm of the gradient; null: no limit")
    early_stopping: Annotated[int, Field(ge=1)] | None = Field(
        None, description="stop after this many epochs without a better validation score"
    )
    channels_last: bool = Field(
        True, description="memory format of images and convolutions; faster, same results up to rounding"
    )
    threads: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        "auto", description="CPU threads; another number changes the rounding, so the result"
    )
    freeze: tuple[str, ...] = Field(
        (), strict=False, description="layers that are not trained and keep their running means, for example layer1"
    )
    weights_seed: Seed | None = Field(None, description="seed of the initial weights; null: the run's")
    init_from: PathName | None = Field(
        None, description="weights file or run for the initial weights; null: from the seed"
    )


class LogConfig(Section):
    """What is recorded, and how often."""

    every: int = Field(10, ge=1, description="steps between lines of the record")
    details_every: int = Field(1, ge=1, description="epochs between histograms, image grids, confusion matrices")
    images: int = Field(32, ge=0, le=256, description="validation images to show with their predicted class; 0: none")
    sinks: tuple[str, ...] = Field(
        ("tensorboard",),
        strict=False,
        description="outputs besides the record: tensorboard, a sink of an installed package, or FILE.py:NAME; [] in "
        "YAML: none",
    )
    code: dict[str, str] = Field({}, description="sha256 of the file of each sink FILE.py:NAME; set by Tudui")
    pictures: Literal["png", "svg", "none"] = Field(
        "png", description="pictures in the run folder after training: curves, confusion or predicted over true, worst"
    )

    @field_validator("sinks")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not is_own(name) and name not in (known := sink_names()):
                raise ValueError(f"unknown sink '{name}'{did_you_mean(name, known)}; known: {', '.join(known)}")
        return tuple(dict.fromkeys(names))

    @model_validator(mode="after")
    def _own(self) -> "LogConfig":
        for name in self.sinks:
            if is_own(name) and name not in self.code:
                raise ValueError(only_by_flag("sink", name))
        return self


class CheckpointConfig(Section):
    """Which states are saved."""

    every: int = Field(1, ge=1, description="epochs between checkpoints")
    best: bool = Field(True, description="also save the weights with the best validation score")


class Config(Section):
    """A whole run. The same config and seed give the same run."""

    loss: SerializeAsAny[LossParameters] = Field(
        LossParameters(name="auto"),
        description="a name from `tudui loss list`, with parameters as in huber:delta=0.5, or FILE.py:NAME; replaces "
        "the loss of a config file; auto: ce for classes, huber for numbers",
    )
    network: SerializeAsAny[NetworkParameters] = Field(
        NetworkParameters(name="auto"),
        description="a name from `tudui network list`, or FILE.py:NAME; auto: tudui for images, mlp for tables",
    )
    data: DataConfig = DataConfig()
    optimizer: OptimizerConfig = SgdConfig()
    schedule: ScheduleConfig = OneCycleConfig()
    train: TrainConfig = TrainConfig()
    log: LogConfig = LogConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    seed: Seed = Field(0, description="determines split, initial weights, order and augmentation")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps (untested); auto: a GPU if there is one")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "fp32",
        description="precision of forward and backward; weights stay fp32; auto: bf16 if the hardware supports it",
    )
    deterministic: bool = Field(False, description="on a GPU: identical reruns, but slower; CPU reruns always are")
    expect: Annotated[tuple[Fraction, Fraction], Field(strict=False)] | None = Field(
        None, description="measured band of test accuracy; the run reports whether its result is inside"
    )

    @property
    def kind(self) -> Kind:
        """What targets and inputs of the data set are."""
        return kind_of(dict(self.data))

    @field_validator("device")
    @classmethod
    def _named_device(cls, device: str) -> str:
        if re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", device):
            return device
        raise ValueError("must be auto, cpu, cuda, cuda:N or mps")
