"""Killing a flow ends its answer and its client's stream, whatever mitmproxy waits for."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.flow import Error
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.test import tflow

from llm_gateway.api.http import Sink
from llm_gateway.bridge.attach import Bridge
from llm_gateway.bridge.kill import wake_on_kill
from llm_gateway.bridge.server import Answer
from support.live import live_layer
from support.raw_http import RawConnection, request_bytes
from support.waiting import DEADLINE, Changes

GET = request_bytes("GET", "/", host="ai.localhost")
MEGABYTE = 1_000_000


class House:
    """An addon that attaches every flow to `answer`, and can hold them in the `request` hook."""

    def __init__(self, handlers: dict[str, ConnectionHandler]) -> None:
        self.bridge = Bridge(handlers)
        self.handlers = handlers
        self.port = 0
        self.answer: Answer = endless
        self.flows: list[http.HTTPFlow] = []
        self.errors: list[str] = []
        self.hold: asyncio.Event | None = None
        self.changes = Changes()

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)
        assert self.bridge.attach(flow, self.answer, None)
        self.changes.tell()

    async def request(self, flow: http.HTTPFlow) -> None:
        if self.hold is not None:
            await self.hold.wait()

    def error(self, flow: http.HTTPFlow) -> None:
        assert flow.error is not None
        self.errors.append(flow.error.msg)
        self.bridge.cancel(flow)
        self.changes.tell()

    def client_disconnected(self, client: Client) -> None:
        self.changes.tell()

    @property
    def idle(self) -> bool:
        """Whether the bridge has forgotten every exchange."""
        return not self.bridge._exchanges

    async def flow(self) -> http.HTTPFlow:
        """Wait for the first flow."""
        await self.changes.until(lambda: bool(self.flows))
        return self.flows[0]


async def endless(sink: Sink) -> None:
    await sink.start(200, ())
    while True:
        await sink.write(bytes(MEGABYTE))


class Silent:
    """An answer that says nothing."""

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


@pytest.fixture
async def house() -> AsyncIterator[House]:
    wake_on_kill()
    handlers: dict[str, ConnectionHandler] = {}
    house = House(handlers)
    async with live_layer(house, handlers) as live:
        house.port = live.port
        yield house


async def test_a_flow_whose_answer_is_awaited_ends_at_once(house: House) -> None:
    house.answer = silent = Silent()
    async with RawConnection(house.port) as client, asyncio.timeout(DEADLINE):
        await client.send(GET)
        await silent.running.wait()
        (await house.flow()).kill()
        await silent.cancelled.wait()
        assert await client.read_to_end() == b""
    assert house.errors == [Error.KILLED_MESSAGE]
    assert house.idle


async def test_a_client_that_reads_nothing_is_cut_off_at_once(house: House) -> None:
    async with RawConnection(house.port, receive_buffer=16 * 1024) as client:
        await client.send(GET)
        await client.read_head()
        [handler] = house.handlers.values()
        writer = handler.transports[handler.client].writer
        assert isinstance(writer, asyncio.StreamWriter)
        assert writer.transport.get_write_buffer_size() > 0
        (await house.flow()).kill()
        await house.changes.until(lambda: house.idle)
        assert writer.transport.get_write_buffer_size() == 0
        assert writer.transport.is_closing()


async def test_a_request_whose_body_is_still_coming_ends_at_once(house: House) -> None:
    async with RawConnection(house.port) as client:
        await client.send(GET.replace(b"Content-Length: 0", b"Content-Length: 9") + b"half")
        (await house.flow()).kill()
        assert await client.read_to_end() == b""
    assert house.errors == [Error.KILLED_MESSAGE]
    assert house.idle


async def test_a_flow_that_another_addon_keeps_waiting_ends_before_it_is_answered(
    house: House,
) -> None:
    house.hold = asyncio.Event()
    house.answer = silent = Silent()
    async with RawConnection(house.port) as client:
        await client.send(GET)
        (await house.flow()).kill()
        assert await client.read_to_end() == b""
        house.hold.set()
        await house.changes.until(lambda: bool(house.errors))
    assert house.errors == [Error.KILLED_MESSAGE]
    assert not silent.running.is_set()
    assert house.idle


async def test_killing_a_flow_that_is_not_attached_does_nothing_more(house: House) -> None:
    flow = tflow.tflow()
    flow.live = True
    house.bridge._kill(flow)
    flow.kill()
    assert house.idle
