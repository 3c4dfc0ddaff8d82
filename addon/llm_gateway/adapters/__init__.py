"""Between OpenAI's format and each provider's: a row per kind of provider.

A package per wire format has an :class:`~llm_gateway.adapters.contract.Adapter`, its tables of
fields, and the rows of the kinds that speak it; ``KINDS`` collects them. A provider that speaks a
format which is there already is one row in that package.
"""

from collections.abc import Mapping
from types import MappingProxyType

from llm_gateway.adapters import anthropic, cloudflare, gemini, gigachat, openai
from llm_gateway.adapters.kinds import Kind
from llm_gateway.config import ProviderDefaults

_DEMO = Kind(
    title="Demo",
    reference="",
    keys="",
    defaults=ProviderDefaults(None, lists_models=False),
    chat=openai.OpenAIAdapter,
    fields=openai.FIELDS,
)

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        **openai.KINDS,
        "anthropic": anthropic.KIND,
        **cloudflare.KINDS,
        "gemini": gemini.KIND,
        "gigachat": gigachat.KIND,
        "echo": _DEMO,
    }
)

__all__ = ["KINDS", "Kind"]
