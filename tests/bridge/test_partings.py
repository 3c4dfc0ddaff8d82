"""The last words on a client's connection, or on one of its streams."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import h2.connection
import h2.events
import pytest
from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy.server import ConnectionHandler

from llm_gateway.bridge.attach import find_stream
from llm_gateway.bridge.clients import http_layers
from llm_gateway.bridge.partings import PartingLayer, part
from llm_gateway.errors import RequestError
from support.live import live_layer
from support.raw_http import RawConnection, request_bytes
from support.waiting import Changes

HOST = "ai.localhost"
ERROR = RequestError(408, "Too late.", code="request_timeout")


class House:
    """Knows the one client and its flows."""

    def __init__(self) -> None:
        self.handlers: dict[str, ConnectionHandler] = {}
        self.http2 = False
        self.flows: list[http.HTTPFlow] = []
        self.errors: list[str] = []
        self.changes = Changes()

    @property
    def handler(self) -> ConnectionHandler:
        [handler] = self.handlers.values()
        return handler

    def client_connected(self, client: Client) -> None:
        if self.http2:
            client.alpn = b"h2"

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)
        self.changes.tell()

    def error(self, flow: http.HTTPFlow) -> None:
        assert flow.error is not None
        self.errors.append(flow.error.msg)

    async def end_request(self, number: int) -> None:
        await part(self.handler, [*find_stream(self.handler.layer, self.flows[number])], ERROR)

    async def end(self, error: RequestError | None) -> None:
        [http_layer] = http_layers(self.handler.layer.context.layers)
        await part(self.handler, [(http_layer, None)], error)


@asynccontextmanager
async def open_house() -> AsyncIterator[tuple[House, Callable[[], RawConnection]]]:
    house = House()
    async with live_layer(house, house.handlers) as live:
        yield house, lambda: RawConnection(live.port)


async def arrived(house: House, piece: bytes) -> None:
    """Wait until the client's layer has something of a head."""
    [http_layer] = http_layers(house.handler.layer.context.layers)
    client_layer = http_layer.connections[house.handler.client]
    async with asyncio.timeout(10):
        while piece not in bytes(client_layer.buf):  # type: ignore[attr-defined] # noqa: ASYNC110 - it is mitmproxy's
            await asyncio.sleep(0)


async def test_a_head_that_has_begun_is_answered() -> None:
    async with open_house() as (house, connect), connect() as client:
        await client.send(b"GET / HT")
        while not house.handlers:  # noqa: ASYNC110 - it is mitmproxy's
            await asyncio.sleep(0)
        await arrived(house, b"GET")
        await house.end(ERROR)
        head = await client.read_head()
        assert (head.status, head.header("connection")) == (408, "close")
        assert (await client.read_json(head))["error"]["code"] == "request_timeout"
        assert await client.read_to_end() == b""


@pytest.mark.parametrize("error", [ERROR, None], ids=["late", "idle"])
async def test_a_connection_without_a_request_hears_nothing(error: RequestError | None) -> None:
    async with open_house() as (house, connect), connect() as client:
        while not house.handlers:  # noqa: ASYNC110 - it is mitmproxy's
            await asyncio.sleep(0)
        await house.end(error)
        assert await client.read_to_end() == b""


async def test_a_body_is_answered_and_its_flow_says_why() -> None:
    async with open_house() as (house, connect), connect() as client:
        await client.send(request_bytes("POST", "/", body=b"12345", host=HOST)[:-1])
        await house.changes.until(lambda: bool(house.flows))
        await house.end_request(0)
        head = await client.read_head()
        assert head.status == 408
        assert json.loads(await client.read_body(head))["error"]["message"] == "Too late."
        await client.send(b"5")
        assert await client.read_to_end() == b""
        assert house.errors == ["Too late."]


def frames(state: h2.connection.H2Connection, data: bytes) -> list[h2.events.Event]:
    return state.receive_data(data)


async def test_one_stream_is_reset_and_the_connection_goes_away_in_words() -> None:
    state = h2.connection.H2Connection()
    state.initiate_connection()
    fields = {":method": "POST", ":path": "/", ":scheme": "http", ":authority": HOST}
    async with open_house() as (house, connect):
        house.http2 = True
        async with connect() as client:
            for number in (1, 3):
                state.send_headers(number, list(fields.items()))
            await client.send(state.data_to_send())
            await house.changes.until(lambda: len(house.flows) == 2)
            await house.end_request(0)
            await house.end_request(1)
            [http_layer] = http_layers(house.handler.layer.context.layers)
            layers = [*http_layer.connections.values()]
            assert sum(isinstance(each, PartingLayer) for each in layers) == 1
            await house.end(None)
            events = frames(state, await client.read_to_end())
    resets = [each.stream_id for each in events if isinstance(each, h2.events.StreamReset)]
    assert resets == [1, 3]
    assert any(isinstance(each, h2.events.ConnectionTerminated) for each in events)
    assert house.errors == ["Too late."] * 2
