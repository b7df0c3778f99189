"""Which loss to use for a task or for data, and the command that tests it."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import fspath
from typing import TYPE_CHECKING, Any

from tudui.api.configs import Named
from tudui.config.data_sets import TaskKind, data_sets
from tudui.config.schema import TrainConfig
from tudui.errors import UsageError
from tudui.invocation import tudui_command
from tudui.lab.advice import ADVICE, MANY_OUTLIERS, MANY_WRONG, WORDS, Advice
from tudui.language import say

if TYPE_CHECKING:
    from tudui.api.data import CheckedData

BATCH = TrainConfig().batch_size
FEWEST_OUTLIERS = 0.1  # of which the figures of the advice are
FEWEST_STEPS, SMALL_BATCH = 5, 16  # of an epoch; with fewer steps, a network hardly learns, so batches are smaller
STAND_INS: Mapping[TaskKind, str] = {"classes": "digits", "numbers": "diabetes"}  # for data of the user

FLAGS: dict[str, tuple[TaskKind, str]] = {  # of a need: the task that it belongs to
    "label_noise": ("classes", "--label-noise"),
    "imbalance": ("classes", "--imbalance"),
    "probabilities": ("classes", "--probabilities"),
    "outliers": ("numbers", "--outliers"),
}


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What is asked for; UsageError for a share that is none."""

    label_noise: float = 0.0
    imbalance: bool = False
    probabilities: bool = False
    outliers: float = 0.0

    def __post_init__(self) -> None:
        for flag, share in (("--label-noise", self.label_noise), ("--outliers", self.outliers)):
            if not 0 <= share < 1:
                raise UsageError(f"{flag} {share:g}: must be at least 0 and below 1, for example 0.2 for 20 %")

    @property
    def words(self) -> tuple[str, ...]:
        """The needs that are there, as the table calls them."""
        there = {
            "few wrong labels": 0 < self.label_noise < MANY_WRONG,
            "wrong labels": self.label_noise >= MANY_WRONG,
            "imbalance": self.imbalance,
            "probabilities": self.probabilities,
            "outliers": 0 < self.outliers < MANY_OUTLIERS,
            "many outliers": self.outliers >= MANY_OUTLIERS,
        }
        return tuple(need for need, is_there in there.items() if is_there)


def advice_for(task: TaskKind, asked: Needs) -> Advice:
    """Return the first advice of the table for the task whose needs are all there; UsageError for those of another."""
    for name, (other, flag) in FLAGS.items():
        if getattr(asked, name) and other != task:
            instead = {"label_noise": "use --outliers", "outliers": "use --label-noise"}.get(name, "leave it out")
            raise UsageError(f"{flag}: is for {other}, and the task is {task}; {instead}")
    return next(advice for advice in ADVICE if advice.task == task and set(advice.needs) <= set(asked.words))


@dataclass(frozen=True)
class Advised:
    """The advice for a task, what else to know about it, and the command that tests it."""

    data: tuple[str, ...]  # what was read from the data
    advice: Advice
    notes: tuple[str, ...]
    command: str


def advise(
    task: TaskKind | None = None,
    *,
    label_noise: float | None = None,
    imbalance: bool = False,
    outliers: float | None = None,
    probabilities: bool = False,
    data: Named | None = None,
    target: str | Sequence[str] = (),
    **reading: Any,
) -> Advised:
    """Return which loss to use for a task, or for data, from which the task and unequal classes are read.

    `label_noise` and `outliers` are shares of wrong targets, from 0 to 1; `target` and `reading` are those of
    `check_data`. UsageError if what is asked for does not fit the task; DataError if the data cannot be read.
    """
    given = {"target": target if isinstance(target, str) else ",".join(target), **reading}
    found = None
    if data is None and (names := [name for name, value in given.items() if value]):
        raise UsageError(f"--{names[0].replace('_', '-')}: says how the data are read; add --data")
    if data is not None:
        from tudui.api.data import check_data

        if task is not None:
            raise UsageError(f"--task {task}: is read from {fspath(data)}; leave it out")
        found = check_data(data, target=target, **reading)
        task = "numbers" if found.data.task.kind == "numbers" else "classes"
        imbalance = imbalance or bool(found.data.task.beside)
    task = task or ("classes" if outliers is None else "numbers")
    asked = Needs(
        label_noise=label_noise or 0.0, imbalance=imbalance, outliers=outliers or 0.0, probabilities=probabilities
    )
    advice = advice_for(task, asked)
    words = [*_data_words(task, found, given), "--losses", ",".join(advice.losses), *_test_words(asked, found)]
    read = tuple(_read(found)) if found else ()
    return Advised(
        read, advice, tuple(_notes(asked, advice, found)), f"{tudui_command()} compare-losses {shlex.join(words)}"
    )


def _data_words(task: TaskKind, found: "CheckedData | None", reading: Mapping[str, Any]) -> Iterator[str]:
    """Return how the command names the data: as here, with the images skipped that were skipped here."""
    yield from ("--data", found.name if found else STAND_INS[task])
    for name, value in reading.items():
        if found and value:
            yield from (f"--{name.replace('_', '-')}", fspath(value))
    if found and (found.source.unreadable or reading.get("labels")):  # also images without a row, and rows without one
        yield from ("--on-bad-image", "skip")


def _test_words(asked: Needs, found: "CheckedData | None") -> Iterator[str]:
    """Return how the command tests it. Wrong targets are added to right ones only; the user's own have some."""
    if not _is_own(found):
        for name, share in (("--label-noise", asked.label_noise), ("--outliers", asked.outliers)):
            yield from (name, f"{share:g}") if share else ()
    if asked.probabilities:
        yield from ("--metric", "nll")
    yield from ("--lr", "tuned")
    if found and (rows := len(found.data.train)) < FEWEST_STEPS * BATCH:
        yield from ("--set", f"train.batch_size={min(SMALL_BATCH, max(rows // FEWEST_STEPS, 1))}")


def _is_own(found: "CheckedData | None") -> bool:
    return found is not None and found.name not in data_sets()


def _read(found: "CheckedData") -> Iterator[str]:
    """Return what was read from the data."""
    task = found.data.task
    if counts := getattr(task, "counts", ()):
        sizes = "{number} classes, {fewest:,} to {most:,} training samples each"
        unequal = ", unequal" if task.beside else ""
        yield say(f"Read from the data: {sizes}{unequal}.", number=task.outputs, fewest=min(counts), most=max(counts))
        return
    targets = "a number" if task.outputs == 1 else "{number} numbers"
    yield say(f"Read from the data: {targets} for each row.", number=task.outputs)
    yield from (far.words for far in found.far_targets)
    if found.far_targets:
        yield say(
            "Correct those that are mistakes first, in every part of the data. If others should not count, add "
            "--outliers {share:.2g}; if all are right, leave it out.",
            share=max(far.share for far in found.far_targets),
        )


def _notes(asked: Needs, advice: Advice, found: "CheckedData | None") -> Iterator[str]:
    """Return what else to know: what cannot be read from data, and what is not tested."""
    numbers = advice.task == "numbers"
    what, flag = (say("outliers"), "--outliers") if numbers else (say("wrong labels"), "--label-noise")
    wrong = asked.outliers if numbers else asked.label_noise
    if besides := [say(WORDS[need]) for need in asked.words if need not in advice.needs]:
        yield say("This advice is the same without: {needs}.", needs=say(", ").join(besides))
    if found is None:
        used = "{data}, whose classes are equal, is used" if asked.imbalance else "{data} is used"
        yours = "name yours with --data folder:PATH, or --data table:FILE.csv --target COLUMN"
        yield say(f"{used} in place of your own data; {yours}.", data=STAND_INS[advice.task])
        return
    if 0 < asked.outliers < FEWEST_OUTLIERS:
        yield say(
            "With less than {percent:g} % outliers the losses differ less, and a small test set may not show it: with "
            "3 % on diabetes the error of mse is 51.1, and that of l1 45.0.",
            percent=100 * FEWEST_OUTLIERS,
        )
    if not wrong:
        text = "The share of {what} cannot be read from data. If you know it, add {flag} SHARE."
        yield say(text, what=what, flag=flag)
    elif _is_own(found):
        yield say(
            "The test adds no {what} to yours. Check the targets of the test part by hand: if these are wrong too, "
            "the comparison shows which loss predicts wrong ones better.",
            what=what,
        )
