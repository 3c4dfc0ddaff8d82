"""The adapter of the native endpoint: where it sends, and how its parts work together."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.cloudflare.chat import NativeAdapter
from llm_gateway.adapters.contract import Usage
from llm_gateway.errors import UpstreamError, UpstreamInvalidResponse, UpstreamRateLimited
from llm_gateway.sse import Event
from support.calls import LABEL, feed_all, make_call
from support.fake_cloudflare import LLAMA
from support.openai_promises import check_chunks, check_completion, put_together
from support.wire_files import Case, cases

CASES = [case for case in cases() if case.kind == "cloudflare"]


def adapter_for(**fields: Any) -> NativeAdapter:
    """An adapter for the usual question, with these fields in the request."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return NativeAdapter(make_call(body, model=LLAMA))


def test_the_model_stands_in_the_address_with_its_slashes() -> None:
    request = adapter_for().encode()
    assert (request.method, request.url) == ("POST", f"http://p.invalid/base/run/{LLAMA}")
    assert (request.label.exchange, request.label.attempt) == (LABEL.exchange, LABEL.attempt)
    assert dict(request.headers)["authorization"] == "Bearer ***12345678"


@pytest.mark.parametrize(
    ("fields", "accept"),
    [
        ({}, "application/json"),
        ({"stream": True}, "text/event-stream"),
        ({"stream": True, "response_format": {"type": "json_object"}}, "application/json"),
    ],
)
def test_it_accepts_what_it_asks_for(fields: dict[str, Any], accept: str) -> None:
    assert dict(adapter_for(**fields).encode().headers)["accept"] == accept


def test_what_was_left_out_is_told() -> None:
    adapter = adapter_for(user="u", seed=1)
    adapter.encode()
    adapter.encode()
    assert adapter.dropped == ("user",)


@pytest.mark.parametrize("result", ["Hi", {"response": "Hi"}])
def test_an_answer_may_come_without_its_envelope(result: object) -> None:
    for reply in ({"result": result, "success": True}, {"response": "Hi"}):
        answer = json.loads(adapter_for().decode(json.dumps(reply).encode()))
        assert answer["choices"][0]["message"]["content"] == "Hi"


NAMES = (
    "result", "success", "errors", "error", "code", "message", "response", "tool_calls", "name",
    "arguments", "function", "id", "index", "choices", "delta", "content", "finish_reason", "text",
    "output", "type", "summary", "usage", "prompt_tokens", "prompt_tokens_details", "model",
)  # fmt: skip
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["", "a", "message", "reasoning", "function_call", "error", "5006"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)
REPLIES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)


@given(REPLIES)
def test_no_reply_raises_anything_but_upstream_errors(reply: dict[str, Any]) -> None:
    body = json.dumps(reply).encode()
    with suppress(UpstreamError):
        check_completion(adapter_for().decode(body))
    assert isinstance(adapter_for().failure(400, {}, body), UpstreamError)


@given(st.lists(REPLIES, max_size=3))
def test_no_stream_raises_anything_but_upstream_errors(events: list[dict[str, Any]]) -> None:
    adapter = adapter_for(stream=True)
    frames = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    with suppress(UpstreamError):
        check_chunks(feed_all(adapter, [frames + b"data: [DONE]\n\n"]), wants_usage=False)


def test_usage_is_noted_in_either_way() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    adapter = adapter_for()
    adapter.decode(json.dumps({"result": {"response": "Hi", "usage": usage}}).encode())
    assert adapter.usage == Usage(3, 2)
    adapter = adapter_for(stream=True)
    event = json.dumps({"response": "Hi", "usage": usage}).encode()
    feed_all(adapter, [b"data: " + event + b"\n\ndata: [DONE]\n\n"])
    assert adapter.usage == Usage(3, 2)


def test_what_comes_after_the_end_does_not_count() -> None:
    adapter = adapter_for(stream=True)
    adapter.feed(Event("", b'{"response": "Hi"}'))
    assert adapter.feed(Event("", b"[DONE]"))
    assert adapter.done
    assert adapter.feed(Event("", b'{"response": "more"}')) == []
    assert adapter.feed(Event("", b"[DONE]")) == []
    assert adapter.end() == []


def test_what_is_nested_too_deeply_is_no_answer() -> None:
    deep = b'{"result": {"response": ' + b"[" * 500 + b"]" * 500 + b"}}"
    with pytest.raises(UpstreamInvalidResponse):
        adapter_for().decode(deep)
    with pytest.raises(UpstreamInvalidResponse):
        adapter_for(stream=True).feed(Event("", deep))


def test_a_quota_that_is_used_up_comes_back_at_midnight() -> None:
    body = b'{"success": false, "errors": [{"code": 4006, "message": "used up"}]}'
    error = adapter_for().failure(429, {}, body)
    assert isinstance(error, UpstreamRateLimited)
    assert error.retry_after == 69600


@pytest.mark.parametrize("case", [case for case in CASES if case.has("answer.json")], ids=str)
def test_recorded_answers_keep_openais_promises(case: Case) -> None:
    whole = check_completion(case.bytes("answer.json"))
    adapter = NativeAdapter(make_call({**case.request, "stream": True}))
    chunks = adapter.decode_as_stream(case.bytes("reply.json"))
    wants_usage = adapter.call.wants_usage
    check_chunks(chunks, wants_usage=wants_usage)
    joined = put_together(chunks)["choices"][0]["message"]
    assert (joined.get("content") or "") == (whole["choices"][0]["message"]["content"] or "")


@pytest.mark.parametrize("case", [case for case in CASES if case.has("reply.sse")], ids=str)
def test_recorded_streams_keep_openais_promises(case: Case) -> None:
    events = [line.removeprefix(b"data: ") for line in case.bytes("answer.sse").split(b"\n\n")]
    check_chunks(
        [event for event in events if event],
        wants_usage="stream_options" in case.request,
        complete=not case.has("error.json"),
    )
