"""OpenAI's wire format: what leaves, what is an answer, what is not, and when a stream is whole."""

import json
from typing import Any

import pytest

from llm_gateway.adapters.contract import Site, Usage
from llm_gateway.adapters.openai import OpenAIAdapter
from llm_gateway.errors import (
    Retry,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from llm_gateway.sse import Decoder, Event
from support.calls import LABEL, SITE, make_call
from support.fakes import chat_body, frame
from support.openai_shapes import (
    JSONObject,
    chunk,
    completion,
    first_chunk,
    last_chunk,
    message,
    text_chunk,
    tool_call,
    usage,
)

ANSWER = completion("up-model", [message("Hi")], "stop", usage(3, 2))


def make_adapter(site: Site = SITE, **fields: Any) -> OpenAIAdapter:
    """An adapter for the usual question, with these fields in the request."""
    return OpenAIAdapter(make_call(chat_body(**fields), site=site))


def event(data: object, kind: str = "") -> Event:
    text = data if isinstance(data, str) else json.dumps(data)
    return Event(kind, text.encode())


def dumped(value: object) -> bytes:
    return json.dumps(value).encode()


def fed(*events: Event) -> OpenAIAdapter:
    """An adapter that was given these events."""
    adapter = make_adapter(stream=True)
    for each in events:
        adapter.feed(each)
    return adapter


def test_the_request_goes_to_chat_completions_below_the_base_url() -> None:
    request = make_adapter().encode()
    assert (request.method, request.url) == ("POST", "http://p.invalid/base/chat/completions")
    assert request.label == LABEL


def test_only_the_model_is_replaced() -> None:
    extra: dict[str, Any] = {
        "temperature": 0.5,
        "new_field": {"a": [1, None, "é"]},
        "seed": 9007199254740993,
    }
    request = make_adapter(**extra).encode()
    assert json.loads(request.body) == {**chat_body(**extra), "model": "up-model"}


def test_the_provider_s_headers_go_along() -> None:
    site = Site("http://p.invalid/v1", (("authorization", "Bearer ***1234"), ("x-title", "t")))
    headers = make_adapter(site).encode().headers
    assert headers[-2:] == site.headers


@pytest.mark.parametrize(
    ("stream", "accept"), [(True, "text/event-stream"), (False, "application/json")]
)
def test_the_headers_ask_for_what_the_client_wants_uncompressed(stream: bool, accept: str) -> None:
    headers = make_adapter(stream=stream).encode().headers
    names = [name for name, _ in headers]
    assert len(names) == len(set(names))
    assert dict(headers)["accept"] == accept
    assert dict(headers)["accept-encoding"] == "identity"
    assert dict(headers)["content-type"] == "application/json"


def test_a_good_reply_passes_byte_for_byte_and_its_usage_is_noted() -> None:
    body = json.dumps(ANSWER, indent=3).encode()
    adapter = make_adapter()
    assert adapter.decode(body) == body
    assert adapter.usage == Usage(3, 2)


@pytest.mark.parametrize(("tier", "special"), [("default", False), ("priority", True)])
def test_the_service_tier_is_noted_of_whole_replies_and_of_streams(
    tier: str, special: bool
) -> None:
    whole = make_adapter()
    whole.decode(dumped({**ANSWER, "service_tier": tier}))
    counted = {**chunk("m", None), "usage": usage(3, 2), "service_tier": tier}
    stream = fed(event(first_chunk("m")), event(counted))
    assert whole.usage == stream.usage == Usage(3, 2, special=special)


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        (None, None),
        ([], None),
        ({}, Usage(0, 0)),
        ({"prompt_tokens": None, "completion_tokens": "7"}, Usage(0, 0)),
        ({"prompt_tokens": True, "completion_tokens": 7}, Usage(0, 7)),
    ],
)
def test_a_strange_usage_is_no_reason_to_refuse_a_reply(
    counted: object, expected: Usage | None
) -> None:
    adapter = make_adapter()
    adapter.decode(dumped({**ANSWER, "usage": counted}))
    assert adapter.usage == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!doctype html><title>Welcome</title>",
        b'{"id": "x", "choices": [',
        b"null",
        b"[]",
        b'"Hi"',
        b"{}",
        b'{"choices": []}',
        b'{"choices": null}',
        b'{"choices": {}}',
        b'{"choices": [1]}',
        b'{"choices": [{}, null]}',
        b"\xef\xbb\xbf{}",
    ],
)
@pytest.mark.parametrize("method", ["decode", "decode_as_stream"])
def test_what_holds_no_answer_is_an_invalid_response(body: bytes, method: str) -> None:
    with pytest.raises(UpstreamInvalidResponse) as caught:
        getattr(make_adapter(), method)(body)
    assert caught.value.status == 502


ERRORS = [
    ({"code": 429, "message": "Slow"}, 429),
    ({"code": "rate_limit_exceeded"}, 429),
    ({"code": 502, "message": "x", "metadata": {"raw": "{}"}}, 502),
    ({"type": "invalid_request_error", "message": "Bad"}, 400),
    ({"code": 401}, 502),
    ("a sentence", 502),
    ({"message": "unknown"}, 502),
    (True, 502),
]


@pytest.mark.parametrize(("error", "status"), ERRORS)
@pytest.mark.parametrize("method", ["decode", "decode_as_stream"])
def test_an_error_inside_a_success_has_its_own_status(
    error: object, status: int, method: str
) -> None:
    with pytest.raises(UpstreamError) as caught:
        getattr(make_adapter(), method)(dumped({"error": error}))
    assert caught.value.status == status


@pytest.mark.parametrize("method", ["decode", "decode_as_stream"])
def test_an_error_beside_choices_is_still_an_error(method: str) -> None:
    reply = {**ANSWER, "error": {"code": 502, "message": "Provider disconnected"}}
    with pytest.raises(UpstreamUnavailable, match="Provider disconnected"):
        getattr(make_adapter(), method)(dumped(reply))


@pytest.mark.parametrize("method", ["decode", "decode_as_stream"])
def test_a_choice_that_finished_with_an_error_is_no_answer(method: str) -> None:
    reply = completion("m", [message("")], "error", usage(1, 0))
    with pytest.raises(UpstreamUnavailable):
        getattr(make_adapter(), method)(dumped(reply))


def test_an_error_of_null_is_none() -> None:
    body = dumped({**ANSWER, "error": None})
    assert make_adapter().decode(body) == body


def test_a_reply_as_a_stream_is_one_chunk_with_everything() -> None:
    adapter = make_adapter(stream=True)
    [only] = [json.loads(each) for each in adapter.decode_as_stream(dumped(ANSWER))]
    assert only == {
        **{key: value for key, value in ANSWER.items() if key != "usage"},
        "object": "chat.completion.chunk",
        "choices": [
            {"index": 0, "delta": message("Hi"), "logprobs": None, "finish_reason": "stop"}
        ],
    }
    assert adapter.done
    assert adapter.usage == Usage(3, 2)


def test_a_reply_as_a_stream_ends_with_its_usage_if_that_was_asked_for() -> None:
    adapter = make_adapter(stream=True, stream_options={"include_usage": True})
    content, counted = [json.loads(each) for each in adapter.decode_as_stream(dumped(ANSWER))]
    assert content["usage"] is None
    assert (counted["choices"], counted["usage"]) == ([], ANSWER["usage"])
    assert counted["id"] == content["id"]


@pytest.mark.parametrize("options", [None, [], "x", {}, {"include_usage": "true"}])
def test_other_stream_options_ask_for_no_usage(options: object) -> None:
    adapter = make_adapter(stream=True, stream_options=options)
    assert len(adapter.decode_as_stream(dumped(ANSWER))) == 1


def test_tool_calls_as_a_stream_get_their_index() -> None:
    calls = [tool_call("f", "{}"), tool_call("g", "{}")]
    reply = completion("m", [message(None, calls)], "tool_calls", usage(1, 1))
    [only] = make_adapter(stream=True).decode_as_stream(dumped(reply))
    delta = json.loads(only)["choices"][0]["delta"]
    assert delta["tool_calls"] == [{"index": 0, **calls[0]}, {"index": 1, **calls[1]}]


def test_calls_without_ids_get_the_same_ones_whole_and_streamed() -> None:
    """Results are returned by them."""
    calls = [{"type": "function", "function": {"name": "f", "arguments": "{}"}} for _ in "ab"]
    body = dumped(completion("m", [message(None, calls)], "tool_calls", usage(1, 1)))
    adapter = make_adapter(stream=True)
    [whole] = json.loads(adapter.decode(body))["choices"]
    ids = [call["id"] for call in whole["message"]["tool_calls"]]
    assert len(set(ids)) == len(calls)
    [as_stream] = json.loads(adapter.decode_as_stream(body)[0])["choices"]
    assert [call["id"] for call in as_stream["delta"]["tool_calls"]] == ids
    adapter = make_adapter(stream=True)
    streamed = [
        json.loads(each)["choices"][0]["delta"]["tool_calls"][0]
        for call in calls
        for each in adapter.feed(event(chunk("m", {"tool_calls": [{"index": 0, **call}]})))
    ]
    assert [(call["index"], call["id"]) for call in streamed] == [*enumerate(ids)]


def test_a_choice_without_message_is_an_empty_delta() -> None:
    reply = {"choices": [{"index": 0, "finish_reason": "stop"}]}
    [only] = make_adapter(stream=True).decode_as_stream(dumped(reply))
    assert json.loads(only)["choices"] == [{"index": 0, "finish_reason": "stop", "delta": {}}]


def test_a_chunk_passes_byte_for_byte() -> None:
    delta = b'{"role":"assistant","content":"\xc3\xa9"}'
    data = b'{ "choices":[ {"index":0,"delta":%b} ],\n"x_new": 1, "x_new": 18446744073709551617 }'
    data %= delta
    assert make_adapter(stream=True).feed(Event("", data)) == [data]


@pytest.mark.parametrize("text", ["[DONE]", " [DONE]", "[DONE] ", "\t[DONE]\n"])
def test_done_ends_the_stream_and_is_no_chunk(text: str) -> None:
    adapter = make_adapter(stream=True)
    assert adapter.feed(event(text)) == []
    assert adapter.done
    assert adapter.end() == []


def test_nothing_counts_after_done() -> None:
    adapter = fed(event(last_chunk("m")), event("[DONE]"))
    for late in (text_chunk("m", "late"), "[DONE]", "not JSON", {"error": {"code": 500}}):
        assert adapter.feed(event(late)) == []


@pytest.mark.parametrize("data", ["not JSON", "{", "[]", "1", '"x"', "null", "[DONE"])
def test_an_event_that_is_no_object_is_an_invalid_response(data: str) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        make_adapter(stream=True).feed(event(data))


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    data = b'{"choices": [{"delta": {"content": "a\xff\xfeb"}}]}'
    [passed] = make_adapter(stream=True).feed(Event("", data))
    assert json.loads(passed)["choices"][0]["delta"]["content"] == "a\ufffd\ufffdb"


def test_half_of_a_character_is_replaced() -> None:
    data = rb'{"choices": [{"delta": {"content": "a\ud83d \ud83d\ude00 \\ud83d"}}]}'
    [passed] = make_adapter(stream=True).feed(Event("", data))
    assert json.loads(passed)["choices"][0]["delta"]["content"] == "a\ufffd \U0001f600 \\ud83d"


@pytest.mark.parametrize(("error", "status"), ERRORS)
def test_an_error_event_has_its_own_status(error: object, status: int) -> None:
    with pytest.raises(UpstreamError) as caught:
        make_adapter(stream=True).feed(event({"error": error}))
    assert caught.value.status == status


def test_an_event_named_error_is_one_whatever_its_form() -> None:
    with pytest.raises(UpstreamRateLimited, match="Slow"):
        make_adapter(stream=True).feed(event({"message": "Slow", "code": 429}, "error"))


def test_openrouter_s_error_beside_choices_is_an_error() -> None:
    data = {**chunk("m", {"content": ""}, "error"), "error": {"code": 502, "message": "Gone"}}
    with pytest.raises(UpstreamUnavailable, match="Gone"):
        make_adapter(stream=True).feed(event(data))


def test_a_choice_that_ends_with_an_error_ends_the_stream() -> None:
    with pytest.raises(UpstreamUnavailable):
        make_adapter(stream=True).feed(event(chunk("m", {}, "error")))


def test_the_last_usage_counts() -> None:
    first = {**text_chunk("m", "a"), "usage": usage(3, 1)}
    adapter = fed(event(first), event({**chunk("m", None), "usage": usage(3, 9)}))
    assert adapter.usage == Usage(3, 9)


def test_a_usage_of_null_does_not_erase_one() -> None:
    adapter = fed(
        event({**chunk("m", None), "usage": usage(3, 9)}),
        event({**text_chunk("m", "a"), "usage": None}),
    )
    assert adapter.usage == Usage(3, 9)


COMPLETE: dict[str, list[JSONObject | str]] = {
    "done": [first_chunk("m"), "[DONE]"],
    "finish": [first_chunk("m"), text_chunk("m", "a"), last_chunk("m")],
    "finish and usage": [text_chunk("m", "a"), last_chunk("m"), {**chunk("m", None), "usage": {}}],
    "finish, then an empty delta": [text_chunk("m", "a"), last_chunk("m"), chunk("m", {})],
    "two choices": [
        chunk("m", {"content": "a"}, index=0),
        chunk("m", {"content": "b"}, index=1),
        chunk("m", {}, "stop", index=1),
        chunk("m", {}, "length", index=0),
    ],
    "one chunk": [chunk("m", {"content": "a"}, "stop")],
}
CUT: dict[str, list[JSONObject | str]] = {
    "nothing": [],
    "role only": [first_chunk("m")],
    "content": [first_chunk("m"), text_chunk("m", "a")],
    "only usage": [{**chunk("m", None), "usage": {}}],
    "one of two choices": [
        chunk("m", {"content": "a"}, index=0),
        chunk("m", {"content": "b"}, index=1),
        chunk("m", {}, "stop", index=0),
    ],
    "one choice after the other": [
        chunk("m", {"content": "a"}, index=0),
        chunk("m", {}, "stop", index=0),
        chunk("m", {"role": "assistant"}, index=1),
        chunk("m", {"content": "b"}, index=1),
    ],
}


@pytest.mark.parametrize("name", COMPLETE)
def test_a_stream_is_complete_when_every_choice_has_finished(name: str) -> None:
    adapter = fed(*map(event, COMPLETE[name]))
    assert adapter.end() == []
    assert adapter.done


@pytest.mark.parametrize("name", CUT)
def test_a_stream_that_ends_before_is_incomplete(name: str) -> None:
    adapter = fed(*map(event, CUT[name]))
    with pytest.raises(UpstreamInvalidResponse) as caught:
        adapter.end()
    assert caught.value.code == "upstream_stream_incomplete"


@pytest.mark.parametrize("choices", [None, 1, "x", [], [None], [1], [{}], [{"index": "x"}]])
def test_strange_choices_in_a_chunk_pass(choices: object) -> None:
    data = dumped({"choices": choices})
    assert make_adapter(stream=True).feed(Event("", data)) == [data]


def test_a_failure_is_read_from_status_headers_and_body() -> None:
    body = dumped({"error": {"message": "Slow down", "code": 429}})
    error = make_adapter().failure(500, {"retry-after": "3"}, body)
    assert isinstance(error, UpstreamRateLimited)
    assert (error.status, error.message, error.retry_after) == (429, "Slow down", 3)
    assert error.retry is Retry.HERE


def test_a_failure_without_a_readable_body_is_known_by_its_status() -> None:
    error = make_adapter().failure(503, {}, b"<html>canary</html>")
    assert isinstance(error, UpstreamUnavailable)
    assert b"canary" not in error.body()


def recorded() -> list[JSONObject | str]:
    first: dict[str, Any] = first_chunk("m")
    counted = {**chunk("m", None), "usage": usage(1, 2)}
    return [first, text_chunk("m", "é😀"), last_chunk("m"), counted, "[DONE]"]


@pytest.mark.parametrize(("options", "left_out"), [({"include_usage": True}, 1), (None, 2)])
def test_a_stream_gives_the_same_whole_and_byte_by_byte(options: object, left_out: int) -> None:
    data = b"".join(map(frame, recorded()))
    passed: list[list[bytes]] = []
    for size in (len(data), 1):
        decoder, adapter = Decoder(), make_adapter(stream=True, stream_options=options)
        events = [e for i in range(0, len(data), size) for e in decoder.feed(data[i : i + size])]
        passed.append([chunk for each in events for chunk in adapter.feed(each)])
        assert adapter.done
        assert adapter.usage == Usage(1, 2)
    assert passed[0] == passed[1]
    expected = [frame(each)[len("data: ") : -2] for each in recorded()]
    assert passed[0] == expected[: len(expected) - left_out]
