"""The pool under HttpWire: connections that went stale, or were spoken on unasked; who waits."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from llm_gateway import http_pool
from llm_gateway.config import Http
from llm_gateway.errors import UpstreamConnectionError
from llm_gateway.tasks import spawn
from llm_gateway.wire import UpstreamRequest
from support.behaviours import never_answers
from support.fakes import LABEL
from support.recording_server import Handler, Received, RecordingServer, Reply
from support.tls import make_authority
from support.wires import CHAT, clear_proxies, failure, fine, post, send, stalling, whole, wire_to

type End = Callable[[Reply], Awaitable[None]]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_proxies(monkeypatch)


async def reset(reply: Reply) -> None:
    reply.abort()


async def close(reply: Reply) -> None:
    await reply.close()


def once_each(end: End) -> Handler:
    """A server that answers the first request of every connection, and ends it at the second."""
    answered = set[int]()

    async def handler(received: Received, reply: Reply) -> None:
        if received.connection_id in answered:
            await end(reply)
        else:
            answered.add(received.connection_id)
            await reply.json(200, "fine")

    return handler


never = never_answers()


def connections(server: RecordingServer) -> list[int]:
    """The connection that each request came on, counted from 1."""
    return [received.connection_id for received in server.requests]


async def come_round() -> None:
    """Until what was written has been read, and its consequences are there."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("end", [reset, close])
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_request_on_a_stale_connection_is_sent_once_more_on_another(
    end: End, method: str
) -> None:
    async with RecordingServer(once_each(end)) as server, wire_to(server.url) as wire:
        body = CHAT if method == "POST" else b""
        request = UpstreamRequest(method, f"{server.url}/v1/x", (("x-one", "1"),), body, LABEL)
        for _ in range(3):
            assert await whole(wire, request) == b'"fine"'
    assert connections(server) == [1, 1, 2, 2, 3]
    assert [received.body for received in server.requests] == [body] * 5
    assert len({str(received.headers) for received in server.requests}) == 1


@pytest.mark.parametrize("end", [reset, close])
async def test_a_request_on_a_stale_connection_is_sent_once_more_over_tls(
    end: End, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = make_authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    server = RecordingServer(once_each(end), tls=authority.server)
    async with server, wire_to(server.url) as wire:
        for _ in range(2):
            assert await whole(wire, post(server.url)) == b'"fine"'
    assert connections(server) == [1, 1, 2]


@pytest.mark.parametrize("size", [10, 1_000_000])
async def test_a_connection_that_is_closed_while_the_request_leaves_is_stale(size: int) -> None:
    replies: list[Reply] = []

    async def handler(_received: Received, reply: Reply) -> None:
        replies.append(reply)
        await reply.json(200, "fine")

    async with RecordingServer(handler) as server, wire_to(server.url) as wire:
        await whole(wire, post(server.url))
        # It takes effect in the event loop's next pass, when the request is on its way.
        replies[0].abort()
        assert await whole(wire, post(server.url, b"x" * size)) == b'"fine"'
    assert connections(server) == [1, 2]


async def test_what_a_provider_that_goes_down_has_seen_counts_although_nobody_is_there_then() -> (
    None
):
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        await whole(wire, post(server.url))
        with socket.socket() as nobody:
            # Bound and not listening: the port stays ours, and refuses connections.
            nobody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

            async def go_down(_received: Received, reply: Reply) -> None:
                server._server.close()
                nobody.bind(("127.0.0.1", server.port))
                reply.abort()

            server._handler = go_down
            error = await failure(whole(wire, post(server.url)))
    assert len(server.requests) == 2
    assert (error.sent, error.counts) == (False, True)


async def test_the_second_try_uses_a_fresh_connection_and_keeps_the_others() -> None:
    gate = asyncio.Event()
    answer = once_each(close)

    async def handler(received: Received, reply: Reply) -> None:
        await gate.wait()
        await answer(received, reply)

    async with RecordingServer(handler) as server, wire_to(server.url) as wire:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(whole(wire, post(server.url)))
            await server.request(2)
            gate.set()
        assert await whole(wire, post(server.url)) == b'"fine"'
        await server.until(lambda: server.open_connections == 2)
        assert connections(server)[-1] == server.count_connections == 3


@pytest.mark.parametrize("end", [reset, close])
async def test_it_is_sent_no_more_than_once_more(end: End) -> None:
    async def handler(_received: Received, reply: Reply) -> None:
        await (reply.json(200, "fine") if len(server.requests) == 1 else end(reply))

    server = RecordingServer(handler)
    async with server, wire_to(server.url) as wire:
        await whole(wire, post(server.url))
        error = await failure(whole(wire, post(server.url)))
    assert connections(server) == [1, 1, 2]
    assert isinstance(error, UpstreamConnectionError)
    assert error.sent


@pytest.mark.parametrize("end", [reset, close])
async def test_a_fresh_connection_that_breaks_is_a_failure(end: End) -> None:
    async def handler(_received: Received, reply: Reply) -> None:
        await end(reply)

    async with RecordingServer(handler) as server, wire_to(server.url) as wire:
        error = await failure(whole(wire, post(server.url)))
    assert connections(server) == [1]
    assert error.sent


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-"])
@pytest.mark.parametrize("end", [reset, close])
async def test_once_an_answer_has_begun_the_request_is_not_sent_again(
    begun: bytes, end: End
) -> None:
    async def begin(reply: Reply) -> None:
        await reply.raw(begun)
        await come_round()
        await end(reply)

    async with RecordingServer(once_each(begin)) as server, wire_to(server.url) as wire:
        await whole(wire, post(server.url))
        await failure(whole(wire, post(server.url)))
    assert connections(server) == [1, 1]


@pytest.mark.parametrize("end", [reset, close])
async def test_a_connection_that_breaks_late_breaks_under_the_request(
    end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider may have worked on it all the time."""
    monkeypatch.setattr(http_pool, "STALE_SECONDS", 0.0)
    async with RecordingServer(once_each(end)) as server, wire_to(server.url) as wire:
        await whole(wire, post(server.url))
        await failure(whole(wire, post(server.url)))
    assert connections(server) == [1, 1]


async def test_closing_the_wire_sends_nothing_again() -> None:
    async def handler(received: Received, reply: Reply) -> None:
        if len(server.requests) == 1:
            await reply.json(200, "fine")
        else:
            await never(received, reply)

    server = RecordingServer(handler)
    async with server, wire_to(server.url) as wire:
        await whole(wire, post(server.url))
        sending = asyncio.ensure_future(send(wire, post(server.url)))
        await server.request(2)
        spawn(wire.close(), "close the wire")
        error = await failure(sending)
    assert connections(server) == [1, 1]
    assert (error.code, error.sent) == ("gateway_shutdown", True)


ANOTHER = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother"


async def test_a_second_answer_is_not_the_next_request_s() -> None:
    """It comes in one packet with the end of the first, after which the connection is free."""
    begun = asyncio.Event()

    async def handler(_received: Received, reply: Reply) -> None:
        if len(server.requests) > 1:
            await reply.json(200, "fine")
            return
        await reply.head(200, [("content-length", "5")])
        await reply.send(b"fi")
        await begun.wait()
        await reply.send(b"rst" + ANOTHER)
        await reply.client_gone()

    server = RecordingServer(handler)
    async with server, wire_to(server.url) as wire:
        with closing(await send(wire, post(server.url))) as response:
            assert await response.read() == b"fi"
            begun.set()
            assert await response.read() == b"rst"
            assert await response.read() == b""
        assert await whole(wire, post(server.url)) == b'"fine"'
    assert connections(server) == [1, 2]


@pytest.mark.parametrize("unasked", [ANOTHER, b"HTTP/1.1 408 Request Timeout\r\n", b"H"])
async def test_a_connection_on_which_something_came_unasked_is_not_used_again(
    unasked: bytes,
) -> None:
    replies: list[Reply] = []

    async def handler(_received: Received, reply: Reply) -> None:
        replies.append(reply)
        await reply.json(200, "fine")

    async with RecordingServer(handler) as server, wire_to(server.url) as wire:
        await whole(wire, post(server.url))
        await replies[0].raw(unasked)
        await come_round()
        assert await whole(wire, post(server.url)) == b'"fine"'
        await server.until(lambda: server.open_connections == 1)
    assert connections(server) == [1, 2]


async def test_a_waiter_that_is_cancelled_when_it_was_woken_wakes_the_next() -> None:
    async with RecordingServer(stalling) as server:
        async with wire_to(server.url, http=Http(max_connections=1)) as wire:
            first = await send(wire, post(server.url))
            second, third = (asyncio.ensure_future(send(wire, post(server.url))) for _ in range(2))
            await come_round()
            first.close()
            second.cancel()
            (await third).close()
            assert second.cancelled()
        assert len(server.requests) == 2


async def test_who_waits_for_a_connection_when_the_wire_is_closed_has_sent_nothing() -> None:
    async with RecordingServer(stalling) as server:
        async with wire_to(server.url, http=Http(max_connections=1)) as wire:
            first = await send(wire, post(server.url))
            waiting = asyncio.ensure_future(send(wire, post(server.url)))
            await come_round()
            await wire.close()
            error = await failure(waiting)
            first.close()
        assert len(server.requests) == 1
    assert (error.code, error.sent) == ("gateway_shutdown", False)


async def test_over_a_closed_wire_nothing_is_sent() -> None:
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        await wire.close()
        error = await failure(send(wire, post(server.url)))
        assert server.requests == []
    assert (error.code, error.sent) == ("gateway_shutdown", False)


async def test_who_is_connected_when_the_wire_is_closed_has_sent_nothing() -> None:
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        connecting = asyncio.ensure_future(send(wire, post(server.url)))
        await asyncio.sleep(0)
        await wire.close()
        error = await failure(connecting)
        assert server.requests == []
    assert (error.code, error.sent) == ("gateway_shutdown", False)


async def test_who_looks_up_a_name_when_the_wire_is_closed_has_sent_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = asyncio.Event()

    async def hang(*_: object, **__: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
    async with wire_to("http://p.invalid") as wire:
        connecting = asyncio.ensure_future(send(wire, post("http://p.invalid")))
        await asked.wait()
        await wire.close()
        error = await failure(connecting)
    assert (error.code, error.sent) == ("gateway_shutdown", False)


async def test_a_request_that_is_cancelled_while_the_wire_is_closed_is_cancelled() -> None:
    async with (
        RecordingServer(stalling) as server,
        wire_to(server.url, http=Http(max_connections=1)) as wire,
    ):
        first = await send(wire, post(server.url))
        waiting = asyncio.ensure_future(send(wire, post(server.url)))
        await come_round()
        waiting.cancel()
        await wire.close()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        first.close()


async def test_a_call_right_after_a_stream_waits_until_its_connection_is_given_back() -> None:
    end = asyncio.Event()

    async def handler(_received: Received, reply: Reply) -> None:
        await reply.head(200, [("content-type", "text/event-stream")])
        await reply.event("[DONE]")
        await end.wait()

    async with RecordingServer(handler) as server:
        async with wire_to(server.url, http=Http(max_connections=1)) as wire:
            for _ in range(3):
                end.clear()
                response = await send(wire, post(server.url))
                assert await response.read() == b"data: [DONE]\n\n"
                spawn(response.release(), "give a connection back")
                following = asyncio.ensure_future(send(wire, post(server.url)))
                await come_round()
                assert not following.done()
                end.set()
                spawn((await following).release(), "give a connection back")
        assert connections(server) == [1] * 6


async def test_a_call_right_after_a_stream_takes_the_place_of_one_that_does_not_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("llm_gateway.http_wire.DRAIN_SECONDS", 0.02)

    async def handler(_received: Received, reply: Reply) -> None:
        await reply.head(200, [("content-type", "text/event-stream")])
        await reply.event("[DONE]")
        await reply.client_gone()

    async with RecordingServer(handler) as server:
        async with wire_to(server.url, http=Http(max_connections=1)) as wire:
            for _ in range(3):
                response = await send(wire, post(server.url))
                assert await response.read() == b"data: [DONE]\n\n"
                spawn(response.release(), "give a connection back")
        assert connections(server) == [1, 2, 3]


async def test_an_idle_connection_that_the_server_has_closed_is_not_tried() -> None:
    async def handler(_received: Received, reply: Reply) -> None:
        await reply.json(200, "fine")
        await reply.close()

    async with RecordingServer(handler) as server, wire_to(server.url) as wire:
        await whole(wire, post(server.url))
        await server.until(lambda: server.open_connections == 0)
        await come_round()
        await whole(wire, post(server.url))
    assert connections(server) == [1, 2]


async def test_a_connection_carries_many_requests() -> None:
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        for _ in range(20):
            await whole(wire, post(server.url))
    assert connections(server) == [1] * 20
