"""The configs shipped with Tudui, by name."""

from pathlib import Path

from tudui.errors import ConfigError, did_you_mean

PACKAGE = Path(__file__).parent.parent
PLANS = ("compare", "problems", "regression")  # how the names of plans begin


def shipped_configs() -> dict[str, Path]:
    """Return the shipped run configs by name."""
    return {name: path for name, path in _shipped().items() if not name.startswith(PLANS)}


def shipped_plans() -> dict[str, Path]:
    """Return the shipped comparison plans by name."""
    return {name: path for name, path in _shipped().items() if name.startswith(PLANS)}


def _shipped() -> dict[str, Path]:
    """Return all shipped files by name: inside the wheel, or next to the package in a source checkout."""
    folder = next(folder for folder in (PACKAGE / "configs", PACKAGE.parent / "configs") if folder.is_dir())
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_config(name: str, origin: str = "--config") -> Path:
    """Return the file of a path or of a shipped config's name; ConfigError if there is none."""
    if Path(name).is_file():
        return Path(name)
    shipped = _shipped()
    if name in shipped:
        return shipped[name]
    known = f"{did_you_mean(name, shipped)}; shipped: {', '.join(shipped)}"
    raise ConfigError([f"{origin} {name}: no such file or shipped config{known}"])
