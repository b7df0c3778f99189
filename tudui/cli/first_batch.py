"""What the commands of `tudui backward` share: their batch, from the flags of `train`."""

from typing import TYPE_CHECKING, Any

from tudui.cli.settings import load_from_flags, note

if TYPE_CHECKING:
    from tudui.lab.backward.batch import FirstBatch


def batch_from_flags(
    config: str | None,
    loss: str | None,
    data: str | None,
    data_dir: str | None,
    settings: list[str] | None,
    batch_size: int | None = None,
) -> "FirstBatch":
    """Return the first batch of the run that the flags describe."""
    from tudui.lab.choice import ALIASES

    flags: dict[str, tuple[str, Any]] = {
        "loss": ("--loss", ALIASES.get(loss, loss) if loss else loss),
        "data.name": ("--data", data),
        "data.dir": ("--data-dir", data_dir),
        "train.batch_size": ("--batch-size", batch_size),
    }
    loaded = load_from_flags(config, flags, settings)
    for text in loaded.notes:
        note(text)
    from tudui.lab.backward.batch import first_batch

    return first_batch(loaded.config)
