"""Which settings of losses a comparison can tune."""

from collections.abc import Iterator

from pydantic import ValidationError

from tudui.config.comparison import OF_LOSS, ComparisonConfig
from tudui.config.describe import shorten


def problems_of_tuning(comparison: ComparisonConfig) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield a key below `comparison` and the problem: a setting of no loss, no number, or a value not allowed."""
    for name in comparison.tuned_parameters:
        if problem := _problem_of(name, comparison):
            yield ("tune",), problem
        else:
            yield from ((("tune_values", name), one) for one in _wrong_values(name, comparison))


def _problem_of(name: str, comparison: ComparisonConfig) -> str | None:
    variants = comparison.variants.items()
    having = {variant: loss for variant, loss in variants if name in type(loss).model_fields}
    if not having:
        known = sorted({key for _, loss in variants for key, value in loss.model_dump().items() if _is_number(value)})
        hint = f"; they have: {', '.join(OF_LOSS + one for one in known)}" if known else "; use --lr tuned"
        return f"no loss of {', '.join(comparison.variants)} has {name}{hint}"
    for variant, loss in having.items():
        if not _is_number(value := getattr(loss, name)):
            return f"{OF_LOSS}{name} of {variant} is not a number (it is {shorten(value)})"
        if name not in comparison.tune_values and name not in loss.in_scaled_units:
            asked = f"--set comparison.tune_values.{name}=[{value / 2:g},{value:g}]"
            return f"{OF_LOSS}{name} has no values to try; name them, for example {asked}"
    return None


def _wrong_values(name: str, comparison: ComparisonConfig) -> Iterator[str]:
    """Yield for each loss the first value that it does not allow."""
    values = comparison.values_to_try(name)
    if len(set(values)) < len(values):
        yield "contains a value twice; remove one"
    for variant, loss in comparison.variants.items():
        if name not in type(loss).model_fields:
            continue
        for one in values:
            try:
                type(loss).model_validate(loss.model_dump() | {name: one})
            except ValidationError as error:
                yield f"{one:g} for {variant}: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
                break


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
