"""What every wire's answers have in common."""

import asyncio

import pytest

from llm_gateway import __version__
from llm_gateway.adapters.contract import Site
from llm_gateway.errors import UpstreamConnectionError, UpstreamInvalidResponse
from llm_gateway.wire import (
    EVENT_STREAM,
    MAX_ERROR_BYTES,
    MAX_REPLY_BYTES,
    STANDARD_HEADERS,
    asks_for_event_stream,
    is_event_stream,
    read_whole,
)
from support.fakes import LABEL, FakeResponse


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/event-stream", True),
        ("text/event-stream; charset=utf-8", True),
        ("Text/Event-Stream ;charset=utf-8", True),
        ("application/json", False),
        ("text/event-streams", False),
        ("", False),
    ],
)
def test_an_event_stream_is_known_by_its_content_type(content_type: str, expected: bool) -> None:
    assert is_event_stream(FakeResponse(content_type=content_type)) is expected


def test_what_is_asked_for_is_known_by_what_is_accepted() -> None:
    site = Site("http://p.invalid")
    assert asks_for_event_stream(site.request("POST", "/", LABEL, accept=EVENT_STREAM))
    assert not asks_for_event_stream(site.request("POST", "/", LABEL))


async def test_a_whole_body_is_all_its_pieces_and_closes_the_response() -> None:
    response = FakeResponse(b"a", b"b", b"c")
    assert await read_whole(response) == b"abc"
    assert response.closed


async def test_a_body_just_within_the_limit_is_taken_and_one_above_it_is_not() -> None:
    most = b"x" * MAX_REPLY_BYTES
    assert len(await read_whole(FakeResponse(most))) == MAX_REPLY_BYTES
    response = FakeResponse(most, b"x", asyncio.Event())
    with pytest.raises(UpstreamInvalidResponse):
        await read_whole(response)
    assert response.closed


@pytest.mark.parametrize("status", [400, 429, 500, 999])
async def test_of_an_error_only_the_beginning_is_read(status: int) -> None:
    response = FakeResponse(b"x" * MAX_ERROR_BYTES, b"y", asyncio.Event(), status=status)
    assert await read_whole(response) == b"x" * MAX_ERROR_BYTES
    assert response.closed


async def test_a_body_that_breaks_off_is_no_body_and_closes_the_response() -> None:
    broken = UpstreamConnectionError("It broke.")
    response = FakeResponse(b"a", broken)
    with pytest.raises(UpstreamConnectionError) as caught:
        await read_whole(response)
    assert caught.value is broken
    assert response.closed


async def test_leaving_while_a_body_is_read_closes_the_response() -> None:
    response = FakeResponse(b"a", asyncio.Event())
    reading = asyncio.create_task(read_whole(response))
    await response.waiting.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert response.closed


def test_every_request_says_who_sends_it_and_wants_no_compression() -> None:
    assert dict(STANDARD_HEADERS) == {
        "user-agent": f"llm-gateway/{__version__}",
        "accept-encoding": "identity",
    }
