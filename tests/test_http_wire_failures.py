"""HttpWire's failures: each becomes the right UpstreamError."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import closing

import pytest

from llm_gateway.config import Http
from llm_gateway.errors import (
    Retry,
    UpstreamConnectionError,
    UpstreamTimeout,
)
from llm_gateway.secret import Secret
from llm_gateway.wire import UpstreamRequest, read_whole
from support.behaviours import (
    closes_before_head,
    dies_after,
    json_cut,
)
from support.fake_openai import FakeOpenAI
from support.fakes import KEY, LABEL
from support.gate import Gate
from support.recording_server import Handler, Received, RecordingServer, Reply
from support.wires import (
    CHAT,
    CHUNKED,
    HEAD,
    MASKED,
    STREAM,
    bearer,
    clear_proxies,
    failure,
    fine,
    post,
    raw,
    send,
    whole,
    wire_to,
)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_proxies(monkeypatch)


async def test_a_server_that_refuses_connections_is_a_connection_error() -> None:
    async with RecordingServer(fine) as server:
        url = server.url
    async with wire_to(url) as wire:
        error = await failure(send(wire, post(url)))
    assert isinstance(error, UpstreamConnectionError)
    assert "could not be established" in error.message
    assert (error.sent, error.retry) == (False, Retry.HERE)


async def test_a_server_that_does_not_finish_connecting_is_a_timeout() -> None:
    """It accepts, and then says nothing where a TLS handshake was to be."""
    waiting = asyncio.Event()

    async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await waiting.wait()
        writer.close()

    silent = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with silent:
        url = f"https://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        async with wire_to(url, http=Http(connect=0.02)) as wire:
            error = await failure(send(wire, post(url)))
        waiting.set()
    assert isinstance(error, UpstreamTimeout)
    assert (error.status, error.code) == (504, "upstream_timeout")
    assert (error.sent, error.retry) == (False, Retry.HERE)
    assert url in error.detail


async def test_a_name_that_is_not_known_is_a_connection_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    async with wire_to("http://p.invalid") as wire:
        error = await failure(send(wire, post("http://p.invalid")))
    assert isinstance(error, UpstreamConnectionError)
    assert "could not be established" in error.message
    assert (error.sent, error.retry) == (False, Retry.HERE)


async def test_a_name_lookup_that_hangs_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
    for scheme in ("http", "https"):
        url = f"{scheme}://p.invalid"
        async with wire_to(url, http=Http(connect=0.02)) as wire:
            error = await failure(send(wire, post(url)))
        assert isinstance(error, UpstreamTimeout)
        assert (error.status, error.code) == (504, "upstream_timeout")
        assert not error.sent


async def test_connecting_alone_is_bounded_by_the_connect_timeout() -> None:
    gate = asyncio.Event()

    async def slow(_received: Received, reply: Reply) -> None:
        await gate.wait()
        await reply.json(200, "fine")

    async with (
        RecordingServer(slow) as server,
        wire_to(server.url, http=Http(connect=0.01)) as wire,
    ):
        asyncio.get_running_loop().call_later(0.05, gate.set)
        assert await whole(wire, post(server.url)) == b'"fine"'


BEFORE_THE_HEAD: dict[str, Handler] = {
    "closed": closes_before_head(),
    "reset": closes_before_head("reset"),
    "garbage": raw(b"garbage\r\n\r\n"),
    "half a head": raw(b"HTTP/1.1 200 OK\r\ncontent-"),
    "huge header": raw(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 1_000_000 + b"\r\n\r\n"),
    "many headers": raw(b"HTTP/1.1 200 OK\r\n" + b"x: a\r\n" * 20_000 + b"\r\n"),
    "bad length": raw(HEAD + b"content-length: abc\r\n\r\n"),
}


@pytest.mark.parametrize("name", BEFORE_THE_HEAD)
async def test_a_failure_before_the_head_is_a_connection_error(name: str) -> None:
    async with RecordingServer(BEFORE_THE_HEAD[name]) as server, wire_to(server.url) as wire:
        error = await failure(send(wire, post(server.url)))
    assert isinstance(error, UpstreamConnectionError)
    assert (error.status, error.sent, error.retry) == (502, True, Retry.HERE)
    assert len(server.requests) == 1


def after_the_head(tail: bytes) -> Callable[[asyncio.Event], Handler]:
    """Send the head and five bytes of the body, and the tail when the head has been read."""

    def make(read: asyncio.Event) -> Handler:
        async def handler(_received: Received, reply: Reply) -> None:
            await reply.raw(CHUNKED + b"5\r\nhello\r\n")
            await read.wait()
            await reply.raw(tail)
            await reply.close()

        return handler

    return make


@pytest.mark.parametrize(
    "tail",
    [b"", b"5\r\nhe", b"ZZ\r\n", b"5\r\nhelloXX", b"\r\n", b"-1\r\n", b"f" * 40 + b"\r\n", b"5"],
)
async def test_a_failure_in_the_body_is_a_connection_error(tail: bytes) -> None:
    read = asyncio.Event()
    async with RecordingServer(after_the_head(tail)(read)) as server, wire_to(server.url) as wire:
        with closing(await send(wire, post(server.url))) as response:
            assert await response.read() == b"hello"
            read.set()
            async with asyncio.timeout(1):
                error = await failure(read_whole(response))
    assert isinstance(error, UpstreamConnectionError)
    assert error.sent


async def test_a_reset_in_the_body_is_a_connection_error() -> None:
    gate = Gate()
    async with FakeOpenAI() as server, wire_to(server.url, key="sk-test") as wire:
        server.script("s", dies_after(1, "reset", gate))
        request = post(server.url, STREAM, authorization=bearer(Secret("sk-test").masked))
        with closing(await send(wire, request)) as response:
            await gate.release()
            await response.read()
            gate.open()
            assert isinstance(await failure(response.read()), UpstreamConnectionError)


@pytest.mark.parametrize("cut", ["reset", "close"])
async def test_a_body_shorter_than_announced_is_a_connection_error(cut: str) -> None:
    handler = json_cut("reset" if cut == "reset" else "close")
    async with RecordingServer(handler) as server, wire_to(server.url) as wire:
        error = await failure(whole(wire, post(server.url)))
    assert isinstance(error, UpstreamConnectionError)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_body_that_cannot_be_unpacked_is_a_connection_error(coding: str) -> None:
    head = HEAD + f"content-encoding: {coding}\r\ncontent-length: 5\r\n\r\n".encode()
    async with RecordingServer(raw(head + b"hello")) as server, wire_to(server.url) as wire:
        error = await failure(whole(wire, post(server.url)))
    assert isinstance(error, UpstreamConnectionError)


@pytest.mark.parametrize(
    "url", ["nonsense", "http:///x", "ftp://p.invalid/x", "http://127.0.0.1:99999/x", "http://[/"]
)
async def test_an_address_that_is_none_is_a_connection_error(url: str) -> None:
    async with wire_to("http://p.invalid") as wire:
        request = UpstreamRequest("POST", url, (("authorization", MASKED),), CHAT, LABEL)
        with pytest.raises(UpstreamConnectionError) as caught:
            await send(wire, request)
    assert (caught.value.sent, caught.value.retry) == (False, Retry.ELSEWHERE)


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\rb"])
async def test_a_header_cannot_be_split(value: str) -> None:
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        with pytest.raises(UpstreamConnectionError) as caught:
            await send(wire, post(server.url, CHAT, ("x-edited", value)))
    assert server.requests == []
    assert (caught.value.sent, caught.value.retry) == (False, Retry.ELSEWHERE)


async def test_what_came_before_a_break_is_read_first() -> None:
    """The client may be slower than the provider, which breaks off while some of it waits here."""
    handler = raw(CHUNKED + b"5\r\nhello\r\n")
    async with RecordingServer(handler) as server, wire_to(server.url) as wire:
        with closing(await send(wire, post(server.url))) as response:
            await server.until(lambda: server.open_connections == 0)
            for _ in range(20):  # until the end has come through the event loop
                await asyncio.sleep(0)
            assert await response.read() == b"hello"
            assert isinstance(await failure(response.read()), UpstreamConnectionError)


SAID = b"canary-of-the-provider"
MALFORMED: dict[str, tuple[bytes, bytes]] = {
    "no chunk size": (CHUNKED, b"data: %b\n\n"),
    "bad chunk size": (CHUNKED, b"%b\r\n"),
    "bad end of a chunk": (CHUNKED, b"5\r\nhello%b\r\n"),
    "no status line": (b"", b"data: %b\r\n\r\n"),
    "bad status line": (b"", b"HTTP/1.1 %b\r\n\r\n"),
    "bad header": (b"HTTP/1.1 200 OK\r\n", b"%b\r\n\r\n"),
    "bad length": (HEAD, b"content-length: %b\r\n\r\n"),
    "more than the length": (HEAD + b"content-length: 2\r\n\r\n", b"{}%b\r\n\r\n"),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_a_malformed_answer_says_is_in_no_message(name: str) -> None:
    """It may be the key, or a prompt: what cannot be parsed may be anything."""
    start, template = MALFORMED[name]
    handler = raw(start + template % (SAID + b" " + KEY.encode()))
    async with RecordingServer(handler) as server, wire_to(server.url) as wire:
        error = await failure(whole(wire, post(server.url)))
    assert isinstance(error, UpstreamConnectionError)
    told = f"{error} {error.message} {error.detail}"
    assert SAID.decode() not in told
    assert KEY not in told
