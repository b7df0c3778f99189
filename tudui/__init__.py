"""Tudui: understand and compare loss functions on networks for classes or numbers.

From Python: `tudui.train("digits", {"loss": "huber"})`, `tudui.compare()`, `tudui.evaluate(run)`, `tudui.load(run)`,
`tudui.losses.get("huber", delta=2)`; `tudui.api` has the functions of the other commands. Slow modules are imported
when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tudui import losses
    from tudui.api.comparing import compare
    from tudui.api.models import evaluate, export, load, predict
    from tudui.api.training import train
    from tudui.errors import StopTraining, TuduiError

__version__ = "0.2.0"
__all__ = ["StopTraining", "TuduiError", "compare", "evaluate", "export", "load", "losses", "predict", "train"]

_MODULES = {
    "train": "tudui.api.training",
    "compare": "tudui.api.comparing",
    **dict.fromkeys(("evaluate", "predict", "load", "export"), "tudui.api.models"),
    **dict.fromkeys(("StopTraining", "TuduiError"), "tudui.errors"),
}


def __getattr__(name: str) -> Any:
    if name == "losses":
        return import_module("tudui.losses")
    if name not in _MODULES:
        raise AttributeError(f"module 'tudui' has no attribute '{name}'")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
