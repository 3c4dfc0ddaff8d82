"""Where the bridge is not alone: other addons answer its flows, and its own parts fail."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import override

import pytest
from mitmproxy import http
from mitmproxy.proxy.server import ConnectionHandler

from llm_gateway.api.http import Sink
from llm_gateway.bridge.attach import Bridge
from llm_gateway.inspect.bodies import BodyTap
from support.live import live_layer
from support.raw_http import RawConnection, request_bytes
from support.waiting import DEADLINE

HOST = "ai.localhost"
GET = request_bytes("GET", "/", host=f"{HOST}:1234")
MAPPED = request_bytes("POST", "/", [("X-Map", "yes")], b"body", host=f"{HOST}:1234")


class BrokenTap(BodyTap):
    """Cannot store what it kept."""

    @override
    def store(self) -> None:
        raise KeyError("made up in the tap")


class Waiting:
    """An answer that waits for ever."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, sink: Sink) -> None:
        self.running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


class House:
    """An addon that attaches every flow to `hello`, and answers some itself all the same."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.port = 0
        self.flows: list[http.HTTPFlow] = []
        self.left: list[int] = []
        """How many exchanges the bridge knew after each response of another addon."""
        self.tap: type[BodyTap] | None = None
        self.waiting: Waiting | None = None

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)
        assert self.bridge.attach(flow, self.waiting or hello, self.tap(flow) if self.tap else None)

    def request(self, flow: http.HTTPFlow) -> None:
        if "x-map" in flow.request.headers:
            flow.response = http.Response.make(299, b"mapped")

    def response(self, flow: http.HTTPFlow) -> None:
        self.bridge.settle(flow)
        if "x-map" in flow.request.headers:
            self.left.append(len(self.bridge._exchanges))


async def hello(sink: Sink) -> None:
    await sink.whole(200, (), b"hello")


async def soon(event: asyncio.Event) -> None:
    async with asyncio.timeout(DEADLINE):
        await event.wait()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    handlers: dict[str, ConnectionHandler] = {}
    house = House(Bridge(handlers))
    async with live_layer(house, handlers) as live:
        house.port = live.port
        yield house


async def test_a_flow_that_another_addon_answered_is_forgotten(house: House) -> None:
    async with RawConnection(house.port) as client:
        for _ in range(3):
            head, body = await client.exchange(MAPPED)
            assert (head.status, body) == (299, b"mapped")
        assert house.left == [0, 0, 0]
        _, body = await client.exchange(GET)
        assert body == b"hello"


async def test_a_flow_that_another_addon_answered_shows_the_address_that_was_asked_for(
    house: House,
) -> None:
    """As one that we answered does."""
    async with RawConnection(house.port) as client:
        await client.exchange(MAPPED)
        await client.exchange(GET)
    assert [(flow.request.host, flow.request.port) for flow in house.flows] == [(HOST, 1234)] * 2


async def test_one_answer_that_cannot_be_stopped_does_not_keep_the_others_running(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async with RawConnection(house.port) as one, RawConnection(house.port) as other:
        answers = []
        for client, tap in ((one, BrokenTap), (other, None)):
            house.tap, house.waiting = tap, Waiting()
            await client.send(GET)
            await soon(house.waiting.running)
            answers.append(house.waiting)
        first, second = house.flows
        second.client_conn = first.client_conn
        with caplog.at_level(logging.ERROR):
            house.bridge.client_gone(first.client_conn)
        await soon(answers[1].cancelled)
        assert "made up in the tap" in caplog.text
        caplog.clear()
        house.tap = None
