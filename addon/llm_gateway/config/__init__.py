"""The configuration: YAML, environment and `.env` in; frozen, validated values out."""

from llm_gateway.config.loader import DEMO_SOURCE, demo, load
from llm_gateway.config.values import (
    Capability,
    Config,
    ConfigError,
    Credential,
    CredentialDefaults,
    Gateway,
    Http,
    Model,
    OAuth,
    Problem,
    Provider,
    ProviderDefaults,
    Size,
)

__all__ = [
    "DEMO_SOURCE",
    "Capability",
    "Config",
    "ConfigError",
    "Credential",
    "CredentialDefaults",
    "Gateway",
    "Http",
    "Model",
    "OAuth",
    "Problem",
    "Provider",
    "ProviderDefaults",
    "Size",
    "demo",
    "load",
]
