"""Between OpenAI's format and each provider's: one table, one module per wire format.

``providers`` is the table. Adding an OpenAI-compatible provider is one row there; adding a wire
format is a module with an :class:`~llm_gateway.adapters.contract.Adapter` and a line in
``FORMATS``.
"""

from collections.abc import Mapping

from llm_gateway.adapters.contract import Adapter, AdapterFactory, Call
from llm_gateway.adapters.openai import OpenAIAdapter

FORMATS: Mapping[str, AdapterFactory] = {
    "openai": OpenAIAdapter,
    "echo": OpenAIAdapter,
}
"""Wire format by provider kind. The demo provider speaks OpenAI's."""

__all__ = ["FORMATS", "Adapter", "AdapterFactory", "Call"]
