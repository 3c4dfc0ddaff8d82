"""The configuration: YAML, environment and `.env` in; frozen, validated values out."""

from llm_gateway.config.loader import DEMO_SOURCE, demo, load
from llm_gateway.config.values import (
    Config,
    ConfigError,
    Gateway,
    Http,
    Model,
    Problem,
    Provider,
    ProviderDefaults,
    Size,
)

__all__ = [
    "DEMO_SOURCE",
    "Config",
    "ConfigError",
    "Gateway",
    "Http",
    "Model",
    "Problem",
    "Provider",
    "ProviderDefaults",
    "Size",
    "demo",
    "load",
]
