"""Wires to real servers on loopback, and what is sent over them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from urllib.request import getproxies_environment

import pytest

from llm_gateway.config import Http, Provider
from llm_gateway.errors import (
    UpstreamError,
)
from llm_gateway.http_wire import HttpWire
from llm_gateway.patience import Patience
from llm_gateway.secret import Secret
from llm_gateway.wire import STANDARD_HEADERS, UpstreamRequest, UpstreamResponse, read_whole
from support.fakes import KEY, LABEL, make_provider
from support.recording_server import Handler, Received, RecordingServer, Reply
from support.waiting import DEADLINE


def bearer(credential: str) -> str:
    """The value of an Authorization field (RFC 6750 §2.1)."""
    return f"Bearer {credential}"


MASKED = bearer(Secret(KEY).masked)


CHAT = b'{"model": "gpt-test", "messages": [{"role": "user", "content": "Hi"}]}'


STREAM = b'{"model": "s", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


@asynccontextmanager
async def wire_to(
    url: str, *, key: str | None = KEY, http: Http | None = None
) -> AsyncIterator[HttpWire]:
    """A wire to the provider at ``url``, closed in the end."""
    async with wire_of(make_provider(base_url=f"{url}/v1", key=key, http=http)) as wire:
        yield wire


@asynccontextmanager
async def wire_of(provider: Provider) -> AsyncIterator[HttpWire]:
    """A wire to this provider, closed in the end."""
    wire = HttpWire(provider)
    try:
        async with asyncio.timeout(DEADLINE):
            yield wire
    finally:
        await wire.close()


def post(
    url: str,
    body: bytes = CHAT,
    *headers: tuple[str, str],
    authorization: str | None = MASKED,
) -> UpstreamRequest:
    """A chat completion request to the server at ``url``."""
    fields = [*STANDARD_HEADERS, ("content-type", "application/json"), *headers]
    if authorization is not None:
        fields.append(("authorization", authorization))
    return UpstreamRequest("POST", f"{url}/v1/chat/completions", tuple(fields), body, LABEL)


async def send(wire: HttpWire, request: UpstreamRequest) -> UpstreamResponse:
    return await wire.send(request, Patience())


async def whole(wire: HttpWire, request: UpstreamRequest) -> bytes:
    return await read_whole(await send(wire, request))


async def failure(work: Awaitable[object]) -> UpstreamError:
    """The error that the work raises; it names neither a host nor the key to the client."""
    with pytest.raises(UpstreamError) as caught:
        await work
    error = caught.value
    assert "127.0.0.1" not in error.message
    assert KEY not in error.message + error.detail
    assert error.detail
    return error


async def fine(_received: Received, reply: Reply) -> None:
    await reply.json(200, "fine")


async def stalling(received: Received, reply: Reply) -> None:
    await reply.head(200, [("content-type", "text/event-stream")])
    await reply.client_gone()


class TokenServer(RecordingServer):
    """An authorization server that gives `access_token(1)`, then `access_token(2)` and so on.

    It answers when `open` is set, which it is at first.
    """

    def __init__(self) -> None:
        super().__init__(self._give)
        self.open = asyncio.Event()
        self.open.set()

    async def _give(self, received: Received, reply: Reply) -> None:
        token = access_token(self.requests.index(received) + 1)
        await self.open.wait()
        await reply.json(200, {"access_token": token})


def access_token(number: int) -> str:
    """The `number`-th token of a TokenServer, from 1."""
    return f"canary-access-token-{number}"


def raw(*pieces: bytes) -> Handler:
    """Write these bytes and close."""

    async def handler(_received: Received, reply: Reply) -> None:
        for piece in pieces:
            await reply.raw(piece)
        await reply.close()

    return handler


def clear_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the proxies of the machine that the tests run on."""
    for name in (*getproxies_environment(), "all", "no"):
        for variable in (f"{name}_proxy", f"{name}_PROXY".upper()):
            monkeypatch.delenv(variable, raising=False)
