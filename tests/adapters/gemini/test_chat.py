"""Whole replies and streams, beyond what the recorded ones show."""

import json
from typing import Any

import pytest

from llm_gateway import sse
from llm_gateway.adapters.contract import Adapter, Usage
from llm_gateway.adapters.gemini import KIND
from llm_gateway.errors import UpstreamInvalidResponse
from support.calls import make_call
from support.gemini_answers import reply_of, stream_of
from support.gemini_rules import check_reply
from support.openai_promises import check_chunks, check_completion, put_together
from support.openai_shapes import JSONObject
from support.wire_files import Case, cases

HI: JSONObject = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("f", "9lives")]
BROKEN = {"odd-reply", "not-json", "error-in-success", "error-in-a-list", "stream-not-json"}
RECORDED = [each for each in cases() if each.kind == "gemini" and each.path.name not in BROKEN]


def adapter_of(**fields: Any) -> Adapter:
    return KIND.chat(make_call({**HI, **fields}))


def dumped(value: object) -> bytes:
    return json.dumps(value).encode()


def fed(adapter: Adapter, *events: object) -> list[bytes]:
    chunks = [chunk for each in events for chunk in adapter.feed(sse.Event("", dumped(each)))]
    return chunks + adapter.end()


@pytest.mark.parametrize("case", [each for each in RECORDED if each.has("reply.json")], ids=str)
def test_the_recorded_replies_are_google_s(case: Case) -> None:
    check_reply(case.json("reply.json"))


@pytest.mark.parametrize("case", [each for each in RECORDED if each.has("reply.sse")], ids=str)
def test_the_recorded_events_are_google_s(case: Case) -> None:
    decoder = sse.Decoder()
    for event in decoder.feed(case.bytes("reply.sse")) + decoder.close():
        reply = json.loads(event.data)
        if "error" not in reply:
            check_reply(reply)


def test_usage_is_noted_for_the_log() -> None:
    reply = reply_of("gemini-3-pro", {}, [[{"text": "a b"}]])
    adapter = adapter_of()
    adapter.decode(dumped(reply))
    assert adapter.usage == Usage(7, 3)
    stream = adapter_of(stream=True)
    fed(stream, *stream_of("gemini-3-pro", {}, [[{"text": "a b"}]]))
    assert stream.usage == Usage(7, 3)


def test_counts_that_a_later_event_leaves_out_stay() -> None:
    first = {"candidates": [{"content": {"parts": [{"text": "a"}]}}]}
    adapter = adapter_of(stream=True)
    fed(
        adapter,
        {**first, "usageMetadata": {"promptTokenCount": 4, "thoughtsTokenCount": 9}},
        {
            "candidates": [{"finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 1},
        },
    )
    assert adapter.usage == Usage(4, 10)


def test_a_reason_in_every_event_ends_a_stream_only_once() -> None:
    piece = {"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}]}
    chunks = check_chunks(fed(adapter_of(stream=True), piece, piece), wants_usage=False)
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, "stop"]


def test_what_comes_after_the_end_of_a_candidate_does_not_make_it_incomplete() -> None:
    adapter = adapter_of(stream=True)
    fed(
        adapter,
        {"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "MAX_TOKENS"}]},
        {"usageMetadata": {"promptTokenCount": 1}},
        {"candidates": [{"content": {"parts": [{"text": ""}]}, "index": 0}]},
    )
    assert adapter.done


def test_one_of_several_answers_that_does_not_end_is_missed() -> None:
    adapter = adapter_of(stream=True, n=2)
    first, second = ({"content": {"parts": [{"text": "a"}]}, "index": i} for i in (0, 1))
    with pytest.raises(UpstreamInvalidResponse) as caught:
        fed(adapter, {"candidates": [{**first, "finishReason": "STOP"}, second]})
    assert caught.value.code == "upstream_stream_incomplete"


def test_calls_of_several_answers_have_ids_of_their_own() -> None:
    call = {"content": {"parts": [{"functionCall": {"name": "f"}}]}, "finishReason": "STOP"}
    reply = {"candidates": [{**call, "index": 0}, {**call, "index": 1}]}
    answer = check_completion(adapter_of(n=2).decode(dumped(reply)))
    ids = {choice["message"]["tool_calls"][0]["id"] for choice in answer["choices"]}
    assert len(ids) == 2


def test_a_reply_without_reason_counts_if_it_says_something() -> None:
    said = {"candidates": [{"content": {"parts": [{"text": "a"}]}}]}
    answer = check_completion(adapter_of().decode(dumped(said)))
    assert answer["choices"][0]["finish_reason"] == "stop"
    silent: list[JSONObject] = [
        {},
        {"content": {}},
        {"content": {"parts": [{"text": "", "thought": True}]}},
    ]
    for nothing in silent:
        with pytest.raises(UpstreamInvalidResponse):
            adapter_of().decode(dumped({"candidates": [nothing]}))


def test_a_reply_as_a_stream_says_the_same() -> None:
    parts: list[JSONObject] = [
        {"text": "Hm.", "thought": True},
        {"text": "Look: "},
        {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "AQID"},
    ]
    body = dumped(reply_of("gemini-3-pro", {}, [parts]))
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = adapter_of(**options).decode_as_stream(body)
    check_chunks(chunks, wants_usage=True)
    whole = check_completion(adapter_of().decode(body))
    message = put_together(chunks)["choices"][0]["message"]
    assert message["content"] == whole["choices"][0]["message"]["content"] == "Look: "
    [streamed], [called] = message["tool_calls"], whole["choices"][0]["message"]["tool_calls"]
    assert streamed["function"]["arguments"] == called["function"]["arguments"]
    assert streamed["extra_content"] == called["extra_content"]
