"""What holds for every wire format in the table."""

import copy
import json
from typing import Any

import pytest

from llm_gateway.adapters import FORMATS
from llm_gateway.adapters.contract import Call
from support.fakes import KEY, LABEL, chat_body
from support.openai_shapes import tool_call

BODIES: dict[str, dict[str, Any]] = {
    "plain": chat_body(),
    "stream": chat_body(stream=True, stream_options={"include_usage": True}),
    "unknown fields": chat_body(new={"deep": [1, {"x": None}]}, model="other", seed=2**53 + 1),
    "parts": {
        "model": "m",
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "é😀"}, {"type": "x"}]},
        ],
    },
    "tools": {
        "model": "m",
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": None, "tool_calls": [tool_call("f", "{}")]},
            {"role": "tool", "tool_call_id": "call_fake1", "content": "b"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    },
}


def make_call(body: dict[str, Any]) -> Call:
    stream = body.get("stream") is True
    return Call(body, stream, "up-model", "http://p.invalid/v1", "***1234", LABEL)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", BODIES)
def test_encoding_twice_gives_the_same_and_changes_nothing(kind: str, name: str) -> None:
    body = copy.deepcopy(BODIES[name])
    call = make_call(body)
    adapter = FORMATS[kind](call)
    first, second = adapter.encode(), adapter.encode()
    assert first == second == FORMATS[kind](call).encode()
    assert body == BODIES[name]
    assert json.loads(first.body)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_request_names_the_provider_s_model_and_not_the_client_s(kind: str) -> None:
    request = FORMATS[kind](make_call(chat_body(model="client-name"))).encode()
    assert b"client-name" not in request.body
    assert "client-name" not in request.url
    assert request.label == LABEL


@pytest.mark.parametrize("kind", FORMATS)
def test_where_a_request_goes_is_not_the_client_s_to_say(kind: str) -> None:
    evil = chat_body(
        base_url="http://evil.invalid",
        api_base="http://evil.invalid",
        api_key="x",
        extra_headers={"authorization": "Bearer x", "host": "evil.invalid"},
    )
    request, plain = (FORMATS[kind](make_call(body)).encode() for body in (evil, chat_body()))
    assert (request.method, request.url, request.headers) == (
        plain.method,
        plain.url,
        plain.headers,
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_no_header_can_be_split(kind: str) -> None:
    request = FORMATS[kind](make_call(chat_body())).encode()
    for text in (request.url, *(part for header in request.headers for part in header)):
        assert text.isprintable()
        assert text.isascii()


@pytest.mark.parametrize("kind", FORMATS)
def test_an_adapter_begins_with_nothing_done_and_nothing_counted(kind: str) -> None:
    adapter = FORMATS[kind](make_call(chat_body(stream=True)))
    assert not adapter.done
    assert adapter.usage is None


@pytest.mark.parametrize("kind", FORMATS)
def test_a_key_in_a_provider_s_error_goes_no_further(kind: str) -> None:
    body = json.dumps({"error": {"message": f"Bad key {KEY}"}}).encode()
    for status in (400, 401, 429, 500):
        error = FORMATS[kind](make_call(chat_body())).failure(status, {}, body)
        assert KEY.encode() not in error.body()
        assert KEY not in error.detail
