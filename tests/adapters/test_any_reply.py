"""Whatever a provider sends, an adapter makes an answer of it or raises UpstreamError."""

import json
from collections.abc import Iterable
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_gateway import sse
from llm_gateway.adapters import KINDS
from llm_gateway.adapters.contract import Adapter
from llm_gateway.adapters.openai.chat import OpenAIAdapter
from llm_gateway.errors import UpstreamError
from support.any_json import STRANGE, disturbed
from support.calls import make_call, run_steps
from support.openai_promises import check_chunks, check_completion
from support.wire_files import Case, cases

CASES = cases()
BARE = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}
DISTURBED = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def by_name(file: str) -> pytest.MarkDecorator:
    """A test for each recorded exchange that has this file."""
    return pytest.mark.parametrize("case", [case for case in CASES if case.has(file)], ids=str)


def adapter_of(case: Case) -> Adapter:
    """The case's adapter, for a client that wants a stream and its usage."""
    adapter = KINDS[case.kind].chat(make_call({**case.request, **WITH_USAGE}))
    run_steps(adapter.prepare(), case.preparation)
    return adapter


def check_whole(adapter: Adapter, body: bytes) -> None:
    """The reply is an answer, or no answer."""
    try:
        answer = adapter.decode(body)
        chunks = adapter.decode_as_stream(body)
    except UpstreamError:
        return
    if not isinstance(adapter, OpenAIAdapter):
        check_completion(answer)
        check_chunks(chunks, wants_usage=True)


def check_stream(adapter: Adapter, events: Iterable[sse.Event]) -> None:
    """The events are an answer, or no answer."""
    chunks: list[bytes] = []
    complete = False
    try:
        for event in events:
            chunks += adapter.feed(event)
        chunks += [] if adapter.done else adapter.end()
        complete = True
    except UpstreamError:
        assert not adapter.done
    if not isinstance(adapter, OpenAIAdapter):
        check_chunks(chunks, wants_usage=True, complete=complete)


@by_name("reply.json")
@given(st.data())
@DISTURBED
def test_a_reply_with_something_strange_in_it(case: Case, choose: st.DataObject) -> None:
    reply = orjson.loads(case.bytes("reply.json")) if is_json(case.bytes("reply.json")) else {}
    check_whole(adapter_of(case), orjson.dumps(choose.draw(disturbed(reply))))


@by_name("reply.sse")
@given(st.data())
@DISTURBED
def test_a_stream_with_something_strange_in_it(case: Case, choose: st.DataObject) -> None:
    events = [*sse.Decoder().feed(case.bytes("reply.sse") + b"\n\n")]
    index = choose.draw(st.integers(0, max(0, len(events) - 1)))
    if events and is_json(events[index].data):
        data = choose.draw(disturbed(orjson.loads(events[index].data)))
        events[index] = sse.Event(events[index].type, orjson.dumps(data))
    check_stream(adapter_of(case), events)


@by_name("reply.sse")
@given(st.data())
@DISTURBED
def test_a_stream_in_another_order(case: Case, choose: st.DataObject) -> None:
    events = [*sse.Decoder().feed(case.bytes("reply.sse") + b"\n\n")]
    some = st.lists(st.sampled_from(events), max_size=8) if events else st.just([])
    check_stream(adapter_of(case), choose.draw(some))


@by_name("failure.json")
@given(st.data())
@DISTURBED
def test_a_failure_with_something_strange_in_it(case: Case, choose: st.DataObject) -> None:
    failure = case.json("failure.json")
    body = failure["body"] if isinstance(failure["body"], dict | list) else {}
    sent = json.dumps(choose.draw(disturbed(body))).encode()
    error = adapter_of(case).failure(failure["status"], failure["headers"], sent)
    assert 400 <= error.status < 600


@pytest.mark.parametrize("kind", KINDS)
@given(body=STRANGE.map(orjson.dumps) | st.binary(max_size=20))
@DISTURBED
def test_any_bytes(kind: str, body: bytes) -> None:
    def made() -> Adapter:
        return KINDS[kind].chat(make_call({**BARE, **WITH_USAGE}))

    check_whole(made(), body)
    check_stream(made(), [sse.Event("", body)])
    assert made().failure(500, {}, body).status >= 400


def is_json(data: Any) -> bool:
    """Whether these bytes are JSON."""
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True
