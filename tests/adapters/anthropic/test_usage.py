"""Anthropic's count of tokens as OpenAI counts."""

from typing import Any

import pytest

from llm_gateway.adapters.answers import Tokens
from llm_gateway.adapters.anthropic.usage import Counter

JSONObject = dict[str, Any]


def counted(*usages: JSONObject) -> Tokens | None:
    counter = Counter()
    for usage in usages:
        counter.add(usage)
    return counter.tokens()


def test_the_cached_part_of_the_prompt_is_added_to_it() -> None:
    usage = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 100,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 5},
    }
    assert counted(usage) == Tokens(123, 7, cached=100, reasoning=5, written=20)


def test_what_is_not_told_stays_open() -> None:
    assert counted({"input_tokens": 3, "output_tokens": 7}) == Tokens(3, 7)


def test_counts_of_a_stream_are_cumulative_and_never_fall() -> None:
    first = {"input_tokens": 25, "cache_read_input_tokens": 5, "output_tokens": 1}
    assert counted(first, {"input_tokens": 0, "output_tokens": 15}) == Tokens(30, 15, cached=5)


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"input_tokens": None, "output_tokens": "7"},
        {"input_tokens": True, "output_tokens": -1},
        {"input_tokens": 1.5, "output_tokens_details": [1]},
        {"cache_read_input_tokens": 5},
    ],
)
def test_what_is_no_count_is_not_counted(usage: JSONObject) -> None:
    assert counted(usage) is None


def test_what_is_cached_for_an_hour_is_told_apart() -> None:
    usage = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 20,
        "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 15},
        "output_tokens": 7,
    }
    assert counted(usage, {"output_tokens": 9}) == Tokens(23, 9, written=20, written_for_an_hour=15)


@pytest.mark.parametrize(
    ("told", "special"),
    [
        ({"service_tier": "standard", "speed": "standard", "inference_geo": "global"}, False),
        ({"service_tier": None, "inference_geo": "not_available"}, False),
        ({"server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 3}}, False),
        ({"service_tier": "priority"}, True),
        ({"service_tier": ["standard"]}, True),
        ({"speed": "fast"}, True),
        ({"inference_geo": "us"}, True),
        ({"server_tool_use": {"web_search_requests": 1}}, True),
    ],
)
def test_what_is_not_billed_by_the_usual_price_is_marked(told: JSONObject, special: bool) -> None:
    tokens = counted({"input_tokens": 3, **told}, {"output_tokens": 7})
    assert tokens is not None
    assert tokens.special is special
