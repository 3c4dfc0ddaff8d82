"""One attempt at one target: its time limits, what a filter left empty, and what it is told."""

import asyncio
from collections.abc import Mapping
from typing import Any, override

import orjson
import pytest

from llm_gateway.adapters.contract import Steps, Usage
from llm_gateway.attempt import Reply
from llm_gateway.config import Capability, FallbackOn, Http, Limits, RetryPolicy, Windows
from llm_gateway.dispatch import ChatRequest, ImageRequest
from llm_gateway.errors import (
    UpstreamTimeout,
    UpstreamUnsupported,
)
from llm_gateway.tokens import estimate
from llm_gateway.trace import Trace
from llm_gateway.wire import EVENT_STREAM, JSON, UpstreamRequest
from support.exchange import ANSWER_BYTES, DONE, FIRST, GOOD, HELLO, LAST, USAGE, Exchange
from support.fakes import FakeResponse, Piece, chat_body, frame
from support.openai_shapes import chunk, completion, first_chunk, last_chunk, message, usage
from support.scripted import PlainAdapter, make_kind
from support.targets import Targets, whole
from support.virtual_time import run

EVERYTHING = RetryPolicy(attempts=1, fallback_on=frozenset(FallbackOn))
LIMITS = Http(first_event=7.0, answer=20.0, idle=3.0)


def now() -> float:
    return asyncio.get_running_loop().time()


def after(seconds: float) -> asyncio.Event:
    """An event that is set after so many seconds."""
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, event.set)
    return event


def silence() -> asyncio.Event:
    return asyncio.Event()


class NeverStreaming(PlainAdapter):
    """Asks for a whole answer, whatever the client asks for."""

    @override
    def encode(self) -> UpstreamRequest:
        return self.call.site.request("POST", "/chat", self.call.label, body=b"{}")


class Preparing(PlainAdapter):
    @override
    def prepare(self) -> Steps[None]:
        yield [self.call.site.request("POST", "/upload", self.call.label)]


def test_a_whole_answer_is_waited_for_so_long() -> None:
    async def main() -> None:
        response = FakeResponse(ANSWER_BYTES[:9], silence(), content_type=JSON)
        exchange = Exchange(response, stream=False, http=LIMITS, deadline=600.0)
        error = await exchange.failure()
        assert isinstance(error, UpstreamTimeout)
        assert error.message == "The provider sent no whole answer within 20 s."
        assert (now(), response.closed) == (20.0, True)

    run(main())


def test_one_that_comes_just_in_time_is_an_answer() -> None:
    async def main() -> None:
        pieces: list[Piece] = [ANSWER_BYTES[:9], after(19.9), ANSWER_BYTES[9:]]
        response = FakeResponse(*pieces, content_type=JSON)
        reply = await Exchange(response, stream=False, http=LIMITS, deadline=600.0).reply()
        assert reply == Reply(JSON, ANSWER_BYTES)

    run(main())


def test_one_that_the_client_gets_as_a_stream_has_as_long() -> None:
    async def main() -> None:
        response = FakeResponse(silence(), content_type=JSON)
        kind = make_kind(NeverStreaming)
        error = await Exchange(response, http=LIMITS, deadline=600.0, kind=kind).failure()
        assert "no whole answer within 20 s" in error.message
        assert now() == 20.0

    run(main())


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [FIRST],
        [b": comment\n\n", FIRST, b": comment\n\n"],
        [frame(chunk("m", {"content": ""}))],
        [frame({**chunk("m", None), "usage": usage(3, 0)})],
    ],
    ids=["nothing", "role", "comments", "empty text", "usage"],
)
def test_a_stream_s_first_content_is_waited_for_whatever_comes_before(pieces: list[bytes]) -> None:
    async def main() -> None:
        response = FakeResponse(*pieces, after(6.0), FIRST, silence())
        error = await Exchange(response, http=LIMITS, deadline=600.0).failure()
        assert error.message == "The provider sent no event within 7 s."
        assert (now(), response.closed) == (7.0, True)

    run(main())


def test_what_comes_behind_the_first_content_may_take_as_long_as_it_likes() -> None:
    async def main() -> None:
        pieces: list[Piece] = [FIRST, HELLO]
        for _ in range(20):
            pieces += [after(2.9 * len(pieces) / 2), HELLO]
        response = FakeResponse(*pieces, LAST, DONE)
        stream = await Exchange(response, http=LIMITS, deadline=10.0).streamed()
        assert stream == FIRST + HELLO * 21 + LAST + DONE
        assert now() > 50

    run(main())


def test_what_is_uploaded_first_is_waited_for_so_long() -> None:
    async def main() -> None:
        exchange = Exchange(asyncio.Event(), http=LIMITS, deadline=600.0, kind=make_kind(Preparing))
        error = await exchange.failure()
        assert error.message == "The provider sent no answer within 20 s."
        assert now() == 20.0

    run(main())


def test_a_target_that_takes_too_long_is_the_next_one_s_turn() -> None:
    async def main() -> None:
        slow = FakeResponse(silence(), content_type=JSON)
        targets = Targets({"a": [slow], "b": [whole("b")]}, everywhere={"http": LIMITS})
        assert await targets.text() == "b"
        assert (now(), targets.trace.way) == (20.0, "a/up=upstream_timeout, b/up=ok")

    run(main())


FILTERED_BODY = orjson.dumps(completion("m", [message(None)], "content_filter", usage(3, 0)))
FILTERED_STREAM = frame(first_chunk("m")) + frame(last_chunk("m", "content_filter")) + DONE
CUT_STREAM = FIRST + HELLO + frame(last_chunk("m", "content_filter")) + DONE


def filtered(*, stream: bool, whole_for_stream: bool = False) -> FakeResponse:
    if stream and not whole_for_stream:
        return FakeResponse(FILTERED_STREAM)
    return FakeResponse(FILTERED_BODY, content_type=JSON)


@pytest.mark.parametrize(
    ("stream", "whole_for_stream"), [(True, False), (True, True), (False, False)]
)
def test_what_a_filter_left_empty_goes_elsewhere_if_that_is_asked_for(
    stream: bool, whole_for_stream: bool
) -> None:
    async def main() -> None:
        empty = filtered(stream=stream, whole_for_stream=whole_for_stream)
        good = FakeResponse(GOOD) if stream else whole("b")
        targets = Targets({"a": [empty], "b": [good]}, everywhere={"retry": EVERYTHING})
        await targets.ask(stream=stream)
        assert targets.trace.way == "a/up=content_filter, b/up=ok"
        assert empty.closed

    run(main())


@pytest.mark.parametrize("stream", [True, False])
def test_otherwise_it_is_the_answer(stream: bool) -> None:
    async def main() -> None:
        targets = Targets({"a": [filtered(stream=stream)], "b": [whole("b")]})
        if stream:
            assert await targets.streamed() == FILTERED_STREAM
        else:
            assert (await targets.ask()).body == FILTERED_BODY
        assert targets.calls == ["a"]

    run(main())


def test_it_is_told_as_refused_where_nobody_else_does_better() -> None:
    async def main() -> None:
        targets = Targets({"a": [filtered(stream=False)]}, everywhere={"retry": EVERYTHING})
        error = await targets.failure()
        assert (error.status, error.code) == (400, "content_filter")

    run(main())


def test_a_stream_that_a_filter_cuts_is_an_answer_all_the_same() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [FakeResponse(CUT_STREAM)], "b": [FakeResponse(GOOD)]},
            everywhere={"retry": EVERYTHING},
        )
        assert await targets.streamed() == CUT_STREAM

    run(main())


def spent(answer: FakeResponse, seconds: int) -> FakeResponse:
    """An answer whose headers say that this was the last request for so many seconds."""
    answer.headers = {
        **answer.headers,
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": f"{seconds}s",
    }
    return answer


@pytest.mark.parametrize(
    ("answer", "stream"),
    [
        (lambda: whole("a"), False),
        (lambda: FakeResponse(GOOD), True),
        (lambda: FakeResponse(ANSWER_BYTES, content_type=JSON), True),
    ],
    ids=["whole", "stream", "whole for stream"],
)
def test_a_target_rests_for_as_long_as_a_good_answer_says(answer: Any, stream: bool) -> None:
    async def main() -> None:
        targets = Targets({"a": [spent(answer(), 30), whole("a")], "b": [whole("b")]})
        gate = targets.gatekeeper.gate(targets.config.models[0])
        reply = await targets.ask(stream=stream)
        await reply.discard()
        assert gate.cooldown.left() == 30.0
        await targets.ask()
        assert targets.calls == ["a", "b"]
        await asyncio.sleep(30)
        await targets.ask()
        assert targets.calls == ["a", "b", "a"]

    run(main())


def test_a_target_whose_last_answer_was_good_is_no_failure_and_told_to_rest() -> None:
    async def main() -> None:
        targets = Targets({"a": [spent(whole("a"), 30)]})
        await targets.text()
        error = await targets.failure()
        assert (error.status, dict(error.headers)["retry-after"]) == (429, "30")
        assert targets.trace.way == "a/up=parked"

    run(main())


TOKENS = {"limits": Limits(tokens=Windows(minute=1000))}


@pytest.mark.parametrize(
    ("everywhere", "options", "asked", "counted"),
    [
        ({}, None, {"include_usage": True}, False),
        ({}, {"include_usage": True}, {"include_usage": True}, True),
        ({}, {"include_usage": False}, {"include_usage": True}, False),
        ({"omit": frozenset({"stream_options"})}, None, None, False),
        ({"limits": Limits(Windows(minute=9))}, None, {"include_usage": True}, False),
        (TOKENS, None, {"include_usage": True}, False),
        (TOKENS, {"include_usage": True}, {"include_usage": True}, True),
        (TOKENS, {"include_usage": False, "x": 1}, {"include_usage": True, "x": 1}, False),
    ],
)
def test_the_usage_of_a_stream_is_always_asked_for_and_told_to_who_asked(
    everywhere: Mapping[str, Any], options: Any, asked: Any, counted: bool
) -> None:
    async def main() -> None:
        targets = Targets({"a": [FakeResponse(GOOD), whole("a")]}, everywhere=everywhere)
        body = chat_body(stream=True, **({"stream_options": options} if options else {}))
        trace = Trace("req_test")
        reply = await targets.dispatcher.chat(ChatRequest(body, "m", True, 400), trace)
        assert not isinstance(reply.body, bytes)
        stream = b"".join([piece async for piece in reply.body])
        assert orjson.loads(targets.wires.requests[0].body).get("stream_options") == asked
        assert stream == (GOOD if counted else GOOD.replace(USAGE, b""))
        assert trace.usage == Usage(3, 2)
        if everywhere is TOKENS:
            assert await left_after(targets) == 1000 - 3 - 2 - estimate(chat_body())

    run(main())


async def left_after(targets: Targets) -> int:
    """The tokens that are left of the minute's."""
    await asyncio.sleep(0)
    await targets.dispatcher.chat(ChatRequest(chat_body(), "m", False, 0), trace := Trace("req_2"))
    assert trace.standing is not None
    assert trace.standing.tokens is not None
    return trace.standing.tokens.remaining


def test_a_target_that_draws_nothing_is_told_so_and_nothing_is_sent() -> None:
    async def main() -> None:
        targets = Targets(
            {"a": [whole("a")]},
            everywhere={"capabilities": frozenset({Capability.IMAGE})},
            providers={"a": {"kind": "anthropic"}},
        )
        request = ImageRequest({"prompt": "A dot."}, "m")
        gate = targets.gatekeeper.gate(targets.config.models[0])
        for _ in range(9):
            with pytest.raises(UpstreamUnsupported):
                await targets.dispatcher.images(request, Trace("req_test"))
        assert targets.calls == []
        assert gate.refusal() is None, "the target has done nothing wrong"

    run(main())


def test_a_reply_that_nobody_reads_is_ended() -> None:
    async def main() -> None:
        response = FakeResponse(FIRST, HELLO, asyncio.Event())
        targets = Targets({"a": [response]})
        reply = await targets.ask(stream=True)
        assert reply.content_type == EVENT_STREAM
        await reply.discard()
        assert response.closed
        assert targets.are_at_rest
        await Reply(JSON, b"{}").discard()

    run(main())
