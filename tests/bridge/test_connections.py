"""Connections of real clients to a real HTTP layer; what takes minutes is made short."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import h2.connection
import h2.settings
import pytest
from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers import TCPLayer
from mitmproxy.proxy.server import ConnectionHandler

from llm_gateway.api.http import Sink
from llm_gateway.bridge import connections
from llm_gateway.bridge.attach import Bridge
from llm_gateway.bridge.connections import Connections
from llm_gateway.config.values import Bounds
from support.live import live_layer
from support.raw_http import RawConnection, plain_request, request_bytes
from support.waiting import DEADLINE, Changes

HOST = "ai.localhost"
GET = request_bytes("GET", "/", host=HOST)
MEGABYTES = 8 * 1024 * 1024
LONG = Bounds(head_time=60, body_time=60, idle=60)
SHORT = Bounds(head_time=0.5, body_time=0.5, idle=0.5)


class House:
    """Answers every request with so many bytes, when the test says so."""

    def __init__(self, bounds: Bounds, most: int) -> None:
        self.handlers: dict[str, ConnectionHandler] = {}
        self._bridge = Bridge(self.handlers)
        self.connections = Connections(self.handlers)
        self.connections.obey(bounds, most)
        self.http2 = False
        self.ignores = False
        self.size = 5
        self.answer = asyncio.Event()
        self.answer.set()
        self.asked = asyncio.Event()
        self.changes = Changes()
        self.flow: http.HTTPFlow | None = None

    def client_connected(self, client: Client) -> None:
        if self.http2:
            client.alpn = b"h2"
        self.connections.connected(client)
        self.changes.tell()

    def client_disconnected(self, client: Client) -> None:
        self.connections.disconnected(client)
        self._bridge.client_gone(client)
        self.changes.tell()

    def next_layer(self, found: NextLayer) -> None:
        if self.ignores:
            found.layer = TCPLayer(found.context, ignore=True)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.connections.requested(flow)
        self.flow = flow
        assert self._bridge.attach(flow, self._answer, None)
        self.changes.tell()

    def request(self, flow: http.HTTPFlow) -> None:
        self.connections.proceeded(flow)

    def response(self, flow: http.HTTPFlow) -> None:
        self.connections.proceeded(flow)
        self.changes.tell()

    def error(self, flow: http.HTTPFlow) -> None:
        self.connections.proceeded(flow)
        self._bridge.cancel(flow)
        self.changes.tell()

    async def empty(self) -> None:
        """Wait until nobody is connected."""
        await self.changes.until(lambda: not len(self.connections._roll))

    async def _answer(self, sink: Sink) -> None:
        self.asked.set()
        await self.answer.wait()
        await sink.whole(200, (), b"x" * self.size)


type Connect = Callable[..., RawConnection]


@asynccontextmanager
async def open_house(
    bounds: Bounds = LONG, most: int = 100, **options: Any
) -> AsyncIterator[tuple[House, Connect]]:
    house = House(bounds, most)
    async with live_layer(house, house.handlers, **options) as live:
        yield house, lambda **how: RawConnection(live.port, **how)
        await house.empty()
    house.connections.close()
    assert len(house.connections._wheel) == 0


async def soon(event: asyncio.Event) -> None:
    async with asyncio.timeout(DEADLINE):
        await event.wait()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that takes nothing has stalled after a moment."""
    monkeypatch.setattr(connections, "STALLED_SECONDS", 0.2)
    monkeypatch.setattr(connections, "LEAVING_SECONDS", 0.2)


def transport_of(house: House) -> asyncio.WriteTransport:
    [state] = house.connections._open.values()
    assert state.transport is not None
    return state.transport


async def test_a_client_that_takes_no_answer_is_cut_off(impatient: None) -> None:
    async with open_house(SHORT) as (house, connect), connect(receive_buffer=4096) as client:
        house.size = MEGABYTES
        await client.send(GET)
        await house.changes.until(
            lambda: house.flow is not None and house.flow.response is not None
        )
        transport = transport_of(house)
        await house.empty()
        async with asyncio.timeout(DEADLINE):
            while transport.get_write_buffer_size():  # noqa: ASYNC110 - asyncio has no event
                await asyncio.sleep(0.01)


async def test_a_client_that_takes_nothing_before_a_close_is_cut_off(impatient: None) -> None:
    """mitmproxy has closed and forgotten its connection by then; its socket would stay."""
    async with open_house() as (house, connect), connect(receive_buffer=4096) as client:
        house.size = MEGABYTES
        house.answer.clear()
        await client.send(request_bytes("GET", "/", [("Connection", "close")], host=HOST))
        await soon(house.asked)
        transport = transport_of(house)
        house.answer.set()
        await house.empty()
        assert transport.get_write_buffer_size()
        async with asyncio.timeout(DEADLINE):
            while transport.get_write_buffer_size():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)


async def test_a_client_that_takes_its_answer_slowly_gets_all_of_it() -> None:
    async with open_house(SHORT) as (house, connect), connect(receive_buffer=65536) as client:
        house.size = MEGABYTES
        await client.send(GET)
        head = await client.read_head()
        got = 0
        async for piece in client.body(head):
            got += len(piece)
            if got % (1024 * 1024) < len(piece):
                await asyncio.sleep(0.05)
        assert got == MEGABYTES


async def test_a_window_that_never_opens_holds_no_connection(impatient: None) -> None:
    state = h2.connection.H2Connection()
    state.initiate_connection()
    state.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 2})
    fields = {":method": "GET", ":path": "/", ":scheme": "http", ":authority": HOST}
    state.send_headers(1, list(fields.items()), end_stream=True)
    async with open_house(SHORT) as (house, connect):
        house.http2 = True
        async with connect() as client:
            await client.send(state.data_to_send())
            assert b"xx" in await client.read_to_end()


async def test_a_client_that_waits_for_its_answer_has_all_the_time() -> None:
    async with open_house(SHORT) as (house, connect):
        house.answer.clear()
        async with connect() as waiting:
            await waiting.send(GET)
            await soon(house.asked)
            async with connect() as idle:
                assert await idle.read_to_end() == b"", "the others' time is over"
            house.answer.set()
            assert (await waiting.read_head()).status == 200


async def test_what_a_person_holds_has_all_the_time() -> None:
    async with open_house(SHORT) as (house, connect), connect() as held:
        await held.send(request_bytes("POST", "/", body=b"12345", host=HOST)[:-1])
        await house.changes.until(lambda: house.flow is not None)
        assert house.flow is not None
        house.flow.intercept()
        async with connect() as idle:
            assert await idle.read_to_end() == b""
        house.flow.resume()
        assert (await held.read_head()).status == 408


async def test_other_bounds_hold_for_those_who_are_there_already() -> None:
    async with open_house() as (house, connect), connect() as client:
        await house.changes.until(lambda: bool(house.handlers))
        house.connections.obey(SHORT, 100)
        assert await client.read_to_end() == b""


async def test_bytes_that_came_give_a_body_more_time() -> None:
    bounds = Bounds(head_time=60, body_time=0.2, body_rate=1024, idle=60)
    async with open_house(bounds) as (house, connect), connect() as fast, connect() as slow:
        head = request_bytes("POST", "/", body=b"x" * 100_000, host=HOST)
        await fast.send(head[:-1])
        await slow.send(head[:-99_000])
        assert (await slow.read_head()).status == 408
        await fast.send(head[-1:])
        assert (await fast.read_head()).status == 200
        assert len(house.handlers) >= 1


async def test_no_room_is_made_where_all_have_requests() -> None:
    async with open_house(most=1) as (house, connect), connect() as first:
        house.answer.clear()
        await first.send(GET)
        await soon(house.asked)
        async with connect() as second:
            assert await second.read_to_end() == b""
        house.answer.set()
        assert (await first.read_head()).status == 200


async def test_room_is_made_by_who_asks_for_nothing() -> None:
    async with open_house(most=1) as (house, connect), connect() as first:
        await house.changes.until(lambda: bool(house.handlers))
        async with connect() as second:
            assert await first.read_to_end() == b""
            await second.send(GET)
            assert (await second.read_head()).status == 200


async def test_that_fewer_files_may_be_open_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for _ in range(2):
        connected = Connections({})
        connected.obey(Bounds(connections=10), 7)
        connected.obey(Bounds(connections=10), 7)
    assert caplog.text.count("Clients may have 7 connections at a time, and not 10") == 2


async def test_mitmproxys_own_limit_for_silent_clients_stands_still() -> None:
    async with open_house(tcp_timeout=1) as (house, connect), connect():
        await house.changes.until(lambda: bool(house.handlers))
        [handler] = house.handlers.values()
        assert not handler.timeout_watchdog.can_timeout.is_set()


async def test_a_tunnel_to_another_host_is_mitmproxys_business() -> None:
    async with open_house(SHORT) as (house, connect), connect() as tunnel:
        await house.changes.until(lambda: bool(house.handlers))
        [handler] = house.handlers.values()
        house.connections.tunnelled(handler.client, "flow")
        assert handler.timeout_watchdog.can_timeout.is_set()
        async with connect() as idle:
            assert await idle.read_to_end() == b""
        house.connections.tunnel_ended(handler.client, "flow")
        assert await tunnel.read_to_end() == b""


async def test_a_tunnel_that_mitmproxy_does_not_open_is_its_business_too() -> None:
    """No hook tells of one to a host that is ignored."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(2))
        writer.write(await reader.readexactly(2))
        await reader.read()
        writer.close()

    async with (
        open_house(SHORT, mode=["regular"]) as (house, connect),
        await asyncio.start_server(echo, "127.0.0.1", 0) as server,
        connect() as tunnel,
    ):
        house.ignores = True
        target = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await tunnel.send(plain_request("CONNECT", target, ("Host", target)))
        assert (await tunnel.read_head()).status == 200
        await tunnel.send(b"ab")
        assert await tunnel.read_some() == b"ab"
        for _ in range(2):
            async with connect() as idle:
                assert await idle.read_to_end() == b""
        await tunnel.send(b"cd")
        assert await tunnel.read_some() == b"cd"
        [handler] = house.handlers.values()
        assert handler.timeout_watchdog.can_timeout.is_set()


async def test_a_head_inside_a_tunnel_has_its_time_as_well() -> None:
    async with open_house(SHORT, mode=["regular"]) as (_, connect), connect() as client:
        await client.send(plain_request("CONNECT", f"{HOST}:80", ("Host", f"{HOST}:80")))
        assert (await client.read_head()).status == 200
        assert await client.read_to_end() == b""


async def test_a_body_inside_a_tunnel_has_its_time_as_well() -> None:
    async with open_house(SHORT, mode=["regular"]) as (_, connect), connect() as client:
        await client.send(plain_request("CONNECT", f"{HOST}:80", ("Host", f"{HOST}:80")))
        assert (await client.read_head()).status == 200
        await client.send(request_bytes("POST", "/", body=b"12345", host=HOST)[:-1])
        assert (await client.read_head()).status == 408


async def test_nothing_is_kept_of_who_has_left() -> None:
    async with open_house() as (house, connect):
        for _ in range(3):
            async with connect() as client:
                await client.send(GET)
                await client.read_head()
        await house.empty()
        assert (house.connections._open, len(house.connections._leaving)) == ({}, 0)
