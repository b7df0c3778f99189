"""Which runs there are."""

from tudui.inference.runs import RunRow as RunRow
from tudui.inference.runs import runs as runs
