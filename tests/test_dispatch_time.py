"""Exchanges that take too long, and clients that leave, in every phase."""

import asyncio
from collections.abc import Callable
from typing import override

import pytest

from llm_gateway.adapters.contract import Usage
from llm_gateway.config import Http
from llm_gateway.errors import (
    UpstreamTimeout,
)
from llm_gateway.wire import EVENT_STREAM, UpstreamRequest
from support.exchange import (
    ANSWER_BYTES,
    DONE,
    FIRST,
    GOOD,
    HELLO,
    JSON,
    LAST,
    USAGE,
    Exchange,
    cancelled,
    datas,
)
from support.fakes import (
    FakeResponse,
)
from support.scripted import PlainAdapter, make_kind


@pytest.mark.parametrize(
    "answer",
    [
        asyncio.Event,
        lambda: FakeResponse(asyncio.Event()),
        lambda: FakeResponse(b": comment\n\n", asyncio.Event()),
        lambda: FakeResponse(FIRST[:-1], asyncio.Event()),
        lambda: FakeResponse(ANSWER_BYTES[:20], asyncio.Event(), content_type=JSON),
        lambda: FakeResponse(asyncio.Event(), status=500),
    ],
    ids=["no head", "no event", "a comment", "half an event", "half a reply", "no error body"],
)
async def test_a_stream_s_first_event_is_waited_for_so_long(
    answer: Callable[[], FakeResponse | asyncio.Event],
) -> None:
    exchange = Exchange(answer(), http=Http(first_event=0.02))
    error = await exchange.failure()
    assert isinstance(error, UpstreamTimeout)
    assert (error.status, error.code) == (504, "upstream_timeout")
    assert "no event within 0.02 s" in error.message
    if isinstance(exchange.answer, FakeResponse):
        assert exchange.answer.closed


class Chatter(FakeResponse):
    """A provider that never tires of sending comments."""

    @override
    async def read(self) -> bytes:
        await asyncio.sleep(0)
        return b": OPENROUTER PROCESSING\n\n"


async def test_comments_do_not_extend_the_wait_for_the_first_event() -> None:
    response = Chatter()
    error = await Exchange(response, http=Http(first_event=0.02)).failure()
    assert isinstance(error, UpstreamTimeout)
    assert response.closed


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "answer",
    [asyncio.Event, lambda: FakeResponse(asyncio.Event(), content_type=JSON)],
    ids=["no head", "no body"],
)
async def test_the_deadline_bounds_everything_up_to_the_reply(
    stream: bool, answer: Callable[[], FakeResponse | asyncio.Event]
) -> None:
    exchange = Exchange(answer(), stream=stream, deadline=0.02)
    error = await exchange.failure()
    assert isinstance(error, UpstreamTimeout)
    assert "deadline of 0.02 s" in error.message
    if isinstance(exchange.answer, FakeResponse):
        assert exchange.answer.closed


async def test_a_whole_reply_may_take_longer_than_a_first_event() -> None:
    gate = asyncio.Event()
    response = FakeResponse(gate, ANSWER_BYTES, content_type=JSON)
    exchange = Exchange(response, stream=False, http=Http(first_event=0.01, idle=0.01))
    asyncio.get_running_loop().call_later(0.03, gate.set)
    assert (await exchange.reply()).body == ANSWER_BYTES


class NeverStreaming(PlainAdapter):
    """Asks for a whole answer, whatever the client asks for."""

    @override
    def encode(self) -> UpstreamRequest:
        return self.call.site.request("POST", "/chat", self.call.label, body=b"{}")


async def test_so_may_one_that_the_client_gets_as_a_stream() -> None:
    gate = asyncio.Event()
    response = FakeResponse(gate, ANSWER_BYTES, content_type=JSON)
    exchange = Exchange(response, kind=make_kind(NeverStreaming), http=Http(first_event=0.01))
    asyncio.get_running_loop().call_later(0.03, gate.set)
    assert datas(await exchange.streamed()) == [ANSWER_BYTES.decode(), "[DONE]"]


@pytest.mark.parametrize("stream", [True, False])
async def test_leaving_while_the_request_is_sent_breaks_it_off(stream: bool) -> None:
    exchange = Exchange(asyncio.Event(), stream=stream)
    await cancelled(asyncio.create_task(exchange.reply()), exchange.wire.waiting)


@pytest.mark.parametrize(
    ("stream", "pieces", "content_type"),
    [
        (True, (), EVENT_STREAM),
        (True, (b": comment\n\n",), EVENT_STREAM),
        (True, (), JSON),
        (False, (), JSON),
        (False, (ANSWER_BYTES[:20],), JSON),
    ],
    ids=["first event", "after a comment", "whole for stream", "whole", "half of a whole"],
)
async def test_leaving_during_the_hold_closes_the_response(
    stream: bool, pieces: tuple[bytes, ...], content_type: str
) -> None:
    response = FakeResponse(*pieces, asyncio.Event(), content_type=content_type)
    exchange = Exchange(response, stream=stream)
    await cancelled(asyncio.create_task(exchange.reply()), response.waiting)
    assert response.closed


async def test_leaving_in_mid_stream_closes_the_response() -> None:
    response = FakeResponse(HELLO + USAGE, asyncio.Event())
    exchange = Exchange(response)
    await cancelled(asyncio.create_task(exchange.streamed()), response.waiting)
    assert response.closed
    assert not response.released
    assert exchange.trace.usage == Usage(3, 2)


async def test_leaving_between_two_pieces_closes_the_response() -> None:
    response = FakeResponse(FIRST, HELLO, LAST, DONE)
    stream = Exchange(response).pieces()
    await anext(stream)
    await stream.aclose()
    assert response.closed


async def test_leaving_before_the_first_piece_is_taken_closes_the_response() -> None:
    response = FakeResponse(HELLO, asyncio.Event())
    reply = await Exchange(response).reply()
    assert not isinstance(reply.body, bytes)
    await reply.body.aclose()
    assert response.closed


async def test_nobody_waits_while_the_connection_is_given_back() -> None:
    class Slow(FakeResponse):
        @override
        async def release(self) -> None:
            await asyncio.Event().wait()

    assert await Exchange(Slow(GOOD)).streamed() == GOOD
