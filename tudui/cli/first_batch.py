"""What the commands of `tudui backward` share: their batch, from the flags of `train`."""

from typing import TYPE_CHECKING

from tudui.api.console import note
from tudui.cli.flags import Asked

if TYPE_CHECKING:
    from tudui.api.backward import FirstBatch

BATCH = ("loss", "data.name", "data.dir")  # flags that say which


def batch_of(asked: Asked) -> "FirstBatch":
    """Return the first batch of the run that the flags describe."""
    from tudui.api.configs import load

    loaded = load(asked.config, asked.overrides)
    for text in loaded.notes:
        note(text)
    from tudui.api.backward import first_batch

    return first_batch(loaded)
