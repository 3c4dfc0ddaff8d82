"""What an answer cost in US dollars, where its usage says so; None if it does not."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from llm_gateway.adapters.translating import object_in

_TICKS = 10**10


def openrouter(usage: Mapping[str, Any]) -> float | None:
    """In credits, which are dollars; what the provider behind it charges the owner of a key of
    their own comes on top.

    https://openrouter.ai/docs/use-cases/usage-accounting
    """
    cost = _dollars(usage, "cost")
    if cost is None or usage.get("is_byok") is not True:
        return cost
    upstream = _dollars(object_in(usage, "cost_details"), "upstream_inference_cost")
    return None if upstream is None else cost + upstream


def perplexity(usage: Mapping[str, Any]) -> float | None:
    """The searches included. https://docs.perplexity.ai/api-reference/chat-completions-post"""
    return _dollars(object_in(usage, "cost"), "total_cost")


def xai(usage: Mapping[str, Any]) -> float | None:
    """In ticks, searches and tools included. https://docs.x.ai/developers/cost-tracking"""
    ticks = _dollars(usage, "cost_in_usd_ticks")
    return None if ticks is None else ticks / _TICKS


def _dollars(fields: Mapping[str, Any], name: str) -> float | None:
    value = fields.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if isfinite(value) and value >= 0 else None
