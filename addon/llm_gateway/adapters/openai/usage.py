"""What an answer in OpenAI's format says of its tokens, and of what they cost."""

from collections.abc import Mapping
from typing import Any

from llm_gateway.adapters.contract import Call, Usage
from llm_gateway.adapters.openai.dialects import Dialect
from llm_gateway.adapters.translating import count_in, object_in

_USUAL_TIERS = (None, "auto", "default", "standard", "on_demand")
"""Service tiers at the usual price."""


def read_usage(usage: Mapping[str, Any], tier: object, call: Call, dialect: Dialect) -> Usage:
    """A usage object; ``tier`` is the service tier that the answer names."""
    prompt = object_in(usage, "prompt_tokens_details")
    return Usage(
        count_in(usage, "prompt_tokens"),
        count_in(usage, "completion_tokens"),
        # DeepSeek's name for it, and Moonshot's and Together's place.
        cached_tokens=count_in(prompt, "cached_tokens")
        or count_in(usage, "prompt_cache_hit_tokens")
        or count_in(usage, "cached_tokens"),
        cache_written_tokens=count_in(prompt, "cache_write_tokens"),
        special=tier not in _USUAL_TIERS
        or _searches(call)
        or count_in(prompt, "audio_tokens") > 0
        or count_in(object_in(usage, "completion_tokens_details"), "audio_tokens") > 0,
        cost=None if dialect.cost is None else dialect.cost(usage),
    )


def _searches(call: Call) -> bool:
    """Whether it may search the web, which is not paid by the token."""
    return "search" in call.model or call.body.get("web_search_options") is not None
