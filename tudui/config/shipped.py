"""The configs that travel with Tudui, found by name."""

from pathlib import Path

from tudui.errors import ConfigError, did_you_mean

PACKAGE = Path(__file__).parent.parent


def shipped_configs() -> dict[str, Path]:
    """Return the shipped configs of runs by name."""
    return {name: path for name, path in _shipped().items() if not name.startswith("compare")}


def shipped_plans() -> dict[str, Path]:
    """Return the shipped plans of comparisons by name."""
    return {name: path for name, path in _shipped().items() if name.startswith("compare")}


def _shipped() -> dict[str, Path]:
    """Return every shipped file by name: inside the wheel, or beside the package in a source checkout."""
    folder = next(folder for folder in (PACKAGE / "configs", PACKAGE.parent / "configs") if folder.is_dir())
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_config(name: str, origin: str = "--config") -> Path:
    """Return the file that is meant by a path, or by the name of a shipped config."""
    if Path(name).is_file():
        return Path(name)
    shipped = _shipped()
    if name in shipped:
        return shipped[name]
    raise ConfigError(
        [
            f"{origin} {name}: no such file, and no shipped config{did_you_mean(name, shipped)}; "
            f"shipped: {', '.join(shipped)}"
        ]
    )
