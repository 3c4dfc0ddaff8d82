"""Recorded exchanges: what is sent and what the client gets, for each wire format."""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from llm_gateway import sse
from llm_gateway.adapters import KINDS
from llm_gateway.adapters.contract import Adapter
from llm_gateway.adapters.openai.chat import OpenAIAdapter
from llm_gateway.errors import UpstreamError
from support.calls import make_call, run_steps, unchanged
from support.openai_promises import check_chunks, check_completion, put_together
from support.wire_files import DATA, Case, cases

CASES = cases()
REQUESTS = [case for case in CASES if case.has("upstream.json")]
REPLIES = [case for case in CASES if case.has("reply.json")]
ANSWERED = [case for case in REPLIES if not case.has("error.json")]
STREAMS = [case for case in CASES if case.has("reply.sse")]
FAILURES = [case for case in CASES if case.has("failure.json")]


def adapter_of(case: Case, request: dict[str, Any] | None = None) -> Adapter:
    """The case's adapter, its preparations done."""
    adapter = KINDS[case.kind].chat(make_call(case.request if request is None else request))
    run_steps(adapter.prepare(), case.preparation)
    return adapter


def error_of(error: UpstreamError | None) -> dict[str, Any] | None:
    """The error as `error.json` has it."""
    if error is None:
        return None
    return {
        "status": error.status,
        "retry": error.retry.value,
        "retry_after": error.retry_after,
        **json.loads(error.body()),
    }


def by_name(group: Iterable[Case]) -> pytest.MarkDecorator:
    """A test for each of these cases."""
    return pytest.mark.parametrize("case", group, ids=str)


def translates(adapter: Adapter) -> bool:
    """Whether the answers are written by us, not passed on."""
    return not isinstance(adapter, OpenAIAdapter)


def wants_usage(request: dict[str, Any]) -> bool:
    """Whether the client asked for the usage of a stream."""
    return make_call(request).wants_usage


def streamed(adapter: Adapter, pieces: Iterable[bytes]) -> tuple[list[bytes], UpstreamError | None]:
    """The chunks that a stream in these pieces becomes, and the error that ends it."""
    decoder = sse.Decoder()
    chunks: list[bytes] = []
    try:
        for piece in pieces:
            for event in decoder.feed(piece):
                chunks += adapter.feed(event)
        for event in decoder.close():
            chunks += adapter.feed(event)
        if not adapter.done:
            chunks += adapter.end()
    except UpstreamError as error:
        return chunks, error
    assert adapter.done
    return chunks, None


@by_name(REQUESTS)
def test_the_request_is_what_was_recorded_and_the_same_each_time(case: Case) -> None:
    request = case.request
    before = unchanged(request)
    adapter = adapter_of(case, request)
    sent = adapter.encode()
    assert json.loads(sent.body) == case.json("upstream.json")
    assert adapter.encode() == sent
    assert adapter_of(case, request).encode() == sent
    assert request == before


@by_name(REPLIES)
def test_a_whole_reply_becomes_the_recorded_completion(case: Case) -> None:
    adapter = adapter_of(case)
    if case.has("error.json"):
        with pytest.raises(UpstreamError) as caught:
            adapter.decode(case.bytes("reply.json"))
        assert error_of(caught.value) == case.json("error.json")
        return
    answer = adapter.decode(case.bytes("reply.json"))
    assert json.loads(answer) == case.json("answer.json")
    assert adapter_of(case).decode(case.bytes("reply.json")) == answer
    ChatCompletion.model_validate_json(answer)
    if translates(adapter):
        check_completion(answer)


@by_name(ANSWERED)
def test_a_whole_reply_may_become_a_stream(case: Case) -> None:
    request = {**case.request, "stream": True, "stream_options": {"include_usage": True}}
    adapter = adapter_of(case, request)
    chunks = adapter.decode_as_stream(case.bytes("reply.json"))
    assert adapter.done
    for chunk in chunks:
        ChatCompletionChunk.model_validate_json(chunk)
    if translates(adapter):
        check_chunks(chunks, wants_usage=True)
    whole = case.json("answer.json")
    said = [json.loads(chunk) for chunk in chunks]
    assert said[-1].get("usage") == whole.get("usage")
    text = "".join(
        choice["delta"].get("content") or "" for chunk in said for choice in chunk["choices"]
    )
    assert text == "".join(choice["message"]["content"] or "" for choice in whole["choices"])


@by_name(STREAMS)
def test_a_stream_becomes_the_recorded_chunks(case: Case) -> None:
    chunks, error = streamed(adapter_of(case), [case.bytes("reply.sse")])
    expected = [event.data for event in sse.Decoder().feed(case.bytes("answer.sse"))]
    assert [json.loads(chunk) for chunk in chunks] == [json.loads(data) for data in expected]
    assert error_of(error) == (case.json("error.json") if case.has("error.json") else None)
    for chunk in chunks:
        ChatCompletionChunk.model_validate_json(chunk)


@by_name(STREAMS)
def test_a_recorded_stream_keeps_openai_s_promises(case: Case) -> None:
    adapter = adapter_of(case)
    chunks, error = streamed(adapter, [case.bytes("reply.sse")])
    if not translates(adapter):
        return
    wanted = wants_usage(case.request)
    parsed = check_chunks(chunks, wants_usage=wanted, complete=error is None)
    if error is None:
        assert put_together(chunks)["choices"]
    if wanted and error is None and adapter.usage is not None:
        assert parsed[-1]["usage"]["prompt_tokens"] == adapter.usage.prompt_tokens


@by_name(STREAMS)
def test_a_stream_byte_by_byte_becomes_the_same(case: Case) -> None:
    data = case.bytes("reply.sse")
    check_same(case, [data[i : i + 1] for i in range(len(data))])


@by_name(STREAMS)
@given(st.data())
@settings(max_examples=10, deadline=None)
def test_a_stream_becomes_the_same_however_it_is_cut(case: Case, choose: st.DataObject) -> None:
    data = case.bytes("reply.sse")
    cuts = choose.draw(st.lists(st.integers(0, len(data)), max_size=8).map(sorted))
    check_same(case, [data[begin:end] for begin, end in pairwise([0, *cuts, len(data)])])


def check_same(case: Case, pieces: list[bytes]) -> None:
    """The stream in these pieces becomes what the whole of it does."""
    chunks, error = streamed(adapter_of(case), pieces)
    expected, failure = streamed(adapter_of(case), [case.bytes("reply.sse")])
    assert chunks == expected
    assert error_of(error) == error_of(failure)


@by_name(FAILURES)
def test_a_failure_is_classified_as_recorded(case: Case) -> None:
    failure = case.json("failure.json")
    body = failure["body"]
    text = body if isinstance(body, str) else json.dumps(body)
    error = adapter_of(case).failure(failure["status"], failure["headers"], text.encode())
    assert error_of(error) == case.json("error.json")


def speech_of(kind: str) -> object:
    """What kinds of the same wire format have in common."""
    adapter = KINDS[kind].chat(make_call({"model": "m", "messages": []}))
    return adapter.dialect if isinstance(adapter, OpenAIAdapter) else type(adapter)


@pytest.mark.parametrize("kind", KINDS)
def test_each_wire_format_and_each_dialect_of_openai_s_has_recordings(kind: str) -> None:
    assert any(speech_of(case.kind) == speech_of(kind) for case in CASES)


def test_each_recording_is_of_a_kind_and_proves_something() -> None:
    assert {case.kind for case in CASES} <= KINDS.keys()
    used = {*map(str, [*REQUESTS, *REPLIES, *STREAMS, *FAILURES])}
    assert [str(case) for case in CASES if str(case) not in used] == []
    assert [path.name for path in DATA.iterdir() if path.name not in KINDS] == []
