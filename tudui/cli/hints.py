"""What to type instead of an option that a command does not have: options of other tools, settings without a flag."""

from collections.abc import Sequence
from typing import Any

from tudui.cli.flags import FLAGS, keys_of
from tudui.errors import did_you_mean

# key of a config: what other tools call it
NAMES = {
    "loss": "criterion loss-fn loss-function objective",
    "network": "model net arch architecture backbone cnn",
    "data.name": "dataset data-set",
    "data.target": "label y target-column label-column response column",
    "data.labels": "labels-file label-file annotations csv",
    "data.dir": "root data-path data-root dataroot data-directory",
    "data.size": "size image-size img-size resize imgsz",
    "data.validation": "val val-split validation-split",
    "data.folds": "kfold k-fold k-folds n-folds n-splits cv cross-validation",
    "data.label_noise": "noise noise-rate noise-level noise-ratio label-noise-rate",
    "data.outliers": "outlier outlier-rate outlier-share",
    "data.normalize": "norm normalise",
    "data.augment.flip": "augment augmentation hflip",
    "data.augment.crop": "crop random-crop random-resized-crop scale",
    "optimizer.name": "optimizer optimiser optim opt",
    "optimizer.lr": "learning-rate learningrate learn-rate lr rate",
    "optimizer.weight_decay": "wd decay l2",
    "schedule.name": "schedule scheduler lr-scheduler lr-schedule",
    "train.epochs": "epoch n-epochs num-epochs max-epochs iterations",
    "train.batch_size": "batch bs batchsize bsz train-batch-size",
    "train.clip": "grad-clip clip-grad clip-norm max-norm gradient-clip",
    "train.early_stopping": "patience early-stop",
    "train.init_from": "pretrained weights checkpoint ckpt finetune fine-tune load",
    "train.threads": "num-threads",
    "log.every": "log-interval print-freq log-freq",
    "checkpoint.every": "save-every save-freq",
    "seed": "random-seed manual-seed",
}
# an option that is a value of a setting
VALUES = {
    word: (key, value)
    for key, value, words in (
        ("device", "cuda", "cuda gpu gpus use-cuda"),
        ("device", "cpu", "cpu no-cuda"),
        ("device", "mps", "mps"),
        ("precision", "auto", "amp"),
        ("precision", "fp16", "fp16 half"),
        ("precision", "bf16", "bf16"),
    )
    for word in words.split()
}
PAGES = {
    "images are in memory, so there are no workers to set; see docs/faq.md": "workers num-workers n-workers",
    "several processes are started with torchrun; see docs/scale.md": "distributed ddp world-size local-rank",
}
KEYS = {word: key for key, words in NAMES.items() for word in words.split()}


def instead_of(option: str, args: Sequence[str], command: Any, known: Sequence[str]) -> str:
    """Return what to use for an option that a command lacks: `; use --lr 0.1`. Empty if nothing is known of it.

    `args` is what was typed, `known` are the options of the command.
    """
    word = word_of(option)
    if f"--{word}" in known:
        return f"; use --{word}"
    if page := next((page for page, words in PAGES.items() if word in words.split()), None):
        return f"; {page}"
    key, value = VALUES.get(word) or (KEYS.get(word) or _key_of(word, args), _value_of(option, args))
    own = keys_of(command.function) if hasattr(command, "function") else ()
    if key == "data.label_noise" and "comparison.label_noise" in own:
        key = "comparison.label_noise"
    if key in own:
        return f"; use {FLAGS[key].name} {value}"
    if key and "--set" in known:
        loss, _, parameter = key.partition(":")
        flag = next((flag for flag in ("--loss", "--losses") if flag in known), None)
        return f"; use {flag} {loss}:{parameter}={value}" if parameter and flag else f"; use --set {key}={value}"
    if key is None and "optimizer.lr" in own and f"--{word}" in {flag.name for flag in FLAGS.values()}:
        return "; it is an option of tudui compare-losses"
    return did_you_mean(option, known, like=0.8)


def word_of(option: str) -> str:
    """Return an option without dashes, and as options are spelled."""
    return option.partition("=")[0].lstrip("-").replace("_", "-").lower()


def _key_of(word: str, args: Sequence[str]) -> str | None:
    """Return the key whose last part or flag this is, or LOSS:PARAMETER, of a loss in `args` if one has it.

    None if there is no such key, or several.
    """
    from tudui.config.describe import known_keys
    from tudui.config.loss_spec import loss_specs
    from tudui.config.schema import Config

    name, keys = word.replace("-", "_"), known_keys(Config)
    found = [key for key, flag in FLAGS.items() if flag.name == f"--{word}" and not key.startswith("comparison.")]
    found += [key for key in keys if key.rpartition(".")[2] == name]
    losses = [loss for loss, spec in loss_specs().items() if name in spec.parameters.model_fields]
    if losses and not found:
        return f"{next((loss for loss in losses if loss in args), losses[0])}:{name}"
    return found[0] if len(set(found)) == 1 else None


def _value_of(option: str, args: Sequence[str]) -> str:
    for place, arg in enumerate(args):
        name, equals, value = arg.partition("=")
        if name == option:
            following = value if equals else next(iter(args[place + 1 : place + 2]), "")
            return following if following and not following.startswith("-") else "VALUE"
    return "VALUE"
