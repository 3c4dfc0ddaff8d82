"""HttpWire's connections: used again, bounded, and closed when they should be."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import pytest

from llm_gateway.config import Http
from llm_gateway.errors import (
    UpstreamConnectionError,
)
from llm_gateway.secret import Secret
from llm_gateway.tasks import spawn
from llm_gateway.wire import read_whole
from support.behaviours import (
    json_cut,
    never_answers,
    numbered_events,
    stalls_after,
)
from support.fake_openai import FakeOpenAI
from support.recording_server import Received, RecordingServer, Reply
from support.tls import make_authority
from support.wires import (
    STREAM,
    bearer,
    clear_proxies,
    failure,
    fine,
    post,
    send,
    stalling,
    whole,
    wire_to,
)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_proxies(monkeypatch)


async def test_the_connection_is_used_again_after_a_whole_reply() -> None:
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        for _ in range(3):
            await read_whole(await send(wire, post(server.url)))
        assert (len(server.requests), server.count_connections) == (3, 1)


async def test_the_connection_is_used_again_after_a_released_stream() -> None:
    async with FakeOpenAI() as server, wire_to(server.url, key="sk-test") as wire:
        server.script("s", numbered_events(2))
        request = post(server.url, STREAM, authorization=bearer(Secret("sk-test").masked))
        for _ in range(3):
            response = await send(wire, request)
            body = b""
            while b"[DONE]" not in body:
                body += await response.read()
            await response.release()
            response.close()
        assert (len(server.requests), server.count_connections) == (3, 1)


async def test_release_reads_what_little_is_left() -> None:
    async def tail(_received: Received, reply: Reply) -> None:
        await reply.head(200, [("content-length", "40000")])
        await reply.send(b"x" * 40_000)

    async with RecordingServer(tail) as server, wire_to(server.url) as wire:
        for _ in range(2):
            response = await send(wire, post(server.url))
            await response.release()
        assert server.count_connections == 1


@pytest.mark.parametrize("size", [200_000, 50_000_000])
async def test_release_does_not_read_much(size: int) -> None:
    async def flood(_received: Received, reply: Reply) -> None:
        await reply.head(200, [("content-length", str(size))])
        for _ in range(size // 50_000):
            await reply.send(b"x" * 50_000)

    async with RecordingServer(flood) as server, wire_to(server.url) as wire:
        response = await send(wire, post(server.url))
        await response.release()
        await server.until(lambda: server.open_connections == 0)


async def test_release_does_not_wait_long_for_an_end_that_does_not_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("llm_gateway.http_wire.DRAIN_SECONDS", 0.02)
    async with FakeOpenAI() as server, wire_to(server.url, key="sk-test") as wire:
        server.script("s", stalls_after(1))
        request = post(server.url, STREAM, authorization=bearer(Secret("sk-test").masked))
        response = await send(wire, request)
        await response.release()
        await server.requests[0].closed.wait()


async def test_release_of_a_broken_connection_is_quiet() -> None:
    async with RecordingServer(json_cut("reset")) as server, wire_to(server.url) as wire:
        response = await send(wire, post(server.url))
        await server.until(lambda: server.open_connections == 0)
        await response.release()


@pytest.mark.parametrize("after", [0, 1])
async def test_close_closes_the_provider_s_socket(after: int) -> None:
    async with FakeOpenAI() as server, wire_to(server.url, key="sk-test") as wire:
        server.script("s", stalls_after(2))
        request = post(server.url, STREAM, authorization=bearer(Secret("sk-test").masked))
        response = await send(wire, request)
        for _ in range(after):
            await response.read()
        response.close()
        received = await server.request()
        await received.closed.wait()


async def test_close_ends_a_read_that_is_under_way() -> None:
    async with FakeOpenAI() as server, wire_to(server.url, key="sk-test") as wire:
        server.script("s", stalls_after(0))
        request = post(server.url, STREAM, authorization=bearer(Secret("sk-test").masked))
        response = await send(wire, request)
        asyncio.get_running_loop().call_soon(response.close)
        error = await failure(response.read())
        assert isinstance(error, UpstreamConnectionError)


async def test_a_read_that_close_has_ended_keeps_nothing_of_its_reader() -> None:
    """A failure's traceback has every frame up to the reader, and aiohttp has one for all."""

    class Held:
        """Something in a frame."""

    async def read() -> weakref.ref[Held]:
        held = Held()
        with closing(await send(wire, post(server.url))) as response:
            asyncio.get_running_loop().call_soon(response.close)
            await failure(response.read())
        return weakref.ref(held)

    async with RecordingServer(stalling) as server, wire_to(server.url) as wire:
        held = await read()
    gc.collect()
    assert held() is None


async def test_a_request_that_is_cancelled_closes_the_provider_s_socket() -> None:
    async with FakeOpenAI() as server, wire_to(server.url, key="sk-test") as wire:
        server.script("s", never_answers())
        request = post(server.url, STREAM, authorization=bearer(Secret("sk-test").masked))
        sending = asyncio.create_task(send(wire, request))
        received = await server.request()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await received.closed.wait()


async def test_no_more_connections_are_opened_than_allowed() -> None:
    async with RecordingServer(fine) as server:
        async with (
            wire_to(server.url, http=Http(max_connections=2)) as wire,
            asyncio.TaskGroup() as tasks,
        ):
            for _ in range(20):
                tasks.create_task(whole(wire, post(server.url)))
        assert len(server.requests) == 20
        assert server.count_connections <= 2


async def test_a_request_waits_for_a_place_and_then_takes_it() -> None:
    async with RecordingServer(stalling) as server:
        async with wire_to(server.url, http=Http(max_connections=1)) as wire:
            first = await send(wire, post(server.url))
            second = asyncio.create_task(send(wire, post(server.url)))
            first.close()
            (await second).close()
        assert len(server.requests) == 2


@pytest.mark.parametrize("max_idle", [0, 1, 3])
async def test_no_more_idle_connections_are_kept_than_allowed(max_idle: int) -> None:
    gate = asyncio.Event()

    async def together(_received: Received, reply: Reply) -> None:
        await gate.wait()
        await reply.json(200, "fine")

    async with (
        RecordingServer(together) as server,
        wire_to(server.url, http=Http(max_idle=max_idle)) as wire,
    ):
        async with asyncio.TaskGroup() as tasks:
            for _ in range(5):
                tasks.create_task(whole(wire, post(server.url)))
            await server.request(5)
            gate.set()
        assert server.count_connections == 5
        await server.until(lambda: server.open_connections == max_idle)


async def test_an_idle_connection_is_closed_after_keepalive() -> None:
    async with (
        RecordingServer(fine) as server,
        wire_to(server.url, http=Http(keepalive=0.02)) as wire,
    ):
        await whole(wire, post(server.url))
        await server.until(lambda: server.open_connections == 0)


async def test_closing_the_wire_closes_every_connection() -> None:
    async with (
        RecordingServer(fine) as idle,
        RecordingServer(stalling) as busy,
        wire_to(idle.url) as wire,
    ):
        await whole(wire, post(idle.url))
        with closing(await send(wire, post(busy.url))):
            await wire.close()
            await idle.until(lambda: idle.open_connections == 0)
            await busy.until(lambda: busy.open_connections == 0)


async def test_after_the_wire_is_closed_an_answer_breaks_off() -> None:
    async with RecordingServer(stalling) as server, wire_to(server.url) as wire:
        with closing(await send(wire, post(server.url))) as response:
            await wire.close()
            assert isinstance(await failure(response.read()), UpstreamConnectionError)


async def test_closing_the_wire_ends_a_read_that_is_under_way() -> None:
    async with RecordingServer(stalling) as server, wire_to(server.url) as wire:
        with closing(await send(wire, post(server.url))) as response:
            asyncio.get_running_loop().call_soon(lambda: spawn(wire.close(), "close the wire"))
            async with asyncio.timeout(1):
                assert isinstance(await failure(response.read()), UpstreamConnectionError)


class DeafLine:
    """A TCP line to a TLS server that can go deaf: then nothing reaches the server any more.

    So the server does not say goodbye, as one that computes does not. `ended` is set when the
    client's side of a connection is at its end, by EOF or reset.
    """

    def __init__(self, server: RecordingServer) -> None:
        self._server = server
        self._deaf = False
        self.ended = asyncio.Event()
        self.url = ""

    def go_deaf(self) -> None:
        """Pass on nothing that the client sends from now on."""
        self._deaf = True

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        back, there = await asyncio.open_connection("127.0.0.1", self._server.port)
        answering = spawn(self._answer(back, writer), "carry answers")
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if not self._deaf:
                    there.write(data)
        self.ended.set()
        answering.cancel()
        there.transport.abort()
        writer.transport.abort()

    @staticmethod
    async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)


@asynccontextmanager
async def deaf_line(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[RecordingServer, DeafLine]]:
    """A provider with TLS that stalls, and a line to it."""
    authority = make_authority(directory)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    async with RecordingServer(stall, tls=authority.server) as server:
        line = DeafLine(server)
        carrier = await asyncio.start_server(line.carry, "127.0.0.1", 0)
        async with carrier:
            line.url = f"https://127.0.0.1:{carrier.sockets[0].getsockname()[1]}"
            yield server, line


async def stall(received: Received, reply: Reply) -> None:
    """Send a head where the request's body asks for a stream; then nothing more."""
    if received.json.get("stream"):
        await reply.head(200, [("content-type", "text/event-stream")])
    await reply.client_gone()
    await reply.close()


async def test_over_tls_a_cancelled_request_ends_the_connection_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with deaf_line(tmp_path, monkeypatch) as (server, line), wire_to(line.url) as wire:
        sending = asyncio.create_task(send(wire, post(line.url)))
        await server.request()
        line.go_deaf()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        async with asyncio.timeout(2):
            await line.ended.wait()


async def test_over_tls_closing_an_answer_ends_the_connection_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with deaf_line(tmp_path, monkeypatch) as (_, line), wire_to(line.url) as wire:
        response = await send(wire, post(line.url, STREAM))
        line.go_deaf()
        response.close()
        async with asyncio.timeout(2):
            await line.ended.wait()


async def test_over_tls_closing_the_wire_ends_the_connection_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with deaf_line(tmp_path, monkeypatch) as (_, line), wire_to(line.url) as wire:
        with closing(await send(wire, post(line.url, STREAM))):
            line.go_deaf()
            async with asyncio.timeout(2):
                await wire.close()
                await line.ended.wait()
