"""OpenAI's wire format: what leaves, what is an answer, what is not, and when a stream is whole."""

import json
from typing import Any

import pytest

from llm_gateway.adapters.contract import Call, Usage
from llm_gateway.adapters.openai import OpenAIAdapter
from llm_gateway.errors import (
    Retry,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from llm_gateway.sse import Decoder, Event
from support.fakes import LABEL, chat_body, frame
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


def make_call(*, stream: bool = False, key_hint: str | None = "***1234", **fields: Any) -> Call:
    return Call(
        body=chat_body(**fields),
        stream=stream,
        model="up-model",
        base_url="http://p.invalid/v1",
        key_hint=key_hint,
        label=LABEL,
    )


def event(data: object, kind: str = "") -> Event:
    text = data if isinstance(data, str) else json.dumps(data)
    return Event(kind, text.encode())


def dumped(value: object) -> bytes:
    return json.dumps(value).encode()


def fed(*events: Event) -> OpenAIAdapter:
    """An adapter that was given these events."""
    adapter = OpenAIAdapter(make_call(stream=True))
    for each in events:
        adapter.feed(each)
    return adapter


def test_the_request_goes_to_chat_completions_below_the_base_url() -> None:
    request = OpenAIAdapter(make_call()).encode()
    assert (request.method, request.url) == ("POST", "http://p.invalid/v1/chat/completions")
    assert request.label == LABEL


def test_only_the_model_is_replaced() -> None:
    extra: dict[str, Any] = {
        "temperature": 0.5,
        "new_field": {"a": [1, None, "é"]},
        "seed": 9007199254740993,
    }
    request = OpenAIAdapter(make_call(**extra)).encode()
    assert json.loads(request.body) == {**chat_body(**extra), "model": "up-model"}


def test_the_key_is_there_in_its_masked_form_only() -> None:
    headers = OpenAIAdapter(make_call(key_hint="***1234")).encode().headers
    assert [value for name, value in headers if name == "authorization"] == ["Bearer ***1234"]


def test_without_a_key_there_is_no_authorization() -> None:
    headers = OpenAIAdapter(make_call(key_hint=None)).encode().headers
    assert "authorization" not in dict(headers)


@pytest.mark.parametrize(
    ("stream", "accept"), [(True, "text/event-stream"), (False, "application/json")]
)
def test_the_headers_ask_for_what_the_client_wants_uncompressed(stream: bool, accept: str) -> None:
    headers = OpenAIAdapter(make_call(stream=stream)).encode().headers
    names = [name for name, _ in headers]
    assert len(names) == len(set(names))
    assert dict(headers)["accept"] == accept
    assert dict(headers)["accept-encoding"] == "identity"
    assert dict(headers)["content-type"] == "application/json"


def test_a_good_reply_passes_byte_for_byte_and_its_usage_is_noted() -> None:
    body = json.dumps(ANSWER, indent=3).encode()
    adapter = OpenAIAdapter(make_call())
    assert adapter.decode(body) == body
    assert adapter.usage == Usage(3, 2)


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
    adapter = OpenAIAdapter(make_call())
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
        getattr(OpenAIAdapter(make_call()), method)(body)
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
        getattr(OpenAIAdapter(make_call()), method)(dumped({"error": error}))
    assert caught.value.status == status


@pytest.mark.parametrize("method", ["decode", "decode_as_stream"])
def test_an_error_beside_choices_is_still_an_error(method: str) -> None:
    reply = {**ANSWER, "error": {"code": 502, "message": "Provider disconnected"}}
    with pytest.raises(UpstreamUnavailable, match="Provider disconnected"):
        getattr(OpenAIAdapter(make_call()), method)(dumped(reply))


@pytest.mark.parametrize("method", ["decode", "decode_as_stream"])
def test_a_choice_that_finished_with_an_error_is_no_answer(method: str) -> None:
    reply = completion("m", [message("")], "error", usage(1, 0))
    with pytest.raises(UpstreamUnavailable):
        getattr(OpenAIAdapter(make_call()), method)(dumped(reply))


def test_an_error_of_null_is_none() -> None:
    body = dumped({**ANSWER, "error": None})
    assert OpenAIAdapter(make_call()).decode(body) == body


def test_a_reply_as_a_stream_is_one_chunk_with_everything() -> None:
    adapter = OpenAIAdapter(make_call(stream=True))
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
    adapter = OpenAIAdapter(make_call(stream=True, stream_options={"include_usage": True}))
    content, counted = [json.loads(each) for each in adapter.decode_as_stream(dumped(ANSWER))]
    assert "usage" not in content
    assert (counted["choices"], counted["usage"]) == ([], ANSWER["usage"])
    assert counted["id"] == content["id"]


@pytest.mark.parametrize("options", [None, [], "x", {}, {"include_usage": "true"}])
def test_other_stream_options_ask_for_no_usage(options: object) -> None:
    adapter = OpenAIAdapter(make_call(stream=True, stream_options=options))
    assert len(adapter.decode_as_stream(dumped(ANSWER))) == 1


def test_tool_calls_as_a_stream_get_their_index() -> None:
    calls = [tool_call("f", "{}"), tool_call("g", "{}")]
    reply = completion("m", [message(None, calls)], "tool_calls", usage(1, 1))
    [only] = OpenAIAdapter(make_call(stream=True)).decode_as_stream(dumped(reply))
    delta = json.loads(only)["choices"][0]["delta"]
    assert delta["tool_calls"] == [{"index": 0, **calls[0]}, {"index": 1, **calls[1]}]


def test_a_choice_without_message_is_an_empty_delta() -> None:
    reply = {"choices": [{"index": 0, "finish_reason": "stop"}]}
    [only] = OpenAIAdapter(make_call(stream=True)).decode_as_stream(dumped(reply))
    assert json.loads(only)["choices"] == [{"index": 0, "finish_reason": "stop", "delta": {}}]


def test_a_chunk_passes_byte_for_byte() -> None:
    data = b'{ "choices":[ {"index":0,"delta":{"content":"\xc3\xa9"}} ],\n"x_new": 1 }'
    assert OpenAIAdapter(make_call(stream=True)).feed(Event("", data)) == [data]


@pytest.mark.parametrize("text", ["[DONE]", " [DONE]", "[DONE] ", "\t[DONE]\n"])
def test_done_ends_the_stream_and_is_no_chunk(text: str) -> None:
    adapter = OpenAIAdapter(make_call(stream=True))
    assert adapter.feed(event(text)) == []
    assert adapter.done
    adapter.end()


def test_nothing_counts_after_done() -> None:
    adapter = fed(event(last_chunk("m")), event("[DONE]"))
    for late in (text_chunk("m", "late"), "[DONE]", "not JSON", {"error": {"code": 500}}):
        assert adapter.feed(event(late)) == []


@pytest.mark.parametrize("data", ["not JSON", "{", "[]", "1", '"x"', "null", "[DONE"])
def test_an_event_that_is_no_object_is_an_invalid_response(data: str) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        OpenAIAdapter(make_call(stream=True)).feed(event(data))


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    data = b'{"choices": [{"delta": {"content": "a\xff\xfeb"}}]}'
    [passed] = OpenAIAdapter(make_call(stream=True)).feed(Event("", data))
    assert json.loads(passed)["choices"][0]["delta"]["content"] == "a\ufffd\ufffdb"


@pytest.mark.parametrize(("error", "status"), ERRORS)
def test_an_error_event_has_its_own_status(error: object, status: int) -> None:
    with pytest.raises(UpstreamError) as caught:
        OpenAIAdapter(make_call(stream=True)).feed(event({"error": error}))
    assert caught.value.status == status


def test_an_event_named_error_is_one_whatever_its_form() -> None:
    with pytest.raises(UpstreamRateLimited, match="Slow"):
        OpenAIAdapter(make_call(stream=True)).feed(event({"message": "Slow", "code": 429}, "error"))


def test_openrouter_s_error_beside_choices_is_an_error() -> None:
    data = {**chunk("m", {"content": ""}, "error"), "error": {"code": 502, "message": "Gone"}}
    with pytest.raises(UpstreamUnavailable, match="Gone"):
        OpenAIAdapter(make_call(stream=True)).feed(event(data))


def test_a_choice_that_ends_with_an_error_ends_the_stream() -> None:
    with pytest.raises(UpstreamUnavailable):
        OpenAIAdapter(make_call(stream=True)).feed(event(chunk("m", {}, "error")))


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
    adapter.end()
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
    assert OpenAIAdapter(make_call(stream=True)).feed(Event("", data)) == [data]


def test_a_failure_is_read_from_status_headers_and_body() -> None:
    body = dumped({"error": {"message": "Slow down", "code": 429}})
    error = OpenAIAdapter(make_call()).failure(500, {"retry-after": "3"}, body)
    assert isinstance(error, UpstreamRateLimited)
    assert (error.status, error.message, error.retry_after) == (429, "Slow down", 3)
    assert error.retry is Retry.HERE


def test_a_failure_without_a_readable_body_is_known_by_its_status() -> None:
    error = OpenAIAdapter(make_call()).failure(503, {}, b"<html>canary</html>")
    assert isinstance(error, UpstreamUnavailable)
    assert b"canary" not in error.body()


def recorded() -> list[JSONObject | str]:
    first: dict[str, Any] = first_chunk("m")
    counted = {**chunk("m", None), "usage": usage(1, 2)}
    return [first, text_chunk("m", "é😀"), last_chunk("m"), counted, "[DONE]"]


def test_a_stream_gives_the_same_whole_and_byte_by_byte() -> None:
    data = b"".join(map(frame, recorded()))
    passed: list[list[bytes]] = []
    for size in (len(data), 1):
        decoder, adapter = Decoder(), OpenAIAdapter(make_call(stream=True))
        events = [e for i in range(0, len(data), size) for e in decoder.feed(data[i : i + size])]
        passed.append([chunk for each in events for chunk in adapter.feed(each)])
        assert adapter.done
        assert adapter.usage == Usage(1, 2)
    assert passed[0] == passed[1]
    assert len(passed[0]) == len(recorded()) - 1
