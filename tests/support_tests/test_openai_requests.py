"""Requests that are made up are requests that OpenAI takes, and there is some of everything."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from support.openai_requests import chat_requests
from support.openai_rules import check_chat_request

MADE_UP = settings(
    max_examples=50, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)


@given(chat_requests())
@MADE_UP
def test_openai_takes_every_request(body: dict[str, Any]) -> None:
    assert check_chat_request(json.loads(json.dumps(body))) == body


@given(chat_requests(without={"n", "logprobs", "tools", "https pictures"}))
@MADE_UP
def test_what_is_to_be_left_out_is_left_out(body: dict[str, Any]) -> None:
    check_chat_request(body)
    assert not body.keys() & {"n", "logprobs", "top_logprobs", "tools", "tool_choice"}
    assert "https://" not in json.dumps(body["messages"])


@pytest.fixture(scope="module")
def bodies() -> list[dict[str, Any]]:
    """Several hundred requests, the same each time."""
    some: list[dict[str, Any]] = []

    @settings(MADE_UP, max_examples=400, derandomize=True)
    @given(chat_requests())
    def collect(body: dict[str, Any]) -> None:
        some.append(body)

    collect()
    return some


def roles(body: dict[str, Any]) -> list[str]:
    return [message["role"] for message in body["messages"]]


KINDS_OF_REQUESTS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "developer": lambda body: "developer" in roles(body),
    "parallel calls": lambda body: roles(body).count("tool") > 1,
    "the model first": lambda body: roles(body)[0] == "assistant",
    "the model last": lambda body: roles(body)[-1] == "assistant",
    "calls without tools": lambda body: "tool" in roles(body) and "tools" not in body,
    "JPEG": lambda body: "data:image/jpeg" in str(body),
    "https": lambda body: "https:" in str(body["messages"]),
    "no parameters": lambda body: any("parameters" not in t["function"] for t in body["tools"]),
    "definitions": lambda body: "$defs" in str(body["tools"]),
    "closed schema": lambda body: "'strict': True" in str(body["tools"]),
    "a tool": lambda body: body["tool_choice"]["type"] == "function",
    "some tools": lambda body: body["tool_choice"]["type"] == "allowed_tools",
    "any tool": lambda body: bool(body["tool_choice"] == "required"),
    "one call at a time": lambda body: body["parallel_tool_calls"] is False,
    "JSON": lambda body: body["response_format"]["type"] == "json_object",
    "schema": lambda body: body["response_format"]["type"] == "json_schema",
    "usage of a stream": lambda body: bool(body["stream_options"]["include_usage"]),
    "max_tokens": lambda body: body["max_tokens"] > 0,
    "max_completion_tokens": lambda body: body["max_completion_tokens"] > 0,
    "several": lambda body: body["n"] > 1,
    "logprobs": lambda body: body["logprobs"] is True,
    "one stop": lambda body: isinstance(body["stop"], str),
    "stops": lambda body: isinstance(body["stop"], list),
    "null": lambda body: body["seed"] is None,
}


@pytest.mark.parametrize("kind", KINDS_OF_REQUESTS)
def test_there_is_some_of_everything(kind: str, bodies: list[dict[str, Any]]) -> None:
    assert any(is_one(KINDS_OF_REQUESTS[kind], body) for body in bodies)


def is_one(described: Callable[[dict[str, Any]], bool], body: dict[str, Any]) -> bool:
    try:
        return described(body)
    except (KeyError, TypeError):
        return False
