"""OpenAI's own format, and everybody who speaks it."""

from llm_gateway.adapters.openai.chat import OpenAIAdapter
from llm_gateway.adapters.openai.dialects import FIELDS, OPENAI, Dialect
from llm_gateway.adapters.openai.rows import KINDS

__all__ = ["FIELDS", "KINDS", "OPENAI", "Dialect", "OpenAIAdapter"]
