"""What answers in OpenAI's format say of tokens that have a price of their own."""

from typing import Any

import pytest

from llm_gateway.adapters.contract import Usage
from llm_gateway.adapters.openai.dialects import OPENAI, OPENROUTER
from llm_gateway.adapters.openai.usage import read_usage
from support.calls import make_call
from support.fakes import chat_body

COUNTS = {"prompt_tokens": 9, "completion_tokens": 2}


def read(usage: dict[str, Any], tier: object = None, model: str = "m", **fields: Any) -> Usage:
    """What is read from the answer to the usual question with these fields."""
    call = make_call(chat_body(**fields), model=model)
    return read_usage({**COUNTS, **usage}, tier, call, OPENAI)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({}, Usage(9, 2)),
        ({"prompt_tokens_details": {"cached_tokens": 4}}, Usage(9, 2, cached_tokens=4)),
        ({"prompt_tokens_details": {"cached_tokens": "4"}}, Usage(9, 2)),
        ({"prompt_tokens_details": None}, Usage(9, 2)),
        ({"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}, Usage(9, 2, 4)),
        ({"cached_tokens": 4}, Usage(9, 2, cached_tokens=4)),
        (
            {"prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3}},
            Usage(9, 2, cached_tokens=4, cache_written_tokens=3),
        ),
        ({"cost": 0.5}, Usage(9, 2)),
    ],
)
def test_cached_tokens_have_many_names(usage: dict[str, Any], expected: Usage) -> None:
    assert read(usage) == expected


@pytest.mark.parametrize(
    ("tier", "special"),
    [
        (None, False),
        ("default", False),
        ("auto", False),
        ("on_demand", False),
        ("flex", True),
        ("priority", True),
        ([], True),
    ],
)
def test_another_service_tier_has_another_price(tier: object, special: bool) -> None:
    assert read({}, tier).special is special


@pytest.mark.parametrize("details", ["prompt_tokens_details", "completion_tokens_details"])
def test_sound_has_another_price(details: str) -> None:
    assert read({details: {"audio_tokens": 1}}).special
    assert not read({details: {"audio_tokens": 0}}).special


def test_searches_are_not_paid_by_the_token() -> None:
    assert read({}, web_search_options={}).special
    assert read({}, model="gpt-4o-mini-search-preview").special
    assert not read({}, web_search_options=None).special


def test_the_dialect_says_where_the_cost_stands() -> None:
    usage = read_usage({**COUNTS, "cost": 0.5}, None, make_call(chat_body()), OPENROUTER)
    assert usage == Usage(9, 2, cost=0.5)
