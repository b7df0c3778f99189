"""Settings from the command line: flags and `--set section.key=value`."""

from dataclasses import dataclass
from typing import Any

from tudui.config.yaml_file import read_value
from tudui.errors import ConfigError


@dataclass(frozen=True)
class Override:
    """One setting, and the user's text for it."""

    key: str
    value: Any
    origin: str


def parse_set(text: str) -> Override:
    """Read the text after `--set`, for example `optimizer.lr=0.1`; the value is YAML."""
    origin = f"--set {text}"
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key or not all(key.split(".")):
        raise ConfigError([f"{origin}: must be KEY=VALUE, for example optimizer.lr=0.1"])
    return Override(key, read_value(value, origin), origin)
