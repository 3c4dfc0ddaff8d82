"""What a body says is read with the adapters, and whatever is wrong with it becomes a note."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import http

from llm_gateway import sse
from llm_gateway.adapters.contract import Adapter
from llm_gateway.errors import GatewayError, UpstreamRateLimited
from llm_gateway.inspect.views import reading
from llm_gateway.inspect.views.reading import (
    adapter_for,
    adapter_of,
    kind_of,
    looks_like_stream,
    read_failure,
    read_reply,
    read_stream,
)
from support.answered import attempt_flow, client_flow
from support.calls import CREATED, EXCHANGE
from support.wire_files import Case, cases

FORMATS = ("openai", "groq", "anthropic", "gemini", "cloudflare", "gigachat")
STREAMS = [case for case in cases() if case.has("reply.sse")]
WHOLE = [case for case in STREAMS if not case.has("error.json")]
CUT = [case for case in STREAMS if case.has("error.json")]
REPLIES = [case for case in cases() if case.has("reply.json") and case.has("answer.json")]


def chunk(text: str) -> bytes:
    content = {"choices": [{"index": 0, "delta": {"content": text}}]}
    return b"data: " + json.dumps(content).encode() + b"\n\n"


def adapter(case: Case) -> Adapter:
    return adapter_for(case.kind, model="up-model", exchange=EXCHANGE, created=CREATED)


@pytest.mark.parametrize("case", WHOLE, ids=str)
def test_a_recorded_stream_is_read_to_its_end_without_a_note(case: Case) -> None:
    body = case.bytes("reply.sse")
    stream = read_stream(adapter(case), body)
    assert (stream.complete, stream.notes, stream.left_bytes) == (True, [], 0)
    assert len(body.strip()) <= stream.events[-1].end <= len(body)
    assert sum(len(event.chunks) for event in stream.events) <= len(stream.chunks)
    assert [event.number for event in stream.events] == [*range(1, len(stream.events) + 1)]


@pytest.mark.parametrize("case", CUT, ids=str)
def test_what_is_wrong_with_a_recorded_stream_is_a_note(case: Case) -> None:
    stream = read_stream(adapter(case), case.bytes("reply.sse"))
    assert stream.notes


@pytest.mark.parametrize("case", REPLIES, ids=str)
def test_a_recorded_reply_is_the_completion_that_the_client_got(case: Case) -> None:
    read = read_reply(adapter(case), case.bytes("reply.json"))
    wanted = case.json("answer.json")
    # The names of tools that had to be changed are known to who made the request.
    assert len(read["choices"]) == len(wanted["choices"])
    for one, other in zip(read["choices"], wanted["choices"], strict=True):
        assert one["message"]["content"] == other["message"]["content"]


def test_each_event_knows_where_it_ends_and_what_it_became() -> None:
    parts = [b": waiting\n\n", chunk("Hel"), b"\r\n\r\n", chunk("lo"), b"data: [DONE]\n\n"]
    stream = read_stream(adapter_for("openai"), b"".join(parts))
    ends = [len(b"".join(parts[: number + 1])) for number in (0, 1, 3, 4)]
    assert [event.end for event in stream.events] == ends
    assert [event.comment for event in stream.events] == ["waiting", "", "", ""]
    texts = [c["choices"][0]["delta"]["content"] for e in stream.events for c in e.chunks]
    assert texts == ["Hel", "lo"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_end_that_streams_may_have_separates_events(end: bytes) -> None:
    body = (chunk("a") + b"event: x\ndata: 5\n\n" + chunk("b")).replace(b"\n", end)
    stream = read_stream(adapter_for("openai"), body)
    assert stream.events[0].size == len(chunk("a").replace(b"\n", end))
    assert [event.type for event in stream.events] == ["", "x", ""]


def test_an_event_that_is_no_json_is_named_and_the_others_are_read() -> None:
    stream = read_stream(adapter_for("openai"), chunk("a") + b"data: {\n\n" + chunk("b"))
    assert len(stream.chunks) == 2
    assert stream.notes[0].startswith("event 2 is not valid JSON: ")
    assert stream.notes[1] == "The stream ends before its answer is complete."


def test_an_error_that_was_told_is_why_there_is_no_more() -> None:
    error = b'data: {"error": {"message": "Overloaded"}}\n\n'
    stream = read_stream(adapter_for("openai"), chunk("a") + error)
    assert stream.notes == ["event 2: Overloaded"]


def test_a_stream_that_is_still_under_way_lacks_no_end() -> None:
    stream = read_stream(adapter_for("openai"), chunk("a") + b'data: {"cho', over=False)
    assert (stream.notes, stream.complete, len(stream.events)) == ([], False, 1)


def test_lines_that_are_no_events_are_told() -> None:
    stream = read_stream(adapter_for("openai"), chunk("a") + b'{"detail": "gone"}\n\n')
    assert any('{"detail": "gone"}' in note for note in stream.notes)


def test_notes_are_bounded() -> None:
    stream = read_stream(adapter_for("openai"), b"data: {\n\n" * 100)
    assert len(stream.notes) == reading.MAX_NOTES
    assert stream.unnoted == 100 - reading.MAX_NOTES


@pytest.mark.parametrize("piece", [b"\n\n", b"\r\n\r\n", b": x\n\n"])
def test_of_a_huge_stream_a_bounded_number_of_events_is_read(
    monkeypatch: pytest.MonkeyPatch, piece: bytes
) -> None:
    fed: list[bytes] = []
    feed = sse.Decoder.feed

    def counting(self: sse.Decoder, data: bytes) -> list[sse.Event]:
        fed.append(data)
        return feed(self, data)

    monkeypatch.setattr(sse.Decoder, "feed", counting)
    body = piece * (5_000_000 // len(piece))
    stream = read_stream(adapter_for("openai"), body)
    assert len(fed) <= reading.MAX_EVENTS
    assert stream.read_bytes <= reading.MAX_BYTES
    assert stream.left_bytes == len(body) - stream.read_bytes > 0
    assert stream.left_events * len(piece) == pytest.approx(stream.left_bytes, abs=len(piece))
    assert not stream.complete


def test_a_stream_of_one_endless_event_is_not_read_at_all() -> None:
    stream = read_stream(adapter_for("openai"), b"data: " + b"x" * reading.MAX_BYTES)
    assert (stream.events, stream.left_bytes) == ([], reading.MAX_BYTES + 6)


@pytest.mark.parametrize("kind", FORMATS)
@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_body_of_any_format_raises(kind: str, body: bytes) -> None:
    for text in (body, b"data: " + body + b"\n\n"):
        read_stream(adapter_for(kind), text)


def test_a_chunk_that_is_nested_without_end_is_a_note() -> None:
    deep = b'data: {"choices": [{"delta": {"content": "x", "y": ' + b"[" * 500 + b"]" * 500
    stream = read_stream(adapter_for("openai"), deep + b"}}]}\n\n")
    assert stream.chunks == []
    assert "nested too deep" in stream.notes[0]


@pytest.mark.parametrize(
    ("flow", "kind"),
    [
        (client_flow(b"", kind="anthropic"), "openai"),
        (attempt_flow(b"", kind="gemini"), "gemini"),
        (attempt_flow(b"", kind="unheard-of"), "openai"),
    ],
    ids=["a client's", "an attempt's", "unknown"],
)
def test_the_format_of_a_flow_stands_in_its_metadata(flow: http.HTTPFlow, kind: str) -> None:
    assert kind_of(flow, b"") == kind


@pytest.mark.parametrize(
    ("provider", "body", "kind"),
    [
        ("groq", b"", "groq"),
        ("mine", b'data: {"candidates": []}', "gemini"),
        ("mine", b'event: message_start\ndata: {"type": "message_start"}', "anthropic"),
        ("mine", b'{"type": "message", "stop_reason": "end_turn"}', "anthropic"),
        ("mine", b'{"choices": []}', "openai"),
    ],
)
def test_of_an_attempt_that_does_not_say_its_format_it_is_guessed(
    provider: str, body: bytes, kind: str
) -> None:
    flow = attempt_flow(body)
    del flow.metadata["ai.kind"]
    flow.metadata["ai.provider"] = provider
    assert kind_of(flow, body) == kind


@pytest.mark.parametrize(
    ("content_type", "body", "is_stream"),
    [
        ("text/event-stream", b"", True),
        ("application/json", b"data: x", False),
        (None, b"data: x", True),
        ("text/plain", b"\n: comment", True),
        ("text/plain", b"database", False),
        (None, b'{"data": 1}', False),
    ],
)
def test_a_stream_is_known_by_its_type_or_else_by_its_first_word(
    content_type: str | None, body: bytes, is_stream: bool
) -> None:
    assert looks_like_stream(content_type, body) is is_stream


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b'{"max_tokens": 2}', "length"),
        (b'{"max_tokens": 9}', "stop"),
        (b'{"max_tokens": "2"}', "stop"),
        (b'["max_tokens"]', "stop"),
        (b'{"max_tokens"', "stop"),
        (b"{}", "stop"),
    ],
)
def test_the_limit_in_the_request_says_why_an_answer_without_a_reason_ended(
    sent: bytes, reason: str
) -> None:
    usage = b'"usage": {"prompt_tokens": 1, "completion_tokens": 2}'
    body = b'data: {"response": "Hi", ' + usage + b"}\n\ndata: [DONE]\n\n"
    flow = attempt_flow(body, kind="cloudflare")
    flow.request.raw_content = sent
    stream = read_stream(adapter_of(flow, body), body)
    reasons = [choice["finish_reason"] for c in stream.chunks for choice in c["choices"]]
    assert reasons[-1] == reason


def test_a_call_without_an_id_has_the_one_that_the_client_got() -> None:
    part = {"functionCall": {"name": "now", "args": {}}}
    reply = {"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}
    flow = attempt_flow(orjson.dumps(reply), kind="gemini", exchange="req_abc")
    flow.metadata["ai.attempt"] = 3
    answer = read_reply(adapter_of(flow, b""), orjson.dumps(reply))
    assert answer["choices"][0]["message"]["tool_calls"][0]["id"] == "call_abc_3_0"


def test_a_reply_that_is_none_says_why() -> None:
    with pytest.raises(GatewayError, match="holds no choices"):
        read_reply(adapter_for("openai"), b"{}")


def test_a_failure_is_what_the_gateway_makes_of_it() -> None:
    failure = read_failure(adapter_for("groq"), 429, {"retry-after": "7"}, b"")
    assert isinstance(failure, UpstreamRateLimited)
    assert failure.retry_after == 7
