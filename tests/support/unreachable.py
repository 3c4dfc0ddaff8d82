"""Providers that cannot be reached, each in another way."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from support.tls import make_authority

REFUSED = "http://127.0.0.1:1/v1"
"""Nobody listens there."""
UNKNOWN_HOST = "https://no-such-host.invalid/v1"
"""A name that is never given to anybody (RFC 6761 §6.4)."""

_TRIES = 16
_UNANSWERED = 0.05
"""Seconds after which a connection on loopback counts as not answered."""


class Knocks:
    """A server whose connections come to nothing; `count` is how many were tried."""

    def __init__(self) -> None:
        self.count = 0
        self.base_url = ""


@asynccontextmanager
async def black_hole() -> AsyncIterator[str]:
    """The base URL of a server that answers no further connection: its queue is full."""
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(_TRIES):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            try:
                async with asyncio.timeout(_UNANSWERED):
                    await loop.sock_connect(waiting, server.getsockname())
            except TimeoutError:
                break
        else:
            raise AssertionError(f"the queue is not full after {_TRIES} connections")
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


@asynccontextmanager
async def no_tls() -> AsyncIterator[Knocks]:
    """A server that is asked for TLS, and does not speak it."""
    knocks = Knocks()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocks.count += 1
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        knocks.base_url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        yield knocks


@asynccontextmanager
async def untrusted(directory: Path) -> AsyncIterator[Knocks]:
    """A server whose certificate is signed by an authority that nobody trusts."""
    knocks = Knocks()
    context = make_authority(directory).server

    def knock(_object: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        knocks.count += 1

    context.sni_callback = knock

    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0, ssl=context)
    async with server:
        knocks.base_url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        yield knocks
