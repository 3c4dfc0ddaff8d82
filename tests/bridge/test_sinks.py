"""The way back: an answer becomes mitmproxy's events, or a response that is sent whole."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import override

import pytest
from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy.server import ConnectionHandler

from llm_gateway.api.http import Sink
from llm_gateway.bridge import sinks
from llm_gateway.bridge.attach import Bridge
from llm_gateway.bridge.server import Answer
from llm_gateway.bridge.sinks import BufferSink, StreamSink
from llm_gateway.inspect.bodies import BodyTap
from llm_gateway.masks import Masks
from support.live import live_layer
from support.raw_http import RawConnection, plain_request, request_bytes
from support.virtual_time import run

HOST = "ai.localhost"
GET = request_bytes("GET", "/", host=HOST)
MEGABYTE = 1_000_000


class House:
    """An addon that attaches every flow to one answer."""

    def __init__(
        self, bridge: Bridge, answer: Answer, *, at_once: bool, masks: Masks | None = None
    ) -> None:
        self._bridge = bridge
        self._masks = masks
        self._answer = answer
        self._at_once = at_once
        self.responses: list[http.Response] = []

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        tap = None if self._masks is None else BodyTap(flow, masks=self._masks)
        assert self._bridge.attach(flow, self._answer, tap, at_once=self._at_once)
        if self._at_once:
            flow.request.stream = lambda data: []

    def client_disconnected(self, client: Client) -> None:
        self._bridge.client_gone(client)

    def response(self, flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        self.responses.append(flow.response)


@asynccontextmanager
async def answering(
    answer: Answer, *, at_once: bool = False, closing: bool = False
) -> AsyncIterator[RawConnection]:
    """A connection to a layer whose every request is answered so."""
    handlers: dict[str, ConnectionHandler] = {}
    bridge = Bridge(handlers)
    bridge.closing = closing
    house = House(bridge, answer, at_once=at_once)
    async with live_layer(house, handlers) as live, RawConnection(live.port) as client:
        yield client


async def stream(sink: Sink) -> None:
    await sink.start(200, (("x-one", "1"),))
    await sink.write(b"a")
    await sink.write(b"bc")
    await sink.end()


async def whole(sink: Sink) -> None:
    await sink.whole(418, (("x-one", "1"),), b"hello")


@pytest.mark.parametrize("answer", [stream, whole])
async def test_the_client_gets_what_its_flow_shows_masked(answer: Answer) -> None:
    handlers: dict[str, ConnectionHandler] = {}
    masks = Masks()
    masks.adopt([re.compile("abc|hell")])
    house = House(Bridge(handlers), answer, at_once=False, masks=masks)
    async with live_layer(house, handlers) as live, RawConnection(live.port) as client:
        head, body = await client.exchange(GET)
    assert body in (b"abc", b"hello")
    assert head.header("content-length") == (None if answer is stream else "5")
    [response] = house.responses
    assert re.sub(rb"\[masked:\w{8}\]", b"#", response.content or b"") in (b"#", b"#o")


async def test_a_stream_is_chunked() -> None:
    async with answering(stream) as client:
        await client.send(GET)
        head = await client.read_head()
        assert (head.status, head.header("x-one")) == (200, "1")
        assert head.header("transfer-encoding") == "chunked"
        assert head.header("content-length") is None
        assert [piece async for piece in client.body(head)] == [b"a", b"bc"]


async def test_a_stream_for_http_1_0_ends_with_the_connection() -> None:
    async with answering(stream) as client:
        await client.send(plain_request("GET", "/", ("Host", HOST), version="HTTP/1.0"))
        head = await client.read_head()
        assert head.header("transfer-encoding") is None
        assert await client.read_to_end() == b"abc"


@pytest.mark.parametrize(("answer", "body"), [(stream, b"abc"), (whole, b"hello")])
async def test_the_last_answer_of_a_connection_says_so_and_closes_it(
    answer: Answer, body: bytes
) -> None:
    async with answering(answer, closing=True) as client:
        await client.send(GET)
        head = await client.read_head()
        assert head.header("connection") == "close"
        assert await client.read_body(head) == body
        assert await client.read_to_end() == b""


async def test_a_whole_answer_has_its_length_and_keeps_the_connection() -> None:
    async with answering(whole) as client:
        for _ in range(2):
            head, body = await client.exchange(GET)
            assert (head.status, head.header("content-length"), body) == (418, "5", b"hello")
            assert head.header("connection") is None


@pytest.mark.parametrize(
    "field", [("Content-Length", "5"), ("Transfer-Encoding", "chunked")], ids=["length", "chunked"]
)
async def test_an_answer_that_does_not_wait_for_the_body_closes_the_connection(
    field: tuple[str, str],
) -> None:
    async with answering(whole, at_once=True) as client:
        await client.send(plain_request("POST", "/", ("Host", HOST), field))
        head = await client.read_head()
        assert head.header("connection") == "close"
        assert await client.read_body(head) == b"hello"


@pytest.mark.parametrize("fields", [(), (("Content-Length", "0"),)])
async def test_an_answer_to_a_request_without_body_keeps_the_connection(
    fields: tuple[tuple[str, str], ...],
) -> None:
    async with answering(whole, at_once=True) as client:
        for _ in range(2):
            head, _ = await client.exchange(plain_request("GET", "/", ("Host", HOST), *fields))
            assert head.header("connection") is None


async def test_the_answer_to_head_has_no_body() -> None:
    async with answering(whole) as client:
        await client.send(plain_request("HEAD", "/", ("Host", HOST)) + GET)
        first = await client.read_head()
        second = await client.read_head()
        assert first.status == second.status
        assert await client.read_body(second) == b"hello"


async def test_writing_waits_for_a_client_that_does_not_read() -> None:
    written = 0
    held_up = asyncio.Event()

    async def much(sink: Sink) -> None:
        nonlocal written
        await sink.start(200, ())
        for _ in range(100):
            writing = asyncio.ensure_future(sink.write(bytes(MEGABYTE)))
            if not await finished(writing):
                held_up.set()
                await writing
            written += MEGABYTE
        await sink.end()

    async def finished(writing: asyncio.Future[None]) -> bool:
        done, _ = await asyncio.wait([writing], timeout=0.2)
        return bool(done)

    async with answering(much) as client:
        await client.send(GET)
        head = await client.read_head()
        async with asyncio.timeout(10):
            await held_up.wait()
        assert written < 20 * MEGABYTE
        assert len(await client.read_body(head)) == 100 * MEGABYTE


async def test_an_answer_waits_until_the_one_before_is_taken() -> None:
    begun = 0

    async def large(sink: Sink) -> None:
        nonlocal begun
        begun += 1
        await sink.whole(200, (), bytes(10 * MEGABYTE))

    handlers: dict[str, ConnectionHandler] = {}
    house = House(Bridge(handlers), large, at_once=False)
    async with (
        live_layer(house, handlers) as live,
        RawConnection(live.port) as client,
        RawConnection(live.port) as other,
    ):
        await client.send(GET * 8)
        head = await client.read_head()
        await other.exchange(GET)
        assert begun <= 3
        assert len(house.responses) <= 2
        assert len(await client.read_body(head)) == 10 * MEGABYTE
        for _ in range(7):
            head = await client.read_head()
            assert len(await client.read_body(head)) == 10 * MEGABYTE
    assert len(house.responses) == 9


async def endless(sink: Sink, left: asyncio.Event) -> None:
    await sink.start(200, ())
    try:
        while True:
            await sink.write(bytes(MEGABYTE))
    except asyncio.CancelledError:
        left.set()
        raise


async def test_a_client_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "STALLED_SECONDS", 0.2)
    left = asyncio.Event()
    async with answering(partial(endless, left=left)) as client, asyncio.timeout(10):
        await client.send(GET)
        await left.wait()
        assert not (await client.read_to_end()).endswith(b"0\r\n\r\n")


class Slow(StreamSink):
    """The sink of a client that takes one byte in each of these spans of seconds, then the rest."""

    def __init__(self, *seconds: float) -> None:
        self._seconds = seconds
        self._taken = 0
        self.cut = False

    @override
    def _unsent(self) -> int:
        return len(self._seconds) - self._taken

    @override
    async def _drain(self) -> None:
        while self._taken < len(self._seconds):
            await asyncio.sleep(self._seconds[self._taken])
            self._taken += 1

    @override
    async def _cut_off(self) -> None:
        self.cut = True
        await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize(
    ("seconds", "cut"), [((), False), ((50.0, 50.0, 50.0), False), ((50.0, 130.0), True)]
)
def test_a_client_that_takes_a_little_now_and_then_is_not(
    seconds: tuple[float, ...], cut: bool
) -> None:
    async def main() -> None:
        sink = Slow(*seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(1000):
                await sink._wait_for_client()
        assert sink.cut is cut

    run(main())


async def test_a_buffer_keeps_a_whole_answer() -> None:
    sink = BufferSink()
    assert sink.response is None
    await whole(sink)
    assert sink.response is not None
    assert (sink.response.status_code, sink.response.content) == (418, b"hello")
    assert sink.response.headers["content-length"] == "5"


async def test_a_buffer_puts_a_stream_together() -> None:
    sink = BufferSink()
    await stream(sink)
    assert sink.response is not None
    assert sink.response.content == b"abc"
    assert sink.response.headers["content-length"] == "3"
    assert "transfer-encoding" not in sink.response.headers
