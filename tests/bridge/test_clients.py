"""Who still waits for an answer, and whether all of it has left."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import h2.connection
import h2.settings
import pytest
from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy.server import ConnectionHandler

from llm_gateway.api.http import Sink
from llm_gateway.bridge.attach import Bridge
from llm_gateway.bridge.clients import LiveClients
from llm_gateway.bridge.kill import wake_on_kill
from support.live import live_layer
from support.raw_http import RawConnection, plain_request, request_bytes
from support.waiting import DEADLINE

HOST = "ai.localhost"
MEGABYTES = 8 * 1024 * 1024
LOOK_AGAIN = 0.01


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not fact():  # noqa: ASYNC110 - it is made to be asked again and again
            await asyncio.sleep(LOOK_AGAIN)


class House:
    """Answers every request with so many bytes, each step when the test says so."""

    def __init__(self) -> None:
        self.handlers: dict[str, ConnectionHandler] = {}
        self._bridge = Bridge(self.handlers)
        self.clients = LiveClients(self.handlers, lambda flow: flow.request.path == "/")
        self.answer = asyncio.Event()
        self.finish = asyncio.Event()
        self.finish.set()
        self.asked = asyncio.Event()
        self.answered = asyncio.Event()
        self.size = 5
        self.http2 = False
        self.gone = 0
        self.flow: http.HTTPFlow | None = None

    def client_connected(self, client: Client) -> None:
        if self.http2:
            client.alpn = b"h2"

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        assert self._bridge.attach(flow, self._answer, None)
        self.flow = flow

    def client_disconnected(self, _client: Client) -> None:
        self.gone += 1

    async def response(self, _flow: http.HTTPFlow) -> None:
        self.answered.set()
        await self.finish.wait()

    async def quiet(self) -> None:
        """Wait until nothing is busy any more."""
        await until(lambda: not self.clients.busy())

    async def _answer(self, sink: Sink) -> None:
        self.asked.set()
        await self.answer.wait()
        await sink.whole(200, (), b"x" * self.size)


@asynccontextmanager
async def open_house(**options: Any) -> AsyncIterator[tuple[House, Callable[..., RawConnection]]]:
    house = House()
    async with live_layer(house, house.handlers, **options) as live:
        yield house, lambda **how: RawConnection(live.port, **how)


def get(path: str = "/", *headers: tuple[str, str]) -> bytes:
    return request_bytes("GET", path, headers, host=HOST)


async def soon(event: asyncio.Event) -> None:
    async with asyncio.timeout(DEADLINE):
        await event.wait()


async def test_a_request_is_waiting_until_its_answer_has_left() -> None:
    async with open_house() as (house, connect), connect() as client:
        house.finish.clear()
        assert (house.clients.waiting(), house.clients.busy()) == (0, False)
        await client.send(get())
        await soon(house.asked)
        assert (house.clients.waiting(), house.clients.busy()) == (1, True)
        house.answer.set()
        await soon(house.answered)
        assert house.clients.waiting() == 1, "another addon's hook holds the answer"
        house.finish.set()
        await client.read_body(await client.read_head())
        await house.quiet()
        assert house.clients.waiting() == 0
        assert len(house.handlers) == 1, "the connection stays open"


async def test_a_request_whose_body_is_on_the_way_is_waiting() -> None:
    async with open_house() as (house, connect), connect() as client:
        house.answer.set()
        whole = request_bytes("POST", "/", body=b"12345", host=HOST)
        await client.send(whole[:-1])
        await until(lambda: house.clients.waiting() == 1)
        await client.send(whole[-1:])
        await client.read_body(await client.read_head())
        await house.quiet()


async def test_a_client_that_leaves_is_not_waited_for() -> None:
    async with open_house() as (house, connect):
        async with connect() as client:
            await client.send(get())
            await soon(house.asked)
        await house.quiet()


async def test_only_flows_that_count_are_waited_for() -> None:
    async with open_house() as (house, connect), connect() as client:
        await client.send(get("/other"))
        await soon(house.asked)
        assert (house.clients.waiting(), house.clients.busy()) == (0, False)
        house.answer.set()
        await client.read_head()


async def test_a_request_in_a_tunnel_is_waiting_and_the_tunnel_is_not() -> None:
    async with open_house(mode=["regular"]) as (house, connect), connect() as client:
        await client.send(plain_request("CONNECT", f"{HOST}:80", ("Host", f"{HOST}:80")))
        assert (await client.read_head()).status == 200
        await client.send(get())
        await soon(house.asked)
        assert house.clients.waiting() == 1
        house.answer.set()
        await client.read_body(await client.read_head())
        await house.quiet()


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
async def test_bytes_that_the_client_has_not_taken_are_waited_for(connection: str) -> None:
    """Also where mitmproxy has closed, and forgotten, the connection behind them."""
    async with open_house() as (house, connect), connect(receive_buffer=4096) as client:
        house.size = MEGABYTES
        await client.send(get("/", ("Connection", connection)))
        await soon(house.asked)
        assert house.clients.busy()
        house.answer.set()
        await soon(house.answered)
        await until(lambda: house.clients.waiting() == 0)
        await until(lambda: bool(house.handlers) is (connection == "keep-alive"))
        assert house.clients.busy()
        head = await client.read_head()
        assert len(await client.read_body(head)) == MEGABYTES
        await house.quiet()


async def test_bytes_behind_a_window_of_http2_are_waited_for() -> None:
    state = h2.connection.H2Connection()
    state.initiate_connection()
    state.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 2})
    fields = {":method": "GET", ":path": "/", ":scheme": "http", ":authority": HOST}
    state.send_headers(1, list(fields.items()), end_stream=True)
    async with open_house() as (house, connect):
        house.http2 = True
        house.answer.set()
        async with connect() as client:
            await client.send(state.data_to_send())
            await soon(house.answered)
            await until(lambda: house.clients.waiting() == 0)
            assert house.clients.busy()
            state.increment_flow_control_window(100, 1)
            await client.send(state.data_to_send())
            await house.quiet()


async def test_a_stream_that_was_killed_is_not_waited_for() -> None:
    """mitmproxy remembers it for as long as its connection lives."""
    wake_on_kill()
    state = h2.connection.H2Connection()
    state.initiate_connection()
    fields = {":method": "GET", ":path": "/", ":scheme": "http", ":authority": HOST}
    state.send_headers(1, list(fields.items()), end_stream=True)
    async with open_house() as (house, connect):
        house.http2 = True
        async with connect() as client:
            await client.send(state.data_to_send())
            await soon(house.asked)
            assert house.flow is not None
            house.flow.kill()
            await house.quiet()
            assert len(house.handlers) == 1, "the connection stays open"


async def test_what_a_person_holds_is_let_go_of() -> None:
    async with open_house() as (house, connect), connect() as client:
        await client.send(get())
        await soon(house.asked)
        assert house.flow is not None
        house.flow.intercept()
        house.clients.let_go()
        assert not house.flow.intercepted
        house.answer.set()
        await client.read_head()


async def test_connections_are_closed_in_good_order() -> None:
    """Silent ones and those that still wait; mitmproxy's own work for them is done as well."""
    async with open_house() as (house, connect), connect() as silent, connect() as waiting:
        await waiting.send(get())
        await soon(house.asked)
        assert house.clients.connected()
        house.clients.hang_up()
        assert await silent.read_to_end() == b""
        assert await waiting.read_to_end() == b""
        await until(lambda: not house.clients.connected())
        assert house.gone == 2
