"""The results of a comparison: a row per variant, a pair per comparison with the baseline; and comparison.json."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from tudui.comparison.curve import Curve, curve_values
from tudui.comparison.done import RunRecord
from tudui.comparison.looks import looks_of
from tudui.comparison.power import Needed
from tudui.comparison.runs import cell_name
from tudui.comparison.statistics import Difference, Rate, Spread, Summary, failure_rate
from tudui.comparison.variance import Explained
from tudui.comparison.verdict import Flag, Verdict
from tudui.config.plan import Plan
from tudui.events import WrongLabels
from tudui.record import Hardware
from tudui.tasks import Metric, Task

FORMAT = 3  # of comparison.json; 2 had two p values for a difference, and corrected them within a noise level

Means = Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One variant at one noise level: its runs by seed, and the results of those that finished."""

    variant: str
    label_noise: float
    runs: tuple[RunRecord, ...]
    lost_class: Sequence[int]  # the seeds of finished runs that never predict a class which other runs predict
    metrics: Mapping[str, Summary]  # {} like all below if every run diverged
    figures: Mapping[str, Spread]
    selected: Spread | None  # first metric on the test images, of the weights that validation selected
    validation: Spread | None  # first metric of the last weights
    losses: Means  # mean value of the models under each loss
    details: Mapping[str, Any]  # of the task, all seeds pooled
    learned: Mapping[str, Means] | None  # scores on training images with `clean` and with `flipped` labels
    reach: float | None  # the validation score whose time is measured
    reached: tuple[tuple[int | None, float | None], ...]  # epoch and seconds until then, for each run that finished

    @property
    def name(self) -> str:
        """A readable name, for example `gce-noise20`."""
        return self.runs[0].planned.cell

    @property
    def learning_rate(self) -> float:
        """The peak learning rate of its runs."""
        return self.runs[0].planned.rate

    def parameters(self, names: Iterable[str]) -> dict[str, float]:
        """Return these settings of the loss, as far as it has them."""
        loss = self.runs[0].planned.config.loss
        return {name: getattr(loss, name) for name in names if name in type(loss).model_fields}

    @property
    def seeds(self) -> list[int]:
        """The seeds of its runs."""
        return [run.planned.seed for run in self.runs]

    @property
    def diverged(self) -> list[int]:
        """The seeds of the runs that diverged."""
        return [run.planned.seed for run in self.runs if not run.finished]

    @property
    def finished(self) -> tuple[RunRecord, ...]:
        """The runs that did not diverge."""
        return tuple(run for run in self.runs if run.finished)

    @property
    def samples(self) -> int:
        """The number of test samples; only if a run finished."""
        return len(self.finished[0].predictions["label"])

    @property
    def failures(self) -> dict[Flag, Rate]:
        """How many runs failed, by kind."""
        found = {Flag.DIVERGED: (self.diverged, self.runs), Flag.LOST_CLASS: (self.lost_class, self.finished)}
        return {flag: failure_rate(len(failed), len(runs)) for flag, (failed, runs) in found.items() if runs}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A variant against the baseline at one noise level, over the seeds that finished in both."""

    variant: str
    baseline: str
    label_noise: float
    metric: str
    found: Difference | None  # None: there is no such seed
    p_holm: float | None  # of a difference, corrected for the comparisons of the family and for the looks
    p_equivalent_holm: float | None
    verdict: Verdict
    within_margin: bool | None  # whether the difference is smaller than the margin, by its corrected p
    flags: tuple[Flag, ...]
    needed: tuple[Needed, ...] = ()  # what would settle it, if it is not distinguishable

    @property
    def n(self) -> int:
        """The number of seeds."""
        return self.found.n if self.found else 0


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """The rows and pairs of a plan, with what its runs had in common."""

    plan: Plan
    folder: Path
    command: str
    task: Task
    metric: Metric  # of the verdicts
    versions: Mapping[str, str]
    hardware: Hardware
    warnings: tuple[str, ...]
    hashes: Mapping[str, Mapping[str, str | list[str]]]  # of each noise level's and seed's initial state
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    tuning: tuple[Curve, ...]
    explained: tuple[Explained, ...] = ()  # with --explain-variance
    second: "Comparison | None" = None  # of numbers: the same runs by squared error, or by absolute error

    @property
    def test_images(self) -> int | None:
        """The number of test images; None if every run diverged."""
        return next((run.test.images for row in self.rows for run in row.runs if run.test), None)

    @property
    def noise_levels(self) -> tuple[float, ...]:
        """The shares of wrong labels or outliers, in the plan's order."""
        return self.plan.comparison.levels

    @property
    def samples(self) -> str:
        """What test samples are called: images, or rows of a table."""
        return self.plan.base.kind.samples

    @property
    def level_name(self) -> str:
        """The key of a noise level in comparison.json: `label_noise`, or `outliers` for numbers."""
        return "outliers" if self.task.kind == "numbers" else "label_noise"

    def wrong_labels(self, noise: float) -> list[WrongLabels]:
        """Return the wrong labels of each seed at one noise level; [] if none were made wrong."""
        return [run.wrong_labels for run in self.rows_at(noise)[0].runs if run.wrong_labels]

    def wrong_share(self, noise: float, split: str = "train") -> float:
        """Return the share of wrong labels at one noise level, mean over the seeds; of outliers the level itself."""
        runs = self.rows_at(noise)[0].runs
        found = [wrong.share(split) for run in runs if (wrong := run.wrong_labels)]
        return fmean(found) if found else noise

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of seeds at which verdicts were looked at: one, or several if runs were added until decided."""
        return looks_of(self.plan.comparison)

    @property
    def unequal(self) -> list[str]:
        """The names of what differed between losses of the same seed at the start, and should not."""
        found = self.hashes.values()
        return sorted({name for hashes in found for name, seen in hashes.items() if isinstance(seen, list)})

    @property
    def baseline(self) -> str:
        """The variant that the others are compared with."""
        return self.plan.comparison.baseline

    def rows_at(self, noise: float) -> list[Row]:
        """Return the rows of one noise level."""
        return [row for row in self.rows if row.label_noise == noise]

    def finished_at(self, noise: float) -> list[Row]:
        """Return the rows of one noise level that have a finished run."""
        return [row for row in self.rows_at(noise) if row.finished]

    def pairs_at(self, noise: float) -> list[Pair]:
        """Return the pairs of one noise level."""
        return [pair for pair in self.pairs if pair.label_noise == noise]

    def pair_of(self, row: Row) -> Pair | None:
        """Return the comparison of a row with the baseline; None for the baseline itself."""
        return next((pair for pair in self.pairs_at(row.label_noise) if pair.variant == row.variant), None)

    @property
    def values(self) -> dict[str, Any]:
        """The content of comparison.json: plain values, scores in each metric's own unit (accuracies are fractions)."""
        first, word = self.task.metrics[0].name, "outliers" if self.task.kind == "numbers" else "noise"
        return {
            "format": FORMAT,
            "command": self.command,
            "metric": self.metric.name,
            "correction": {"family": self.plan.comparison.family, "looks": self.looks},
            "plan": self.plan.comparison.model_dump(mode="json") | {"base": settings_of_every_run(self.plan)},
            "versions": dict(self.versions),
            "hardware": self.hardware.model_dump(),
            "warnings": list(self.warnings),
            "test_images": self.test_images,
            "hashes": self.hashes,
            "wrong_labels": {
                cell_name("labels", noise): [asdict(labels) for labels in found]
                for noise in self.noise_levels
                if (found := self.wrong_labels(noise))
            },
            "rows": [self._with_level(_row(row)) for row in self.rows],
            "pairs": [self._with_level(pair_values(pair)) for pair in self.pairs],
            **({"second_metric": self.second._second_values} if self.second else {}),
            "tuning": [self._with_level(curve_values(curve, first, word)) for curve in self.tuning],
            "variance": [self._with_level(asdict(one)) for one in self.explained],
            "timing": {
                "loop_seconds": sum(run.result.timing.seconds for row in self.rows for run in row.runs),
                "rows": [
                    {
                        "name": row.name,
                        "loop_seconds": [run.result.timing.seconds for run in row.runs],
                        "seconds_to_reach": [seconds for _, seconds in row.reached],
                    }
                    for row in self.rows
                ],
            },
        }

    @property
    def _second_values(self) -> dict[str, Any]:
        """The verdicts by the second metric, as plain values."""
        pairs = [self._with_level(pair_values(pair)) for pair in self.pairs]
        return {"metric": self.metric.name, "pairs": pairs}

    def _with_level(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return plain values with the noise level under the key of the task."""
        return {self.level_name if name == "label_noise" else name: value for name, value in values.items()}


def settings_of_every_run(plan: Plan) -> dict[str, Any]:
    """Return the settings that all runs have in common."""
    differing: dict[str, Any] = dict.fromkeys(("loss", "expect", "log", "checkpoint", "seed"), True)
    differing |= {"optimizer": {"lr"}, "data": {"dir", "cache", "fold", "label_noise", "outliers"}}
    return plan.base.model_dump(mode="json", exclude=differing)


def _row(row: Row) -> dict[str, Any]:
    metrics = {name: asdict(found) for name, found in row.metrics.items()}
    figures = {name: asdict(found) for name, found in row.figures.items()}
    values: dict[str, Any] = {
        "name": row.name,
        "variant": row.variant,
        "label_noise": row.label_noise,
        "loss": row.runs[0].planned.config.loss.model_dump(mode="json"),
        "learning_rate": row.learning_rate,
        "seeds": row.seeds,
        "runs": [name for run in row.runs for name in run.folders],  # the names of their folders
        "diverged": row.diverged,
        "lost_class": list(row.lost_class),
        "failures": {flag: asdict(rate) for flag, rate in row.failures.items()},
        "metrics": metrics,
        "figures": figures,
    }
    if row.runs[0].task.kind == "classes":
        values["accuracy"] = metrics.get("accuracy")  # from here on under the names of format 1
    if not row.finished:
        return values
    nll, first = metrics.get("nll"), row.runs[0].task.metrics[0].name
    values |= {
        f"{first}_selected": row.selected and asdict(row.selected),
        f"validation_{first}": row.validation and asdict(row.validation),
        "loss_values": row.losses,
        "train": row.learned,
        "reach": {f"validation_{first}": row.reach, "epochs": [epoch for epoch, _ in row.reached]},
        **row.details,
    }
    if first != "accuracy":
        return values
    return values | {
        "nll": nll and {name: nll[name] for name in ("mean", "sd", "n")},
        "ece": figures.get("ece"),
    }


def pair_values(pair: Pair) -> dict[str, Any]:
    """Return a pair as plain values."""
    values = asdict(pair) | {"flags": list(pair.flags), "needed": [asdict(one) for one in pair.needed]}
    found: dict[str, Any] | None = values.pop("found")
    return values | (found or {"difference": None, "n": 0})
