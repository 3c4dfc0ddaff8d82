"""Streams from the commit on: what passes, and how each failure is told."""

import asyncio
import json
import logging
from contextlib import aclosing
from typing import override

import pytest

from llm_gateway import sse
from llm_gateway.adapters.contract import Call, Usage
from llm_gateway.config import Http
from llm_gateway.errors import (
    InternalError,
    UpstreamInvalidResponse,
)
from llm_gateway.pipe import replay
from support.exchange import (
    BROKEN,
    DONE,
    FIRST,
    GOOD,
    HELLO,
    LAST,
    THERE,
    USAGE,
    Cut,
    Exchange,
    data_of,
    datas,
    either_way,
    told_failure,
)
from support.fakes import (
    FakeResponse,
    Piece,
    frame,
)
from support.openai_shapes import (
    chunk,
    error_body,
    text_chunk,
)
from support.scripted import PlainAdapter, make_kind


@either_way
async def test_a_good_stream_passes_event_by_event(cut: Cut) -> None:
    response = FakeResponse(*cut(GOOD))
    exchange = Exchange(response)
    assert await exchange.streamed() == GOOD
    assert exchange.trace.usage == Usage(3, 2)
    assert exchange.trace.failure is None


async def test_after_a_good_stream_the_connection_is_given_back() -> None:
    response = FakeResponse(GOOD)
    await Exchange(response).streamed()
    assert response.released


async def test_each_event_passes_before_the_next_one_is_there() -> None:
    gates = [asyncio.Event() for _ in range(3)]
    frames = [FIRST + HELLO, THERE, THERE]
    pieces: list[Piece] = []
    for each, gate in zip(frames, gates, strict=True):
        pieces += [each, gate]
    stream = Exchange(FakeResponse(*pieces, LAST + DONE)).pieces()
    async with aclosing(stream):
        for each, gate in zip(frames, gates, strict=True):
            assert await anext(stream) == each
            gate.set()
        assert await anext(stream) == LAST


async def test_done_is_passed_on_before_the_provider_closes() -> None:
    class Slow(FakeResponse):
        @override
        async def release(self) -> None:
            await asyncio.Event().wait()

    stream = Exchange(Slow(GOOD)).pieces()
    async with aclosing(stream):
        assert b"".join([await anext(stream), await anext(stream)]) == GOOD


@pytest.mark.parametrize(
    "noise",
    [
        b": comment\n\n",
        b":\n\n",
        b"retry: 3000\n\n",
        b"id: 1\n\n",
        b"event: ping\n\n",
        b"data:\n\n",
        b"data: \n\n",
        b"\n\n\n",
        b"\r\n",
    ],
)
@either_way
async def test_comments_and_events_without_data_are_dropped(cut: Cut, noise: bytes) -> None:
    noisy = b"".join(noise + each for each in (FIRST, HELLO, THERE, LAST, USAGE, DONE)) + noise
    assert await Exchange(FakeResponse(*cut(noisy))).streamed() == GOOD


@pytest.mark.parametrize(
    "variant",
    [
        b"\xef\xbb\xbf" + GOOD,
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"\n", b"\r"),
        GOOD.replace(b"data: ", b"data:"),
        GOOD.replace(b"data: ", b"id: 7\nevent: message\ndata: "),
        GOOD[:-1],
        GOOD[:-2],
    ],
    ids=["BOM", "CRLF", "CR", "no space", "fields", "no blank line", "no line end"],
)
@either_way
async def test_every_spelling_of_a_stream_comes_out_in_one(cut: Cut, variant: bytes) -> None:
    assert await Exchange(FakeResponse(*cut(variant))).streamed() == GOOD


@pytest.mark.parametrize(
    "late",
    [DONE, HELLO, HELLO + DONE, frame(error_body("Late")), frame("not JSON"), b"data: tail"],
)
@either_way
async def test_there_is_one_done_and_nothing_after_it(cut: Cut, late: bytes) -> None:
    exchange = Exchange(FakeResponse(*cut(GOOD + late)))
    assert await exchange.streamed() == GOOD
    assert exchange.trace.failure is None


@either_way
async def test_a_finished_stream_without_done_gets_one(cut: Cut) -> None:
    exchange = Exchange(FakeResponse(*cut(FIRST + HELLO + LAST)))
    assert await exchange.streamed() == FIRST + HELLO + LAST + DONE
    assert exchange.trace.failure is None


@either_way
async def test_bytes_that_are_no_text_are_replaced(cut: Cut) -> None:
    bad = frame(text_chunk("up-model", "XX")).replace(b"XX", b"a\xff\xc3")
    stream = await Exchange(FakeResponse(*cut(FIRST + bad + LAST + DONE))).streamed()
    assert json.loads(datas(stream)[1])["choices"][0]["delta"]["content"] == "a\ufffd\ufffd"


@either_way
async def test_a_stream_that_breaks_ends_with_an_error_event_and_done(cut: Cut) -> None:
    response = FakeResponse(*cut(FIRST + HELLO), BROKEN)
    exchange = Exchange(response)
    good, error = told_failure(await exchange.streamed())
    assert good == data_of(FIRST, HELLO)
    assert error["code"] == "upstream_connection_error"
    assert exchange.trace.failure is BROKEN
    assert response.closed
    assert not response.released


@either_way
async def test_half_an_event_before_a_break_is_not_passed_on(cut: Cut) -> None:
    response = FakeResponse(*cut(FIRST + HELLO + THERE[:-10]), BROKEN)
    good, _ = told_failure(await Exchange(response).streamed())
    assert good == data_of(FIRST, HELLO)


@either_way
async def test_a_stream_that_ends_without_finish_is_told_to_be_incomplete(cut: Cut) -> None:
    exchange = Exchange(FakeResponse(*cut(FIRST + HELLO)))
    good, error = told_failure(await exchange.streamed())
    assert good == data_of(FIRST, HELLO)
    assert error["code"] == "upstream_stream_incomplete"
    assert exchange.trace.failure is not None


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (frame(error_body("Overloaded", "overloaded_error")), "upstream_unavailable"),
        (frame({"error": {"code": 429, "message": "Slow"}}), "rate_limit_exceeded"),
        (frame(chunk("up-model", {}, "error")), "upstream_unavailable"),
        (frame("not JSON"), "upstream_invalid_response"),
        (frame("[1]"), "upstream_invalid_response"),
    ],
)
@either_way
async def test_what_came_before_a_bad_event_is_passed_on_first(
    cut: Cut, bad: bytes, code: str
) -> None:
    response = FakeResponse(*cut(FIRST + HELLO), *cut(bad + THERE + LAST + DONE))
    exchange = Exchange(response)
    good, error = told_failure(await exchange.streamed())
    assert good == data_of(FIRST, HELLO)
    assert error["code"] == code
    assert response.closed
    assert not response.released


async def test_a_failure_that_comes_together_with_the_first_content_is_an_error() -> None:
    bad = frame(error_body("Busy", code=503))
    assert (await Exchange(FakeResponse(FIRST + HELLO + bad)).failure()).status == 503


async def test_a_provider_s_error_in_a_stream_is_told_without_its_keys() -> None:
    bad = frame(error_body("Bad key sk-canary-0123456789abcdef", "server_error"))
    stream = await Exchange(FakeResponse(FIRST + HELLO, bad)).streamed()
    assert b"canary" not in stream


REFUSAL = b'{\n  "error": {\n    "code": 429,\n    "message": "Too many."\n  }\n}\n'


@either_way
async def test_an_error_beside_the_events_says_why_a_stream_broke_off(cut: Cut) -> None:
    response = FakeResponse(*cut(FIRST + HELLO + REFUSAL))
    good, error = told_failure(await Exchange(response).streamed())
    assert good == data_of(FIRST, HELLO)
    assert (error["code"], error["message"]) == ("rate_limit_exceeded", "Too many.")


async def test_an_error_in_place_of_events_is_an_error_with_its_status() -> None:
    failure = await Exchange(FakeResponse(REFUSAL)).failure()
    assert (failure.status, failure.message) == (429, "Too many.")


async def test_what_stands_beside_the_events_of_a_good_stream_is_no_error() -> None:
    assert await Exchange(FakeResponse(REFUSAL + GOOD)).streamed() == GOOD


async def test_what_is_no_error_beside_the_events_explains_nothing() -> None:
    _, error = told_failure(await Exchange(FakeResponse(HELLO + b"<html>\n")).streamed())
    assert error["code"] == "upstream_stream_incomplete"


async def test_a_silent_stream_is_given_up_after_idle() -> None:
    response = FakeResponse(FIRST + HELLO, asyncio.Event())
    exchange = Exchange(response, http=Http(idle=0.02))
    good, error = told_failure(await exchange.streamed())
    assert good == data_of(FIRST, HELLO)
    assert error["code"] == "upstream_timeout"
    assert "0.02 s" in error["message"]
    assert response.closed


async def test_time_that_the_client_takes_is_no_silence_of_the_provider() -> None:
    exchange = Exchange(FakeResponse(FIRST, HELLO, LAST, DONE), http=Http(idle=0.01))
    received = []
    async for piece in exchange.pieces():
        await asyncio.sleep(0.02)
        received.append(piece)
    assert b"".join(received) == FIRST + HELLO + LAST + DONE


async def test_the_deadline_does_not_cut_a_stream_that_has_begun() -> None:
    exchange = Exchange(FakeResponse(FIRST, HELLO, LAST, DONE), deadline=0.01)
    received = []
    async for piece in exchange.pieces():
        await asyncio.sleep(0.02)
        received.append(piece)
    assert b"".join(received) == FIRST + HELLO + LAST + DONE


async def test_an_event_that_is_too_large_ends_the_stream_in_words() -> None:
    piece = b"x" * (1024 * 1024)
    response = FakeResponse(FIRST + HELLO + b"data: ", *[piece] * 17, asyncio.Event())
    good, error = told_failure(await Exchange(response).streamed())
    assert good == data_of(FIRST, HELLO)
    assert error["code"] == "upstream_invalid_response"
    assert "too large" in error["message"]
    assert response.closed


async def test_an_event_that_is_too_large_is_an_error_when_it_is_the_first() -> None:
    response = FakeResponse(*[b"x" * (1024 * 1024)] * 17, asyncio.Event())
    error = await Exchange(response).failure()
    assert isinstance(error, UpstreamInvalidResponse)
    assert response.closed


async def test_an_event_of_five_megabytes_passes() -> None:
    big = frame(text_chunk("up-model", "x" * 5_000_000))
    assert await Exchange(FakeResponse(FIRST, big, LAST, DONE)).streamed() == (
        FIRST + big + LAST + DONE
    )


async def test_a_bug_of_ours_in_a_stream_is_told_too_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = FakeResponse(FIRST + HELLO, ZeroDivisionError("canary"))
    exchange = Exchange(response)
    with caplog.at_level(logging.ERROR):
        good, error = told_failure(await exchange.streamed())
    assert good == data_of(FIRST, HELLO)
    assert error["code"] == "internal_error"
    assert "canary" not in error["message"]
    assert "req_test" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert response.closed


async def test_a_bug_of_ours_before_the_first_event_is_ours_and_closes_the_response() -> None:
    response = FakeResponse(ZeroDivisionError("canary"))
    error = await Exchange(response).failure()
    assert isinstance(error, InternalError)
    assert error.status == 500
    assert response.closed


async def test_usage_that_came_before_a_failure_is_kept() -> None:
    exchange = Exchange(FakeResponse(HELLO + USAGE, BROKEN))
    await exchange.streamed()
    assert exchange.trace.usage == Usage(3, 2)


class Waiting(PlainAdapter):
    """Gives each event when the next one has come, and the last one when the stream has ended.

    An event `broken` makes the end a failure.
    """

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._kept: list[bytes] = []

    @override
    def feed(self, event: sse.Event) -> list[bytes]:
        given, self._kept = self._kept, [event.data]
        return given

    @override
    def end(self) -> list[bytes]:
        if self._kept == [b"broken"]:
            raise UpstreamInvalidResponse("The answer is not complete.", code="not_complete")
        self.done = True
        self.usage = Usage(5, 7)
        return self._kept


def waiting(*events: str) -> Exchange:
    """An exchange with these events, of which the last one comes at the end."""
    response = FakeResponse(b"".join(frame(each) for each in events))
    return Exchange(response, kind=make_kind(Waiting))


async def test_what_waited_for_the_end_comes_before_done() -> None:
    exchange = waiting("one", "two", "three")
    assert datas(await exchange.streamed()) == ["one", "two", "three", "[DONE]"]
    assert (exchange.trace.usage, exchange.trace.failure) == (Usage(5, 7), None)
    assert isinstance(exchange.answer, FakeResponse)
    assert exchange.answer.released


async def test_a_stream_of_which_everything_waited_for_the_end_is_good() -> None:
    assert datas(await waiting("one").streamed()) == ["one", "[DONE]"]


async def test_an_event_that_breaks_off_at_the_end_comes_before_what_waited_for_it() -> None:
    exchange = Exchange(FakeResponse(b"data: one\n\ndata: two"), kind=make_kind(Waiting))
    assert datas(await exchange.streamed()) == ["one", "two", "[DONE]"]


async def test_a_failure_at_the_end_is_told_after_what_came_before() -> None:
    exchange = waiting("one", "broken")
    good, error = told_failure(await exchange.streamed())
    assert good == ["one"]
    assert (error["code"], error["message"]) == ("not_complete", "The answer is not complete.")
    assert exchange.trace.failure is not None
    assert isinstance(exchange.answer, FakeResponse)
    assert exchange.answer.closed
    assert not exchange.answer.released


async def test_a_failure_at_the_end_before_anything_came_is_an_error() -> None:
    exchange = waiting("broken")
    error = await exchange.failure()
    assert (error.status, error.code) == (502, "not_complete")
    assert isinstance(exchange.answer, FakeResponse)
    assert exchange.answer.closed


async def test_an_adapter_that_keeps_everything_to_itself_gives_no_stream() -> None:
    class Silent(PlainAdapter):
        @override
        def feed(self, event: sse.Event) -> list[bytes]:
            return []

    exchange = Exchange(FakeResponse(GOOD), kind=make_kind(Silent))
    assert "ended before it had any content" in (await exchange.failure()).message


async def test_a_whole_reply_is_replayed_as_one_piece_with_its_end() -> None:
    pieces = [piece async for piece in replay([b"one", b"two"])]
    assert pieces == [b"data: one\n\ndata: two\n\ndata: [DONE]\n\n"]
