"""What the record contains of regression errors: quantiles and counts, never single samples."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field

if TYPE_CHECKING:
    from torch import Tensor

BINS = 40  # of a residual histogram, and of each side of predicted over true
QUANTILES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
_Count = Annotated[int, Field(ge=0, lt=2**53)]
_Cell = Annotated[tuple[_Count, _Count, _Count], Field(strict=False)]
_Range = Annotated[tuple[float, float], Field(strict=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


class Residuals(_Part):
    """Residuals of one column: their QUANTILES, and counts between `range` in BINS equal bins."""

    quantiles: Annotated[list[float], Field(min_length=len(QUANTILES), max_length=len(QUANTILES))]
    range: _Range
    counts: Annotated[list[_Count], Field(min_length=BINS, max_length=BINS)]


class Pairs(_Part):
    """Predicted over true values of one column: [true bin, predicted bin, count] of equal bins of `range`."""

    range: _Range
    cells: Annotated[list[_Cell], Field(max_length=BINS**2), FailFast()]


class Worst(_Part):
    """The samples with the largest errors, worst first: positions in the split, and predicted values [., K]."""

    position: list[_Count]
    predicted: list[list[float]]


class Details(_Part):
    """The values of `Numbers.details`, read from a record."""

    residuals: dict[str, Residuals]
    predicted_over_true: dict[str, Pairs]
    worst: Worst


def residuals_counted(residuals: "Tensor") -> dict[str, Any]:
    """Return quantiles and counts of residuals [N] as plain values; nothing is counted if one is not finite."""
    import numpy as np

    values = residuals.double().numpy()
    if not np.isfinite(values).all():
        return {"quantiles": [0.0] * len(QUANTILES), "range": [0.0, 0.0], "counts": [0] * BINS}
    ends = float(values.min()), float(values.max())
    counts, _ = np.histogram(values, bins=BINS, range=ends)
    return {"quantiles": np.quantile(values, QUANTILES).tolist(), "range": list(ends), "counts": counts.tolist()}


def pairs_counted(true: "Tensor", predicted: "Tensor") -> dict[str, Any]:
    """Return counts of true and predicted values [N] as plain values; nothing is counted if one is not finite."""
    import numpy as np

    values = np.stack([true.double().numpy(), predicted.double().numpy()])
    if not np.isfinite(values).all():
        return {"range": [0.0, 0.0], "cells": []}
    ends = float(values.min()), float(values.max())
    counts: Any = np.histogram2d(values[0], values[1], bins=BINS, range=np.array([ends, ends]))[0]
    cells = [[int(x), int(y), int(counts[x, y])] for x, y in zip(*counts.nonzero(), strict=True)]
    return {"range": list(ends), "cells": cells}
