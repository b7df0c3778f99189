"""Configs: the schema, YAML with positions, overrides, provenance. No torch here."""

from tudui.config.load import Loaded, config_from, load_config
from tudui.config.overrides import Override, parse_set
from tudui.config.schema import Config
from tudui.config.shipped import shipped_configs

__all__ = ["Config", "Loaded", "Override", "config_from", "load_config", "parse_set", "shipped_configs"]
