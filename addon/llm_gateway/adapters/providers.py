"""The known providers: one row each for what speaks a format that is already there.

A row says what a configuration need not repeat. Base addresses: the providers' API references.
"""

from collections.abc import Mapping
from types import MappingProxyType

from llm_gateway.config import ProviderDefaults

PROVIDERS: Mapping[str, ProviderDefaults] = MappingProxyType(
    {
        "openai": ProviderDefaults("openai", "https://api.openai.com/v1", needs_key=True),
        "openrouter": ProviderDefaults("openai", "https://openrouter.ai/api/v1", needs_key=True),
        "groq": ProviderDefaults("openai", "https://api.groq.com/openai/v1", needs_key=True),
        "echo": ProviderDefaults("echo", None, needs_key=False),
    }
)
