"""Costs as providers say them."""

from typing import Any

import orjson
import pytest

from llm_gateway.adapters.openai import costs
from llm_gateway.adapters.openai.rows import KINDS
from support.calls import make_call
from support.fakes import chat_body


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0.00014}, 0.00014),
        ({"cost": 0}, 0.0),
        ({"cost": 0.95, "cost_details": {"upstream_inference_cost": 19}}, 0.95),
        ({"cost": 1, "is_byok": True, "cost_details": {"upstream_inference_cost": 19}}, 20.0),
        ({"cost": 1, "is_byok": True, "cost_details": {}}, None),
        ({"cost": 1, "is_byok": True}, None),
        ({"cost": -1}, None),
        ({"cost": True}, None),
        ({"cost": "0.5"}, None),
        ({"cost": float("inf")}, None),
        ({"cost": None}, None),
        ({}, None),
    ],
)
def test_openrouter_says_what_it_takes(usage: dict[str, Any], cost: float | None) -> None:
    assert costs.openrouter(usage) == cost


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": {"input_tokens_cost": 0.1, "request_cost": 0.3, "total_cost": 0.4}}, 0.4),
        ({"cost": 0.4}, None),
        ({}, None),
    ],
)
def test_perplexity_says_what_it_takes(usage: dict[str, Any], cost: float | None) -> None:
    assert costs.perplexity(usage) == cost


@pytest.mark.parametrize(
    ("usage", "cost"), [({"cost_in_usd_ticks": 37_756_000}, 0.0037756), ({}, None)]
)
def test_xai_says_what_it_takes(usage: dict[str, Any], cost: float | None) -> None:
    assert costs.xai(usage) == cost


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("openrouter", {"cost": 0.5}),
        ("perplexity", {"cost": {"total_cost": 0.5}}),
        ("xai", {"cost_in_usd_ticks": 5_000_000_000}),
    ],
)
def test_each_of_them_is_read_in_its_own_way(kind: str, said: dict[str, Any]) -> None:
    adapter = KINDS[kind].chat(make_call(chat_body()))
    choice = b'{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}'
    usage = orjson.dumps({"prompt_tokens": 3, "completion_tokens": 2, **said})
    adapter.decode(b'{"object":"chat.completion","choices":[%b],"usage":%b}' % (choice, usage))
    assert adapter.usage is not None
    assert adapter.usage.cost == 0.5
