"""What mitmproxy may connect to is seen before it does, and once more after."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any, override

import pytest
from mitmproxy.connection import Client, Server
from mitmproxy.proxy import mode_specs
from mitmproxy.proxy.server import ConnectionIO
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import tflow

from llm_gateway.bridge.dialling import Dialling
from llm_gateway.fence import Fence

PAGE = ("127.0.0.1", 8081)
FENCE = Fence(lambda: [PAGE])


def about(host: str, port: int = PAGE[1], mode: str = "regular") -> ServerConnectionHookData:
    """What the hooks are given of a connection to this address."""
    client: Client = tflow.tclient_conn()
    client.proxy_mode = mode_specs.ProxyMode.parse(mode)
    return ServerConnectionHookData(Server(address=(host, port)), client)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0.0.0.0"])
async def test_a_host_that_leads_here_is_refused_with_the_reason(host: str) -> None:
    data = about(host)
    await Dialling(FENCE, {}).before(data)
    assert data.server.error
    assert "it is the gateway itself" in data.server.error


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 1), ("10.0.0.1", 8081), ("no.such.invalid", 8081), ("", 1)]
)
async def test_others_are_left_to_mitmproxy(host: str, port: int) -> None:
    data = about(host, port)
    await Dialling(FENCE, {}).before(data)
    assert data.server.error is None


async def test_a_mode_that_is_not_served_connects_to_nothing() -> None:
    data = about("10.0.0.1", mode="socks5")
    await Dialling(FENCE, {}).before(data)
    assert data.server.error


async def test_it_is_the_next_proxy_that_is_dialled_where_there_is_one() -> None:
    data = about("10.0.0.1")
    data.server.via = ("http", PAGE)
    await Dialling(FENCE, {}).before(data)
    assert data.server.error


async def test_without_an_address_there_is_nothing_to_look_at() -> None:
    data = about("x")
    data.server.address = None
    await Dialling(FENCE, {}).before(data)
    assert data.server.error is None


class Connected(asyncio.Protocol):
    """A server's end of one connection."""

    def __init__(self) -> None:
        self.made, self.lost = asyncio.Event(), asyncio.Event()
        self.heard = b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made.set()

    @override
    def data_received(self, data: bytes) -> None:
        self.heard += data

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Connected, asyncio.StreamWriter]]:
    """A server that hears nothing but how it ends, and what mitmproxy writes to it with."""
    server = Connected()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: server, "127.0.0.1", 0)
    async with listening:
        _, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        await server.made.wait()
        yield server, writer
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        await server.lost.wait()


@pytest.mark.parametrize(("port", "cut"), [(PAGE[1], True), (PAGE[1] + 1, False)])
async def test_what_was_dialled_after_all_is_cut_before_a_byte_was_sent(
    port: int, cut: bool
) -> None:
    data = about("rebinds.test")
    data.server.peername = ("127.0.0.1", port)
    async with connected() as (server, writer):
        transports = {data.server: ConnectionIO(writer=writer)}
        handlers: dict[str, Any] = {"c": SimpleNamespace(transports=transports)}
        Dialling(FENCE, handlers).after(data)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert writer.is_closing() is cut
        if cut:
            await server.lost.wait()
    assert bool(server.heard) is not cut
