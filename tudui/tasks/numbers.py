"""Regression: a target is one number or several, an output the same number on the scale of the training targets."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import FailFast, Field, ValidationError

from tudui.config.parts import LARGEST
from tudui.errors import DataError, UsageError
from tudui.tasks.details import Details, pairs_counted, residuals_counted
from tudui.tasks.metric import PERCENT, PLAIN, Figure, Metric, Unit, of_each
from tudui.tasks.scaling import as_tensor, nice_tenth, scaling
from tudui.text import in_a_line

if TYPE_CHECKING:
    from torch import Tensor

    from tudui.config.schema import DataConfig

MOST_COLUMNS = 100
FEWEST_ROWS = 20  # of a source
STRATA = 10  # groups of targets by size, which give the same share to every split
PER_STRATUM = 10  # targets at least, on average
WORST = 16  # samples that are named
_Positive = Annotated[float, Field(gt=0, le=LARGEST)]
SAME = 1e-4  # outputs that differ by less, on the scale of the targets, are the same


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """K numbers per sample. Before it is `fitted`, location is 0 and scale 1."""

    names: Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_COLUMNS), FailFast()]  # of the columns
    units: tuple[str, ...] = ()  # of each column; () or empty: not known
    location: tuple[Annotated[float, Field(ge=-LARGEST, le=LARGEST)], ...] = ()  # of the training targets
    scale: tuple[_Positive, ...] = ()
    tolerance: tuple[_Positive, ...] = ()  # the largest error that counts as right, in each column's unit

    def __post_init__(self) -> None:
        of_columns = self.units, self.location, self.scale, self.tolerance
        if any(values and len(values) != len(self.names) for values in of_columns):
            raise ValueError("must have one value for each column")
        if bool(self.location) != bool(self.scale):
            raise ValueError("location and scale belong together")

    @property
    def kind(self) -> str:
        """What `kind_of` calls this task."""
        return "numbers"

    @property
    def outputs(self) -> int:
        """K, the number of columns."""
        return len(self.names)

    def unit_of(self, column: int, *, power: int = 1) -> Unit:
        """Return how a value of a column, or its square, is written: with hundredths of the tolerance."""
        word = self.units[column] + "²" * (power - 1) if self.units and self.units[column] else ""
        digits = 2 - math.floor(power * math.log10(self.tolerance[column])) if self.tolerance else 3
        return Unit(value=word, difference=word, digits=min(max(digits, 1), 12))

    @property
    def unit(self) -> Unit:
        """How an error is written: in the target's unit, or without one if it is a mean over several columns."""
        return self.unit_of(0) if self.outputs == 1 else PLAIN

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """Absolute error first; with several columns, of each column too. Means over columns are in scaled units."""
        squared = self.unit_of(0, power=2) if self.outputs == 1 else PLAIN
        about: dict[str, Any] = {"better": "less"}
        columns = [
            Metric(name=name, title=f"absolute error of {column}", of=self._error_of(k), unit=self.unit_of(k), **about)
            for k, (name, column) in enumerate(zip(self._metric_names(), self.names, strict=True))
        ]
        return (
            Metric(name="absolute_error", title="absolute error", of=self._absolute_error, unit=self.unit, **about),
            Metric(name="squared_error", title="squared error", of=self._squared_error, unit=squared, **about),
            Metric(
                name="within", title=f"within {self._tolerance_words()}", of=self._is_within, better="more",
                unit=PERCENT, step=0.01, proportion=True,
            ),
            *(columns if self.outputs > 1 else ()),
        )  # fmt: skip

    @cached_property
    def figures(self) -> tuple[Figure, ...]:
        """The other scores."""
        about: dict[str, Any] = {"better": "less", "unit": self.unit}
        return (
            Figure(name="rmse", title="RMSE", of=self._rmse, **about),
            Figure(name="r2", title="R²", of=self._r2, better="more", unit=PLAIN),
            Figure(name="median_absolute_error", title="median error", of=self._quantile(0.5), **about),
            Figure(name="error_q90", title="90 % of errors below", of=self._quantile(0.9), **about),
            Figure(name="bias", title="bias", of=self._bias, **about),
        )

    @property
    def brief(self) -> tuple[Metric | Figure, ...]:
        """The scores of a short table."""
        return (self.metrics[0], *self.figures[:3], self.metrics[2])

    @property
    def beside(self) -> tuple[Figure, ...]:
        """No figure is needed in every table."""
        return ()

    def about(self) -> dict[str, Any]:
        """Return plain values; `task_from` makes the task from them."""
        columns = {"names": self.names, "units": self.units, "location": self.location, "scale": self.scale}
        return {
            "kind": self.kind,
            **{name: list(of) for name, of in columns.items()},
            "tolerance": list(self.tolerance),
        }

    # Outputs and targets

    def scaled(self, targets: "Tensor") -> "Tensor":
        """Return targets [N, K] on the scale of the outputs."""
        if not self.scale:
            return targets
        return (targets - as_tensor(self.location, targets)) / as_tensor(self.scale, targets)

    def predicted(self, outputs: "Tensor") -> "Tensor":
        """Return the values [N, K] of outputs [N, K], in the unit of the targets."""
        return outputs * as_tensor(self.scale, outputs) + as_tensor(self.location, outputs) if self.scale else outputs

    def residuals(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        """Return predicted minus true values [N, K], in the unit of the targets."""
        apart = outputs - self.scaled(targets)
        return apart * as_tensor(self.scale, apart) if self.scale else apart

    def _errors(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        """Return what means over columns are of, [N, K]: residuals, in scaled units if there are several columns."""
        return self.residuals(outputs, targets) if self.outputs == 1 else outputs - self.scaled(targets)

    def _absolute_error(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        return self._errors(outputs, targets).abs().mean(1)

    def _squared_error(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        return self._errors(outputs, targets).double().square().mean(1)

    def _error_of(self, column: int) -> "Callable[[Tensor, Tensor], Tensor]":
        return lambda outputs, targets: self.residuals(outputs, targets)[:, column].abs()

    def _is_within(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        errors = self.residuals(outputs, targets).abs()
        return (errors <= (as_tensor(self.tolerance, errors) if self.tolerance else 0)).all(1)

    def _rmse(self, outputs: "Tensor", targets: "Tensor") -> float:
        return math.sqrt(float(of_each(self._squared_error, outputs, targets).mean()))

    def _r2(self, outputs: "Tensor", targets: "Tensor") -> float:
        """Return the mean over the columns of 1 - squared error / that of the mean; of a constant column 1 or 0."""
        true = targets.double()
        left = of_each(self.residuals, outputs, targets).double().square().sum(0).tolist()
        whole = (true - true.mean(0)).square().sum(0).tolist()
        shares = [1 - some / all_of if all_of else float(not some) for some, all_of in zip(left, whole, strict=True)]
        return sum(shares) / len(shares)

    def _quantile(self, share: float) -> "Callable[[Tensor, Tensor], float]":
        def quantile(outputs: "Tensor", targets: "Tensor") -> float:
            import numpy as np

            return float(np.quantile(of_each(self._absolute_error, outputs, targets).cpu().numpy(), share))

        return quantile

    def _bias(self, outputs: "Tensor", targets: "Tensor") -> float:
        return float(of_each(self._errors, outputs, targets).double().mean())

    def _metric_names(self) -> list[str]:
        """Return the names of the columns' metrics, which become names of files."""
        safe = [re.sub(r"[^\w+=.-]+", "-", name)[:64] for name in self.names]
        counts = Counter(safe)
        return [f"absolute_error.{one if counts[one] == 1 else k}" for k, one in enumerate(safe)]

    def _tolerance_words(self) -> str:
        if self.outputs > 1 or not self.tolerance:
            return "the tolerance"
        return f"{self.tolerance[0]:g} {self.unit.value}".rstrip()

    # Data

    def check(self, targets: "Tensor", where: str) -> None:
        """Raise DataError unless targets are float32 [N, K], finite, of 20 rows or more, and not constant."""
        import torch

        if self.outputs > MOST_COLUMNS:
            raise DataError(f"{where}: {self.outputs} target columns are too many; {MOST_COLUMNS} are allowed")
        if len(set(self.names)) < self.outputs:
            raise DataError(f"{where}: two target columns have the same name")
        if targets.dtype != torch.float32 or targets.ndim != 2 or targets.shape[1] != self.outputs:
            found = f"{targets.dtype} {list(targets.shape)}"
            raise DataError(f"{where}: targets must be float32 [N, {self.outputs}], a row per sample (got {found})")
        if len(targets) < FEWEST_ROWS:
            raise DataError(f"{where}: {len(targets)} rows are too few; {FEWEST_ROWS} or more are needed")
        for name, column in zip(self.names, targets.unbind(1), strict=True):
            if not column.isfinite().all():
                row = int((~column.isfinite()).nonzero()[0, 0])
                raise DataError(f"{where}: {name} of row {row} is {float(column[row]):g}; it must be a finite number")
            if (column == column[0]).all():
                raise DataError(f"{where}: {name} is {float(column[0]):g} in every row; choose another target")

    def strata(self, targets: "Tensor") -> "Tensor":
        """Return the tenth, by size of the first column, that each target belongs to; of few targets larger groups."""
        import torch

        groups = max(1, min(STRATA, len(targets) // PER_STRATUM))
        ranks = targets[:, 0].argsort(stable=True).argsort()
        return torch.div(ranks * groups, max(len(targets), 1), rounding_mode="floor")

    def fitted(self, targets: "Tensor", every: "Tensor", where: str, data: "DataConfig") -> "Numbers":
        """Return the task with location and scale of training targets [N, K], and a tolerance by all of the source.

        So the tolerance, which is part of a score, is the same for every seed and share of outliers.
        """
        location, scale = scaling(targets, data.target_scale)
        if not all(scaling(targets, "robust")[1]):
            raise DataError(f"{where}: a target is the same in every training row; choose another target")
        _, spreads = scaling(every, "robust")
        tolerance = tuple(map(nice_tenth, spreads)) if data.tolerance is None else (data.tolerance,) * self.outputs
        return replace(self, location=location, scale=scale, tolerance=tolerance)

    def remarks(self, where: str) -> tuple[str, ...]:
        """Return nothing: no note is needed."""
        return ()

    def spoil(
        self, targets: "Mapping[str, Tensor]", index: "Mapping[str, Tensor]", data: "DataConfig", seed: int
    ) -> "dict[str, Tensor]":
        """Return targets of training and validation with the outliers that `data` asks for; {} without."""
        from tudui.tasks.outliers import with_outliers

        if data.has_wrong_labels:
            raise UsageError("data.label_noise: is for classes, and these targets are numbers; use data.outliers")
        return with_outliers(targets, index, self.names, data, seed)

    # Results

    def columns(self, outputs: "Tensor") -> "dict[str, Tensor]":
        """Return the predicted values [N, K]."""
        return {"predicted": self.predicted(outputs)}

    def details(self, outputs: "Tensor", targets: "Tensor") -> dict[str, Any]:
        """Return by column quantiles and counts of the residuals, and counts of predicted over true; the worst rows."""
        import torch

        residuals = of_each(self.residuals, outputs, targets).cpu()
        true, predicted = targets.cpu(), self.predicted(outputs).cpu()
        worst = torch.argsort(of_each(self._absolute_error, outputs, targets).cpu(), descending=True, stable=True)
        return {
            "residuals": {name: residuals_counted(residuals[:, k]) for k, name in enumerate(self.names)},
            "predicted_over_true": {
                name: pairs_counted(true[:, k], predicted[:, k]) for k, name in enumerate(self.names)
            },
            "worst": {"position": worst[:WORST].tolist(), "predicted": predicted[worst[:WORST]].tolist()},
        }

    def check_details(self, details: Mapping[str, Any], where: str) -> None:
        """Raise DataError unless details from a file are complete and of these columns."""
        try:
            found = Details.model_validate(details)
        except ValidationError as error:
            raise DataError(f"{where}: damaged: {in_a_line(error.errors()[0]['msg'])}") from None
        if not tuple(found.residuals) == tuple(found.predicted_over_true) == self.names:
            raise DataError(f"{where}: damaged: its scores belong to other columns")

    def collapse(self, outputs: "Tensor") -> str | None:
        """Return the value that every sample is predicted as; None if they differ."""
        if len(outputs) < 2 or float((outputs.amax(0) - outputs.amin(0)).max()) > SAME:
            return None
        values = self.predicted(outputs)[0].tolist()
        return f"predicted as {', '.join(self.unit_of(k).text(value) for k, value in enumerate(values))}"

    def missing(self, outputs: "Tensor", targets: "Tensor") -> str | None:
        """Return whether the best constant prediction has a smaller absolute error; None if it has not."""
        metric = self.metrics[0]
        middle = self.scaled(targets).cpu().median(0).values.to(outputs.device).expand_as(outputs)
        error, of_constant = metric.score(outputs, targets), metric.score(middle, targets)
        if error < of_constant:
            return None
        shown = ", ".join(self.unit_of(k).text(value) for k, value in enumerate(self.predicted(middle[:1])[0].tolist()))
        error_of = metric.unit.text(of_constant)
        return f"the error is not smaller than that of predicting {shown} for every sample: {error_of}"

    def words(self, outputs: "Tensor", top: int) -> list[tuple[tuple[str, float], ...]]:
        """Return the value of each column, in the unit of the targets."""
        return [tuple(zip(self.names, row, strict=True)) for row in self.predicted(outputs).tolist()]
